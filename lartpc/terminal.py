"""What a command writes: its results, what it is doing, the next command, and its one line of an error."""

import logging
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import TYPE_CHECKING, Any

from lartpc.errors import UserError

if TYPE_CHECKING:
    from rich.status import Status
    from rich.text import Text

TABLE_WIDTH = 160
"""Letters of a line where there is no terminal."""

SECRETS = (
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),
    re.compile(r"(?i)(?<=[?&])((?:x-amz-)?(?:sig|signature|security-token|token|password|secret)=)[^&\s]+"),
)
"""Credentials in a URL: before its host, and in its query."""


class Loudness(Enum):
    """How much a command writes beside its results and its error.

    QUIET is nothing, VERBOSE adds the log messages of libraries and an error's traceback.
    """

    QUIET = "quiet"
    NORMAL = "normal"
    VERBOSE = "verbose"


_loudness = Loudness.NORMAL


@contextmanager
def speaking(loudness: Loudness) -> Iterator[None]:
    """Write as much as that, progress bars included, until the block ends."""
    global _loudness
    before, _loudness = _loudness, loudness
    level = logging.INFO if loudness is Loudness.VERBOSE else logging.WARNING
    logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger().setLevel(level)
    if loudness is Loudness.QUIET:
        from rich import get_console

        get_console().quiet = True  # of all progress bars
    try:
        yield
    finally:
        _loudness = before
        if loudness is Loudness.QUIET:
            get_console().quiet = False


def loudness() -> Loudness:
    """How much the running command writes."""
    return _loudness


def show(result: Any, least: int = 0) -> None:
    """Print what the command was asked for, a line or a table, to standard output, however quiet it is.

    Args:
        result: text of a table that is not this project's own must come as :func:`cells`.
        least: letters of a line, however narrow the terminal is.

    Raises:
        UserError: standard output leads to a full disk or another place that takes nothing.
    """
    from rich.console import Console
    from rich.text import Text

    if isinstance(result, str):
        result = Text(printable(result))  # a line may name files
    width = max(Console().width, least) if sys.stdout.isatty() else TABLE_WIDTH
    try:
        Console(highlight=False, soft_wrap=True, width=width).print(result)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"cannot write to standard output: {error.strerror}; lead it elsewhere") from error


def say(line: str) -> None:
    """Print a line about what is done to standard output, unless the command is quiet."""
    if _loudness is not Loudness.QUIET:
        show(line)


def suggest(command: str, *arguments: Any, note: str = "") -> None:
    """Print the next command as it can be typed: names with blanks are quoted.

    Args:
        command: its name in the table of commands.
        arguments: its arguments; what is None is left out.
        note: what follows it.
    """
    words = shlex.join(str(argument) for argument in arguments if argument is not None)
    say(" ".join(filter(None, (f"next: python -m {command}", words, note))))


def working(text: str) -> "Status":
    """A context that shows a moving line on standard error while something is done."""
    from rich.console import Console

    return Console(stderr=True, quiet=_loudness is Loudness.QUIET).status(plain(text))


def report(message: str, exit_code: int) -> int:
    """Write one line ``error: message`` to standard error and return the exit code."""
    with suppress(OSError):  # a full disk behind standard error; the exit code is left
        sys.stderr.write("error: " + printable(" ".join(message.split())) + "\n")
    return exit_code


def printable(text: str) -> str:
    """The text with whatever moves a terminal's cursor, or turns its writing round, as escapes.

    Names and messages of servers, files and manifests go through it before they are printed. Credentials in
    URLs become ``***``.
    """
    for secret in SECRETS:
        text = secret.sub(lambda found: (found[1] if found.re.groups else "") + "***", text)
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
