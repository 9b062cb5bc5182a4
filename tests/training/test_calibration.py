"""Calibration: the fit, its judgement, folding, the file, and what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax

from data_gen.configuration import Configuration, Sources
from data_gen.generate import generate
from lartpc.errors import CheckError, UserError
from lartpc.event_file import EventFile
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT
from tests.helpers.trainings import tiny
from training.calibrate import calibrate, main
from training.data.dataset import PatchDataset
from training.data.selection import SHARES
from training.data.validation_sample import with_totals
from training.fit import main as fit
from training.network.calibration import fit_scaling
from training.network.checkpoint import latest_checkpoint, load_checkpoint
from training.network.heads import MichelHead
from training.network.networks import build_network
from training.network.scaling import Scaling, fold_all, rescaled


def drawn_classes(count: int, seed: int) -> tuple[NDArray, NDArray, NDArray]:
    """Logits of which softmax(0.5 z + bias) is the truth's distribution, truths, events."""
    random = np.random.default_rng(seed)
    logits = random.normal(0.0, 3.0, (count, 3))
    probability = softmax(0.5 * logits + np.array([0.4, -0.9, 0.5]), axis=1)
    truth = (random.random((count, 1)) > probability.cumsum(axis=1)).sum(axis=1)
    return logits, truth, random.integers(0, 20, count)


def test_fit_finds_the_scale_and_bias_that_were_drawn() -> None:
    logits, truth, event = drawn_classes(25_000, 3)
    found = fit_scaling(logits, truth, np.ones(len(truth)), event)
    assert found.scale == pytest.approx(0.5, abs=0.02)
    assert found.bias == pytest.approx((0.4, -0.9, 0.5), abs=0.05)
    assert found.log_loss[1] < found.log_loss[0]
    assert found == fit_scaling(logits, truth, np.ones(len(truth)), event)


def test_fit_follows_the_weights() -> None:
    """Sigmoids that are right in one mixture, weighted to another in which positives are five times rarer."""
    random = np.random.default_rng(4)
    logits = random.normal(-1.0, 1.5, (25_000, 1))
    truth = (random.random(25_000) < expit(logits[:, 0])).astype(int)
    event = random.integers(0, 20, 25_000)
    found = fit_scaling(logits, truth, np.where(truth == 1, 0.2, 1.0), event)
    assert found.scale == pytest.approx(1.0, abs=0.03)
    assert found.bias[0] == pytest.approx(np.log(0.2), abs=0.05)


def test_scores_that_are_right_stay_as_they_are() -> None:
    """Events of which each has a bias of its own, without a common one: nothing to learn from six."""
    random = np.random.default_rng(1)
    event = np.repeat(np.arange(6), 500)
    logits = random.normal(0.0, 2.0, (3000, 1))
    own = np.array([1.5, -1.5, 1.0, -1.0, 0.5, -0.5])[event]
    truth = (random.random(3000) < expit(logits[:, 0] + own)).astype(int)
    found = fit_scaling(logits, truth, np.ones(3000), event)
    assert (found.scale, found.bias) == (1.0, (0.0,))
    assert found.gain is not None and found.gain_error is not None and not found.gain > found.gain_error


def test_a_class_without_hits_keeps_its_bias() -> None:
    logits, truth, event = drawn_classes(20_000, 5)
    kept = truth != 2
    found = fit_scaling(logits[kept], truth[kept], np.ones(int(kept.sum())), event[kept])
    assert found.bias[2] == 0.0 and found.bias[0] == pytest.approx(-found.bias[1])
    assert found.bias[0] > 0.3


@pytest.mark.parametrize("case", ["one class", "one event", "no weight"])
def test_without_anything_to_learn_nothing_is_scaled(case: str) -> None:
    logits, truth, event = drawn_classes(500, 6)
    weight = np.ones(500)
    if case == "one class":
        truth = np.zeros(500, int)
    elif case == "one event":
        event = np.zeros(500, int)
    else:
        weight = np.zeros(500)
    found = fit_scaling(logits, truth, weight, event)
    assert (found.scale, found.bias) == (1.0, (0.0, 0.0, 0.0))


def test_scores_that_tell_nothing_keep_their_slope_and_are_shifted_alone() -> None:
    """The best slope of scores that know nothing of the truth is 0: every hit would get the same score."""
    random = np.random.default_rng(7)
    event = random.integers(0, 10, 8000)
    truth = (random.random(8000) < 0.5).astype(int)
    weight = np.where(truth == 1, 0.01, 1.0)
    for logits in (
        random.normal(0.0, 1.5, (8000, 1)),
        np.where(truth == 1, -2.0, 2.0)[:, None] + random.normal(0.0, 1.0, (8000, 1)),  # the wrong way round
    ):
        found = fit_scaling(logits, truth, weight, event)
        assert (found.scale, found.established) == (1.0, False)
        assert "not worth calibrating" in found.reason
        assert found.bias[0] < -2.0 and found.log_loss[1] < found.log_loss[0]


def test_a_fit_that_runs_to_its_bound_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that separate perfectly want an infinite scale."""
    monkeypatch.setattr("training.network.calibration.MOST_SCALE", 5.0)
    random = np.random.default_rng(9)
    truth = random.integers(0, 2, 20_000)
    logits = np.where(truth == 1, 1e-3, -1e-3)[:, None]
    found = fit_scaling(logits, truth, np.ones(20_000), random.integers(0, 20, 20_000))
    assert found.scale == 1.0 and found.established and "runs to its bound" in found.reason


@pytest.mark.parametrize(
    ("size", "offset"), [(1.0, 0.0), (1e-5, 0.0), (2e3, 0.0), (0.5, -6.0), (30.0, 0.0), (1.0, 1000.0)]
)
def test_the_fit_does_not_depend_on_the_size_of_the_logits(size: float, offset: float) -> None:
    """Nor on where they lie, such as at the natural share of Michel electrons."""
    random = np.random.default_rng(10)
    plain = random.normal(0.0, 1.0, 20_000)
    truth = (random.random(20_000) < expit(2.0 * plain - 2.0)).astype(int)
    event = random.integers(0, 20, 20_000)
    found = fit_scaling((size * plain + offset)[:, None], truth, np.ones(20_000), event)
    assert found.scale * size == pytest.approx(2.0, abs=0.15)
    assert found.bias[0] + found.scale * offset == pytest.approx(-2.0, abs=0.15)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    logits, truth, event = drawn_classes(500, 6)
    logits[3, 1] = value
    with pytest.raises(CheckError, match="not finite"):
        fit_scaling(logits, truth, np.ones(500), event)
    logits[3, 1] = 0.0
    with pytest.raises(CheckError, match="not finite"):
        fit_scaling(logits, truth, np.append(np.ones(499), value), event)


def test_folded_heads_give_the_scaled_logits() -> None:
    torch.manual_seed(2)
    network = build_network("paper").eval()
    patches = torch.rand(4, 48, 48, 1)
    with torch.no_grad():
        before = network(patches)
    scalings = {
        CLASS_OUTPUT: Scaling(0.7, (0.1, 0.2, -0.3), (1.0, 0.9)),
        MICHEL_OUTPUT: Scaling(1.4, (-3.0,), (1.0, 0.9)),
    }
    fold_all(network, scalings, patches)
    with torch.no_grad():
        classes, michel = network(patches)
    assert torch.allclose(classes, 0.7 * before[0] + torch.tensor([0.1, 0.2, -0.3]), atol=1e-5)
    assert torch.allclose(michel, 1.4 * before[1] - 3.0, atol=1e-5)


class _Clipped(torch.nn.Linear):
    """A layer that does more than a linear one, such as a quantised layer with a fixed range."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features).clamp(-0.05, 0.05)


def test_a_head_that_cannot_be_folded_is_refused() -> None:
    network = build_network("paper").eval()
    scalings = {
        CLASS_OUTPUT: Scaling(1.0, (0.0, 0.0, 0.0), (1.0, 1.0)),
        MICHEL_OUTPUT: Scaling(3.0, (1.0,), (1.0, 1.0)),
    }
    network.michel.layer = _Clipped(32, 1)
    with pytest.raises(CheckError, match="cannot be folded into michel"):
        fold_all(network, scalings, torch.rand(2, 48, 48, 1))
    head = MichelHead(32, "bce", 1.0)
    head.layer = torch.nn.Identity()  # type: ignore[assignment]
    with pytest.raises(UserError, match="only linear layers"):
        scalings[MICHEL_OUTPUT].fold(head)


def test_uncalibrated_scores_are_those_before_calibration() -> None:
    random = np.random.default_rng(8)
    logits, michel = random.normal(0.0, 3.0, (200, 3)), random.normal(-3.0, 2.0, (200, 1))
    heads = {
        CLASS_OUTPUT: Scaling(0.8, (0.3, -0.1, -0.2), (1.0, 0.9)),
        MICHEL_OUTPUT: Scaling(1.3, (-2.0,), (1.0, 0.9)),
    }
    outputs = {
        CLASS_OUTPUT: softmax(0.8 * logits + np.array([0.3, -0.1, -0.2]), axis=1).astype("f4"),
        MICHEL_OUTPUT: expit(1.3 * michel - 2.0).astype("f4"),
    }
    raw = rescaled(outputs, {name: head.record() for name, head in heads.items()}, None)
    assert np.allclose(raw[CLASS_OUTPUT], softmax(logits, axis=1), atol=1e-5)
    assert np.allclose(raw[MICHEL_OUTPUT], expit(michel), atol=1e-5)


@pytest.fixture(scope="module")
def calibrated_run(run_folder: Path, events_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose checkpoint is calibrated on the seven training events."""
    folder = tmp_path_factory.mktemp("calibrated")
    best = Path(shutil.copy(run_folder / "best.ckpt", folder))
    calibrate([best], events_file, split="train")
    return folder


@pytest.fixture
def calibrated(calibrated_run: Path, run_folder: Path, tmp_path: Path) -> Path:
    """The calibrated checkpoint in a run folder of its own."""
    folder = Path(shutil.copytree(calibrated_run, tmp_path / "runs" / "own"))
    (folder / "gate.h5").symlink_to(run_folder / "gate.h5")
    return folder / "calibrated.ckpt"


def test_calibrated_checkpoint_answers_as_its_record_says(calibrated: Path, events_file: Path) -> None:
    raw, scaled = load_checkpoint(calibrated.with_name("best.ckpt")), load_checkpoint(calibrated)
    record = scaled.provenance.training["calibration"]
    assert record["events"] == 7 and record["score_scale"] == scaled.score_scale == "upstream"
    assert record["of"] == "best.ckpt"
    assert record["uncalibrated_sha256"] == raw.provenance.training["checkpoint_sha256"]
    natural = scaled.on_scale("natural")
    assert natural.score_scale == "natural" and scaled.score_scale == "upstream"
    with EventFile(events_file) as events:
        dataset = PatchDataset(events, events.in_split("train"), raw.scale, selected=True)
        michel = sum(int(events.hits(index)["michel"].sum()) for index in events.in_split("train"))
    assert record["michel_hits"] == michel
    answers = {
        None: raw.answer(dataset),
        "upstream": scaled.answer(dataset),
        "natural": natural.answer(dataset),
    }
    for now, of_now in answers.items():
        for wanted, of_wanted in answers.items():
            moved = rescaled(of_now, record["scales"].get(now), record["scales"].get(wanted))
            assert all(np.allclose(moved[name], of_wanted[name], atol=1e-4) for name in moved)
    weight = {"natural": dataset.weight, "upstream": dataset.weight * np.array(SHARES)[dataset.level]}
    for scale, of_scale in weight.items():
        head = record["scales"][scale][MICHEL_OUTPUT]
        assert head["scale"] == 1.0 or head["established"]
        assert head["gain"] > head["gain_error"]
        share = np.average(dataset.michel, weights=of_scale)
        mean = np.average(answers[scale][MICHEL_OUTPUT][:, 0], weights=of_scale)
        assert mean == pytest.approx(share, rel=0.2)
    assert "optimizer_states" not in torch.load(calibrated, weights_only=True)


def test_the_same_calibration_is_the_same_file(
    calibrated_run: Path, calibrated: Path, events_file: Path, tmp_path: Path
) -> None:
    """Whatever process wrote it: a checkpoint's hash decides whether an export is unchanged."""
    best = Path(shutil.copy(calibrated.with_name("best.ckpt"), tmp_path))
    again = calibrate([best], events_file, split="train")
    assert again.read_bytes() == (calibrated_run / "calibrated.ckpt").read_bytes()
    assert b".part" not in again.read_bytes()


def test_training_leaves_a_calibrated_checkpoint_that_is_taken_by_default(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_folder.parents[1])
    assert latest_checkpoint() == Path("runs/quick/calibrated.ckpt")
    record = load_checkpoint(latest_checkpoint()).provenance.training["calibration"]
    assert record["split"] == "validation" and record["events"] == 1
    assert all(head["scale"] == 1.0 for heads in record["scales"].values() for head in heads.values())
    assert set(record["log_losses"]) == {"best.ckpt", "last.ckpt"}
    assert record["log_losses"][record["of"]] == min(record["log_losses"].values())


def test_an_older_calibration_is_not_taken(calibrated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(calibrated.parents[2])
    best = Path("runs/own/best.ckpt")
    best.touch()
    assert latest_checkpoint() == best


def test_wrong_requests(
    calibrated: Path, events_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = calibrated.with_name("best.ckpt")
    for arguments, message in (
        ([str(events_file), f"--checkpoint={calibrated}"], "is calibrated already; give the best.ckpt"),
        ([str(best.parent / "none.h5"), f"--checkpoint={best}"], "no event file"),
        (
            [str(best.parent / "gate.h5"), f"--checkpoint={best}"],
            "is not what the checkpoint was trained on",
        ),
        ([str(events_file), f"--checkpoint={best}", "--score-scale=other"], "score-scale"),
    ):
        before = calibrated.read_bytes()
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
        assert calibrated.read_bytes() == before


def test_training_does_not_go_on_from_a_calibrated_checkpoint(
    calibrated: Path, events_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(calibrated.parents[2])
    assert fit([f"--data.path={events_file}", f"--ckpt-path={calibrated}"]) == 2
    assert "cannot be trained on; give the last.ckpt" in capsys.readouterr().err


def test_training_calibrates_on_all_validation_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few of them the validation of each epoch takes."""
    light = Configuration(sources=Sources(cosmic_muons=0.05, stopping_muons=10.0, showers=0.5, beam=0.5))
    generate(tmp_path / "light.h5", 20, 3, workers=2, planes=("W",), configuration=light)
    monkeypatch.chdir(tmp_path)
    options = ["--model.network=compact", "--data.validation-patches=500", "--trainer.max-epochs=1"]
    assert fit(tiny(tmp_path / "light.h5", *options)) == 0
    trained = load_checkpoint(tmp_path / "runs" / "quick" / "calibrated.ckpt")
    assert trained.provenance.training["calibration"]["events"] == 2


def test_classes_weigh_as_much_as_they_are_found_to_be_frequent() -> None:
    weight, kind = np.array([1.0, 1.0, 2.0, 3.0]), np.array([0, 0, 1, 3])
    found = with_totals(weight, kind, np.array([4.0, 1.0, 7.0, 0.0]))
    assert found.tolist() == [2.0, 2.0, 1.0, 3.0]
