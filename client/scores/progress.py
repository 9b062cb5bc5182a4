"""Progress of a long job: a bar on a terminal's standard error, elsewhere now and then a line."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from lartpc.terminal import Loudness, loudness, say

SECONDS_PER_LINE = 30.0


@contextmanager
def shown_progress(hits: int) -> Iterator[Callable[[int], None]]:
    """Shows hits/s and the time left; yields what to call with the hits of each event.

    Args:
        hits: of the job.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, quiet=loudness() is Loudness.QUIET)
    if not console.is_terminal:
        yield _lines(hits)
        return
    columns = (
        TextColumn("Classifying"),
        BarColumn(),
        TextColumn("{task.completed:,} of {task.total:,} hits, {task.fields[rate]:,.0f} hits/s, left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Classifying", total=hits, rate=0.0)
        done, start = 0, time.perf_counter()

        def advance(more: int) -> None:
            nonlocal done
            done += more
            bar.update(task, completed=done, rate=done / (time.perf_counter() - start))

        yield advance


def _lines(hits: int) -> Callable[[int], None]:
    """Says a line every half minute, so that the log of a batch job shows that it lives."""
    start = last = time.perf_counter()
    done = 0

    def advance(more: int) -> None:
        nonlocal done, last
        done += more
        now = time.perf_counter()
        if now - last < SECONDS_PER_LINE or not done:
            return
        last, rate = now, done / (now - start)
        left = timedelta(seconds=round((hits - done) / rate))
        say(f"{done:,} of {hits:,} hits, {rate:,.0f} hits/s, time left {left}")

    return advance
