"""A production: what decides the events of a data set, and how a range of them becomes an event file."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_gen.configuration import Configuration
from lartpc.event import Event
from lartpc.provenance import Provenance, git_commit, package_versions
from lartpc.served.contract import Label
from lartpc.terminal import say

GENERATOR = "data_gen"
GENERATOR_VERSION = 3
"""Rises when the same configuration and seed give other events."""


@dataclass
class Summary:
    """What has been generated so far.

    Attributes:
        events: number of events.
        hits: by label, in the order of lartpc.served.contract.Label.
        michel: Michel hits, which are among the shower hits.
    """

    events: int = 0
    hits: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(Label), np.int64))
    michel: int = 0

    def add(self, event: Event) -> None:
        """Count an event."""
        self.events += 1
        self.hits += np.bincount(event.hits["label"], minlength=len(Label))
        self.michel += int(event.hits["michel"].sum())

    def merge(self, other: "Summary") -> None:
        """Count what another has counted."""
        self.events += other.events
        self.hits += other.hits
        self.michel += other.michel


Progress = Callable[[int, int], None]
"""Called with the number of events and of hits so far."""


@dataclass(frozen=True)
class Production:
    """What decides the bytes of event files, but for the numbers of their events.

    Attributes:
        configuration: what an event holds.
        seed: of the data set.
        planes: names of the planes to read out, in order.
        code: git commit and packages of the process that began, which its workers write down as well.
    """

    configuration: Configuration
    seed: int
    planes: tuple[str, ...]
    code: dict[str, Any] = field(
        default_factory=lambda: {"git_commit": git_commit(), "packages": package_versions()}, compare=False
    )

    def identity(self) -> dict[str, Any]:
        """What every file of the production records, whichever events it holds."""
        return {
            "generator": GENERATOR,
            "version": GENERATOR_VERSION,
            "seed": self.seed,
            "planes": self.planes,
            "configuration": asdict(self.configuration),
        }

    def provenance(self, numbers: Sequence[int]) -> Provenance:
        """The record of a file of these events."""
        of_file = {"events": len(numbers), "first_event": numbers[0]}
        return Provenance(data={**self.code, **self.identity(), **of_file})

    def simulate(self, number: int) -> Event:
        """Simulate the event of this number."""
        from data_gen.simulate import simulate

        return simulate(self.configuration, self.seed, number, self.planes)

    def write(
        self, path: Path, numbers: Sequence[int], events: Iterable[Event], progress: Progress
    ) -> Summary:
        """Write an event file, which appears whole or not at all.

        Args:
            path: the file; one that exists is replaced.
            numbers: of its events.
            events: the events themselves, in order.
            progress: called after each event; what it raises ends the writing.

        Raises:
            UserError: the file cannot be written.
        """
        from data_gen.sources.mixture import sample_table
        from lartpc.event_file import EventWriter

        summary = Summary()
        with EventWriter(path, self.provenance(numbers), sample_table(self.configuration)) as writer:
            for event in events:
                writer.append(event)
                summary.add(event)
                progress(summary.events, int(summary.hits.sum()))
        return summary


def compile_kernels(again: bool = False) -> None:
    """Simulate a nearly empty event: the kernels are compiled into the cache, whence workers load them.

    Args:
        again: where some lie there already too; a compilation may have broken off.
    """
    from data_gen.compiled import is_compiled
    from data_gen.configuration import Sources
    from data_gen.simulate import simulate

    if is_compiled():
        if not again:
            return
    else:
        say("compiling the simulation, once for its sources on this machine: a minute or so")
    simulate(Configuration(Sources(cosmic_muons=0.0, stopping_muons=0.0, showers=0.0, beam=0.0)), 0, 0)
