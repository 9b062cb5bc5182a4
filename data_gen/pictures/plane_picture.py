"""The picture of one plane of an event: of one drift volume, or of several as they lie in the detector."""

import math

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from data_gen.pictures.volume_panels import (
    EMPTY_COLOUR,
    Panels,
    Style,
    draw_volume,
    in_rows,
    is_stack,
    panel_shapes,
)
from lartpc.drawing.plane import (
    KINDS,
    charge_norm,
    charge_unit,
    draw_colour_scale,
    head_with_colour_scale,
    head_with_legend,
    hit_kind,
)
from lartpc.patches.plane_hits import PlaneHits

TALLEST_INCHES, WIDEST_INCHES = 7.5, 14.0
"""Bounds of a panel's height and of the panels' widths together."""

DETECTOR_INCHES = (19.0, 12.5)
"""Bounds of the width and height of a picture of several drift volumes: a screen's, at 150 dots an inch."""

HEAD_INCHES, MARGIN_INCHES = 1.1, 0.9
"""Above all drift volumes; around the panels of each, for its title and the numbers of its axes."""


def plane_picture(of_plane: PlaneHits, drift_volumes: list[int], truth: bool) -> Figure:
    """Draw the charge of some drift volumes, wire against drift time.

    Args:
        of_plane: the plane, with its empty pixels.
        drift_volumes: those that are drawn, one or more.
        truth: draw beside it the hits and empty pixels by true class, and a closer look at the densest
            Michel electron, or at the busiest place where there is none.
    """
    stacked = is_stack(of_plane)
    drawn = in_rows(of_plane) if stacked else of_plane
    shapes = panel_shapes(drawn, truth)
    norm = charge_norm(drawn.image[drift_volumes])
    if len(drift_volumes) > 1:
        return _several(drawn, drift_volumes, shapes, norm, stacked)
    height = min(TALLEST_INCHES, WIDEST_INCHES / shapes.sum())
    style = Style(norm, shapes * height, 4.0 if stacked else height / TALLEST_INCHES, stacked)
    size = (style.widths.sum() + 0.9 * len(shapes), height + 1.7)
    figure = Figure(figsize=size, layout="constrained")
    [[row]] = figure.subfigures(1, 1, squeeze=False)
    title = (_event(drawn), f"plane {drawn.plane}, drift volume {drift_volumes[0]}")
    row.suptitle(("   ·   " if truth else "\n").join(title), fontsize=13)
    panels = draw_volume(row, drawn, drift_volumes[0], style)
    head_with_colour_scale(panels.whole, panels.charge, charge_unit(drawn.stored))
    if panels.truth is not None:
        head_with_legend(panels.truth, "true class of the hits")
    return figure


def _event(drawn: PlaneHits) -> str:
    run, subrun, number = drawn.event_id
    return f"Run {run}, subrun {subrun}, event {number}"


def _several(
    drawn: PlaneHits, volumes: list[int], shapes: NDArray[np.float64], norm: PowerNorm, stacked: bool
) -> Figure:
    """Draw drift volumes in a grid, under one title, colour scale and legend."""
    rows, columns, height = arrange(len(volumes), shapes)
    scale = 4.0 if stacked else height / TALLEST_INCHES
    style = Style(norm, shapes * height, scale, stacked, small=True)
    margin = MARGIN_INCHES * np.array([len(shapes), 1.0])
    width, high = np.array([columns, rows]) * ([style.widths.sum(), height] + margin)
    figure = Figure(figsize=(width, high + HEAD_INCHES), layout="constrained")
    [[head], [body]] = figure.subfigures(2, 1, squeeze=False, height_ratios=(HEAD_INCHES, high))
    places = body.subfigures(rows, columns, squeeze=False)
    order = places.ravel() if columns == 2 else places.T.ravel()
    panels = []
    for place, volume in zip(order, volumes, strict=False):
        count = np.count_nonzero(drawn.is_hit & (drawn.hits["tpc"] == volume))
        place.suptitle(f"drift volume {volume}   ·   {count:,} hits", fontsize=12)
        panels.append(draw_volume(place, drawn, volume, style))
    _head(head, f"{_event(drawn)}   ·   plane {drawn.plane}", drawn, volumes, panels)
    return figure


def arrange(volumes: int, shapes: NDArray[np.float64]) -> tuple[int, int, float]:
    """Lay out drift volumes in two rows or two columns, whichever leaves the larger panels.

    Two that follow each other, as the two on either side of a cathode do, share a column or a row.

    Args:
        volumes: how many, 2 or more.
        shapes: widths of the panels of each, in their height.

    Returns:
        Rows, columns, and the height of a panel in inches.
    """
    pairs = math.ceil(volumes / 2)
    width, height = DETECTOR_INCHES
    layouts = []
    for rows, columns in ((2, pairs), (pairs, 2)):
        widest = (width / columns - MARGIN_INCHES * len(shapes)) / shapes.sum()
        tallest = (height - HEAD_INCHES) / rows - MARGIN_INCHES
        layouts.append((min(widest, tallest, TALLEST_INCHES), rows, columns))
    panel, rows, columns = max(layouts)
    return rows, columns, panel


def _head(head: SubFigure, title: str, drawn: PlaneHits, volumes: list[int], panels: list[Panels]) -> None:
    """Set title, colour scale and, where the truth is drawn, the legend of all drift volumes."""
    head.suptitle(title, fontsize=13)
    draw_colour_scale(head.add_axes((0.06, 0.1, 0.36, 0.12)), panels[0].charge, charge_unit(drawn.stored))
    if panels[0].truth is None:
        return
    hits = drawn.hits[drawn.is_hit & np.isin(drawn.hits["tpc"], volumes)]
    counts = np.bincount(hit_kind(hits), minlength=len(KINDS))
    empty = np.count_nonzero(~drawn.is_hit & np.isin(drawn.hits["tpc"], volumes))
    marks = [
        (f"{name}  {counts[kind]:,}", colour, marker) for kind, (name, colour, marker, _) in KINDS.items()
    ]
    marks += [(f"empty pixel  {empty:,}", EMPTY_COLOUR, "+")] if empty else []
    handles = [
        Line2D([], [], ls="", c=colour, marker=marker, ms=6, label=name) for name, colour, marker in marks
    ]
    head.legend(
        handles=handles,
        title="true class of the hits",
        title_fontsize=11,
        loc="center",
        bbox_to_anchor=(0.75, 0.3),
        ncols=len(handles),
        frameon=False,
        handletextpad=0.1,
        columnspacing=1.5,
    )
