"""The demonstration's page: its template, and a figure of each phase."""

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import pages

if TYPE_CHECKING:
    from benchmarks.stack_demo import Phase


def render(phases: "list[Phase]", facts: dict[str, Any]) -> str:
    """One HTML page that needs no other file."""
    return pages.render("stack/page.html", phases=phases, facts=facts, picture=picture)


def picture(seen: "Phase") -> str:
    """Hits a second, times of answers, and batch and queue of each server, as a PNG within the page."""
    from matplotlib.figure import Figure

    outcome = seen.outcome
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    seconds = np.arange(int(outcome.seconds) + 2)
    hits_a_request = outcome.hits / max(outcome.requests, 1)
    answered, _ = np.histogram(outcome.answered, seconds)
    top.step(seconds[:-1], answered * hits_a_request, where="post", color="#1f5fa8")
    top.set_ylabel("hits/s")
    for number, colour in ((0, "#1f5fa8"), (1, "#c2410c")):
        rows = outcome.version == number
        middle.plot(outcome.answered[rows], 1e3 * outcome.took[rows], ".", ms=3, color=colour)
    middle.set_ylabel("time of an answer, ms")
    names = [line.name.split()[0] for line in seen.lines[0][1]] if seen.lines else []
    times = [second for second, _ in seen.lines]
    for index, name in enumerate(names):
        rows_an_execution = [lines[index].counts.rows_an_execution for _, lines in seen.lines]
        bottom.plot(times, rows_an_execution, label=f"server {name}: rows an execution")
    bottom.set_ylabel("rows an execution")
    bottom.set_xlabel("seconds since the signal")
    bottom.legend(frameon=False, fontsize=9)
    for axes in (top, middle, bottom):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        for second, _ in seen.events:
            axes.axvline(second, color="#b3261e", lw=0.8, ls="--")
    return pages.as_png(figure)
