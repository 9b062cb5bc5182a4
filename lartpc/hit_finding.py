"""By which rules a file's hits were found: files of other rules hold other hits."""

from collections.abc import Iterator
from typing import Any

THRESHOLDS = ("region_threshold", "region_padding", "region_peak", "region_mean", "hit_threshold")
"""Settings of the response that decide which hits there are (data_gen.configuration.Response)."""


def other_hits(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    """What differs between the rules of two data sets, in words; nothing where one does not say.

    Args:
        ours: data stage of the provenance of the one.
        theirs: of the other.
    """
    first, second = (_response(data) for data in (ours, theirs))
    for name in THRESHOLDS:
        if name in first and name in second and first[name] != second[name]:
            yield f"{name} is {second[name]:g} there, {first[name]:g} here"
    if first and second and ("region_peak" in first) != ("region_peak" in second):
        yield "one was made before weak regions of interest were dropped"


def _response(data: dict[str, Any]) -> dict[str, Any]:
    configuration = data.get("configuration")
    return configuration.get("response", {}) if isinstance(configuration, dict) else {}
