"""The picture of one plane of an event: charge, predicted classes and truth, and a closer look."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lartpc.drawing.plane import (
    MICHEL,
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
    whole_plane,
)
from lartpc.patches.plane_hits import PlaneHits
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_CUTS, MICHEL_OUTPUT


def event_picture(
    of_plane: PlaneHits, outputs: dict[str, NDArray[np.float32]], model: str
) -> tuple[Figure, float, str]:
    """Draw a plane three times, wires against drift time: its charge, the answer and the truth.

    Args:
        of_plane: the plane and its hits; drift volumes are drawn side by side.
        outputs: output name -> (H, 3) or (H, 1) answers to the hits.
        model: name and version of the model, for the title.

    Returns:
        The figure; the share of hits whose class is the true one; and how many of the Michel hits are found,
        beside how many others, in words.
    """
    hits = of_plane.hits
    predicted_class = outputs[CLASS_OUTPUT].argmax(axis=1)
    predicted = np.where(outputs[MICHEL_OUTPUT][:, 0] > MICHEL_CUTS[0], MICHEL, predicted_class)
    truth = hit_kind(hits)
    agreement = float(np.mean(predicted_class == hits["label"]))
    found, true = predicted == MICHEL, truth == MICHEL
    hit, meant, others = map(np.count_nonzero, (found & true, true, found & ~true))
    michel = f"{hit} of {meant} hits found, {others} others"
    volumes, wires, pixels = of_plane.image.shape
    joined = of_plane.image.reshape(volumes * wires, pixels)
    wire = hits["tpc"].astype(np.int64) * wires + hits["local_wire"]
    time = time_us(hits, pixels)
    plane = whole_plane(*joined.shape)
    zoom = plane.around(*busiest(wire, time, truth == MICHEL))
    norm = charge_norm(joined)

    figure = Figure(figsize=(13, 11.5), layout="constrained")
    run, subrun, number = of_plane.event_id
    figure.suptitle(
        f"Run {run}, subrun {subrun}, event {number}, plane {of_plane.plane}   ·   {model}\n"
        f"{agreement:.1%} of {len(hits)} hits in their true class   ·   Michel: {michel}",
        fontsize=13,
    ).set_parse_math(False)  # a model's name may hold dollars
    axes = figure.subplots(2, 3, height_ratios=(1.5, 1), sharex="row", sharey="row")
    for row, (window, scale) in enumerate(((plane, 1), (zoom, 5))):
        charge = draw_charge(axes[row, 0], joined, norm)
        draw_hits(axes[row, 1], wire, time, predicted, scale)
        draw_hits(axes[row, 2], wire, time, truth, scale)
        axes[row, 0].set_ylabel(time_label(pixels))
        window.frame(axes[row, 0])
    for axis in axes[0]:
        zoom.outline(axis)
    for axis in axes[1]:
        axis.set_xlabel("wire")
    head_with_colour_scale(axes[0, 0], charge, charge_unit(of_plane.stored))
    head_with_legend(axes[0, 1], "Predicted")
    head_with_legend(axes[0, 2], "Truth")
    return figure, agreement, michel
