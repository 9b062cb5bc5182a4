"""The picture of one plane of an event: charge, predicted classes and truth, and a closer look."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from client.plane_hits import PlaneHits
from lartpc.contract import CLASS_OUTPUT, MICHEL_CUTS, MICHEL_OUTPUT, Label
from lartpc.detector import PIXEL_TICKS, TICK_US, TRIGGER_TICK
from lartpc.files import whole_file

MICHEL = len(Label)
"""Drawn as a fourth kind of hit: a Michel electron's, whatever its class."""

KINDS = {
    Label.NONE: ("none", "#9a9a9a", 5),
    Label.TRACK: ("track", "#2166ac", 3),
    Label.SHOWER: ("shower", "#e08214", 3),
    MICHEL: ("Michel", "#c51b7d", 10),
}
"""Kind -> name, colour, marker area in points squared; in the order of drawing."""

ZOOM_WIRES = 70
ZOOM_US = ZOOM_WIRES * PIXEL_TICKS * TICK_US
"""A pixel of 6 ticks is nearly as long as the pitch, so the closer look keeps the proportions."""


def event_picture(
    of_plane: PlaneHits, outputs: dict[str, NDArray[np.float32]], model: str
) -> tuple[Figure, float]:
    """Draw a plane three times, wires against drift time: its charge, the answer and the truth.

    Args:
        of_plane: the plane and its hits.
        outputs: output name -> (H, 3) or (H, 1) answers to the hits.
        model: name and version of the model, for the title.

    Returns:
        The figure, and the share of hits whose class is the true one.
    """
    hits = of_plane.hits
    predicted_class = outputs[CLASS_OUTPUT].argmax(axis=1)
    predicted = np.where(outputs[MICHEL_OUTPUT][:, 0] > MICHEL_CUTS[0], MICHEL, predicted_class)
    truth = np.where(hits["michel"] == 1, MICHEL, hits["label"])
    agreement = float(np.mean(predicted_class == hits["label"]))
    wire = hits["tpc"].astype(np.int64) * of_plane.image.shape[1] + hits["local_wire"]
    time_us = (hits["local_time"] - TRIGGER_TICK) * TICK_US
    centre = _busiest(wire, time_us, truth == MICHEL)

    figure = Figure(figsize=(13, 11), layout="constrained")
    run, subrun, number = of_plane.event_id
    figure.suptitle(
        f"Run {run}, subrun {subrun}, event {number}, plane {of_plane.plane}   ·   {model}   ·   "
        f"{agreement:.1%} of {len(hits)} hits in their true class",
        fontsize=13,
    )
    axes = figure.subplots(2, 3, height_ratios=(1.5, 1), sharex="row", sharey="row")
    for row, scale in enumerate((1, 5)):
        charge = _draw_charge(axes[row, 0], of_plane.image)
        _draw_hits(axes[row, 1], wire, time_us, predicted, scale)
        _draw_hits(axes[row, 2], wire, time_us, truth, scale)
        axes[row, 0].set_ylabel("drift time after the trigger [us]")
    for axis, title in zip(axes[0], ("Charge", "Predicted", "Truth"), strict=True):
        axis.set_title(title, fontsize=12)
        axis.add_patch(Rectangle(*_corner_and_size(centre), fill=False, ec="0.25", lw=0.9, zorder=5))
    _frame(axes, of_plane.image.shape, centre)
    for axis in axes[0, 1:]:
        axis.legend(loc="upper right", fontsize=9, framealpha=0.92, markerscale=1.6, handletextpad=0.2)
    _draw_colour_scale(figure, axes[0, 0], charge)
    return figure, agreement


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    with whole_file(path) as part:
        figure.savefig(part, dpi=100, format="png")


def _draw_charge(axis: Axes, image: NDArray[np.float16]) -> ScalarMappable:
    """Stored pixels, the drift volumes side by side; the square root keeps faint charge visible."""
    drift_volumes, wires, pixels = image.shape
    joined = image.reshape(drift_volumes * wires, pixels).T.astype(np.float32)
    charge = joined[joined > 0]
    highest = float(np.percentile(charge, 98)) if charge.size else 1.0
    first_us = -TRIGGER_TICK * TICK_US
    return axis.imshow(
        np.ma.masked_less_equal(joined, 0),
        origin="lower",
        aspect="auto",
        extent=(-0.5, drift_volumes * wires - 0.5, first_us, first_us + pixels * PIXEL_TICKS * TICK_US),
        cmap="magma_r",
        norm=PowerNorm(0.5, vmin=0, vmax=highest, clip=True),
        interpolation="nearest",
    )


def _draw_colour_scale(figure: Figure, axis: Axes, charge: ScalarMappable) -> None:
    """In the corner where the other panels have their legend."""
    axis.add_patch(
        Rectangle((0.46, 0.885), 0.525, 0.1, transform=axis.transAxes, fc="w", ec="0.8", alpha=0.92, zorder=5)
    )
    strip = axis.inset_axes((0.495, 0.955, 0.445, 0.018), zorder=6)
    _, highest = charge.get_clim()
    ticks = [share * (highest or 0) for share in (0, 0.25, 1)]
    figure.colorbar(charge, cax=strip, orientation="horizontal", ticks=ticks, format="{x:.0f}")
    strip.tick_params(labelsize=8, pad=1.5, length=2)
    strip.set_xlabel("deconvolved ADC", fontsize=8, labelpad=1)


def _draw_hits(
    axis: Axes,
    wire: NDArray[np.integer],
    time_us: NDArray[np.floating],
    kind: NDArray[np.integer],
    scale: float,
) -> None:
    for number, (name, colour, area) in KINDS.items():
        of_kind = kind == number
        axis.scatter(
            wire[of_kind],
            time_us[of_kind],
            s=area * scale,
            c=colour,
            lw=0,
            label=f"{name}  {np.count_nonzero(of_kind)}",
        )


def _frame(axes: NDArray[np.object_], shape: tuple[int, ...], centre: tuple[float, float]) -> None:
    first_us = -TRIGGER_TICK * TICK_US
    axes[0, 0].set(
        xlim=(-0.5, shape[0] * shape[1] - 0.5),
        ylim=(first_us, first_us + shape[2] * PIXEL_TICKS * TICK_US),
    )
    (left, low), width, height = _corner_and_size(centre)
    axes[1, 0].set(xlim=(left, left + width), ylim=(low, low + height))
    for axis in axes[1]:
        axis.set_xlabel("wire")


def _corner_and_size(centre: tuple[float, float]) -> tuple[tuple[float, float], float, float]:
    return (centre[0] - ZOOM_WIRES / 2, centre[1] - ZOOM_US / 2), ZOOM_WIRES, ZOOM_US


def _busiest(
    wire: NDArray[np.integer], time_us: NDArray[np.floating], wanted: NDArray[np.bool_]
) -> tuple[float, float]:
    """Wire and time with the most wanted hits around; of all hits where none is wanted."""
    if wanted.any():
        wire, time_us = wire[wanted], time_us[wanted]
    near = (np.abs(wire[:, None] - wire) < ZOOM_WIRES / 3) & (
        np.abs(time_us[:, None] - time_us) < ZOOM_US / 3
    )
    around = near[np.argmax(near.sum(axis=1))]
    return float(wire[around].mean()), float(time_us[around].mean())
