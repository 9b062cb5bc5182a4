"""What a precision costs a physicist: losses against the FP32 checkpoint on held-out events."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.gate.limits import Limits
from lartpc.detector import PLANES
from lartpc.score_file import set_outputs
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_CUTS, MICHEL_OUTPUT, TRACK_CUTS, Label
from lartpc.served.parity import Outputs
from training.data.dataset import PatchDataset
from training.evaluation.bootstrap import RankedHits, estimate, ratio, resamples, sums_by_event
from training.evaluation.hit_scores import SCORE_DTYPE
from training.evaluation.reliability import BINS, RARE_BINS
from training.evaluation.tasks import TASKS, Task

HEADS = ("track", "michel")
FIGURES = ("auc_loss", "average_precision_loss")
MIXTURE = "generated"
"""Every hit counts once: the Michel electrons that the sampling plan adds make its head's figures sharp."""


@dataclass(frozen=True)
class Loss:
    """One figure against its limit.

    Attributes:
        figure: name of the limit in the gates.
        of: head, working point or output.
        group: all hits, or those of a plane.
        value: the loss.
        edge: unfavourable edge of its 95 % interval; the value itself where it has none.
        limit: what ``edge`` may be at most.
    """

    figure: str
    of: str
    group: str
    value: float
    edge: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the limit is kept; NaN never keeps it."""
        return self.edge <= self.limit

    def __str__(self) -> str:
        numbers = f"{self.value:.2g}, edge {self.edge:.2g}, allowed {self.limit:g}"
        return f"{self.figure} of {self.of}, {self.group}: {numbers}"


@dataclass(frozen=True)
class Verdict:
    """All figures of a version.

    Attributes:
        losses: each figure of each head, working point and plane.
        worst: where the largest difference of a probability is: dp, output, event, hit, plane.
    """

    losses: list[Loss]
    worst: dict[str, Any]

    @property
    def failures(self) -> list[str]:
        """What is beyond its limit, in words."""
        return [str(loss) for loss in self.losses if not loss.passed]

    def tightest(self) -> dict[str, Loss]:
        """Figure -> the loss that comes nearest to its limit."""
        found: dict[str, Loss] = {}
        for loss in self.losses:
            other = found.get(loss.figure)
            if other is None or not loss.edge * other.limit <= other.edge * loss.limit:
                found[loss.figure] = loss
        return found

    def record(self) -> dict[str, Any]:
        """For the manifest."""
        return {"losses": [asdict(loss) for loss in self.losses], "worst": self.worst}


def judge_physics(answers: Outputs, reference: Outputs, held_out: PatchDataset, limits: Limits) -> Verdict:
    """Compare a version's answers to the held-out hits with the checkpoint's.

    Args:
        answers: to every hit and empty pixel of ``held_out``.
        reference: the FP32 checkpoint's.
        held_out: of the gate file; empty pixels are left out.
        limits: of the precision.
    """
    hits = held_out.is_hit
    difference = {
        name: np.abs(answers[name] - reference[name])[hits] for name in (CLASS_OUTPUT, MICHEL_OUTPUT)
    }
    worst = _worst(difference, held_out, hits)
    events, event = np.unique(held_out.event[hits], return_inverse=True)
    ours, theirs = (_scores(outputs, held_out, hits) for outputs in (answers, reference))
    comparison = _Comparison(ours, theirs, event, resamples(len(events)), limits)
    losses = [*comparison.separation(), *comparison.flips(), *comparison.calibration()]
    for name, values in difference.items():
        largest = np.sort(values.max(axis=1))[-1 - int(limits.outliers * len(values))]
        for figure, value, limit in (
            ("max_dp", float(largest), limits.max_dp),
            ("mean_dp", float(values.mean()), limits.mean_dp),
        ):
            losses.append(Loss(figure, name, "all", value, value, limit))
    return Verdict(losses, worst)


def _scores(outputs: Outputs, held_out: PatchDataset, hits: NDArray[np.bool_]) -> NDArray[np.void]:
    scores = np.zeros(int(hits.sum()), SCORE_DTYPE)
    for name in ("label", "michel", "plane"):
        scores[name] = getattr(held_out, name)[hits]
    scores["weight"] = 1.0
    set_outputs(scores, {name: values[hits] for name, values in outputs.items()})
    return scores


def _groups(scores: NDArray[np.void]) -> list[tuple[str, NDArray[np.bool_]]]:
    planes = np.unique(scores["plane"])
    everything = [("all", np.ones(len(scores), bool))]
    if len(planes) == 1:
        return everything
    return everything + [(f"plane {PLANES[plane].name}", scores["plane"] == plane) for plane in planes]


@dataclass(frozen=True)
class _Comparison:
    """Two answers to the same hits.

    Attributes:
        ours: (N,) of training.evaluation.hit_scores.SCORE_DTYPE.
        theirs: (N,) of the reference.
        event: (N,) number of each hit's event.
        drawn: (R, E) resamples of the events.
        limits: of the precision.
    """

    ours: NDArray[np.void]
    theirs: NDArray[np.void]
    event: NDArray[np.integer]
    drawn: NDArray[np.integer]
    limits: Limits

    @property
    def whole(self) -> NDArray[np.int64]:
        """(1, E) every event once."""
        return np.ones((1, self.drawn.shape[1]), np.int64)

    def separation(self) -> Iterator[Loss]:
        """Losses of area and average precision, of each head in each group of hits."""
        for group, member in _groups(self.ours):
            for task in TASKS:
                if task.name in HEADS:
                    yield from self._of_task(task, group, member)

    def _of_task(self, task: Task, group: str, member: NDArray[np.bool_]) -> Iterator[Loss]:
        of_all, of_resamples = [], []
        for scores in (self.theirs[member], self.ours[member]):
            counted, truth, score, weight = task.sides(scores, MIXTURE)
            if not truth.any() or truth.all():
                return
            event = self.event[member][counted]
            ranked = RankedHits.of(event, truth, score, weight, self.drawn.shape[1])
            of_all.append(ranked.figures(self.whole)[0])
            of_resamples.append(ranked.figures(self.drawn))
        loss, losses = of_all[0] - of_all[1], of_resamples[0] - of_resamples[1]
        for column, figure in enumerate(FIGURES):
            yield self._loss(figure, task.name, estimate(float(loss[column]), losses[:, column]), group)

    def flips(self) -> Iterator[Loss]:
        """Share of the hits whose decision changes at each working point."""
        for column, title, cuts in (("track", "track", TRACK_CUTS), ("michel_score", "michel", MICHEL_CUTS)):
            for cut in cuts:
                changed = ((self.ours[column] > cut) != (self.theirs[column] > cut)).astype(np.float64)
                share = ratio(self.event, changed, np.ones(len(changed)), self.drawn)
                yield self._loss("flips", f"{title} > {cut}", share)

    def calibration(self) -> Iterator[Loss]:
        """Rise of the expected calibration error of the track score and of the Michel score."""
        for head, column, truth, edges in (
            ("track", "track", self.ours["label"] == Label.TRACK, BINS),
            ("michel", "michel_score", self.ours["michel"] == 1, RARE_BINS),
        ):
            rise, rises = (
                _calibration_errors(self.ours[column], truth, edges, self.event, events)
                - _calibration_errors(self.theirs[column], truth, edges, self.event, events)
                for events in (self.whole, self.drawn)
            )
            yield self._loss("calibration_error", head, estimate(float(rise[0]), rises))

    def _loss(self, figure: str, of: str, found: dict[str, float | None], group: str = "all") -> Loss:
        value, edge = (np.nan if number is None else number for number in (found["value"], found["high"]))
        return Loss(figure, of, group, value, edge, getattr(self.limits, figure))


def _calibration_errors(
    score: NDArray[np.floating],
    truth: NDArray[np.bool_],
    edges: NDArray[np.float64],
    event: NDArray[np.integer],
    drawn: NDArray[np.integer],
) -> NDArray[np.float64]:
    """(R,) expected calibration error of each resample; see training.evaluation.reliability."""
    bins, events = len(edges) - 1, drawn.shape[1]
    inside = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, bins - 1)
    surplus = sums_by_event(event * bins + inside, score.astype(np.float64) - truth, events * bins)
    hits = sums_by_event(event, np.ones(len(score)), events)
    return np.abs(drawn @ surplus.reshape(events, bins)).sum(axis=1) / (drawn @ hits)


def _worst(
    difference: dict[str, NDArray[np.float32]], held_out: PatchDataset, hits: NDArray[np.bool_]
) -> dict[str, Any]:
    output = max(difference, key=lambda name: float(difference[name].max()))
    row = int(difference[output].max(axis=1).argmax())
    at = np.flatnonzero(hits)[row]
    return {
        "dp": float(difference[output][row].max()),
        "output": output,
        "event": int(held_out.event[at]),
        "hit_id": int(held_out.hit_id[at]),
        "plane": PLANES[int(held_out.plane[at])].name,
    }
