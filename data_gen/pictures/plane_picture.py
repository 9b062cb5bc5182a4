"""The picture of one plane of an event: its charge and, beside it, the truth of its hits."""

import math
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from lartpc.adc_scale import StoredPixels
from lartpc.detector import PIXEL_TICKS, TICK_US, plane
from lartpc.event_drawing import (
    MICHEL,
    Window,
    busiest,
    charge_norm,
    charge_unit,
    draw_charge,
    draw_hits,
    head_with_colour_scale,
    head_with_legend,
    hit_kind,
    time_label,
    time_us,
    us_per_wire,
    whole_plane,
)
from lartpc.served.contract import PATCH_SIZE

TALLEST_INCHES, WIDEST_INCHES = 7.5, 14.0
"""Bounds of a panel's height and of the panels' widths together. Where several drift volumes share a
picture their panels are two thirds as large."""

EXTREME = 2.5
"""A panel that would be so many times as wide as high, or as high as wide, is not drawn to scale."""

SCALE_BAR_CM = 10.0


@dataclass(frozen=True)
class PlaneOfEvent:
    """What is drawn of an event.

    Attributes:
        event_id: (run, subrun, event number).
        plane: U, V or W.
        images: drift volume -> (wire, drift pixel) stored pixels; at least one.
        hits: (H,) of lartpc.event.HIT_DTYPE, of this plane.
        empty: (N,) of lartpc.event.EMPTY_DTYPE, of this plane.
        stored: what has been done to the pixels already.
        stacked: the images are patches, laid side by side and in rows.
    """

    event_id: tuple[int, int, int]
    plane: str
    images: dict[int, NDArray[np.float16]]
    hits: NDArray[np.void]
    empty: NDArray[np.void]
    stored: StoredPixels = StoredPixels()
    stacked: bool = False


def in_rows(drawn: PlaneOfEvent) -> PlaneOfEvent:
    """Lay images that are a stack of patches, as imported files have them, out in rows; others stay.

    A stack is one patch in drift time and several in wires; it becomes as wide as high, in patches.
    """
    wires, pixels = next(iter(drawn.images.values())).shape
    patches = wires // PATCH_SIZE
    if pixels != PATCH_SIZE or wires % PATCH_SIZE or patches < 2:
        return drawn
    columns = math.ceil(math.sqrt(patches))
    rows = math.ceil(patches / columns)
    images = {}
    for volume, image in drawn.images.items():
        padded = np.pad(image, ((0, rows * columns * PATCH_SIZE - wires), (0, 0)))
        grid = padded.reshape(rows, columns * PATCH_SIZE, PATCH_SIZE)
        images[volume] = grid.transpose(1, 0, 2).reshape(columns * PATCH_SIZE, rows * PATCH_SIZE)
    moved = []
    for table in (drawn.hits, drawn.empty):
        table = table.copy()
        row, wire = np.divmod(table["local_wire"], columns * PATCH_SIZE)
        table["local_wire"] = wire
        table["local_time"] += row * PATCH_SIZE * PIXEL_TICKS
        moved.append(table)
    return replace(drawn, images=images, hits=moved[0], empty=moved[1], stacked=True)


def plane_picture(drawn: PlaneOfEvent, truth: bool) -> Figure:
    """Draw the charge of each drift volume, one below the other, wire against drift time.

    Args:
        drawn: the plane.
        truth: draw beside it the hits and empty pixels by true class, and a closer look at the densest
            Michel electron, or at the busiest place where there is none.
    """
    drawn = in_rows(drawn)
    volumes = len(drawn.images)
    wires, pixels = next(iter(drawn.images.values())).shape
    natural = wires * us_per_wire(drawn.plane) / (pixels * PIXEL_TICKS * TICK_US)
    shape = float(np.clip(natural, 1.0 / EXTREME, EXTREME))
    shapes = np.array([shape, shape, 0.5] if truth else [shape])
    height = min(TALLEST_INCHES, WIDEST_INCHES / shapes.sum()) / (1.0 if volumes == 1 else 1.5)
    widths = shapes * height
    marker_scale = 4.0 if drawn.stacked else height / TALLEST_INCHES
    norm = charge_norm(np.concatenate(list(drawn.images.values())))
    size = (widths.sum() + 0.9 * len(widths), volumes * (height + 1.7))
    figure = Figure(figsize=size, layout="constrained")
    rows = figure.subfigures(volumes, 1, squeeze=False)[:, 0]
    for row, volume in zip(rows, drawn.images, strict=True):
        run, subrun, number = drawn.event_id
        title = (f"Run {run}, subrun {subrun}, event {number}", f"plane {drawn.plane}, drift volume {volume}")
        row.suptitle(("   ·   " if truth else "\n").join(title), fontsize=13)
        _draw_volume(row, drawn, volume, norm, widths, marker_scale)
    return figure


def _draw_volume(
    row: SubFigure,
    drawn: PlaneOfEvent,
    volume: int,
    norm: PowerNorm,
    widths: NDArray[np.float64],
    marker_scale: float,
) -> None:
    image = drawn.images[volume]
    grid = row.add_gridspec(2, len(widths), width_ratios=widths)
    whole = row.add_subplot(grid[:, 0])
    head_with_colour_scale(whole, draw_charge(whole, image, norm), charge_unit(drawn.stored))
    _lay_out(whole, whole_plane(*image.shape), drawn)
    whole.set(xlabel="wire", ylabel=time_label(image.shape[1]))
    if len(widths) == 1:
        return
    beside = row.add_subplot(grid[:, 1])
    _draw_truth(beside, drawn, volume, marker_scale)
    head_with_legend(beside, "true class of the hits")
    _lay_out(beside, whole_plane(*image.shape), drawn)
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
        _lay_out(axis, closer, drawn)
        _draw_scale_bar(axis, closer, drawn.plane)
        axis.set_ylabel("time [µs]")
    charge.set_title(what, fontsize=11)
    charge.set_anchor("N")
    truth.set_anchor("S")
    truth.set_xlabel("wire")


def _closer_look(drawn: PlaneOfEvent, volume: int) -> tuple[Window, str]:
    """The window, and what is in it."""
    image = drawn.images[volume]
    window = whole_plane(*image.shape)
    hits = drawn.hits[drawn.hits["tpc"] == volume]
    if len(hits):
        of_michel = hit_kind(hits) == MICHEL
        place = busiest(hits["local_wire"], time_us(hits, image.shape[1]), of_michel)
        return window.around(*place), "densest Michel electron" if of_michel.any() else "busiest place"
    wire, pixel = np.unravel_index(np.argmax(image), image.shape)
    place = float(wire), window.low + float(pixel) * PIXEL_TICKS * TICK_US
    return window.around(*place), "highest charge" if image.any() else "no charge"


def _draw_truth(axis: Axes, drawn: PlaneOfEvent, volume: int, scale: float) -> None:
    pixels = drawn.images[volume].shape[1]
    empty = drawn.empty[drawn.empty["tpc"] == volume]
    hits = drawn.hits[drawn.hits["tpc"] == volume]
    draw_hits(axis, hits["local_wire"], time_us(hits, pixels), hit_kind(hits), scale)
    if len(empty):
        axis.scatter(
            empty["local_wire"],
            time_us(empty, pixels),
            s=10 * scale,
            c="#b8b8b8",
            marker="+",
            lw=0.6,
            zorder=0.5,
            label=f"empty pixel  {len(empty)}",
        )


def _lay_out(axis: Axes, window: Window, drawn: PlaneOfEvent) -> None:
    """Show the window, distances along wires' order and drift alike unless that would be extreme."""
    window.frame(axis)
    per_wire = us_per_wire(drawn.plane)
    if 1.0 / EXTREME <= window.wires * per_wire / window.us <= EXTREME:
        axis.set_aspect(1.0 / per_wire)
    if drawn.stacked:
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
