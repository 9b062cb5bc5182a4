"""One network in other detectors: hits of the same deposits, differences, refusals."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from data_gen.configuration import Configuration, Response
from data_gen.generate import generate
from lartpc.detector import DRIFT_SPEED, TICK_US
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from tests.helpers.scores import some_scores
from training.evaluate import main
from training.evaluation.comparison import (
    differences,
    response_change,
    variation_files,
)
from training.evaluation.hit_scores import read_scores
from training.evaluation.robustness import robustness, same_deposits
from training.report.behaviour_figures import variation_picture


def deposits(count: int = 400) -> NDArray[np.void]:
    """Hits on one wire each five cm along the drift, in twenty events; scores know some of the truth."""
    scores = some_scores(20, count // 20)
    scores["wire"] = np.arange(len(scores)) % 5
    scores["drift"] = 5.0 * (scores["hit_id"] // 5)
    scores["time"] = 500.0 + scores["drift"] / DRIFT_SPEED / TICK_US
    return scores


def test_hits_of_one_deposit_are_found_whatever_the_drift_speed() -> None:
    nominal = deposits()
    varied = np.random.default_rng(1).permutation(nominal)
    varied["time"] = 500.0 + (varied["time"] - 500.0) * 1.02
    varied["drift"] += 0.1
    kept = varied[varied["hit_id"] != 7]
    ours, theirs = same_deposits(kept, nominal)
    assert len(ours) == len(kept)
    for name in ("index", "hit_id"):
        assert np.array_equal(kept[name][ours], nominal[name][theirs])
    varied["drift"] += 1.0
    assert not len(same_deposits(varied, nominal)[0])
    varied["drift"] = np.nan
    assert not len(same_deposits(varied, nominal)[0])
    assert not len(same_deposits(nominal[:0], nominal)[0])


def test_each_hit_has_one_partner() -> None:
    nominal = deposits()
    twice = np.concatenate([nominal, nominal])
    twice["drift"][len(nominal) :] += 0.2
    ours, theirs = same_deposits(twice, nominal)
    assert np.array_equal(ours, theirs) and len(ours) == len(nominal)


def test_lost_hits_are_counted_and_no_gain() -> None:
    """A detector that loses the hits that are hard: the others are no better than they were."""
    nominal = deposits(4000)
    hard = np.random.default_rng(3).random(len(nominal)) < 0.4
    nominal["michel_score"][hard] = np.random.default_rng(4).random(hard.sum())
    ours = nominal[~hard]
    plain = differences(ours, nominal, np.arange(20))["natural"]["michel"]["average_precision"]["difference"]
    assert plain["low"] > 0.0
    found = robustness(ours, nominal, np.arange(20))
    paired = found["differences"]["natural"]["michel"]["average_precision"]["difference"]
    assert paired == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["found"]["track"]["value"] == pytest.approx(0.6, abs=0.05)


def test_lower_scores_cost_efficiency_at_the_cuts() -> None:
    nominal = deposits(4000)
    ours = nominal.copy()
    ours["michel_score"] -= 0.05
    found = robustness(ours, nominal, np.arange(20))
    point = next(row for row in found["cuts"] if row["score"] == "michel" and row["cut"] == 0.5)
    assert point["efficiency"]["difference"]["high"] < 0.0
    expected = np.average(
        nominal["michel_score"][nominal["michel"] == 1] > 0.5,
        weights=nominal["weight"][nominal["michel"] == 1],
    )
    assert point["efficiency"]["theirs"]["value"] == pytest.approx(expected, abs=1e-6)
    track = next(row for row in found["cuts"] if row["score"] == "track")
    assert track["efficiency"]["difference"]["value"] == 0.0


@pytest.mark.long
def test_variations_are_paired_with_the_nominal_detector(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "variations"
    for name, response in (("nominal", Response()), ("noise_x4", Response(raw_noise=10.0))):
        generate(folder / f"{name}.h5", 6, 9, planes=("W",), configuration=Configuration(response=response))
    copy = Path(shutil.copytree(run_folder, tmp_path / "run"))
    assert (
        main(
            [f"--checkpoint={copy}/calibrated.ckpt", f"--variations={folder}", "--events=1", f"--out={copy}"]
        )
        == 0
    )
    record = json.loads((copy / "metrics.json").read_text())
    found = record["variations"]["noise_x4"]
    assert found["response"] == {"raw_noise": 10.0}
    assert found["differences"]["natural"]["track"]["auc"]["difference"]["value"] < 0.05
    assert 0.5 < found["found"]["track"]["value"] < 1.0
    assert "noise_x4" in (copy / "report.html").read_text()
    assert len(read_scores(copy / "scores-noise_x4.h5")) == found["hits"]


def test_variations_of_something_else_are_refused(tmp_path: Path, events_file: Path) -> None:
    with pytest.raises(UserError, match="needs nominal.h5"):
        variation_files(tmp_path)
    for name in ("nominal", "against"):
        (tmp_path / f"{name}.h5").touch()
    with pytest.raises(UserError, match="no variation can be called against"):
        variation_files(tmp_path)
    for name, seed in (("nominal", 5), ("other", 6)):
        generate(tmp_path / f"{name}.h5", 1, seed, planes=("W",))
    generate(tmp_path / "longer.h5", 2, 5, planes=("W",))
    with EventFile(tmp_path / "nominal.h5") as nominal:
        for name, message in (
            ("other", "in more than"),
            ("longer", "other events"),
            ("nominal", "leave it out"),
        ):
            with EventFile(tmp_path / f"{name}.h5") as varied, pytest.raises(UserError, match=message):
                response_change(nominal, varied)


def test_a_variation_of_any_name_is_drawn() -> None:
    found = {"value": 0.1, "low": 0.0, "high": 0.2}
    area = {figure: {"difference": found} for figure in ("auc", "average_precision", "efficiency")}
    cuts = [{"score": score, "cut": cut} | area for score, cut in (("track", 0.3), ("michel", 0.5))]
    variation = {"differences": {"natural": {"track": area, "michel": area}}, "cuts": cuts}
    assert variation_picture({r"a $\q{$ b": variation}).png.startswith(b"\x89PNG")
