"""Names in a Markdown text: shown as they are, whatever letters they hold."""

import re
from typing import Any

from lartpc.terminal import printable


def words(value: Any) -> str:
    """A name in running text: nothing of it is markup, and it stays on its line."""
    return re.sub(r"([\\`*_\[\]<>|&~])", r"\\\1", _line(value))


def code(value: Any) -> str:
    """A name as code, between as many backticks as it needs."""
    text = _line(value)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    blank = " " if len(fence) > 1 or not text.strip() else ""
    return f"{fence}{blank}{text}{blank}{fence}"


def _line(value: Any) -> str:
    return printable(str(value)).replace("\n", r"\n")
