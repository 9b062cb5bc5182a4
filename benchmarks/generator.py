"""The generator: hits a second to the closed file, a whole event of ProtoDUNE-SP, memory, bytes a hit."""

import resource
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.record import Figure, record
from data_gen.configuration import Configuration, Sources
from data_gen.generate import ALL_PLANES, generate
from data_gen.simulate import simulate
from lartpc.command import run
from lartpc.event_file import EventFile

EVENTS = 24
ROUNDS = 3
WHOLE = Configuration(
    sources=Sources(cosmic_muons=1.0, stopping_muons=1.0, showers=0.0, beam=1.0), detector="protodune-sp"
)


def whole_events(rounds: int) -> tuple[list[float], int, float]:
    """Seconds of some whole events, mean hits of one, and the peak memory of this process in MB."""
    simulate(WHOLE, 1, 0, ALL_PLANES)  # loads the compiled code
    seconds, hits = [], 0
    for number in range(1, rounds + 1):
        start = perf_counter()
        hits += len(simulate(WHOLE, 1, number, ALL_PLANES).hits)
        seconds.append(perf_counter() - start)
    return seconds, hits // rounds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def benchmark(events: int = EVENTS, rounds: int = ROUNDS) -> None:
    """Measure the generator: hits a second of one drift volume, a whole event, memory, bytes a hit.

    Args:
        events: of a file of one drift volume.
        rounds: files that are generated, and whole events.
    """
    rates, sizes = [], []
    with TemporaryDirectory() as folder:
        path = Path(folder, "events.h5")
        generate(events=2, seed=1, out=path, workers=1)  # compile once, outside the measurement
        for seed in range(rounds):
            start = perf_counter()
            generate(events=events, seed=seed, out=path, workers=2)
            seconds = perf_counter() - start
            with EventFile(path) as written:
                hits = sum(len(written.hits(index)) for index in range(len(written)))
            rates.append(hits / seconds)
            sizes.append(path.stat().st_size / hits)
    with get_context("spawn").Pool(1) as pool:
        seconds_of_event, hits_of_event, memory = pool.apply(whole_events, (rounds,))
    figures = [
        Figure("one drift volume, three planes, 2 processes", median(rates), "hits/s", ">= 15,000"),
        Figure("size of the file", median(sizes), "bytes/hit", "<= 700"),
        Figure("event of all six drift volumes, 1 process", median(seconds_of_event), "s", "<= 20"),
        Figure("hits of such an event", hits_of_event, "hits", "paper: 55,000"),
        Figure("peak memory of that process", memory, "MB", "<= 1,500"),
    ]
    record(f"Generator, {events} events, median of {rounds} rounds", "generator", figures)


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(benchmark, args, prog="python -m benchmarks.generator")


if __name__ == "__main__":
    raise SystemExit(main())
