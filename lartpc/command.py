"""How a typed function becomes a command: its docstring is the help, its errors one line."""

import errno
import gc
import inspect
import io
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from lartpc.errors import PROCESS_LIMITS, UserError
from lartpc.packaged import packaged
from lartpc.provenance import version
from lartpc.surroundings import check_place, check_text, drawing_into_files, take_streams
from lartpc.terminal import Loudness, loudness, report, show, speaking

Command = Callable[..., int | None]

LIMITS = {*PROCESS_LIMITS, errno.ENOSPC, errno.EDQUOT}
"""Errors of the machine's limits, which name no file."""

EPILOG = (
    "Every command takes --quiet (its results and errors alone), --verbose (log messages of libraries, an "
    "error's traceback) and --version."
)


def run(
    function: Command | dict[str, Command],
    args: list[str] | None = None,
    *,
    prog: str,
    configs: Path | None = None,
) -> int:
    """Parse ``args`` (default: the command line) against ``function`` and call it; of several the one named.

    Parameters without a default become positional arguments, the others ``--options`` with dashes
    for underscores; one that is False by default becomes a switch. A list without a default takes
    every positional argument.

    Args:
        function: what to call.
        args: the arguments.
        prog: the command's name, for its messages.
        configs: folder of the files that ``--config`` finds by their name alone.

    Returns:
        The exit code: 0 done, 1 found wanting, 2 asked wrongly, 130 interrupted, 143 ended by SIGTERM.
    """
    return guarded(lambda own: _call(function, named_configs(own, configs), prog), args, prog=prog)


def guarded(command: Callable[[list[str]], int], args: list[str] | None, *, prog: str) -> int:
    """Call a command: faults of user or machine are one line each, and SIGTERM ends it as Ctrl-C does.

    Args:
        command: takes its own arguments, without those that every command takes; gives its exit code.
        args: the arguments; those of the command line where None.
        prog: its name, for the messages.
    """
    from jsonargparse import ArgumentError

    from lartpc.yaml_text import limit_options, represent_paths

    take_streams()
    limit_options()
    represent_paths()
    own, wanted = _common(sys.argv[1:] if args is None else args)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # where the terminal has not all letters
    in_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if in_main:
        signal.signal(signal.SIGTERM, _terminate)
        if before[signal.SIGHUP] is signal.SIG_DFL:  # nohup has it ignored
            signal.signal(signal.SIGHUP, _terminate)
        if before[signal.SIGINT] is signal.default_int_handler:  # in the background a shell has it ignored
            signal.signal(signal.SIGINT, _interrupt)
    interrupted, hook = False, sys.unraisablehook
    if in_main:
        sys.unraisablehook = partial(_raise_again, hook)
    with speaking(wanted or Loudness.NORMAL), drawing_into_files():
        try:
            if wanted is None:
                show(version())
                return 0
            check_place()
            check_text(own)
            return _unwrapped(command, own)
        except ArgumentError as error:
            return _failed(f"{parser_reason(str(error))} (see {prog} --help)", UserError.exit_code)
        except UserError as error:
            return _failed(str(error), error.exit_code)
        except BrokenPipeError:
            sys.stderr.close()
            return 1
        except OSError as error:
            if error.filename is None and error.errno not in LIMITS:
                raise
            place = "" if error.filename is None else f"cannot use {error.filename}: "
            advice = "; see to that limit (ulimit -a) and try again" if error.errno in PROCESS_LIMITS else ""
            return _failed(f"{place}{error.strerror}{advice}", UserError.exit_code)
        except TerminatedError as error:
            interrupted = True
            return _failed(str(error) or f"ended by {error.signal.name}", 128 + error.signal)
        except KeyboardInterrupt as error:
            interrupted = True
            return _failed(str(error) or "interrupted", 130)
        finally:
            if interrupted:
                gc.collect()  # HDF5 gives back a half-made file while all of Python is there
            if in_main and not (interrupted and args is None):  # at its end a process stays deaf
                sys.unraisablehook = hook
                for number, handler in before.items():
                    signal.signal(number, handler)


def _unwrapped(command: Callable[[list[str]], int], own: list[str]) -> int:
    """Call a command; an error that a library made of Ctrl-C or SIGTERM is that again."""
    try:
        return command(own)
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, KeyboardInterrupt):
                raise cause from error
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, ImportError) and signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
            raise TerminatedError from error  # in C a library prints what ends it, and says no more of it
        raise


def _common(args: list[str]) -> tuple[list[str], Loudness | None]:
    """The command's own arguments, and how loud it is; None where its version is asked for."""
    end = args.index("--") if "--" in args else len(args)
    options = {f"--{name.value}": name for name in (Loudness.QUIET, Loudness.VERBOSE)}
    given = [arg for arg in args[:end] if arg in options]
    own = [arg for arg in args[:end] if arg not in options] + args[end:]
    if "--version" in args[:end]:
        return own, None
    return own, options[given[-1]] if given else Loudness.NORMAL


def _failed(message: str, exit_code: int) -> int:
    if loudness() is Loudness.VERBOSE:
        traceback.print_exc()
    return report(message, exit_code)


class TerminatedError(KeyboardInterrupt):
    """SIGTERM; whatever ends well on Ctrl-C does on this."""

    signal = signal.SIGTERM


class HungUpError(TerminatedError):
    """SIGHUP: the terminal is gone."""

    signal = signal.SIGHUP


def _interrupt(*_: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would break off what ends well
    raise KeyboardInterrupt


def _terminate(number: int, *_: Any) -> None:
    for ending in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.SIG_IGN)
    raise HungUpError if number == signal.SIGHUP else TerminatedError


def _raise_again(plain: Callable[[Any], object], swallowed: Any) -> None:
    """Raise an ending anew that came amidst a finaliser, out of which Python lets no exception go."""
    if not isinstance(swallowed.exc_value, KeyboardInterrupt):
        plain(swallowed)
        return
    ending = type(swallowed.exc_value)

    def end(*_: Any) -> None:
        raise ending

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, 0.01)


def named_configs(args: list[str], folder: Path | None) -> list[str]:
    """The arguments with what ``--config`` or ``-c`` names as a file: one of a folder goes by its name alone.

    Raises:
        UserError: there is neither such a file nor such a name, or it holds no settings.
    """
    if folder is None:
        return args
    found = list(args)
    for index, arg in enumerate(args):
        name, equals, value = arg.partition("=")
        if name not in ("--config", "-c"):
            continue
        if equals:
            found[index] = f"--config={_settings(packaged(value, folder))}"
        elif index + 1 < len(args):
            found[index : index + 2] = ["--config", str(_settings(packaged(args[index + 1], folder)))]
    return found


def _settings(file: Path) -> Path:
    """A YAML file of settings; the parser does not say which of several files it cannot read."""
    from yaml import YAMLError

    from lartpc.yaml_text import load

    try:
        settings = load(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, YAMLError) as error:
        raise UserError(f"cannot read the configuration {file}: {error}") from error
    if not isinstance(settings, dict):
        raise UserError(f"the configuration {file} holds no settings; write lines of NAME: VALUE")
    return file


def _call(function: Command | dict[str, Command], args: list[str], prog: str) -> int:
    import jsonargparse

    return (
        jsonargparse.auto_cli(
            function,
            args=args,
            prog=prog,
            allow_abbrev=False,
            exit_on_error=False,
            parser_mode="yaml",
            parser_class=_command_parser(function),
        )
        or 0
    )


def _positional_lists(function: Command) -> dict[str, type]:
    """Name -> type of the items, of each list without a default."""
    hints = get_type_hints(function)
    return {
        name: get_args(hints[name])[0]
        for name, parameter in inspect.signature(function).parameters.items()
        if get_origin(hints[name]) is list and parameter.default is parameter.empty
    }


class OneSpelling:
    """A parser of options with dashes between their words; underscores, as in YAML, are taken too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"print_config": "--print-config", "epilog": EPILOG, **kwargs})

    # jsonargparse compiles this method again for groups of options: nothing of another function
    def add_argument(self, *names: Any, **options: Any) -> Any:
        """Add an option, with dashes."""
        dashed = (name.replace("_", "-") if name.startswith("--") else name for name in names)
        return super().add_argument(*dashed, **options)  # type: ignore[misc]

    def _parse_optional(self, arg_string: str) -> Any:
        name, equals, value = arg_string.partition("=")
        known = self._option_string_actions  # type: ignore[attr-defined]
        dashed = name.replace("_", "-")
        if name.startswith("--") and name not in known and dashed in known:
            arg_string = dashed + equals + value
        return super()._parse_optional(arg_string)  # type: ignore[misc]


def _command_parser(function: Command | dict[str, Command]) -> type:
    from jsonargparse import ArgumentParser

    lists = {} if isinstance(function, dict) else _positional_lists(function)

    class CommandParser(OneSpelling, ArgumentParser):
        positional_lists = lists

        # jsonargparse compiles this method again for groups of options: nothing of the outer function
        def add_argument(self, *names: Any, **options: Any) -> Any:
            from jsonargparse import ActionYesNo

            if options.get("type") is bool and options.get("default") is False:
                del options["type"]
                options["action"] = ActionYesNo(no_prefix=None)
            item = getattr(self, "positional_lists", {}).get(names[0])
            if item is not None:
                options.update(action="store", type=item, nargs="+", metavar=names[0].upper())
            dashed = (name.replace("_", "-") if name.startswith("--") else name for name in names)
            return super().add_argument(*dashed, **options)

    return CommandParser


def parser_reason(text: str) -> str:
    """The parser's message in one short line, without its listing of every type that it tried."""
    option = re.search(r'Parser key "([^"]+)"', text)
    value = re.search(r"(?:Given|Got) value: (\S+)", text)
    wanted = re.search(r"Expected (?:an? )?(?:typing\.)?(.+?)(?:\.? (?:Given|Got) value|\n|$)", text)
    if not (option and value and wanted):
        return " ".join(text.split())
    kind = re.sub(r"<class '(.+?)'>", r"\1", wanted[1].strip())
    return f"--{option[1].replace('_', '-')} {value[1].rstrip('.')}: expected {kind}"
