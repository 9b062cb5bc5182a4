"""How a typed function becomes a command: its docstring is the help, its errors one line."""

import errno
import inspect
import io
import logging
import re
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from lartpc.errors import UserError

if TYPE_CHECKING:
    from rich.text import Text

COMMANDS = (
    "data_gen.generate",
    "data_gen.validate",
    "data_gen.display",
    "data_gen.respond",
    "data_gen.import_larsoft",
    "training.fit",
    "training.calibrate",
    "training.evaluate",
    "export.triton",
    "export.check",
    "export.trt_check",
    "export.publish",
    "export.registry",
    "serving.environment",
    "serving.local",
    "client.parity",
    "client.classify",
)
"""Every command, ``python -m NAME``, in the order in which data flow."""

Command = Callable[..., int | None]

LIMITS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EAGAIN}
"""Errors of the machine's limits, which name no file."""


def run(function: Command | dict[str, Command], args: list[str] | None = None, *, prog: str) -> int:
    """Parse ``args`` (default: the command line) against ``function`` and call it; of several the one named.

    Parameters without a default become positional arguments, the others ``--options`` with dashes
    for underscores; one that is False by default becomes a switch. A list without a default takes
    every positional argument.

    Returns:
        The exit code: 0 done, 1 found wanting, 2 asked wrongly, 130 interrupted, 143 ended by SIGTERM.
    """
    return guarded(lambda: _call(function, args, prog), prog)


def guarded(command: Callable[[], int], prog: str) -> int:
    """Call a command: faults of user or machine are one line each, and SIGTERM ends it as Ctrl-C does.

    Args:
        command: gives its exit code.
        prog: its name, for the messages.
    """
    from jsonargparse import ArgumentError

    logging.basicConfig(format="%(name)s: %(message)s")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # where the terminal has not all letters
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _terminate) if in_main else None
    try:
        return command()
    except ArgumentError as error:
        return report(f"{parser_reason(str(error), '-')} (see {prog} --help)", UserError.exit_code)
    except UserError as error:
        return report(str(error), error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        if error.filename is None and error.errno not in LIMITS:
            raise
        place = "" if error.filename is None else f"cannot use {error.filename}: "
        return report(f"{place}{error.strerror}", UserError.exit_code)
    except TerminatedError:
        return report("ended by SIGTERM", 128 + signal.SIGTERM)
    except KeyboardInterrupt:
        return report("interrupted", 130)
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)


class TerminatedError(KeyboardInterrupt):
    """SIGTERM; whatever ends well on Ctrl-C does on this."""


def _terminate(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would break off what ends well
    raise TerminatedError


def _call(function: Command | dict[str, Command], args: list[str] | None, prog: str) -> int:
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


def _command_parser(function: Command | dict[str, Command]) -> type:
    from jsonargparse import ArgumentParser

    lists = {} if isinstance(function, dict) else _positional_lists(function)

    class CommandParser(ArgumentParser):
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


def report(message: str, exit_code: int) -> int:
    """Write one line ``error: message`` to standard error and return the exit code."""
    sys.stderr.write("error: " + printable(" ".join(message.split())) + "\n")
    return exit_code


def printable(text: str) -> str:
    """The text with whatever moves a terminal's cursor, or turns its writing round, as escapes.

    Names and messages of servers, files and manifests go through it before they are printed.
    """
    return "".join(
        letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def plain(text: Any) -> str:
    """A text for where rich looks for markup, as in the description of a progress bar: shown as it is."""
    from rich.markup import escape

    return escape(printable(str(text)))


def cells(*values: Any) -> "list[Text]":
    """Cells of a table, shown as they are."""
    from rich.text import Text

    return [Text(printable(str(value))) for value in values]


def parser_reason(text: str, hyphen: str = "_") -> str:
    """The parser's message in one short line, without its listing of every type that it tried.

    Args:
        text: the message.
        hyphen: what the command's options have between their words.
    """
    option = re.search(r'Parser key "([^"]+)"', text)
    value = re.search(r"(?:Given|Got) value: (\S+)", text)
    wanted = re.search(r"Expected (?:an? )?(?:typing\.)?(.+?)(?:\.? (?:Given|Got) value|\n|$)", text)
    if not (option and value and wanted):
        return " ".join(text.split())
    kind = re.sub(r"<class '(.+?)'>", r"\1", wanted[1].strip())
    return f"--{option[1].replace('_', hyphen)} {value[1].rstrip('.')}: expected {kind}"


def say(message: Any) -> None:
    """Print a line of a command's result, or a table, to standard output.

    Text of a table that is not this project's own must come as :func:`cells`.
    """
    from rich.console import Console
    from rich.text import Text

    width = None if sys.stdout.isatty() else 160
    if isinstance(message, str):
        message = Text(printable(message))  # a line may name files
    Console(highlight=False, soft_wrap=True, width=width).print(message)
