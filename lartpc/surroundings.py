"""What a command takes from where it is started, put in order before it begins."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lartpc.errors import UserError

STANDARD_ERROR = 2
"""Number of the last of the standard streams."""


def take_streams() -> None:
    """Give a command whatever standard streams it was started without, as ``>&-`` and some services do.

    What is written there goes nowhere. A file that took the number of a closed stream would get, in its
    midst, whatever a library prints.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(
                os.devnull, os.O_RDWR
            )  # of all free numbers the lowest, which is the stream's
            os.set_inheritable(descriptor, descriptor <= STANDARD_ERROR)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))


@contextmanager
def drawing_into_files() -> Iterator[None]:
    """Let matplotlib pass over MPLBACKEND, which a notebook or a desktop sets: pictures here are files."""
    before = os.environ.pop("MPLBACKEND", None)
    try:
        yield
    finally:
        if before is not None:
            os.environ["MPLBACKEND"] = before


def check_place() -> None:
    """Refuse to begin in a folder that has been removed.

    Raises:
        UserError: it has.
    """
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise UserError("the folder that this is started in was removed; change to another") from error


def check_text(args: list[str]) -> None:
    """Refuse an argument without letters, or of letters that the locale does not know.

    An unset variable of a shell gives the first; for a path it would mean the working folder.

    Raises:
        UserError: there is one.
    """
    for arg in args:
        if not arg.strip():
            raise UserError("an argument is empty; was a variable of the shell not set?")
        try:
            arg.encode()
        except UnicodeEncodeError as error:
            raise UserError(
                f"{arg} is no UTF-8 text, or the locale is of another encoding; "
                "rename it, or set LC_ALL=C.UTF-8"
            ) from error
