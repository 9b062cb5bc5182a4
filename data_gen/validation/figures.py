"""The look of the page's plots."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt

from data_gen.validation.study import Plot

OURS, REFERENCE, SECOND, THIRD, FAINT = "#1f5fa8", "#c8452c", "#2c8c57", "#8a5aa8", "#9aa5b1"
"""Colours: the generator, its reference, further series, what stands back."""

_STYLE = {
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#52606d",
    "axes.labelcolor": "#323f4b",
    "axes.grid": True,
    "grid.color": "#e4e7eb",
    "xtick.color": "#52606d",
    "ytick.color": "#52606d",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "errorbar.capsize": 0.0,
}


class Canvas:
    """A figure under way; ``plot`` is set when the ``with`` block of :func:`drawing` ends.

    Attributes:
        axes: of matplotlib, left to right.
        plot: the finished picture.
    """

    def __init__(self, axes: list[Any]) -> None:
        self.axes = axes
        self.plot: Plot


@contextmanager
def drawing(name: str, message: str, panels: int = 1, height: float = 3.1) -> Iterator[Canvas]:
    """Draw a figure of one or more panels side by side.

    Args:
        name: of the picture.
        message: what it shows, in one sentence.
        panels: how many.
        height: in inches.
    """
    with plt.rc_context(_STYLE):
        width = 6.2 if panels == 1 else 4.7 * panels
        figure, axes = plt.subplots(1, panels, figsize=(width, height), squeeze=False, layout="constrained")
        canvas = Canvas(list(axes[0]))
        try:
            yield canvas
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=140, metadata={"Software": None})
            canvas.plot = Plot(name, message, buffer.getvalue())
        finally:
            plt.close(figure)


def label(axes: Any, x: str, y: str, **options: Any) -> None:
    """Name the axes, with units, and show the legend where something has a label."""
    axes.set(xlabel=x, ylabel=y, **options)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
