"""How a wire plane is drawn, wire against time: charge, hits by class, and where to look closer."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import ListedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy.spatial import KDTree

from lartpc.adc_scale import StoredPixels
from lartpc.detector import DRIFT_PIXELS, DRIFT_SPEED, PIXEL_TICKS, TICK_US, TRIGGER_TICK, plane
from lartpc.errors import UserError
from lartpc.files import whole_file
from lartpc.served.contract import Label

MICHEL = len(Label)
"""Drawn as a fourth kind of hit: a Michel electron's, whatever its class."""

KINDS = {
    Label.TRACK: ("track", "#3b8bc9", "o", 4),
    Label.SHOWER: ("shower", "#e69f00", "o", 4),
    MICHEL: ("Michel", "#7a0e4e", "D", 6),
    Label.NONE: ("none", "#9a9a9a", "s", 6),
}
"""Kind -> name, colour, marker and its area in points squared. The colours differ in lightness too, for
those who do not see all hues."""

COLOUR_MAP = ListedColormap(colormaps["magma_r"](np.linspace(0.08, 1.0, 256)))
"""Perceptually uniform; without its palest end, so that faint charge differs from none."""

WITHOUT_DATE: dict[str, dict[str, None]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
"""Metadata of each form: nothing that changes from one day to the next."""

ZOOM_WIRES = 70
ZOOM_US = ZOOM_WIRES * PIXEL_TICKS * TICK_US
"""A pixel of 6 ticks is nearly as long as the pitch: a third of a metre each way."""


@dataclass(frozen=True)
class Window:
    """A rectangle of a plane, in wires and us.

    Attributes:
        left: lowest wire.
        low: earliest time.
        wires: width.
        us: height.
    """

    left: float
    low: float
    wires: float
    us: float

    def around(self, wire: float, time_us: float) -> "Window":
        """The closer look at a place of this window: of the zoom's size, moved as far as to stay inside."""
        wires, us = min(ZOOM_WIRES, self.wires), min(ZOOM_US, self.us)
        left = np.clip(wire - wires / 2, self.left, self.left + self.wires - wires)
        low = np.clip(time_us - us / 2, self.low, self.low + self.us - us)
        return Window(float(left), float(low), wires, us)

    def frame(self, axis: Axes) -> None:
        """Let the axis show this window."""
        axis.set(xlim=(self.left, self.left + self.wires), ylim=(self.low, self.low + self.us))

    def outline(self, axis: Axes) -> None:
        """Mark this window in an axis that shows more."""
        corner = (self.left, self.low)
        axis.add_patch(Rectangle(corner, self.wires, self.us, fill=False, ec="0.25", lw=0.9, zorder=5))


def whole_plane(wires: int, pixels: int) -> Window:
    """The window of an image of this size."""
    return Window(-0.5, _first_us(pixels), wires, pixels * PIXEL_TICKS * TICK_US)


def time_us(hits: NDArray[np.void], pixels: int) -> NDArray[np.float64]:
    """(H,) times of hits or empty pixels in us: after the trigger, where the image is a whole readout.

    Args:
        hits: with a field ``local_time``.
        pixels: drift pixels of the image; where it is not a readout's length, times count from its start.
    """
    return hits["local_time"] * TICK_US + _first_us(pixels)


def time_label(pixels: int) -> str:
    """Name of the time axis of an image with so many drift pixels."""
    return "drift time after the trigger [µs]" if pixels == DRIFT_PIXELS else "time in the image [µs]"


def _first_us(pixels: int) -> float:
    return -TRIGGER_TICK * TICK_US if pixels == DRIFT_PIXELS else 0.0


def us_per_wire(plane_name: str) -> float:
    """Time in us in which electrons drift one wire pitch: the two lengths are drawn alike."""
    return plane(plane_name).pitch / DRIFT_SPEED


def hit_kind(hits: NDArray[np.void]) -> NDArray[np.int64]:
    """(H,) true kind of hits, a key of :data:`KINDS`."""
    return np.where(hits["michel"] == 1, MICHEL, hits["label"]).astype(np.int64)


def busiest(
    wire: NDArray[np.number], time_us: NDArray[np.floating], wanted: NDArray[np.bool_]
) -> tuple[float, float]:
    """Wire and time with the most wanted hits within a third of the zoom; of all hits if none is wanted.

    Args:
        wire: (H,), H at least 1.
        time_us: (H,).
        wanted: (H,).
    """
    if wanted.any():
        wire, time_us = wire[wanted], time_us[wanted]
    place = np.column_stack([wire / ZOOM_WIRES, time_us / ZOOM_US])
    tree = KDTree(place)
    counts = tree.query_ball_point(place, 1 / 3, p=np.inf, return_length=True)
    around = tree.query_ball_point(place[np.argmax(counts)], 1 / 3, p=np.inf)
    return float(wire[around].mean()), float(time_us[around].mean())


def charge_norm(image: NDArray[np.floating]) -> PowerNorm:
    """Colour scale of stored pixels: a square root, up to the charge that one pixel in a thousand exceeds."""
    charge = image[image > 0].astype(np.float32)
    return PowerNorm(0.5, vmin=0.0, vmax=float(np.percentile(charge, 99.9)) if charge.size else 1.0)


def draw_charge(axis: Axes, image: NDArray[np.floating], norm: PowerNorm) -> AxesImage:
    """Draw (wire, drift pixel) stored pixels; those of 0 and less stay white."""
    window = whole_plane(*image.shape)
    return axis.imshow(
        np.ma.masked_less_equal(image.T.astype(np.float32), 0.0),
        origin="lower",
        aspect="auto",
        extent=(window.left, window.left + window.wires, window.low, window.low + window.us),
        cmap=COLOUR_MAP,
        norm=norm,
    )


def charge_unit(stored: StoredPixels) -> str:
    """What a stored pixel is, for the colour scale (data_gen.configuration: 10³ electrons a tick)."""
    return "mean calibrated ADC" if stored.calibrated else "mean deconvolved charge [10³ e⁻ / tick]"


def head_with_colour_scale(axis: Axes, charge: AxesImage, label: str) -> None:
    """Set the colour scale above an axis."""
    draw_colour_scale(axis.inset_axes((0.02, 1.025, 0.96, 0.018)), charge, label)


def draw_colour_scale(strip: Axes, charge: ScalarMappable, label: str) -> None:
    """Fill an axis with the colour scale, its numbers and label above it."""
    strip.figure.colorbar(charge, cax=strip, orientation="horizontal", extend="max")
    highest = strip.get_xlim()[1]
    decade = 10.0 ** np.floor(np.log10(highest))
    ticks = np.outer((0.1 * decade, decade), (1.0, 2.0, 5.0)).ravel()
    ticks = np.append(0.0, ticks[ticks <= highest])
    strip.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    strip.minorticks_off()
    strip.xaxis.set_ticks_position("top")
    strip.xaxis.set_label_position("top")
    strip.set_xlabel(label, fontsize=11, labelpad=6)


def head_with_legend(axis: Axes, title: str) -> None:
    """Set the legend of :func:`draw_hits` above an axis, where it hides no hit."""
    legend = axis.legend(
        title=title,
        title_fontsize=11,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=2,
        frameon=False,
        handletextpad=0.1,
        columnspacing=1.5,
    )
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([30.0])


def draw_hits(
    axis: Axes,
    wire: NDArray[np.number],
    time_us: NDArray[np.floating],
    kind: NDArray[np.integer],
    scale: float,
) -> None:
    """Scatter hits by kind, with their numbers for a legend.

    Args:
        axis: to draw on.
        wire: (H,).
        time_us: (H,).
        kind: (H,) keys of :data:`KINDS`.
        scale: of the markers' areas.
    """
    for number, (name, colour, marker, area) in KINDS.items():
        of_kind = kind == number
        axis.scatter(
            wire[of_kind],
            time_us[of_kind],
            s=area * scale,
            c=colour,
            marker=marker,
            lw=0,
            zorder=1 if number == Label.NONE else 2,
            label=f"{name}  {np.count_nonzero(of_kind)}",
        )


def save(figure: Figure, path: Path, dpi: int = 100) -> None:
    """Write a figure, whole or not at all, as what the suffix says; the same figure gives the same bytes.

    Args:
        figure: to write.
        path: the file, as :func:`lartpc.drawing.target.picture_file` gives it.
        dpi: pixels in an inch, of a PNG and of the images in the others.

    Raises:
        UserError: the file cannot be written.
    """
    form = path.suffix.lower().removeprefix(".")
    figure.draw_without_rendering()  # only at its second time does the layout know how large headings are
    try:
        with whole_file(path) as part, rc_context({"svg.hashsalt": "lartpc"}):
            figure.savefig(part, dpi=dpi, format=form, metadata=WITHOUT_DATE[form])
    except UserError as error:
        raise UserError(f"{error} with --out") from error
