"""The chart's values: their schema, and the table of the chart's page; from values.yaml and their limits."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lartpc.yaml_text import load
from serving.cluster.rendering import CHART, Values
from serving.cluster.value_limits import LIMITS

TYPES = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}


@dataclass(frozen=True)
class Value:
    """One value of the chart.

    Attributes:
        name: with the names that it stands under, joined by dots.
        default: of it.
        text: what it is.
    """

    name: str
    default: Any
    text: str


def chart_values() -> list[Value]:
    """The values of values.yaml that are explained, in order."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    defaults = load(text)
    return [Value(name, _at(defaults, name), words) for name, words in _explained(text)]


def schema() -> str:
    """values.schema.json: no value that values.yaml has not, each of its type and within its limits."""
    defaults = load((CHART / "values.yaml").read_text(encoding="utf-8"))
    explained = {value.name: value.text for value in chart_values()}
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart emtrkmichel",
        **_of_group({**defaults, "global": {}}, "", explained),
    }
    return json.dumps(whole, indent=1) + "\n"


def page() -> str:
    """README.md of the chart."""
    rows = [
        f"| `{value.name}` | `{json.dumps(value.default)}` | {value.text}{_allowed(value.name)} |"
        for value in chart_values()
    ]
    table = "\n".join(["| value | default | |", "|---|---|---|", *rows])
    return (
        "# Values of the chart\n\nMade from values.yaml by `python -m serving.manifests --renew`. How it is "
        f"used: [docs/kubernetes.md](../../docs/kubernetes.md).\n\n{table}\n"
    )


def _explained(text: str) -> Iterator[tuple[str, str]]:
    """Name and explanation of each value that has a comment ``# --``, by the indentation of its lines."""
    around: list[tuple[int, str]] = []
    words: list[str] = []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        stripped = line.strip()
        if stripped.startswith("# -- "):
            words = [stripped.removeprefix("# -- ")]
        elif stripped.startswith("#") and words:
            words.append(stripped.removeprefix("#").strip())
        elif found := re.match(r"([A-Za-z]+):", stripped):
            around = [(depth, name) for depth, name in around if depth < indent] + [(indent, found[1])]
            if words:
                yield ".".join(name for _, name in around), " ".join(words)
                words = []


def _of_group(values: Values, prefix: str, explained: dict[str, str]) -> dict[str, Any]:
    properties = {}
    for key, default in values.items():
        name = f"{prefix}{key}"
        if isinstance(default, dict) and name not in explained:
            properties[key] = _of_group(default, f"{name}.", explained)
        elif isinstance(default, dict) and name not in LIMITS:
            properties[key] = {"description": explained[name], **_of_group(default, f"{name}.", explained)}
        else:
            words = {"description": explained[name]} if name in explained else {}
            properties[key] = {**words, "type": TYPES[type(default)], **LIMITS.get(name, {})}
    required = [key for key in properties if key != "global"]  # null takes a default away
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def _allowed(name: str) -> str:
    limit = LIMITS.get(name, {})
    if "minimum" in limit:
        return f" ({limit['minimum']:,} to {limit['maximum']:,})"
    return ""


def _at(values: Values, name: str) -> Any:
    found: Any = values
    for key in name.split("."):
        found = found[key]
    return found
