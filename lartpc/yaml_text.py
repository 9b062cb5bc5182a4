"""YAML that stays as small as it looks: what its aliases stand for is counted before anything is made."""

from pathlib import PurePath
from typing import Any

import yaml

MOST_NODES = 10_000
"""Values, lists and tables that a text may stand for; the largest recipe has a hundred."""

DEEPEST = 30
"""Lists and tables in each other."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlSizeError(yaml.YAMLError):
    """A text that stands for more than any configuration holds."""


def load(text: str) -> Any:
    """Plain values, lists and tables of a text.

    Raises:
        yaml.YAMLError: it is no YAML, or stands for more than any configuration does.
    """
    check_size(text)
    return yaml.safe_load(text)


def check_size(text: str) -> None:
    """Refuse a text whose aliases unfold to millions or lead back to themselves, or of lists without end.

    Raises:
        yaml.YAMLError: it is so, or is no YAML.
    """
    sizes: dict[str, int] = {}
    around: list[tuple[str | None, int]] = []  # anchor of each list and table around, and the nodes before it
    nodes = 0
    for event in yaml.parse(text, _LOADER):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise YamlSizeError(f"the alias *{event.anchor} leads back to itself or nowhere")
            nodes += sizes[event.anchor]
        elif isinstance(event, yaml.CollectionStartEvent):
            around.append((event.anchor, nodes))
            nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = around.pop()
            sizes[anchor or ""] = nodes - before
        elif isinstance(event, yaml.ScalarEvent):
            sizes[event.anchor or ""] = 1
            nodes += 1
        if nodes > MOST_NODES or len(around) > DEEPEST:
            raise YamlSizeError(f"over {MOST_NODES} values, or lists nested over {DEEPEST} deep; write less")


def limit_options() -> None:
    """Hold the values and files of options to the same limits, whichever command parses them."""
    from jsonargparse import get_loader, set_loader

    parse = get_loader("yaml")
    if getattr(parse, "limited", False):
        return

    def limited(text: str) -> Any:
        check_size(text)
        return parse(text)

    limited.limited = True  # type: ignore[attr-defined]
    set_loader("yaml", limited, (yaml.YAMLError,))


def represent_paths() -> None:
    """Let YAML write paths as text, as --print-config does those of a list of files."""
    yaml.SafeDumper.add_multi_representer(PurePath, lambda dumper, path: dumper.represent_str(str(path)))
