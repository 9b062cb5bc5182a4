"""Progress of a long generation: a bar in a terminal, now and then a line elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from data_gen.production.data_set import Progress
from lartpc.terminal import say

SECONDS_PER_LINE = 30.0


@contextmanager
def shown_progress(events: int) -> Iterator[Progress]:
    """Show events/s, hits and time left; yields what to call with the numbers so far.

    Args:
        events: to be simulated in all.
    """
    if not sys.stdout.isatty():
        yield _lines(events)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("generating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("events, {task.fields[rate]:.1f}/s, {task.fields[hits]:,} hits, left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("generating", total=events, rate=0.0, hits=0)
        started = time.monotonic()

        def advance(done: int, hits: int) -> None:
            bar.update(task, completed=done, rate=done / (time.monotonic() - started), hits=hits)

        yield advance


def _lines(events: int) -> Progress:
    """Says a line every half minute, so that the log of a batch job shows that it lives."""
    started = last = time.monotonic()

    def advance(done: int, hits: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < SECONDS_PER_LINE or done == events:
            return
        last = now
        rate = done / (now - started)
        left = timedelta(seconds=round((events - done) / rate)) if done else "unknown"
        say(f"{done:,} of {events:,} events, {rate:.2f}/s, {hits:,} hits, time left {left}")
        sys.stdout.flush()

    return advance
