"""The picture of an evaluation: ROC and precision-recall curves, confusion, scores by truth."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torchmetrics.functional.classification import binary_precision_recall_curve, binary_roc

from lartpc.contract import CLASS_OUTPUT, MICHEL_CUTS, MICHEL_OUTPUT, TRACK_CUTS, Label
from training.metrics import confusion

COLOURS = {"track": "#2166ac", "shower": "#d6604d", "none": "#7f7f7f", "michel": "#1b9e77"}


def evaluation_figure(
    outputs: dict[str, NDArray[np.float32]],
    label: NDArray[np.integer],
    michel: NDArray[np.integer],
    metrics: dict[str, float],
    title: str,
) -> Figure:
    """Six panels about a set of answers; arguments as in :func:`training.metrics.physics_metrics`."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(2, 3)
    track_score = outputs[CLASS_OUTPUT][:, Label.TRACK]
    michel_score = outputs[MICHEL_OUTPUT][:, 0]
    signal = label != Label.NONE
    _roc(axes[0, 0], track_score[signal], label[signal] == Label.TRACK, COLOURS["track"])
    axes[0, 0].set_title(f"track against shower, AUC {metrics['track_shower_auc']:.4f}")
    _roc(axes[0, 1], michel_score, michel == 1, COLOURS["michel"])
    axes[0, 1].set_title(f"Michel against all, AUC {metrics['michel_auc']:.4f}")
    precision, recall, _ = binary_precision_recall_curve(
        torch.from_numpy(michel_score), torch.from_numpy(michel.astype(np.int64))
    )
    axes[0, 2].plot(recall, precision, color=COLOURS["michel"])
    axes[0, 2].axhline(float(np.mean(michel)), color="0.6", ls=":", label="share of Michel hits")
    axes[0, 2].set(
        xlabel="efficiency",
        ylabel="purity",
        title=f"Michel, average precision {metrics['michel_average_precision']:.3f}",
    )
    axes[0, 2].legend()
    _confusion(axes[1, 0], confusion(outputs, label))
    _scores(axes[1, 1], track_score, {item.name.lower(): label == item for item in Label}, TRACK_CUTS)
    axes[1, 1].set(xlabel="track score")
    _scores(axes[1, 2], michel_score, {"michel": michel == 1, "none": michel == 0}, MICHEL_CUTS)
    axes[1, 2].set(xlabel="Michel score")
    axes[1, 2].get_legend().get_texts()[-1].set_text("other")
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    figure.savefig(path, dpi=110, format="png")


def _roc(axes: Axes, score: NDArray, truth: NDArray, colour: str) -> None:
    false_positive, true_positive, _ = binary_roc(
        torch.from_numpy(score), torch.from_numpy(truth.astype(np.int64))
    )
    axes.plot(true_positive, 1 - false_positive, color=colour)
    axes.set(xlabel="efficiency", ylabel="rejection of the others", xlim=(0, 1.01), ylim=(0, 1.01))
    axes.grid(alpha=0.3)


def _confusion(axes: Axes, counts: NDArray) -> None:
    share = counts / counts.sum(axis=1, keepdims=True).clip(1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = [label.name.lower() for label in Label]
    axes.set_xticks(range(3), names)
    axes.set_yticks(range(3), names)
    axes.set(xlabel="predicted", ylabel="true", title="share of the true class (hits)")
    for row, column in np.ndindex(counts.shape):
        colour = "white" if share[row, column] > 0.5 else "black"
        text = f"{share[row, column]:.1%}\n{counts[row, column]:,}"
        axes.text(column, row, text, ha="center", va="center", color=colour)


def _scores(axes: Axes, score: NDArray, truths: dict[str, NDArray], cuts: tuple[float, ...]) -> None:
    bins = np.linspace(0, 1, 51)
    for name, chosen in truths.items():
        density, _ = np.histogram(score[chosen], bins, density=True)
        axes.stairs(density, bins, lw=1.6, color=COLOURS[name], label=name)
    for cut in cuts:
        axes.axvline(cut, color="0.6", ls=":")
    axes.set(ylabel="density, dotted: cuts in use", yscale="log")
    axes.legend()
