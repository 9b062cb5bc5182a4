"""Hits a second of the generator, from physics to the closed file, on two processes."""

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.record import Figure, record
from data_gen.generate import generate
from lartpc.event_file import EventFile

EVENTS = 40
ROUNDS = 3


def main() -> None:
    """Measure and record."""
    rates = []
    with TemporaryDirectory() as folder:
        path = Path(folder, "events.h5")
        generate(events=2, seed=1, out=path, workers=1)  # compile once, outside the measurement
        for seed in range(ROUNDS):
            start = perf_counter()
            generate(events=EVENTS, seed=seed, out=path, workers=2)
            with EventFile(path) as events:
                hits = sum(len(events.hits(index)) for index in range(len(events)))
            rates.append(hits / (perf_counter() - start))
    figures = [Figure("generator, 2 processes", median(rates), "hits/s", ">= 10,000")]
    record(f"Generator, {EVENTS} events, median of {ROUNDS} rounds", "generator", figures)


if __name__ == "__main__":
    main()
