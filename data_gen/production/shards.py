"""Shards: the event files that a large data set is divided into, each written by one process."""

import json
import re
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from dataclasses import dataclass
from pathlib import Path

from data_gen.production.board import Board
from data_gen.production.data_set import Production, Progress, Summary
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.files import part_of
from lartpc.interrupts import interrupts_held

_NAME = re.compile(r"events-(\d{8})-(\d{8})\.h5")
_SECONDS_PER_LOOK = 1.0


@dataclass(frozen=True)
class Shard:
    """An event file of a range of events.

    Attributes:
        folder: that it lies in.
        numbers: of its events.
    """

    folder: Path
    numbers: range

    @property
    def path(self) -> Path:
        """The file, such as events-00000500-00000999.h5."""
        return self.folder / f"events-{self.numbers.start:08d}-{self.numbers.stop - 1:08d}.h5"


def divide(folder: Path, numbers: range, events_per_file: int) -> list[Shard]:
    """The shards of a range of events; the last one may be shorter."""
    return [
        Shard(folder, numbers[first : first + events_per_file])
        for first in range(0, len(numbers), events_per_file)
    ]


def missing(shards: list[Shard], production: Production) -> list[Shard]:
    """Those shards that are not there yet; what is there of the same production is kept.

    Raises:
        UserError: the folder holds an event file that was made otherwise or divides the events otherwise,
            or that is damaged.
    """
    wanted = {shard.path: shard.numbers for shard in shards}
    for path in sorted(shards[0].folder.glob("*.h5")):
        _check_made_alike(path, production)
        if path not in wanted:
            _check_apart(path, shards)
    return [shard for shard in shards if not shard.path.exists()]


def _check_made_alike(path: Path, production: Production) -> None:
    if not _NAME.fullmatch(path.name):
        raise UserError(f"{path} is no shard, such as events-00000000-00000499.h5; name a folder for shards")
    with EventFile(path) as events:
        data, count = events.provenance.data, len(events)
    first, last = _range_of(path)
    expected = json.loads(json.dumps(production.identity()))
    expected.update(first_event=first, events=last - first + 1)
    differing = [name for name, value in expected.items() if data.get(name) != value]
    if count != expected["events"]:
        differing.append("events")
    if differing:
        raise UserError(
            f"{path} was made otherwise: with another {' and '.join(differing)}; name another folder, or "
            "remove the file to have it made anew"
        )


def _check_apart(path: Path, shards: list[Shard]) -> None:
    """Refuse a shard that holds some of the same events in another range."""
    first, last = _range_of(path)
    begin, end = shards[0].numbers.start, shards[-1].numbers.stop
    if first < end and last >= begin:
        raise UserError(
            f"{path} divides the events otherwise; give the --events-per-file and --first-event that it was "
            "made with, or another folder"
        )


def _range_of(path: Path) -> tuple[int, int]:
    found = _NAME.fullmatch(path.name)
    assert found
    return int(found[1]), int(found[2])


def board_path(folder: Path) -> Path:
    """Where a run of this process puts its board."""
    return part_of(folder / "generate")


def write_shard(production: Production, shard: Shard, board: Board, line: int) -> Summary:
    """Simulate a shard from its first to its last event and write it whole.

    Raises:
        UserError: the file cannot be written, or the board is gone.
    """
    board.write(line, 0, 0)
    events = map(production.simulate, shard.numbers)
    return production.write(
        shard.path, shard.numbers, events, lambda count, hits: board.write(line, count, hits)
    )


def write_all(
    executor: Executor,
    write: Callable[[Production, Shard, Board, int], Summary],
    production: Production,
    shards: list[Shard],
    board: Board,
    progress: Progress,
) -> Summary:
    """Have shards written by an executor's workers; the first failure ends it.

    Args:
        executor: processes of this machine or of a cluster.
        write: :func:`write_shard`, or what calls it.
        production: what decides the events.
        shards: to be written.
        board: with a line for each shard.
        progress: called about each second.
    """
    summary = Summary()
    with interrupts_held():
        pending = {
            executor.submit(write, production, shard, board, line) for line, shard in enumerate(shards)
        }
    while pending:
        with interrupts_held():
            done, pending = wait(pending, _SECONDS_PER_LOOK, FIRST_COMPLETED)
        for future in done:
            summary.merge(future.result())
        progress(*map(int, board.read().sum(axis=0)))
    return summary
