"""What a server answers, read in one place: its form is checked before anything is taken from it.

Every function takes what was decoded of an answer's JSON (gRPC's messages are given in the same form) and
raises ValueError, with what is wrong, where it is not of the form that Triton's protocol gives it ("Predict
Protocol - Version 2" and its extensions).
"""

from typing import Any

LARGEST = 64 << 20
"""Bytes of an answer: a thousand times those of 8192 patches."""

LARGEST_JSON = 4 << 20
"""Bytes of an answer without tensors: an index of ten thousand models has one million."""

MOST_MODELS = 10_000
LONGEST_TEXT = 10_000
LONGEST_NAME = 255
LARGEST_NUMBER = 2**63 - 1


def ready_versions(index: Any) -> dict[str, list[int]]:
    """Versions of each model that a server is ready to ask, in ascending order, from its repository index."""
    models: dict[str, list[int]] = {}
    entries = index.get("models", []) if isinstance(index, dict) else index
    if len(_dicts(entries, "the index")) > MOST_MODELS:
        raise ValueError(f"the index has {len(entries)} entries, more than {MOST_MODELS}")
    for entry in entries:
        name, state = _name(entry), _text(entry, "state", "")
        if state == "READY":
            models.setdefault(name, []).append(whole_number(entry.get("version"), f"the version of {name!r}"))
    return {name: sorted(versions) for name, versions in sorted(models.items())}


def metadata(answer: Any) -> dict[str, list[dict[str, Any]]]:
    """``inputs`` and ``outputs``: name, datatype and shape of each tensor."""
    return {
        kind: [
            {
                "name": _name(tensor),
                "datatype": _text(tensor, "datatype"),
                "shape": [_size(size) for size in _list(tensor.get("shape", []), "a shape")],
            }
            for tensor in _dicts(_dict(answer, "the metadata").get(kind, []), kind)
        ]
        for kind in ("inputs", "outputs")
    }


def parameters(answer: Any) -> dict[str, str]:
    """Parameters of a configuration."""
    config = _dict(answer, "the configuration")
    config = _dict(config.get("config", config), "the configuration")
    found = _dict(config.get("parameters", {}), "its parameters")
    return {name: _text(_dict(value, name), "string_value", "") for name, value in found.items()}


def statistics(answer: Any) -> dict[str, Any]:
    """Counters of the one version that was asked for."""
    (found,) = _dicts(_dict(answer, "the statistics").get("model_stats"), "the statistics")
    return found


def counter(counters: dict[str, Any], key: str) -> int:
    """A counter of them; protobuf's JSON leaves out those of 0 and writes the others as text."""
    return int(counters.get(key, 0))


def server_name(answer: Any) -> str:
    """What a server calls itself."""
    return _text(_dict(answer, "the server's metadata"), "name", "")


def whole_number(value: Any, what: str) -> int:
    """A number of 0 or more, in decimal digits or as itself."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_NUMBER:
        raise ValueError(f"{what} is {value!r:.40}")
    return value


def _size(value: Any) -> int:
    """A size in a shape; -1 where it is free."""
    return -1 if value in (-1, "-1") else whole_number(value, "a size")


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what} is {value!r:.40}, not a list")
    return value


def _dicts(value: Any, what: str) -> list[dict[str, Any]]:
    if not all(isinstance(item, dict) for item in _list(value, what)):
        raise ValueError(f"{what} has other entries than objects")
    return value


def _dict(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {value!r:.40}, not an object")
    return value


def _text(value: dict[str, Any], key: str, default: str | None = None) -> str:
    found = value.get(key, default)
    if not isinstance(found, str):
        raise ValueError(f"{key} is {found!r:.40}, not a text")
    if len(found) > LONGEST_TEXT:
        raise ValueError(f"{key} has {len(found)} letters")
    return found


def _name(value: dict[str, Any]) -> str:
    found = _text(value, "name")
    if not found.isprintable() or not 0 < len(found) <= LONGEST_NAME:
        raise ValueError(f"a name is {found!r:.40}, with {len(found)} letters")
    return found
