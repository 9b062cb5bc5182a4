"""A small, strict reader of FHiCL: what fragments are written in, and nothing else.

The language: fhicl-cpp's documentation, "FHiCL Language Quick Start Guide". Values are atoms, sequences and
tables; definitions stand in a prolog; ``@local::name`` takes a value that was defined before; later
assignments win.
"""

import re
from pathlib import Path
from typing import Any

Table = dict[str, Any]

TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*|//[^\n]*)
      | (?P<reference>@(?:local|table)::[A-Za-z_]\w*(?:\.\w+)*)
      | (?P<string>"[^"\n]*"|'[^'\n]*')
      | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<name>[A-Za-z_]\w*(?:\.\w+)*)
      | (?P<sign>[:\[\]{},])""",
    re.VERBOSE,
)
INCLUDE = re.compile(r'^#include "([^"]+)"[ \t]*$', re.MULTILINE)
ATOMS = {"true": True, "false": False, "nil": None}


class FhiclError(ValueError):
    """What the language does not allow."""


def read(path: Path, search: list[Path]) -> Table:
    """The definitions of a file and of those that it includes.

    Args:
        path: of the file.
        search: folders of included files.
    """
    return Reader(joined(path, search)).definitions()


def joined(path: Path, search: list[Path]) -> str:
    """The file with what it includes in its place."""

    def included(match: re.Match[str]) -> str:
        found = [folder / match[1] for folder in search if (folder / match[1]).is_file()]
        if not found:
            raise FhiclError(f"{path.name} includes {match[1]}, which is nowhere")
        return joined(found[0], search)

    return INCLUDE.sub(included, path.read_text(encoding="utf-8"))


class Reader:
    """Reads one text."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at, place = 0, 0
        while place < len(text):
            match = TOKEN.match(text, place)
            if match is None:
                raise FhiclError(f"{text[place : place + 20]!r} is no FHiCL")
            if match.lastgroup != "blank":
                self._tokens.append((str(match.lastgroup), match[0]))
            place = match.end()
        self._defined: Table = {}

    def definitions(self) -> Table:
        """All names at the top, from prologs and after them."""
        in_prolog = False
        while self._at < len(self._tokens):
            kind, text = self._take()
            if text in ("BEGIN_PROLOG", "END_PROLOG"):
                if in_prolog == (text == "BEGIN_PROLOG"):
                    raise FhiclError(f"{text} where there cannot be one")
                in_prolog = not in_prolog
            elif kind == "name":
                self._expect(":")
                self._assign(self._defined, text, self._value())
            else:
                raise FhiclError(f"{text} where a name is due")
        if in_prolog:
            raise FhiclError("a prolog has no end")
        return self._defined

    def _take(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise FhiclError("the text ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, sign: str) -> None:
        if (found := self._take()[1]) != sign:
            raise FhiclError(f"{found} where {sign} is due")

    def _assign(self, table: Table, name: str, value: Any) -> None:
        *path, last = name.split(".")
        for part in path:
            if not isinstance(table.get(part), dict):
                raise FhiclError(f"{name} is in no table")
            table = table[part]
        table[last] = value

    def _value(self) -> Any:
        kind, text = self._take()
        if kind == "reference":
            return copied(self._referred(text.partition("::")[2]))
        if kind == "string":
            return text[1:-1]
        if kind == "number":
            return float(text) if re.search(r"[.eE]", text) else int(text)
        if kind == "name" and "." not in text:
            return ATOMS.get(text, text)
        if text == "[":
            return self._sequence()
        if text == "{":
            return self._table()
        raise FhiclError(f"{text} where a value is due")

    def _sequence(self) -> list[Any]:
        values: list[Any] = []
        while self._tokens[self._at][1] != "]":
            if values:
                self._expect(",")
            values.append(self._value())
        self._take()
        return values

    def _table(self) -> Table:
        table: Table = {}
        while (found := self._take())[1] != "}":
            if found[0] != "name":
                raise FhiclError(f"{found[1]} where a name is due")
            self._expect(":")
            self._assign(table, found[1], self._value())
        return table

    def _referred(self, name: str) -> Any:
        value: Any = self._defined
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                raise FhiclError(f"@local::{name} is not defined before")
            value = value[part]
        return value


def copied(value: Any) -> Any:
    """A value of its own, so that what is changed in it stays there."""
    if isinstance(value, dict):
        return {name: copied(each) for name, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value
