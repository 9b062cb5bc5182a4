"""Pictures of how well the scores separate, drawn from the record alone."""

from typing import Any

import mplhep
import numpy as np
from numpy.typing import NDArray

from lartpc.served.contract import MICHEL_CUTS, TRACK_CUTS, Label
from training.evaluation.tasks import MIXTURES, TASKS, weights
from training.report.figures import COLOURS, MIXTURE_LINES, NAMES, Picture, drawing, shown

CUTS = {"track": TRACK_CUTS, "michel": MICHEL_CUTS}
TASK_COLOURS = {"track": COLOURS["track"], "michel": COLOURS["michel"], "none": COLOURS["none"]}


def roc_picture(curves: dict[str, Any], areas: dict[str, Any]) -> Picture:
    """ROC curves: the share of others that is accepted against efficiency."""
    caption = (
        "ROC curves: share of the others that is accepted, against the share of those meant. "
        "Brackets: 95 % interval, from events drawn anew."
    )
    with drawing(caption, 1, 3) as canvas:
        for axis, task in zip(canvas.axes, TASKS, strict=True):
            for mixture in MIXTURES:
                points = curves[mixture].get(task.name)
                if points is None:
                    continue
                axis.plot(
                    points["true_positive_rate"],
                    np.maximum(points["false_positive_rate"], 1e-6),
                    MIXTURE_LINES[mixture],
                    color=TASK_COLOURS[task.name],
                    alpha=1.0 if mixture == "natural" else 0.6,
                    label=f"{NAMES[mixture]}\nAUC {shown(areas[mixture][task.name]['auc'])}",
                )
            axis.set(xlabel="efficiency", ylabel="misidentified share of the others", title=task.title)
            axis.set(xlim=(0, 1), ylim=(1e-4, 1), yscale="log")
            axis.legend(loc="lower right")
    return canvas.picture


def precision_recall_picture(curves: dict[str, Any], areas: dict[str, Any]) -> Picture:
    """Purity against efficiency."""
    caption = "Purity against efficiency (precision and recall), with the average precision (AP)."
    with drawing(caption, 1, 3) as canvas:
        for axis, task in zip(canvas.axes, TASKS, strict=True):
            for mixture in MIXTURES:
                points = curves[mixture].get(task.name)
                if points is None:
                    continue
                area = areas[mixture][task.name]
                axis.plot(
                    points["efficiency"],
                    points["purity"],
                    MIXTURE_LINES[mixture],
                    color=TASK_COLOURS[task.name],
                    alpha=1.0 if mixture == "natural" else 0.6,
                    label=f"{NAMES[mixture]}, {100 * area['share']:.2g} % are meant\n"
                    f"AP {shown(area['average_precision'])}",
                )
            axis.set(xlabel="efficiency", ylabel="purity", title=task.title, xlim=(0, 1), ylim=(0, 1.02))
            axis.legend(loc="lower left" if task.name == "track" else "upper right")
    return canvas.picture


def candidate_picture(kinds: list[dict[str, Any]]) -> Picture:
    """Purity of Michel candidates against efficiency, as the cut on the score moves."""
    caption = (
        "Michel candidates: purity against efficiency for electrons, as the cut on the Michel score moves; "
        "bars: 95 % interval."
    )
    with drawing(caption, 1, 1, (6.4, 4.2)) as canvas:
        (axis,) = canvas.axes
        for kind in kinds:
            rows = [row for row in kind["cuts"] if row["purity"]["value"] is not None]
            if not rows:
                continue
            efficiency, purity = (
                np.array([[row[name][part] for part in ("value", "low", "high")] for row in rows], float)
                for name in ("efficiency", "purity")
            )
            views = "collection view" if kind["views"] == 1 else "three views"
            axis.errorbar(
                efficiency[:, 0],
                purity[:, 0],
                yerr=np.abs(purity[:, 1:].T - purity[:, 0]),
                fmt="o-" if kind["track_end"] else "o--",
                ms=3.0,
                lw=1.2,
                color=COLOURS["michel" if kind["views"] == 3 else "none"],
                label=views + (", beside a track's end" if kind["track_end"] else ""),
            )
        axis.set(xlabel="efficiency", ylabel="purity", xlim=(0, 1), ylim=(0, 1.02))
        if axis.lines:
            axis.legend(loc="lower left")
    return canvas.picture


def confusion_picture(confusion: dict[str, Any]) -> Picture:
    """Where each true class goes."""
    names = [label.name.lower() for label in Label]
    with drawing("Class of largest score, as a share of each true class.", 1, 2, (3.9, 3.5)) as canvas:
        for axis, mixture in zip(canvas.axes, MIXTURES, strict=True):
            counts = np.array(confusion[mixture])
            share = counts / counts.sum(axis=1, keepdims=True).clip(1e-30)
            axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
            axis.grid(False)
            axis.minorticks_off()
            axis.tick_params(length=0)
            axis.set_xticks(range(3), names)
            axis.set_yticks(range(3), names)
            axis.set(xlabel="predicted", ylabel="true", title=NAMES[mixture])
            for row, column in np.ndindex(counts.shape):
                colour = "white" if share[row, column] > 0.5 else "#1f2933"
                text = f"{share[row, column]:.1%}\n{counts[row, column]:,.0f}"
                axis.text(column, row, text, ha="center", va="center", color=colour)
    return canvas.picture


def threshold_picture(scales: dict[str, Any]) -> Picture:
    """Efficiency and purity against the threshold, with the cuts in use, on each score scale."""
    caption = (
        "Efficiency and purity of a cut on the score in the natural mixture. Vertical lines: cuts in use. "
        f"Scale of the scores: {' in full colour, '.join(scales)}{' faint' if len(scales) > 1 else ''}."
    )
    with drawing(caption, 1, 2, (5.2, 3.6)) as canvas:
        for axis, (name, title) in zip(
            canvas.axes, (("track", "track score"), ("michel", "Michel score")), strict=True
        ):
            for found, alpha in zip(scales.values(), (1.0, 0.35), strict=False):
                values = found["thresholds"]["natural"][name]
                for kind, line in (("efficiency", "-"), ("purity", "--")):
                    heights = [np.nan if value is None else value for value in values[kind]]
                    axis.plot(
                        values["threshold"],
                        heights,
                        line,
                        color=COLOURS[name],
                        alpha=alpha,
                        label=kind if alpha == 1.0 else None,
                    )
            for cut in CUTS[name]:
                axis.axvline(cut, color="#9aa5b1", lw=0.9, ls=":")
            axis.set(xlabel=f"cut on the {title}", ylabel="share", xlim=(0, 1), ylim=(0, 1.02))
            if name == "michel":
                axis.set(xscale="log", xlim=(1e-4, 1))
            axis.legend(loc="best")
    return canvas.picture


def score_picture(scores: NDArray[np.void]) -> Picture:
    """Distributions of the two scores by true class, at the natural mixture."""
    weight = weights(scores, "natural")
    michel = scores["michel"] == 1
    kinds = {
        "track": scores["label"] == Label.TRACK,
        "shower": (scores["label"] == Label.SHOWER) & ~michel,
        "none": scores["label"] == Label.NONE,
        "michel": michel,
    }
    caption = (
        "Scores by true class at the natural mixture: share of each class in a bin. Vertical lines: cuts in "
        "use; scores of less than 0.0001 count as 0.0001."
    )
    with drawing(caption, 1, 2, (5.2, 3.6)) as canvas:
        for axis, (name, title) in zip(
            canvas.axes, (("track", "track score"), ("michel_score", "Michel score")), strict=True
        ):
            bins = np.linspace(0.0, 1.0, 41) if name == "track" else np.geomspace(1e-4, 1.0, 41)
            for kind, member in kinds.items():
                total = weight[member].sum()
                if not total > 0.0:
                    continue
                score = np.clip(scores[name][member], bins[0], 1.0)
                content, _ = np.histogram(score, bins, weights=weight[member] / total)
                mplhep.histplot(
                    content, bins, ax=axis, color=COLOURS[kind], lw=1.7, label=NAMES.get(kind, kind)
                )
            for cut in CUTS["track" if name == "track" else "michel"]:
                axis.axvline(cut, color="#9aa5b1", lw=0.9, ls=":")
            axis.set(xlabel=title, ylabel="share of the class", yscale="log", xlim=(0, 1), ylim=(1e-4, 3))
            if name != "track":
                axis.set(xscale="log", xlim=(1e-4, 1))
            axis.legend(ncols=2)
    return canvas.picture
