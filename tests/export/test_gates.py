"""The gates: what a precision may lose, read from a file and judged over events."""

from pathlib import Path

import numpy as np
import pytest

from export.gate import judgement
from export.gate.limits import Limits, read_gates
from export.gate.losses import Verdict, judge_physics
from export.gate.sample import GateSample
from export.graph.graphs import Graph
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT, PATCH, PRECISIONS, Label
from lartpc.served.parity import Outputs
from tests.helpers.paths import GATES
from training.network.checkpoint import load_checkpoint

LIMITS = Limits(1e-3, 1e-2, 5e-3, 5e-3, 0.5, 5e-3, 0.0)


class HeldOut:
    """Hits of twenty events on two planes, as judge_physics reads them of a data set."""

    def __init__(self, events: int = 20, hits: int = 200) -> None:
        random = np.random.default_rng(1)
        self.event = np.repeat(np.arange(events), hits)
        number = len(self.event)
        self.label = random.choice(3, number, p=[0.6, 0.35, 0.05])
        self.michel = ((self.label == Label.SHOWER) & (random.random(number) < 0.2)).astype(np.uint8)
        self.plane = random.choice([0, 2], number).astype(np.uint8)
        self.hit_id = np.tile(np.arange(hits), events)
        self.is_hit = random.random(number) < 0.95
        logits = random.normal(0.0, 1.5, (number, 3))
        logits[np.arange(number), self.label] += 2.0
        self.logits = logits, 3.0 * self.michel[:, None] - 2.0 + random.normal(0.0, 1.0, (number, 1))

    def outputs(self, noise: float = 0.0, shift: float = 0.0) -> Outputs:
        random = np.random.default_rng(2)
        classes, michel = (values + random.normal(0.0, 1.0, values.shape) * noise for values in self.logits)
        classes = np.exp(classes)
        return {
            CLASS_OUTPUT: (classes / classes.sum(axis=1, keepdims=True)).astype(np.float32),
            MICHEL_OUTPUT: (1.0 / (1.0 + np.exp(-michel - shift))).astype(np.float32),
        }


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    return HeldOut()


def judged(held_out: HeldOut, answers: Outputs, limits: Limits = LIMITS) -> Verdict:
    return judge_physics(answers, held_out.outputs(), held_out, limits)  # type: ignore[arg-type]


def failing(verdict: Verdict) -> set[str]:
    return {loss.figure for loss in verdict.losses if not loss.passed}


def test_equal_answers_lose_nothing(held_out: HeldOut) -> None:
    verdict = judged(held_out, held_out.outputs(), Limits(0, 0, 0, 0, 0, 0, 0))
    assert not verdict.failures
    assert {(loss.of, loss.group) for loss in verdict.losses if loss.figure == "auc_loss"} == {
        (head, group) for head in ("track", "michel") for group in ("all", "plane U", "plane W")
    }
    assert {loss.of for loss in verdict.losses if loss.figure == "flips"} == {
        "track > 0.3", "michel > 0.5", "michel > 0.6", "michel > 0.9"
    }  # fmt: skip


def test_blurred_answers_lose_areas_and_decisions(held_out: HeldOut) -> None:
    verdict = judged(held_out, held_out.outputs(noise=0.5))
    assert {"auc_loss", "average_precision_loss", "flips", "mean_dp"} <= failing(verdict)
    assert "auc_loss of track, all" in " ".join(verdict.failures)
    nearest = verdict.tightest()["flips"]
    assert nearest.edge > nearest.value > nearest.limit


def test_shifted_scores_keep_their_area_but_not_their_meaning(held_out: HeldOut) -> None:
    found = failing(judged(held_out, held_out.outputs(shift=0.5)))
    assert "calibration_error" in found and "flips" in found and "auc_loss" not in found


def test_the_edge_must_pass_not_the_value(held_out: HeldOut) -> None:
    plain = judged(held_out, held_out.outputs(noise=0.1))
    loss = next(loss for loss in plain.losses if loss.figure == "flips" and loss.of == "track > 0.3")
    assert 0.0 < loss.value < loss.edge
    between = Limits(1.0, 1.0, (loss.value + loss.edge) / 2, 1.0, 1.0, 1.0, 0.0)
    assert any(
        "track > 0.3" in failure
        for failure in judged(held_out, held_out.outputs(noise=0.1), between).failures
    )


def test_a_few_hits_may_change_their_mind_where_the_gates_say_so(held_out: HeldOut) -> None:
    answers = held_out.outputs()
    for at in np.flatnonzero(held_out.is_hit)[:3]:
        answers[MICHEL_OUTPUT][at] = 1.0 - np.round(answers[MICHEL_OUTPUT][at])
    share = 3.0 / held_out.is_hit.sum()
    for outliers, failures in ((1.01 * share, set()), (0.7 * share, {"max_dp"})):
        assert failing(judged(held_out, answers, Limits(1, 1, 1, 1, 1e-6, 1, outliers))) == failures


def test_an_answer_that_is_no_number_fails_wherever_it_is(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an empty pixel too, of which no figure of the hits knows."""
    sample = GateSample(load_checkpoint(checkpoint))
    answers = {name: values.copy() for name, values in sample.reference.items()}
    answers[MICHEL_OUTPUT][np.flatnonzero(~sample.held_out.is_hit)[0]] = np.nan
    monkeypatch.setattr(judgement, "GraphSession", lambda weights: None)
    monkeypatch.setattr(sample, "answers", lambda *asked: answers)
    graph = Graph("fp32", b"", 18, "", None)
    with pytest.raises(CheckError, match=f"answers 1 times no number in {MICHEL_OUTPUT}"):
        judgement.judge(graph, PATCH, sample, read_gates())


def test_the_worst_hit_is_named(held_out: HeldOut) -> None:
    answers = held_out.outputs()
    at = int(np.flatnonzero(held_out.is_hit)[77])
    answers[MICHEL_OUTPUT][at] = 1.0 - np.round(answers[MICHEL_OUTPUT][at])
    empty = int(np.flatnonzero(~held_out.is_hit)[0])
    answers[CLASS_OUTPUT][empty] = np.nan
    worst = judged(held_out, answers).worst
    assert (worst["event"], worst["hit_id"]) == (held_out.event[at], held_out.hit_id[at])
    assert worst["output"] == MICHEL_OUTPUT and worst["plane"] in ("U", "W")


def test_what_is_no_number_fails(held_out: HeldOut) -> None:
    answers = held_out.outputs()
    answers[MICHEL_OUTPUT][:50] = np.nan
    assert {"max_dp", "mean_dp"} <= failing(judged(held_out, answers, Limits(1, 1, 1, 1, 1, 1, 0)))


@pytest.mark.parametrize("path", sorted(GATES.parent.glob("gates*.yaml")), ids=lambda path: path.stem)
def test_shipped_gates_are_read_and_quick_ones_are_looser(path: Path) -> None:
    gates = read_gates(path)
    assert gates.name == path.stem and set(gates.limits) == set(PRECISIONS)
    assert gates.publishable == (path == GATES)
    strict = read_gates()
    for precision in gates.limits:
        for name, value in gates.record(precision)["limits"].items():  # type: ignore[union-attr]
            assert value >= getattr(strict.limits[precision], name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("flips: 5.0e-3", "flips: -1"), "flips of int8 is -1; give a number of 0 or more"),
        (("flips: 5.0e-3", "flips: yes"), "flips of int8 is True"),
        (("flips: 5.0e-3, ", ""), "int8 must have auc_loss"),
        (("outliers: 1.0e-4", "outliers: 1"), "outliers of int8 is 1; give a share below 1"),
        (("int8:", "int4:"), "must hold limits of fp32, fp16, int8"),
        (("publishable: true", ""), "and publishable: true or false"),
        (("publishable: true", "publishable: perhaps"), "publishable is 'perhaps'; give true or false"),
        (("int8: {", "int8: ["), "cannot read the gates"),
    ],
)
def test_gates_that_cannot_be_read(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "gates.yaml"
    path.write_text(GATES.read_text().replace(*change))
    with pytest.raises(UserError, match=message):
        read_gates(path)
    with pytest.raises(UserError, match="no file .*none.yaml"):
        read_gates(tmp_path / "none.yaml")
    with pytest.raises(
        UserError, match="no file gates_slow; give the path of one, or a name: gates, gates_quick"
    ):
        read_gates(Path("gates_slow"))


def test_figures_are_judged_as_they_are_not_as_they_are_printed(held_out: HeldOut) -> None:
    """A loss a little beyond its limit rounds to it at six decimals."""
    plain = judged(held_out, held_out.outputs(shift=1e-5))
    loss = next(loss for loss in plain.losses if loss.figure == "calibration_error" and loss.of == "michel")
    assert loss.edge != round(loss.edge, 6)
    below = Limits(1.0, 1.0, 1.0, loss.edge * (1 - 1e-3), 1.0, 1.0, 0.0)
    assert "calibration_error" in failing(judged(held_out, held_out.outputs(shift=1e-5), below))
