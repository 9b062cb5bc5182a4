"""The patches that a network sees: some of each class, in network units, on one colour scale."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lartpc.adc_scale import AdcScale
from lartpc.detector import DRIFT_SPEED, PIXEL_TICKS, TICK_US, plane
from lartpc.drawing.plane import COLOUR_MAP, KINDS, MICHEL, hit_kind
from lartpc.event_file import EventFile
from lartpc.patches.cut import HALF
from lartpc.patches.plane_hits import PlaneHits, hits_of_event
from lartpc.served.contract import PATCH_SIZE

EMPTY = MICHEL + 1
"""A fifth kind of patch: around an empty pixel."""

NAMES = {**{kind: name for kind, (name, *_) in KINDS.items()}, EMPTY: "empty pixel"}
"""Kind -> name, from the gallery's top to its bottom."""

PATCH_INCHES = 1.25

COLOURS = {**{kind: colour for kind, (_, colour, *_) in KINDS.items()}, EMPTY: "#9a9a9a"}


def places(events: EventFile, plane_name: str) -> dict[int, NDArray[np.int64]]:
    """Where the patches of each kind are, in one plane.

    Returns:
        Kind -> (N, 2) index of the event, row among its hits, which its empty pixels follow.
    """
    number = plane(plane_name).index
    found: dict[int, list[NDArray[np.int64]]] = {kind: [np.zeros((0, 2), np.int64)] for kind in NAMES}
    for index in range(len(events)):
        hits, is_hit = hits_of_event(events, index, empty_pixels=True)
        kinds = np.where(is_hit, hit_kind(hits), EMPTY)
        for kind in NAMES:
            rows = np.flatnonzero((kinds == kind) & (hits["local_plane"] == number))
            found[kind].append(np.column_stack([np.full_like(rows, index), rows]))
    return {kind: np.concatenate(parts) for kind, parts in found.items()}


def draw_lots(found: dict[int, NDArray[np.int64]], each: int, seed: int) -> dict[int, NDArray[np.int64]]:
    """Up to ``each`` places of every kind that there is; the same for the same seed."""
    random = {kind: np.random.default_rng((seed, kind)) for kind in found}
    return {kind: random[kind].permutation(rows)[:each] for kind, rows in found.items() if len(rows)}


def patches_at(
    events: EventFile, plane_name: str, scale: AdcScale, chosen: dict[int, NDArray[np.int64]]
) -> dict[int, NDArray[np.float32]]:
    """(N, 48, 48) patches at places of each kind, in network units.

    Raises:
        UserError: a hit lies outside its plane, or the pixels do not reach as far as the scale.
    """
    patches = {
        kind: np.zeros((len(rows), PATCH_SIZE, PATCH_SIZE), np.float32) for kind, rows in chosen.items()
    }
    for index in np.unique(np.concatenate([rows[:, 0] for rows in chosen.values()])):
        of_plane = PlaneHits.read(events, index, plane_name, empty_pixels=True)
        canvas = of_plane.canvas(scale)
        for kind, rows in chosen.items():
            of_event = rows[:, 0] == index
            hits = np.searchsorted(of_plane.number, rows[of_event, 1])
            patches[kind][of_event] = canvas.patches(hits)[..., 0]
    return patches


def patch_gallery(
    patches: dict[int, NDArray[np.float32]],
    counts: dict[int, int],
    each: int,
    plane_name: str,
    scale: AdcScale,
    title: str,
) -> Figure:
    """Draw patches, a row for each kind, all on one colour scale that ends where network units do.

    Args:
        patches: kind -> (N, 48, 48), N at most ``each``.
        counts: kind -> how many there are to draw from.
        each: columns.
        plane_name: U, V or W, for the length of a patch.
        scale: of the era.
        title: what the patches are drawn from.
    """
    size = (each * PATCH_INCHES + 2.6, len(patches) * PATCH_INCHES + 1.2)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=12)
    axes = figure.subplots(len(patches), each, squeeze=False)
    norm = PowerNorm(0.5, vmin=0.0, vmax=scale.adc_max * scale.gain)
    for row, (kind, of_kind) in zip(axes, patches.items(), strict=True):
        label = f"{NAMES[kind]}\n{len(of_kind)} of {counts[kind]:,}"
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=11, color=COLOURS[kind])
        for axis, patch in zip(row, of_kind, strict=False):
            _draw_patch(axis, patch, norm, plane_name)
        for axis in row[max(len(of_kind), 1) :]:
            axis.set_axis_off()
    bar = figure.colorbar(ScalarMappable(norm, COLOUR_MAP), ax=axes, fraction=0.03, aspect=40, pad=0.015)
    bar.set_ticks([0, 1, 2, 5, 10, scale.adc_max * scale.gain])
    bar.set_label(f"network units, era {scale.era}: {scale.gain:g} × calibrated ADC, clipped")
    microseconds = PATCH_SIZE * PIXEL_TICKS * TICK_US
    across = f"{PATCH_SIZE} wires ({PATCH_SIZE * plane(plane_name).pitch:.1f} cm) across"
    up = f"{PATCH_SIZE} drift pixels ({microseconds:g} µs, {microseconds * DRIFT_SPEED:.1f} cm) up"
    figure.supxlabel(f"A patch: {across}, {up}; marks at the hit's wire and pixel", fontsize=10)
    return figure


def _draw_patch(axis: Axes, patch: NDArray[np.float32], norm: PowerNorm, plane_name: str) -> None:
    axis.imshow(
        np.ma.masked_less_equal(patch.T, 0.0),
        origin="lower",
        cmap=COLOUR_MAP,
        norm=norm,
        interpolation="nearest",
        aspect=DRIFT_SPEED * PIXEL_TICKS * TICK_US / plane(plane_name).pitch,
    )
    axis.set(xticks=[HALF], yticks=[HALF], xticklabels=[], yticklabels=[])
    axis.tick_params(top=True, right=True, length=3, color="0.4")
    axis.spines[:].set_color("0.6")
