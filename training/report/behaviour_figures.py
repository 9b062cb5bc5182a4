"""Pictures of calibration, of what the scores depend on, of training and of other detectors."""

from typing import Any

import numpy as np

from lartpc.served.contract import MICHEL_CUTS, TRACK_CUTS
from training.evaluation.learning import Curves
from training.report.figures import COLOURS, NAMES, Picture, drawing

QUANTITIES = {
    "charge": "charge of the hit [10³ e⁻]",
    "angle": "track's angle to the drift [°]",
    "end_distance": "distance to the track's end [cm]",
    "overlap": "share of other particles' hits in the patch",
}


def reliability_picture(scales: dict[str, Any]) -> Picture:
    """Share of truth against score, for each of the four scores, of each score scale in its own mixture."""
    caption = (
        "Reliability: the share that is what the score says, against the score, of each score scale in the "
        "mixture that it is made for. On the diagonal a score is a probability. In the legend the mean score "
        "over the share."
    )
    with drawing(caption, 1, 4, (3.2, 3.3)) as canvas:
        for axis, name in zip(canvas.axes, ("track", "shower", "none", "michel"), strict=True):
            rare = name == "michel"
            axis.plot([1e-5, 1], [1e-5, 1], color="#9aa5b1", lw=0.9)
            for number, (scale, found) in enumerate(scales.items()):
                if name not in found["reliability"]:
                    continue
                points, filled = found["reliability"][name], number == 0
                mean, share = np.array(points["mean_score"]), np.array(points["share"])
                drawn = (share > 0.0) | (not rare)
                over = points["mean_over_share"]["value"]
                axis.plot(
                    mean[drawn],
                    share[drawn],
                    "o-" if filled else "o",
                    ms=4.0,
                    lw=1.0,
                    color=COLOURS[name],
                    mfc=COLOURS[name] if filled else "white",
                    alpha=1.0 if filled else 0.6,
                    label=f"{scale} {'–' if over is None else format(over, '.2f')}",
                )
            limits = (1e-4, 1.0) if rare else (0.0, 1.0)
            scale = "log" if rare else "linear"
            axis.set(xlim=limits, ylim=limits, xscale=scale, yscale=scale, title=NAMES.get(name, name))
            axis.set(xlabel="mean score", ylabel="share" if name == "track" else None)
            axis.legend(loc="upper left")
    return canvas.picture


def dependence_picture(found: dict[str, Any]) -> Picture:
    """The track and Michel scores against what surrounds the hit."""
    caption = (
        "Scores against what surrounds the hit, as generated. Above: median and central 68 % of the track "
        "score of track and shower hits. Below: share of track and shower hits whose largest score is right, "
        "and of Michel hits beyond the Michel score that 1 % of the others pass; bars: 95 % interval."
    )
    quantities = [name for name in QUANTITIES if name in found]
    with drawing(caption, 2, len(quantities), (3.2, 2.7), sharey="row", sharex="col") as canvas:
        columns = len(quantities)
        for column, quantity in enumerate(quantities):
            above, below = canvas.axes[column], canvas.axes[columns + column]
            for kind, bins in found[quantity].items():
                low, high = (np.array([entry[side] for entry in bins]) for side in ("low", "high"))
                centre = np.sqrt(low * high) if quantity == "charge" else (low + high) / 2
                bottom, middle, top = np.array([entry["score_quantiles"] for entry in bins]).T
                if kind != "michel":
                    above.fill_between(centre, bottom, top, color=COLOURS[kind], alpha=0.15, lw=0)
                    above.plot(centre, middle, "o-", ms=3.0, color=COLOURS[kind])
                right = [entry["right"] for entry in bins]
                value = np.array([entry["value"] for entry in right], float)
                ends = np.array([[entry["low"], entry["high"]] for entry in right], float).T
                below.errorbar(
                    centre,
                    value,
                    np.abs(ends - value),
                    fmt="o-",
                    ms=3.0,
                    lw=1.2,
                    color=COLOURS[kind],
                    label=NAMES.get(kind, kind),
                )
            if quantity == "charge":
                below.set_xscale("log")
            if quantity == "end_distance":
                below.set_xscale("symlog", linthresh=1.0)
                below.set_xlim(0.0, None)
            below.set(xlabel=QUANTITIES[quantity], ylim=(0, 1.02))
            above.set(ylim=(0, 1.02))
        canvas.axes[0].set_ylabel("track score")
        canvas.axes[columns].set_ylabel("share right")
        canvas.axes[columns].legend(loc="best")
    return canvas.picture


def learning_picture(curves: Curves) -> Picture:
    """Loss and validation scores against steps."""
    caption = "Training loss, and areas on the validation events, against steps of the optimiser."
    with drawing(caption, 1, 2, (5.2, 3.2)) as canvas:
        loss, scores = canvas.axes
        loss.plot(*curves.get("train_loss", ([], [])), color="#52606d", lw=1.2)
        loss.set(xlabel="step", ylabel="training loss")
        for name, label, colour in (
            ("track_shower_auc", "track against shower, AUC", COLOURS["track"]),
            ("michel_auc", "Michel electron, AUC", COLOURS["michel"]),
            ("michel_average_precision", "Michel electron, AP", "#c77fa8"),
        ):
            if name in curves:
                scores.plot(*curves[name], "o-", ms=3.5, color=colour, label=label)
        scores.set(xlabel="step", ylabel="validation", ylim=(0, 1.02))
        scores.legend(loc="best")
    return canvas.picture


def variation_picture(variations: dict[str, Any]) -> Picture:
    """Differences from the nominal detector, for each variation."""
    caption = (
        "Other detectors: difference from the nominal one on hits of the same deposits, natural mixture; "
        "bars: paired 95 % interval."
    )
    names = list(variations)
    place = np.arange(len(names))[::-1]
    panels = {
        "track: Δ AUC": lambda found: found["differences"]["natural"].get("track", {}).get("auc"),
        f"track: Δ efficiency, score > {TRACK_CUTS[0]}": lambda found: _at(found, "track", TRACK_CUTS[0]),
        "Michel: Δ average precision": lambda found: (
            found["differences"]["natural"].get("michel", {}).get("average_precision")
        ),
        f"Michel: Δ efficiency, score > {MICHEL_CUTS[0]}": lambda found: _at(found, "michel", MICHEL_CUTS[0]),
    }
    with drawing(caption, 1, len(panels), (3.1, 1.1 + 0.28 * len(names)), sharey=True) as canvas:
        for axis, (title, figure_of) in zip(canvas.axes, panels.items(), strict=True):
            for row, name in zip(place, names, strict=True):
                figure = figure_of(variations[name])
                if figure is None or figure["difference"]["value"] is None:
                    continue
                difference = figure["difference"]
                ends = np.array([[difference["low"]], [difference["high"]]], float)
                axis.errorbar(
                    [difference["value"]],
                    [row],
                    xerr=np.abs(ends - difference["value"]),
                    fmt="o",
                    ms=4.5,
                    color=COLOURS["track" if title.startswith("track") else "michel"],
                )
            axis.axvline(0.0, color="#9aa5b1", lw=0.9)
            axis.set_yticks(place, names, parse_math=False)
            axis.tick_params(axis="y", which="minor", left=False, right=False)
            axis.set_xlabel(title)
    return canvas.picture


def _at(found: dict[str, Any], score: str, cut: float) -> dict[str, Any]:
    """Efficiency of a cut in use."""
    return next(row["efficiency"] for row in found["cuts"] if (row["score"], row["cut"]) == (score, cut))
