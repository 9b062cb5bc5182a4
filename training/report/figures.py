"""The look of the report's pictures."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import mplhep
from matplotlib.figure import Figure
from PIL import Image

from lartpc.drawing.plane import KINDS, MICHEL
from lartpc.served.contract import Label

COLOURS = {
    "track": KINDS[Label.TRACK][1],
    "shower": KINDS[Label.SHOWER][1],
    "none": "#6b6b6b",
    "michel": KINDS[MICHEL][1],
}
"""As in the event displays."""

MIXTURE_LINES = {"natural": "-", "upstream": "--"}

NAMES = {
    "natural": "natural mixture",
    "upstream": "upstream's selection",
    "uncalibrated": "as trained",
    "michel": "Michel electron",
}

STYLE = mplhep.style.ROOT | {
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 10.0,
    "axes.titlesize": 10.5,
    "axes.linewidth": 0.9,
    "axes.labelcolor": "#323f4b",
    "axes.edgecolor": "#52606d",
    "xtick.color": "#52606d",
    "ytick.color": "#52606d",
    "xtick.major.size": 5.0,
    "xtick.minor.size": 2.5,
    "ytick.major.size": 5.0,
    "ytick.minor.size": 2.5,
    "xaxis.labellocation": "center",
    "yaxis.labellocation": "center",
    "axes.grid": True,
    "grid.color": "#e9edf1",
    "grid.linestyle": "-",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.fontsize": 8.8,
    "lines.linewidth": 1.7,
}
"""As collaborations print, in the size of a page on a screen."""


@dataclass(frozen=True)
class Picture:
    """A finished picture.

    Attributes:
        caption: what it shows, in a sentence or two.
        png: the picture.
    """

    caption: str
    png: bytes


class Canvas:
    """A figure under way; ``picture`` is set when the ``with`` block of :func:`drawing` ends.

    Attributes:
        figure: of matplotlib.
        axes: its panels, row by row.
    """

    def __init__(self, figure: Figure, axes: list[Any]) -> None:
        self.figure = figure
        self.axes = axes
        self.picture: Picture


@contextmanager
def drawing(
    caption: str, rows: int = 1, columns: int = 1, size: tuple[float, float] = (4.2, 3.5), **options: Any
) -> Iterator[Canvas]:
    """Draw a figure.

    Args:
        caption: what it shows.
        rows: of panels; with 0 the caller lays out the figure.
        columns: of panels.
        size: width and height of a panel, in inches.
        options: of ``Figure.subplots``.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(size[0] * columns, size[1] * max(rows, 1)), layout="constrained")
        axes = list(figure.subplots(rows, columns, squeeze=False, **options).ravel()) if rows else []
        canvas = Canvas(figure, axes)
        yield canvas
        layout = figure.get_layout_engine()
        if layout and any(axis.get_aspect() != "auto" for axis in figure.axes):
            layout.execute(
                figure
            )  # panels of a fixed shape are placed by the second one, that of the drawing
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
        canvas.picture = Picture(caption, in_few_colours(buffer))


def in_few_colours(png: io.BytesIO) -> bytes:
    """The same picture in a palette of 256 colours: a third of the bytes."""
    smaller = io.BytesIO()
    picture = (
        Image.open(png).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    picture.save(smaller, format="png", optimize=True)
    return smaller.getvalue()


def shown(estimate: dict[str, float | None], digits: int = 3) -> str:
    """A value with its interval: ``0.976 [0.961, 0.985]``; a dash where there is none."""
    if estimate["value"] is None:
        return "–"
    text = f"{estimate['value']:.{digits}f}"
    if estimate["low"] is None:
        return text
    return f"{text} [{estimate['low']:.{digits}f}, {estimate['high']:.{digits}f}]".replace("-", "−")
