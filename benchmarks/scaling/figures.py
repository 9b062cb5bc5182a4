"""The paper's figures 6 and 7 of this machine, as pictures within a page."""

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.pages import as_png
from benchmarks.scaling.curve import Curve
from serving.sizing.model import estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#1f5fa8", "#c2410c", "#2f7d32", "#7b3fa0")
PANELS = (
    ("Small and large batches, not merged", ("small batches", "large batches")),
    ("Large batches, merged and not", ("large batches", "large batches, merged")),
    ("Patches and planes", ("small batches, merged", "planes")),
)
"""Title, and names of the ways in it; the first two are the two halves of the paper's figure 7."""


def time_against_clients(curves: list[Curve]) -> str:
    """Figure 7: time of the module that asks against the number of clients, and the model's lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4.6), layout="constrained")
    by_name = {curve.way.name: curve for curve in curves}
    for number, (title, names) in enumerate(PANELS):
        axes = figure.add_subplot(1, len(PANELS), number + 1)
        for colour, name in zip(COLOURS, names, strict=False):
            if name in by_name:
                _curve(axes, by_name[name], colour)
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("clients at the same time")
        axes.set_ylabel("the module's time, s an event")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=9)
    return as_png(figure)


def _curve(axes: "Axes", curve: Curve, colour: str) -> None:
    clients = np.arange(1, max(point.clients for point in curve.points) + 1)
    other_s = curve.job.other_s
    line = [estimate(curve.job, curve.site, int(number)).event_s - other_s for number in clients]
    numbers = [point.clients for point in curve.points]
    axes.plot(clients, line, ":", color=colour, label=f"{curve.way.name}: the model")
    axes.plot(numbers, [point.simulated_s - other_s for point in curve.points], "-", color=colour, lw=0.8)
    axes.plot(numbers, [point.module_s for point in curve.points], "o", color=colour, label="measured")


def saturated(curve: Curve) -> str:
    """Figure 6: hits a second, processor cores in use and rows an execution of each second."""
    from matplotlib.figure import Figure

    seen = curve.saturation
    figure = Figure(figsize=(14, 3.2), layout="constrained")
    hits, cores, rows = figure.subplots(1, 3)
    seconds = np.arange(int(seen.outcome.seconds) + 1)
    answered, _ = np.histogram(seen.outcome.answered, seconds)
    hits_a_request = seen.outcome.hits / max(seen.outcome.requests, 1)
    hits.step(seconds[:-1], answered * hits_a_request, where="post", color=COLOURS[0])
    hits.set_ylabel("hits/s")
    for colour, role in zip(COLOURS, sorted(seen.cores[0]), strict=False):
        cores.plot(seen.seconds, [look.get(role, 0.0) for look in seen.cores], color=colour, label=role)
    cores.set_ylabel("processor cores in use")
    cores.legend(frameon=False, fontsize=9)
    rows.plot(seen.seconds, seen.rows, color=COLOURS[0])
    rows.set_ylabel("rows an execution")
    for axes in (hits, cores, rows):
        axes.set_xlabel("seconds since the signal")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
    return as_png(figure)
