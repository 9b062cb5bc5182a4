"""Pictures of events and patches: hits coloured by their scores, and the worst mistakes."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from numpy.typing import NDArray

from lartpc.adc_scale import AdcScale
from lartpc.detector import PLANES
from lartpc.drawing.plane import (
    COLOUR_MAP,
    busiest,
    charge_norm,
    charge_unit,
    draw_charge,
    draw_hits,
    hit_kind,
    time_label,
    time_us,
    whole_plane,
)
from lartpc.event_file import EventFile
from training.evaluation.hit_scores import rows_of
from training.evaluation.mistakes import EACH, Mistakes, patches_of
from training.report.figures import COLOURS, Picture, drawing

TRACK_COLOURS = LinearSegmentedColormap.from_list(
    "shower to track", [COLOURS["shower"], "#d9d9d9", COLOURS["track"]]
)
MICHEL_COLOURS = LinearSegmentedColormap.from_list("Michel", ["#d9d9d9", "#c77fa8", COLOURS["michel"]])


def event_picture(events: EventFile, scores: NDArray[np.void], index: int, plane_number: int) -> Picture:
    """One plane of one event: charge, track score, Michel score and truth; below, a closer look.

    Args:
        events: the event file that was answered.
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE.
        index: of the event.
        plane_number: 0 U, 1 V, 2 W; the drift volume with the most hits is drawn.
    """
    name = PLANES[plane_number].name
    of = scores[(scores["index"] == index) & (scores["plane"] == plane_number)]
    volume = int(np.bincount(of["tpc"]).argmax())
    of = of[of["tpc"] == volume]
    hits = events.hits(index)
    hits = hits[rows_of(hits["hit_id"], of["hit_id"])]
    image = events.image(index, name)[volume]
    time = time_us(hits, image.shape[1])
    run, subrun, number = (int(part) for part in events.event_ids[index])
    place = "densest Michel electron" if hits["michel"].any() else "busiest place"
    caption = (
        f"Run {run}, subrun {subrun}, event {number}, plane {name}, drift volume {volume}: charge, scores of "
        f"the hits, and truth. Below: the {place}."
    )
    whole = whole_plane(*image.shape)
    closer = whole.around(*busiest(hits["local_wire"], time, hits["michel"] == 1))
    norm = charge_norm(image)
    most = float(np.percentile(scores["michel_score"], 99.9))
    with drawing(caption, 0, 4, (3.2, 7.6)) as canvas:
        axes = canvas.figure.subplots(2, 4, height_ratios=(2.1, 1.0))
        for row, (window, area) in enumerate(((whole, 3.0), (closer, 16.0))):
            for axis in axes[row]:
                axis.grid(False)
            charge = draw_charge(axes[row, 0], image, norm)
            for column, score, colours in ((1, "track", TRACK_COLOURS), (2, "michel_score", MICHEL_COLOURS)):
                order = np.argsort(of[score], kind="stable")
                points = axes[row, column].scatter(
                    hits["local_wire"][order],
                    time[order],
                    c=of[score][order],
                    s=area,
                    cmap=colours,
                    vmin=0.0,
                    vmax=1.0 if score == "track" else most,
                    lw=0,
                )
                if row == 0:
                    label = "track score" if score == "track" else "Michel score"
                    extend = "neither" if score == "track" else "max"
                    canvas.figure.colorbar(
                        points, ax=axes[0, column], location="top", label=label, aspect=30, extend=extend
                    )
            draw_hits(axes[row, 3], hits["local_wire"], time, hit_kind(hits), area / 4.0)
            if row == 0:
                label = charge_unit(events.stored)
                canvas.figure.colorbar(charge, ax=axes[0, 0], location="top", label=label, aspect=30)
                axes[0, 3].legend(title="truth", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2,
                                  markerscale=2.5, handletextpad=0.1)  # fmt: skip
            for axis in axes[row]:
                window.frame(axis)
                if row == 0:
                    closer.outline(axis)
                axis.set_xlabel("wire")
            for axis in axes[row, 1:]:
                axis.tick_params(labelleft=False)
            axes[row, 0].set_ylabel(time_label(image.shape[1]))
    return canvas.picture


def mistakes_picture(
    events: EventFile, scores: NDArray[np.void], found: list[Mistakes], scale: AdcScale
) -> Picture:
    """A gallery of the worst mistakes: patches in network units, with the four scores."""
    caption = (
        "The worst mistakes, no two of the same particle: the patch that the network saw (48 wires to the "
        "right, 48 drift pixels upwards, network units), below it the scores of track, shower, none, Michel."
    )
    norm = PowerNorm(0.5, 0.0, scale.adc_max * scale.gain)
    with drawing(caption, len(found), EACH, (1.45, 1.85)) as canvas:
        for axis in canvas.axes:
            axis.set_axis_off()
        for row, kind in enumerate(found):
            patches = patches_of(events, scores, kind.rows, scale)
            axes = canvas.axes[row * EACH : (row + 1) * EACH]
            axes[0].set_title(kind.title, loc="left", fontsize=11).set_in_layout(False)
            axes[-1].set_title(" ", fontsize=11)  # holds the place of the long one
            for axis, patch, hit in zip(axes, patches, scores[kind.rows], strict=False):
                axis.set_axis_on()
                axis.grid(False)
                axis.imshow(np.ma.masked_less_equal(patch.T, 0.0), origin="lower", cmap=COLOUR_MAP, norm=norm)
                axis.set_xticks([])
                axis.set_yticks([])
                axis.minorticks_off()
                four = [hit[name] for name in ("track", "shower", "none", "michel_score")]
                text = " ".join(f"{score:.2f}" for score in four)
                number = hit["event_id"][2]
                axis.set_xlabel(f"{text}\nevent {number}, hit {hit['hit_id']}", fontsize=7.5)
    return canvas.picture
