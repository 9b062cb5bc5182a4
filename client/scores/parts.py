"""What is done of an output that is not: parts in a hidden folder beside it, kept whatever happens."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from client.model import Model
from client.scores.answers import AnsweredEvent
from client.scores.sources import Source, Sources
from lartpc.errors import UserError
from lartpc.event_file import DAMAGE
from lartpc.files import sweep
from lartpc.locks import claim, let_go
from lartpc.score_file import HIT_SCORE_DTYPE, read_rows, written_scores
from lartpc.terminal import say

FORM = 1
"""Of what a part says of itself; one of another form is done again."""

HITS_PER_PART = 200_000
"""Hits that are in memory before they are written: 15 MB."""

SECONDS_PER_PART = 10.0
"""So much work is lost at most, and an event."""


@dataclass(frozen=True)
class Version:
    """The version of a model that answered, as files say it.

    Attributes:
        model: its name.
        version: of it.
        digest: SHA-256 of its weights.
        adc_era: ADC window of its pixels.
        score_scale: mixture in which its scores are probabilities.
    """

    model: str
    version: int
    digest: str
    adc_era: str
    score_scale: str

    @classmethod
    def of(cls, model: Model) -> "Version":
        """Of a model that answers."""
        return cls(model.name, model.version, model.digest, model.adc_era, model.score_scale)


@dataclass(frozen=True)
class Part:
    """Consecutive events of a file, all answered by one version.

    Attributes:
        path: where their rows are.
        events: digest of the event file.
        first: position of the first of them in it.
        count: of them.
        version: that answered.
    """

    path: Path
    events: str
    first: int
    count: int
    version: Version

    def rows(self) -> NDArray[np.void]:
        """(H,) of lartpc.score_file.HIT_SCORE_DTYPE.

        Raises:
            UserError: the file is damaged.
        """
        return read_rows(self.path, HIT_SCORE_DTYPE, {}, "delete it and repeat the command")


class Parts:
    """The parts of an output, held by one process at a time; usable as a context manager.

    Args:
        out: the output.

    Raises:
        UserError: another process writes this output, or the place cannot be written.
    """

    def __init__(self, out: Path) -> None:
        self._folder, self._out = out.with_name(f".{out.name}.parts"), out
        self._parts: dict[str, list[Part]] = defaultdict(list)
        self._begun: list[AnsweredEvent] = []
        self._written_at = time.monotonic()

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write {self._out}: {error.strerror}; name another --out") from error
        self._lock = claim(self._folder, f"another process writes {self._out}; name another --out, or wait")
        sweep(self._folder)
        return self

    def find(self, sources: Sources, version: Version) -> int:
        """Take up what an interrupted run has done with these weights, and remove what is of others.

        While a file cannot be read, parts of unknown events are left: they may be its.

        Returns:
            Number of events that are removed: of other weights, or of other event files.
        """
        known, removed = {source.digest for source in sources.files}, 0
        for path in sorted(self._folder.glob("*.h5")):
            part = _read(path)
            if part is None:
                path.unlink()
            elif part.version.digest == version.digest and part.events in known:
                self._parts[part.events].append(part)
            elif part.version.digest != version.digest or not sources.damaged:
                removed += part.count
                path.unlink()
        return removed

    def done(self, source: Source) -> NDArray[np.bool_]:
        """(E,) whether an event of a file is done."""
        done = np.zeros(len(source.hit_counts), bool)
        for part in self._parts[source.digest]:
            done[part.first : part.first + part.count] = True
        return done

    def add(self, event: AnsweredEvent) -> None:
        """Keep an event; it is written with others, ten seconds later at most."""
        if self._begun and not _follows(self._begun[-1], event):
            self.flush()
        self._begun.append(event)
        hits = sum(len(each.rows) for each in self._begun)
        if hits >= HITS_PER_PART or time.monotonic() - self._written_at >= SECONDS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet.

        Raises:
            UserError: the place is full or cannot be written.
        """
        if self._begun:
            place, version = self._begun[0].place, Version.of(self._begun[0].model)
            first, count, digest = place.position, len(self._begun), place.source.digest
            path = self._folder / f"{digest[:16]}-{first:07d}-{count}.h5"
            said = {"form": FORM, "events": digest, "first": first, "count": count}
            about = {"part": json.dumps({**said, "version": asdict(version)})}
            with written_scores(path, HIT_SCORE_DTYPE, about, {}) as append:
                append(np.concatenate([event.rows for event in self._begun]))
            self._parts[digest].append(Part(path, digest, first, count, version))
            self._begun = []
        self._written_at = time.monotonic()

    def of(self, source: Source) -> Iterator[Part]:
        """The parts of a file in the order of its events."""
        yield from sorted(self._parts[source.digest], key=lambda part: part.first)

    def remove(self) -> None:
        """The output is there: the parts are needed no longer."""
        for path in self._folder.glob("*.h5"):
            path.unlink()
        self._parts.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                self.flush()
        finally:
            let_go(self._folder, self._lock)
            with suppress(OSError):
                self._folder.rmdir()
            if error is not None and (events := sum(part.count for part in self._all())):
                say(f"{events:,} events are done and kept; the same command goes on from there")

    def _all(self) -> Iterator[Part]:
        for parts in self._parts.values():
            yield from parts


def _follows(one: AnsweredEvent, other: AnsweredEvent) -> bool:
    """Whether an event is the next one of the same file, answered by the same weights."""
    (source, position), (next_source, next_position) = one.place, other.place
    next_one = (source.digest, position + 1) == (next_source.digest, next_position)
    return next_one and one.model.digest == other.model.digest


def _read(path: Path) -> Part | None:
    """A part by what it says of itself; None where that is nothing, or of another form."""
    try:
        with h5py.File(path, "r") as file:
            said: dict[str, Any] = json.loads(file.attrs["part"])
        if said.pop("form") != FORM:
            return None
        return Part(path, **{**said, "version": Version(**said["version"])})
    except DAMAGE:
        return None
