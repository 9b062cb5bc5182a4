"""Figures of an evaluation: held against libraries, with intervals over events."""

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
)

from lartpc.event import SAMPLE_DTYPE
from lartpc.served.contract import Label
from tests.helpers.scores import some_scores
from training.evaluation.bootstrap import RankedHits, interval, ratio, resamples
from training.evaluation.comparison import (
    differences,
    trained_tasks,
)
from training.evaluation.cuts import (
    THRESHOLDS,
    equivalent_cuts,
    michel_cut,
    threshold_scan,
    working_points,
)
from training.evaluation.reliability import BINS, reliability
from training.evaluation.separation import groups
from training.evaluation.tasks import TASKS


def test_resampled_figures_are_scikit_learns() -> None:
    scores = some_scores()
    truth, score, weight = scores["michel"] == 1, scores["michel_score"], scores["weight"].astype("f8")
    ranked = RankedHits.of(scores["index"], truth, score, weight, 6)
    multiplicity = np.array([2, 0, 1, 3, 0, 0])
    drawn = np.repeat(np.arange(len(scores)), multiplicity[scores["index"]])
    auc, precision, purity = ranked.figures(multiplicity[None])[0]
    assert auc == pytest.approx(
        roc_auc_score(truth[drawn], score[drawn], sample_weight=weight[drawn]), abs=1e-3
    )
    expected = average_precision_score(truth[drawn], score[drawn], sample_weight=weight[drawn])
    assert precision == pytest.approx(expected, abs=3e-3)
    purities, efficiencies, _ = precision_recall_curve(
        truth[drawn], score[drawn], sample_weight=weight[drawn]
    )
    assert purity == pytest.approx(purities[efficiencies >= 0.5][-1], abs=2e-2)
    assert np.isnan(ranked.figures(np.zeros((1, 6), int))).all()


def test_resamples_draw_as_many_events_from_a_named_seed() -> None:
    drawn = resamples(12)
    assert drawn.shape == (1000, 12) and (drawn.sum(axis=1) == 12).all()
    assert np.array_equal(drawn, resamples(12))
    assert not np.array_equal(drawn, resamples(12, seed=2))


def test_intervals_are_those_of_events_not_of_hits() -> None:
    """Twenty events that are wholly right or wholly wrong: the hits in them add nothing."""
    event = np.repeat(np.arange(20), 1000)
    right = (event % 2 == 0).astype(float)
    found = ratio(event, right, np.ones(len(event)), resamples(20))
    assert found["value"] == 0.5
    width = found["high"] - found["low"]  # type: ignore[operator]
    assert width == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 20), rel=0.2)
    assert np.isnan(interval(np.array([np.nan]))).all()


def test_scores_drawn_from_their_probabilities_are_found_to_be_such() -> None:
    """And half of them are found to be twice too low; a constant has no skill."""
    random = np.random.default_rng(4)
    score = random.random(20_000) ** 3
    truth, weight = random.random(20_000) < score, 0.5 + random.random(20_000)
    event, drawn = np.repeat(np.arange(50), 400), resamples(50)
    found = reliability(truth, score, weight, BINS, event, drawn)
    ratio_found = found["mean_over_share"]
    assert ratio_found["low"] < 1.0 < ratio_found["high"] and ratio_found["value"] == pytest.approx(
        1.0, abs=0.05
    )
    share = np.average(truth, weights=weight)
    constant = log_loss(truth, np.full(len(truth), share), sample_weight=weight)
    expected = 1.0 - log_loss(truth, score, sample_weight=weight) / constant
    assert found["skill"]["value"] == pytest.approx(expected, abs=1e-6)
    assert found["skill"]["low"] < expected < found["skill"]["high"]
    assert sum(found["hits"]) == len(score)
    halved = reliability(truth, score / 2.0, weight, BINS, event, drawn)
    assert halved["mean_over_share"]["high"] < 0.6
    flat = reliability(truth, np.full(len(truth), share), weight, BINS, event, drawn)
    assert flat["skill"]["value"] == pytest.approx(0.0, abs=1e-6)


def test_equivalent_cuts_pass_as_many_of_those_meant() -> None:
    ours = some_scores()
    theirs = ours.copy()
    theirs["michel_score"] = ours["michel_score"] ** 2
    theirs["track"] = ours["track"] / 2.0
    found = equivalent_cuts(ours, theirs, ours["index"], resamples(6))
    points = working_points(ours, ours["index"], resamples(6))
    for row, point in zip(found, points, strict=True):
        expected = row["cut"] / 2.0 if row["score"] == "track" else row["cut"] ** 2
        assert row["equivalent"] == pytest.approx(expected, abs=0.02)
        for figure in ("efficiency", "purity"):
            assert row["natural"][figure]["value"] == pytest.approx(
                point["natural"][figure]["value"], abs=1e-6
            )
    ours["michel_score"] = 0.1
    assert equivalent_cuts(ours, theirs, ours["index"], resamples(6))[-1]["equivalent"] is None


def test_cuts_and_scans_are_scikit_learns() -> None:
    scores = some_scores()
    points = working_points(scores, scores["index"], resamples(6))
    scan = threshold_scan(scores)
    truth, passed = scores["label"] == Label.TRACK, scores["track"] > 0.3
    efficiency = recall_score(truth, passed, sample_weight=scores["weight"])
    purity = precision_score(truth, passed, sample_weight=scores["weight"])
    assert points[0]["natural"]["efficiency"]["value"] == pytest.approx(efficiency, abs=1e-5)
    assert points[0]["natural"]["purity"]["value"] == pytest.approx(purity, abs=1e-5)
    at = int(np.argmin(np.abs(THRESHOLDS["track"] - 0.3)))
    assert scan["natural"]["track"]["efficiency"][at] == pytest.approx(efficiency, abs=2e-3)
    assert scan["natural"]["track"]["purity"][-1] is None
    others = scores[scores["michel"] == 0]
    share = np.average(others["michel_score"] > michel_cut(scores), weights=others["weight"])
    assert share == pytest.approx(0.01, abs=0.003)


def test_paired_differences_are_narrower_than_the_two_apart() -> None:
    ours = some_scores()
    theirs = ours.copy()
    theirs["michel_score"] += np.random.default_rng(2).normal(0.0, 0.05, len(ours)).astype("f4")
    found = differences(ours, theirs, np.arange(6))["natural"]["michel"]["auc"]
    width = {name: found[name]["high"] - found[name]["low"] for name in found}
    assert width["difference"] < 0.8 * min(width["ours"], width["theirs"])
    same = differences(ours, ours, np.arange(6))["upstream"]["track"]["auc"]["difference"]
    assert same == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_head_that_tells_nothing_has_no_row() -> None:
    """A network that has not been trained to its recipe: its difference from a trained one means nothing."""
    scores = some_scores()
    assert trained_tasks(scores) == list(TASKS)
    guessed = scores.copy()
    guessed["michel_score"] = np.random.default_rng(3).random(len(scores))
    tasks = trained_tasks(guessed)
    assert [task.name for task in tasks] == ["track", "none"]
    assert set(differences(scores, guessed, np.arange(6), tasks)["natural"]) == {"track", "none"}


def test_groups_are_parts_and_those_above_the_threshold_where_hits_lie_below() -> None:
    scores = some_scores()
    scores["amplitude"] = np.where(np.arange(len(scores)) % 3 == 0, 0.3, 0.9)
    scores["process"][::2] = b"delta"
    scores["sample"] = np.arange(len(scores)) % 2
    samples = np.array([("beam", 1.0, 1.0), ("radioactivity", 1.0, 1.0)], SAMPLE_DTYPE)
    low = {"configuration": {"response": {"hit_threshold": 0.108}}}
    found = dict(groups(scores, samples, low))
    assert found["above the experiment's threshold"].sum() == 2 * len(scores) // 3
    assert (scores["process"][found["without delta rays"]] != b"delta").all()
    assert found["without radioactivity"].sum() == found["of beam"].sum() == len(scores) // 2
    assert found["all"].all() and not any(name.startswith("plane") for name in found)
    high = {"configuration": {"response": {"hit_threshold": 0.6}}}
    assert "above the experiment's threshold" not in dict(groups(scores, samples, high))
    assert "above the experiment's threshold" not in dict(groups(scores, samples, {}))
