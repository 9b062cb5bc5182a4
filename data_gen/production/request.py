"""What may be asked of the generator."""

import os
from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path

from data_gen.production.workers import available_cores
from lartpc.detector import PLANES
from lartpc.errors import UserError
from lartpc.event_file import split_of
from lartpc.event_form import SPLITS

ALL_PLANES = tuple(plane.name for plane in PLANES)

LARGEST_EVENT_NUMBER = 2**31 - 1
"""The event file holds numbers in 32 bits."""

SHARD_NUMBERS = 100_000_000
"""Names of shards hold event numbers of eight digits, so that they sort."""


def check_request(events: int, seed: int, workers: int, first_event: int, planes: tuple[str, ...]) -> None:
    """Refuse what cannot be generated, before anything is written.

    Raises:
        UserError: as of :func:`data_gen.generate.generate`.
    """
    for name, value, least in (
        ("--events", events, 1),
        ("--seed", seed, 0),
        ("--first-event", first_event, 0),
        ("--workers", workers, 1),
    ):
        if value < least:
            raise UserError(f"{name} {value} must be {least} or more")
    if workers > 4 * available_cores():
        raise UserError(
            f"--workers {workers} is over four times the {available_cores()} cores of this machine"
        )
    if not planes or len(set(planes)) < len(planes) or set(planes) - set(ALL_PLANES):
        raise UserError(f"--planes {','.join(planes)} must be some of {','.join(ALL_PLANES)}, each once")


def event_numbers(first_event: int, events: int, split: str | None = None) -> Sequence[int]:
    """The numbers of so many events from a first one on: all, or those of a split alone.

    Raises:
        UserError: they do not fit into an event file.
    """
    if split is None:
        numbers: Sequence[int] = range(first_event, first_event + events)
    else:
        wanted = SPLITS.index(split)
        numbers = list(islice((n for n in count(first_event) if split_of(n) == wanted), events))
    if numbers[-1] > LARGEST_EVENT_NUMBER:
        raise UserError(f"--first-event {first_event}: event numbers end at {LARGEST_EVENT_NUMBER}")
    return numbers


def check_folder(out: Path, events_per_file: int, end: int) -> None:
    """Refuse a folder that cannot be one of event files.

    Raises:
        UserError: as of :func:`data_gen.generate.generate_folder`.
    """
    if events_per_file < 1:
        raise UserError(f"--events-per-file {events_per_file} must be 1 or more")
    if end > SHARD_NUMBERS:
        raise UserError(f"--events-per-file: the numbers of the events must be below {SHARD_NUMBERS}")
    if (os.path.lexists(out) and not out.is_dir()) or out.suffix == ".h5":
        raise UserError(f"--out {out} names no folder; with --events-per-file name a folder")
