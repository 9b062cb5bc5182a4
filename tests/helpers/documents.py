"""What a reader of the documents can type: commands with their continuation lines, and pieces of Python."""

import re
import shlex
import textwrap
from pathlib import Path
from typing import NamedTuple

COMMAND_WORDS = (
    *("python", "python3", "emtrkmichel", "make", "pip", "git", "cd", "sed", "cp", "export", "."),
    *("srun", "dask", "moto_server", "tritonserver"),
)
"""What the first word of a line is where it is meant to be typed; other blocks show files or layouts."""

PYTHON = re.compile(
    r"^```python\n(?P<fenced>.*?)^```|(?P<indented>^    (?:import|from) [^\n]*\n(?:^    [^\n]*\n)*)",
    re.M | re.S,
)
LINE = re.compile(r"^    (?P<line>\S.*)$", re.MULTILINE)


class Typed(NamedTuple):
    """Something that can be typed.

    Attributes:
        text: as it stands in the document, continuation lines joined, without comment.
        is_python: a piece of Python; else a line for a shell.
    """

    text: str
    is_python: bool = False

    @property
    def words(self) -> list[str]:
        """A line as a shell would divide it."""
        return shlex.split(self.text)


def typed(document: Path) -> list[Typed]:
    """What can be typed of a Markdown document, in order: fenced Python, and lines of indented blocks."""
    text = re.sub(r"\\\n +", "", document.read_text(encoding="utf-8"))
    found = [
        (piece.start(), Typed(textwrap.dedent(piece["fenced"] or piece["indented"]), True))
        for piece in PYTHON.finditer(text)
    ]
    for line in LINE.finditer(PYTHON.sub(lambda piece: " " * len(piece[0]), text)):
        first = next((word for word in line["line"].split() if not re.match(r"[A-Z_]+=", word)), "")
        if first in COMMAND_WORDS:
            found.append((line.start(), Typed(re.sub(r"\s+# .*", "", line["line"]))))
    return [item for _, item in sorted(found)]


def block_after(words: str, document: Path) -> str:
    """The first indented block behind some words of a Markdown document, as the file a reader makes of it."""
    _, text = document.read_text(encoding="utf-8").split(words, 1)
    block = re.search(r"^(?: {4}.*\n)+", text, re.MULTILINE)
    assert block, f"{document.name}: no indented block behind {words}"
    return textwrap.dedent(block[0])
