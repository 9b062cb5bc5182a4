"""Generate simulated events: python -m data_gen.generate."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_gen.configuration import Configuration, Labels, Response, Sources
from lartpc.command import run, say
from lartpc.contract import Label
from lartpc.detector import PLANES
from lartpc.errors import UserError
from lartpc.event import Event
from lartpc.provenance import Provenance

GENERATOR = "data_gen"
GENERATOR_VERSION = 2
"""Rises when the same configuration and seed give other events."""
ALL_PLANES = tuple(plane.name for plane in PLANES)


@dataclass
class Summary:
    """What has been generated so far.

    Attributes:
        events: number of events.
        hits: by label, in the order of lartpc.contract.Label.
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


def generate(
    out: Path,
    events: int,
    seed: int,
    workers: int = 1,
    first_event: int = 0,
    planes: tuple[str, ...] = ALL_PLANES,
    configuration: Configuration | None = None,
    progress: Callable[[Summary], None] | None = None,
) -> Summary:
    """Simulate events and write them to an event file, which appears whole or not at all.

    The file's bytes depend on seed, event numbers, planes and configuration, not on the number of workers.

    Args:
        out: the file; one that exists is replaced.
        events: how many, 1 or more.
        seed: of the data set, 0 or more.
        workers: processes, at most four times the cores.
        first_event: number of the first event, 0 or more.
        planes: names of the planes to read out, U, V or W, each once.
        configuration: what an event holds; the default mixture if None.
        progress: called after each event with the summary so far.

    Raises:
        UserError: an argument is out of range, or the file cannot be written.
        CheckError: a worker process was killed.
    """
    check_request(out, events, seed, workers, first_event, planes)
    from data_gen.simulate import simulate
    from data_gen.sources import sample_table
    from data_gen.workers import in_order
    from lartpc.event_file import EventWriter

    configuration = configuration or Configuration()
    planes = tuple(sorted(planes))
    workers = min(workers, events)
    data = {
        "generator": GENERATOR,
        "version": GENERATOR_VERSION,
        "seed": seed,
        "events": events,
        "first_event": first_event,
        "planes": planes,
        "configuration": asdict(configuration),
    }
    task = partial(_simulate, configuration, seed, planes)
    numbers = range(first_event, first_event + events)
    summary = Summary()
    with EventWriter(out, Provenance(data=data), sample_table(configuration)) as writer:
        if workers > 1:
            simulate(configuration, seed, first_event, planes)  # compiles; the workers load it from the cache
        with closing(in_order(task, numbers, workers)) as simulated:
            for event in simulated:
                writer.append(event)
                summary.add(event)
                if progress is not None:
                    progress(summary)
    return summary


def _simulate(configuration: Configuration, seed: int, planes: tuple[str, ...], number: int) -> Event:
    from data_gen.simulate import simulate

    return simulate(configuration, seed, number, planes)


def check_request(
    out: Path, events: int, seed: int, workers: int, first_event: int, planes: tuple[str, ...]
) -> None:
    """Refuse what :func:`generate` cannot do, before anything is imported or written.

    Raises:
        UserError: as of :func:`generate`.
    """
    from data_gen.workers import available_cores

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
    if out.is_dir():
        raise UserError(f"--out {out} is a folder; name a file")


@contextmanager
def progress_bar(events: int) -> Iterator[Callable[[Summary], None]]:
    """A progress bar with events/s and time left; yields the callback for :func:`generate`."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("generating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("events, {task.fields[rate]:.1f}/s, {task.fields[hits]:,} hits, left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("generating", total=events, rate=0.0, hits=0)
        started = time.monotonic()

        def advance(summary: Summary) -> None:
            rate = summary.events / (time.monotonic() - started)
            progress.update(task, completed=summary.events, rate=rate, hits=int(summary.hits.sum()))

        yield advance


def command(
    events: int = 100,
    seed: int = 1,
    out: Path = Path("data/events.h5"),
    workers: int | None = None,
    first_event: int = 0,
    planes: str = "U,V,W",
    detector: str = "drift-volume",
    sources: Sources = Sources(),  # noqa: B008 (frozen)
    response: Response = Response(),  # noqa: B008 (frozen)
    labels: Labels = Labels(),  # noqa: B008 (frozen)
) -> None:
    """Simulate events of ProtoDUNE-SP and write them to an event file.

    The same seed, event numbers, planes and configuration give the same bytes, whatever the number of
    workers. Configurations to start from lie in data_gen/configs/; --config names one.

    Args:
        events: how many events
        seed: of the data set; every event has its own random numbers, from this and the event's number
        out: the event file (HDF5); one that exists is replaced
        workers: processes; one a core by default
        first_event: number of the first event, to continue a data set in another file
        planes: wire planes to read out, for example W or U,V,W
        detector: drift-volume, one of the six of ProtoDUNE-SP, or protodune-sp, all of them
        sources: what happens in the detector
        response: how the detector answers
        labels: how truth becomes labels
    """
    from data_gen.workers import available_cores

    configuration = Configuration(sources, response, labels, detector)
    names = tuple(name.strip() for name in planes.split(","))
    if workers is None:
        workers = available_cores()
    check_request(out, events, seed, workers, first_event, names)
    started = time.monotonic()
    with progress_bar(events) as advance:
        summary = generate(out, events, seed, workers, first_event, names, configuration, advance)
    seconds = time.monotonic() - started
    hits = int(summary.hits.sum())
    share = 100.0 * np.append(summary.hits, summary.michel) / max(hits, 1)
    say(f"[bold]{out}[/bold]  {out.stat().st_size / 1e6:.1f} MB, {summary.events} events, {hits:,} hits")
    say(
        f"track {share[Label.TRACK]:.1f} %, shower {share[Label.SHOWER]:.1f} % "
        f"(Michel {share[-1]:.1f} %), none {share[Label.NONE]:.1f} %"
    )
    say(f"{seconds:.1f} s, {hits / seconds:,.0f} hits/s with {workers} workers")
    say(f"next: python -m training.fit --data.path {out}")


def main(args: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    return run(command, args, prog="python -m data_gen.generate")


if __name__ == "__main__":
    raise SystemExit(main())
