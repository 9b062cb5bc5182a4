"""Generate simulated events: python -m data_gen.generate."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from data_gen.configuration import CONFIGS, Configuration, Labels, Response, Sources
from data_gen.production.data_set import Production, Progress, Summary, compile_kernels
from data_gen.production.request import ALL_PLANES, check_folder, check_request, event_numbers
from lartpc.command import run
from lartpc.errors import UserError
from lartpc.files import check_target, sweep
from lartpc.served.contract import Label
from lartpc.terminal import say, suggest

Split = Literal["train", "validation", "test"]

Show = Callable[[int], AbstractContextManager[Progress]]
"""Opened with the number of events to simulate; yields what is called as they are."""


@contextmanager
def unseen(events: int) -> Iterator[Progress]:
    """Progress that nobody sees."""
    yield lambda done, hits: None


def generate(
    out: Path,
    events: int,
    seed: int,
    workers: int = 1,
    first_event: int = 0,
    planes: tuple[str, ...] = ALL_PLANES,
    configuration: Configuration | None = None,
    show: Show = unseen,
    split: str | None = None,
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
        show: progress, told of each event.
        split: train, validation or test: only events of this split, whose numbers then have gaps.

    Raises:
        UserError: an argument is out of range, or the file cannot be written.
        CheckError: a worker process was killed.
    """
    check_request(events, seed, workers, first_event, planes)
    if out.is_dir():
        raise UserError(f"--out {out} is a folder; name a file, or divide the events with --events-per-file")
    check_target(out, "--out")
    from data_gen.production.workers import in_order

    production = Production(configuration or Configuration(), seed, tuple(sorted(planes)))
    numbers = event_numbers(first_event, events, split)
    workers = min(workers, events)
    compile_kernels(again=workers > 1)
    with closing(in_order(production.simulate, numbers, workers)) as simulated, show(events) as progress:
        return production.write(out, numbers, simulated, progress)


def generate_folder(
    out: Path,
    events: int,
    events_per_file: int,
    seed: int,
    workers: int = 1,
    scheduler: str | None = None,
    first_event: int = 0,
    planes: tuple[str, ...] = ALL_PLANES,
    configuration: Configuration | None = None,
    show: Show = unseen,
) -> Summary:
    """Simulate what a folder of event files lacks; each file appears whole or not at all.

    A file holds the bytes that :func:`generate` would write of its events, whoever writes it.

    Args:
        out: the folder.
        events: how many the folder is to hold.
        events_per_file: of each file but the last.
        seed: of the data set, 0 or more.
        workers: processes, each writing a file at a time, of this machine or of SLURM's jobs.
        scheduler: address of a Dask cluster whose workers write the files instead; slurm for batch jobs.
        first_event: number of the first event, 0 or more.
        planes: names of the planes to read out, U, V or W, each once.
        configuration: what an event holds; the default mixture if None.
        show: progress, told about each second.

    Returns:
        What was simulated; files that were there already are not counted.

    Raises:
        UserError: an argument is out of range, a file of the folder was made otherwise, a file cannot be
            written, or the cluster cannot be used.
        CheckError: a worker was killed; the finished files stay.
    """
    check_request(events, seed, workers if scheduler is None else 1, first_event, planes)
    check_folder(out, events_per_file, first_event + events)
    from data_gen.production.board import board
    from data_gen.production.shards import board_path, divide, missing, write_all, write_shard
    from data_gen.production.workers import process_pool

    out = out.resolve()
    production = Production(configuration or Configuration(), seed, tuple(sorted(planes)))
    shards = divide(out, range(first_event, first_event + events), events_per_file)
    lacking = missing(shards, production)
    sweep(out)
    if not lacking:
        return Summary()
    with ExitStack() as stack:
        stack.callback(sweep, out, own=True)
        lines = board(board_path(out), len(lacking))
        if scheduler is not None:
            from data_gen.production.batch_system import SLURM, slurm_jobs
            from data_gen.production.cluster import cluster, executor_of, losses, versions, write_checked

            workplace = slurm_jobs(workers, out) if scheduler == SLURM else cluster(scheduler)
            client = stack.enter_context(workplace)
            stack.enter_context(losses(scheduler))
            opened = stack.enter_context(lines)
            executor = stack.enter_context(executor_of(client, opened))
            write: Callable[..., Summary] = partial(write_checked, versions())
        else:
            compile_kernels(again=True)
            executor = stack.enter_context(process_pool(min(workers, len(lacking))))
            opened = stack.enter_context(lines)
            write = write_shard
        progress = stack.enter_context(show(sum(len(shard.numbers) for shard in lacking)))
        return write_all(executor, write, production, lacking, opened, progress)


def command(
    events: int = 100,
    seed: int = 1,
    out: Path = Path("data/events.h5"),
    workers: int | None = None,
    first_event: int = 0,
    planes: str = "U,V,W",
    events_per_file: int | None = None,
    scheduler: str | None = None,
    split: Split | None = None,
    detector: str = "drift-volume",
    sources: Sources = Sources(),  # noqa: B008 (frozen)
    response: Response = Response(),  # noqa: B008 (frozen)
    labels: Labels = Labels(),  # noqa: B008 (frozen)
) -> None:
    """Simulate events of ProtoDUNE-SP and write them to an event file, or to a folder of them.

    The same seed, event numbers, planes and configuration give the same bytes, whatever the number of
    workers. Configurations to start from lie in data_gen/configs/; --config names one. Repeated after an
    interruption, a command with --events-per-file makes only the files that are missing.

    Args:
        events: how many events
        seed: of the data set; every event has its own random numbers, from this and the event's number
        out: the event file (HDF5), which is replaced where it exists; with --events-per-file a folder
        workers: processes; one a core by default
        first_event: number of the first event, to continue a data set in another file
        planes: wire planes to read out, for example W or U,V,W
        events_per_file: divide the events among files of so many, each written by one process
        scheduler: address of a Dask cluster to generate on, such as tcp://host:8786, with --events-per-file;
            slurm submits batch jobs of --workers processes together
        split: make events of this split alone, for example test for a large held-out set
        detector: drift-volume, one of the six of ProtoDUNE-SP, or protodune-sp, all of them
        sources: what happens in the detector
        response: how the detector answers
        labels: how truth becomes labels
    """
    from data_gen.production.progress import shown_progress
    from data_gen.production.workers import available_cores

    configuration = Configuration(sources, response, labels, detector)
    names = tuple(name.strip() for name in planes.split(","))
    if scheduler is not None and events_per_file is None:
        raise UserError("--scheduler needs --events-per-file: workers of a cluster write files of their own")
    if split is not None and events_per_file is not None:
        raise UserError("--split is for a single file; leave out --events-per-file")
    if scheduler == "slurm" and (workers is None or workers < 1):
        raise UserError(
            "--scheduler slurm needs --workers: how many processes its jobs are to have, 1 or more"
        )
    if scheduler not in (None, "slurm") and workers is not None:
        raise UserError("--workers is for this machine or SLURM; with --scheduler the cluster has its own")
    crew = available_cores() if workers is None else workers
    started = time.monotonic()
    if events_per_file is None:
        summary = generate(out, events, seed, crew, first_event, names, configuration, shown_progress, split)
    else:
        summary = generate_folder(
            out, events, events_per_file, seed, crew, scheduler, first_event, names, configuration,
            shown_progress,
        )  # fmt: skip
    by_whom = f"on {scheduler}" if scheduler else f"with {crew} workers"
    say_summary(out, events, summary, time.monotonic() - started, by_whom)
    if split == "test":
        suggest("training.evaluate", "--data", out)
    else:
        suggest("training.fit", "--data.path", out)


def say_summary(out: Path, events: int, summary: Summary, seconds: float, by_whom: str) -> None:
    """Say what lies in a file or folder now, and what was simulated of it."""
    files = sorted(out.glob("*.h5")) if out.is_dir() else [out]
    size = sum(path.stat().st_size for path in files) / 1e6
    hits = int(summary.hits.sum())
    number = f"{len(files)} files, " if out.is_dir() else ""
    kept = f", {events - summary.events} kept" if summary.events < events else ""
    say(f"{out}  {number}{size:.1f} MB, {summary.events} events, {hits:,} hits{kept}")
    if not hits:
        return
    share = 100.0 * np.append(summary.hits, summary.michel) / hits
    say(
        f"track {share[Label.TRACK]:.1f} %, shower {share[Label.SHOWER]:.1f} % "
        f"(Michel {share[-1]:.1f} %), none {share[Label.NONE]:.1f} %"
    )
    say(f"{seconds:.1f} s, {hits / seconds:,.0f} hits/s {by_whom}")


def main(args: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    return run(command, args, prog="python -m data_gen.generate", configs=CONFIGS)


if __name__ == "__main__":
    raise SystemExit(main())
