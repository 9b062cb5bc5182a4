"""The panels of one drift volume of a plane: its charge and, beside it, the truth of its hits."""

import math
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import SubFigure
from matplotlib.image import AxesImage
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from lartpc.detector import PIXEL_TICKS, TICK_US, plane
from lartpc.drawing.plane import (
    MICHEL,
    Window,
    busiest,
    draw_charge,
    draw_hits,
    hit_kind,
    time_label,
    time_us,
    us_per_wire,
    whole_plane,
)
from lartpc.patches.plane_hits import PlaneHits
from lartpc.served.contract import PATCH_SIZE

EXTREME = 2.5
"""A panel that would be so many times as wide as high, or as high as wide, is not drawn to scale."""

SCALE_BAR_CM = 10.0

EMPTY_COLOUR = "#b8b8b8"
"""Of the crosses at empty pixels."""


@dataclass(frozen=True)
class Style:
    """How all panels of a picture are drawn.

    Attributes:
        norm: colour scale of the charge.
        widths: of the panels, in inches.
        marker_scale: size of the hits.
        stacked: the image is one of patches in rows.
        small: the closer look is narrower than its title.
    """

    norm: PowerNorm
    widths: NDArray[np.float64]
    marker_scale: float
    stacked: bool
    small: bool = False


@dataclass(frozen=True)
class Panels:
    """What was drawn of a volume.

    Attributes:
        charge: the image.
        whole: axis of the charge.
        truth: axis of the true classes, where they are drawn.
    """

    charge: AxesImage
    whole: Axes
    truth: Axes | None = None


def is_stack(of_plane: PlaneHits) -> bool:
    """Whether the images are stacks of patches, as in imported files: one in drift time, several in wires."""
    _, wires, pixels = of_plane.image.shape
    return pixels == PATCH_SIZE and wires % PATCH_SIZE == 0 and wires >= 2 * PATCH_SIZE


def in_rows(stack: PlaneHits) -> PlaneHits:
    """The stack laid out in rows, as wide as high in patches."""
    volumes, wires, _ = stack.image.shape
    patches = wires // PATCH_SIZE
    columns = math.ceil(math.sqrt(patches))
    rows = math.ceil(patches / columns)
    padded = np.pad(stack.image, ((0, 0), (0, rows * columns * PATCH_SIZE - wires), (0, 0)))
    grid = padded.reshape(volumes, rows, columns * PATCH_SIZE, PATCH_SIZE).transpose(0, 2, 1, 3)
    hits = stack.hits.copy()
    row, hits["local_wire"] = np.divmod(hits["local_wire"], columns * PATCH_SIZE)
    hits["local_time"] += row * PATCH_SIZE * PIXEL_TICKS
    image = grid.reshape(volumes, columns * PATCH_SIZE, rows * PATCH_SIZE)
    return replace(stack, image=image, hits=hits)


def panel_shapes(drawn: PlaneHits, truth: bool) -> NDArray[np.float64]:
    """Widths of the panels of a drift volume, (1,) or (3,) with the truth, in their height."""
    _, wires, pixels = drawn.image.shape
    natural = wires * us_per_wire(drawn.plane) / (pixels * PIXEL_TICKS * TICK_US)
    shape = float(np.clip(natural, 1.0 / EXTREME, EXTREME))
    return np.array([shape, shape, 0.5] if truth else [shape])


def draw_volume(row: SubFigure, drawn: PlaneHits, volume: int, style: Style) -> Panels:
    """Draw the panels of a drift volume, as many as the style has widths."""
    image = drawn.image[volume]
    norm, marker_scale = style.norm, style.marker_scale
    grid = row.add_gridspec(2, len(style.widths), width_ratios=style.widths)
    whole = row.add_subplot(grid[:, 0])
    of_volume = draw_charge(whole, image, norm)
    _lay_out(whole, whole_plane(*image.shape), drawn.plane, style.stacked)
    whole.set(xlabel="wire", ylabel=time_label(image.shape[1]))
    if len(style.widths) == 1:
        return Panels(of_volume, whole)
    beside = row.add_subplot(grid[:, 1])
    _draw_truth(beside, drawn, volume, marker_scale)
    _lay_out(beside, whole_plane(*image.shape), drawn.plane, style.stacked)
    beside.set_xlabel("wire")
    beside.tick_params(labelleft=False)
    closer, what = _closer_look(drawn, volume)
    for axis in (whole, beside):
        closer.outline(axis)
    charge, truth = (row.add_subplot(grid[place, 2]) for place in range(2))
    draw_charge(charge, image, norm)
    draw_charge(truth, image, norm).set(cmap="Greys", alpha=0.6)
    _draw_truth(truth, drawn, volume, 4.0 * marker_scale)
    for axis in (charge, truth):
        _lay_out(axis, closer, drawn.plane, style.stacked)
        _draw_scale_bar(axis, closer, drawn.plane)
        axis.set_ylabel("time [µs]")
    charge.set_title(what, **({"fontsize": 9, "loc": "right"} if style.small else {"fontsize": 11}))
    charge.set_anchor("N")
    truth.set_anchor("S")
    truth.set_xlabel("wire")
    return Panels(of_volume, whole, beside)


def _closer_look(drawn: PlaneHits, volume: int) -> tuple[Window, str]:
    """The window, and what is in it."""
    image = drawn.image[volume]
    window = whole_plane(*image.shape)
    hits = drawn.hits[(drawn.hits["tpc"] == volume) & drawn.is_hit]
    if len(hits):
        of_michel = hit_kind(hits) == MICHEL
        place = busiest(hits["local_wire"], time_us(hits, image.shape[1]), of_michel)
        return window.around(*place), "densest Michel electron" if of_michel.any() else "busiest place"
    wire, pixel = np.unravel_index(np.argmax(image), image.shape)
    place = float(wire), window.low + float(pixel) * PIXEL_TICKS * TICK_US
    return window.around(*place), "highest charge" if image.any() else "no charge"


def _draw_truth(axis: Axes, drawn: PlaneHits, volume: int, scale: float) -> None:
    pixels = drawn.image.shape[2]
    of_volume = drawn.hits["tpc"] == volume
    hits, empty = drawn.hits[of_volume & drawn.is_hit], drawn.hits[of_volume & ~drawn.is_hit]
    draw_hits(axis, hits["local_wire"], time_us(hits, pixels), hit_kind(hits), scale)
    if len(empty):
        axis.scatter(
            empty["local_wire"],
            time_us(empty, pixels),
            s=10 * scale,
            c=EMPTY_COLOUR,
            marker="+",
            lw=0.6,
            zorder=0.5,
            label=f"empty pixel  {len(empty)}",
        )


def _lay_out(axis: Axes, window: Window, plane_name: str, stacked: bool) -> None:
    """Show the window, distances along wires' order and drift alike unless that would be extreme."""
    window.frame(axis)
    per_wire = us_per_wire(plane_name)
    if 1.0 / EXTREME <= window.wires * per_wire / window.us <= EXTREME:
        axis.set_aspect(1.0 / per_wire)
    if stacked:
        axis.xaxis.set_major_locator(MultipleLocator(PATCH_SIZE, offset=-0.5))
        axis.yaxis.set_major_locator(MultipleLocator(PATCH_SIZE * PIXEL_TICKS * TICK_US))
        axis.xaxis.set_major_formatter(lambda wire, _: f"{math.ceil(wire)}")
        axis.grid(color="0.8", lw=0.6)
        axis.set_axisbelow(True)


def _draw_scale_bar(axis: Axes, window: Window, plane_name: str) -> None:
    length = SCALE_BAR_CM / plane(plane_name).pitch
    left, low = window.left + 0.05 * window.wires, window.low + 0.05 * window.us
    axis.plot((left, left + length), (low, low), c="0.1", lw=2.5, solid_capstyle="butt", zorder=6)
    where = (left + 0.5 * length, low + 0.015 * window.us)
    behind = {"fc": "w", "ec": "none", "alpha": 0.8, "pad": 1.0}
    axis.text(*where, f"{SCALE_BAR_CM:g} cm", ha="center", va="bottom", fontsize=10, zorder=6, bbox=behind)
