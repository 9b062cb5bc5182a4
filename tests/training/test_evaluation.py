"""Evaluation: figures against libraries, intervals over events, surroundings, the report and its files."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
)

from data_gen.configuration import Configuration, Response
from data_gen.generate import generate
from lartpc.detector import DRIFT_SPEED, plane
from lartpc.errors import UserError
from lartpc.event import HIT_DTYPE, PARTICLE_DTYPE, SAMPLE_DTYPE
from lartpc.event_file import EventFile
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT, Label
from training.data.dataset import PatchDataset
from training.evaluate import main, spare_fuller_report
from training.evaluation.bootstrap import RankedHits, interval, ratio, resamples
from training.evaluation.comparison import (
    differences,
    response_change,
    trained_tasks,
    variation_files,
)
from training.evaluation.cuts import (
    THRESHOLDS,
    equivalent_cuts,
    michel_cut,
    threshold_scan,
    working_points,
)
from training.evaluation.hit_scores import SCORE_DTYPE, answer_events, held_out, outputs_of, read_scores
from training.evaluation.learning import learning_curves
from training.evaluation.mistakes import patches_of, worst_mistakes
from training.evaluation.reliability import BINS, reliability
from training.evaluation.separation import groups
from training.evaluation.surroundings import surroundings
from training.evaluation.tasks import TASKS
from training.network.checkpoint import load_checkpoint
from training.report.behaviour_figures import variation_picture
from training.report.limits import NOT_SIMULATED
from training.report.markdown import code, words

ODD_NAME = "b] <script>|`x` *y*"
"""Of a folder: markup for rich, with the one around it, for HTML and for Markdown."""


def some_scores(events: int = 6, hits: int = 300, seed: int = 1) -> NDArray[np.void]:
    """Scores that know a little of the truth."""
    random = np.random.default_rng(seed)
    scores = np.zeros(events * hits, SCORE_DTYPE)
    scores["index"] = np.repeat(np.arange(events), hits)
    scores["event_id"][:, 2] = scores["index"]
    scores["hit_id"] = np.tile(np.arange(hits), events)
    scores["label"] = random.choice(3, len(scores), p=[0.6, 0.35, 0.05])
    scores["michel"] = (scores["label"] == Label.SHOWER) & (random.random(len(scores)) < 0.2)
    scores["kept"] = random.choice([0.06, 0.3, 1.0], len(scores))
    logits = random.normal(0.0, 1.5, (len(scores), 3))
    logits[np.arange(len(scores)), scores["label"]] += 2.0
    classes = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores["track"], scores["shower"], scores["none"] = classes.T
    scores["michel_score"] = 1.0 / (
        1.0 + np.exp(2.0 - 3.0 * scores["michel"] - random.normal(0.0, 1.0, len(scores)))
    )
    scores["weight"] = random.choice([0.2, 1.0, 2.5], len(scores))
    return scores


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
    head = {"established": True}
    calibration = {"scales": {"upstream": {CLASS_OUTPUT: head, MICHEL_OUTPUT: {"established": False}}}}
    tasks = trained_tasks(calibration)
    assert [task.name for task in tasks] == ["track", "none"]
    scores = some_scores()
    assert set(differences(scores, scores, np.arange(6), tasks)["natural"]) == {"track", "none"}
    assert trained_tasks(None) == list(TASKS)


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


def test_surroundings_of_a_stopping_muon_and_its_electron() -> None:
    """A muon along z in the drift volume's middle that stops at wire 100, an electron from there on."""
    pitch = plane("W").pitch
    particles = np.zeros(3, PARTICLE_DTYPE)
    particles["g4_id"], particles["parent_id"] = [0, 1, 2], [-1, 0, -1]
    particles["start_position"] = [[100, 300, 0], [100, 300, 100 * pitch], [50, 0, 0]]
    particles["end_position"] = [[100, 300, 100 * pitch], [100, 300, 110 * pitch], [350, 300, 0]]
    hits = np.zeros(5, HIT_DTYPE)
    hits["local_plane"] = 2
    hits["local_wire"] = [60, 99, 104, 62, 90]
    hits["local_time"] = 500 + 100 / DRIFT_SPEED / 0.5
    hits["g4_id"] = [0, 0, 1, 2, -1]
    hits["label"] = [Label.TRACK, Label.TRACK, Label.SHOWER, Label.TRACK, Label.NONE]
    hits["michel"] = [0, 0, 1, 0, 0]
    hits["integral"] = [30, 31, 32, 33, 34]
    found = surroundings(hits, particles, {"configuration": {"detector": "drift-volume"}})
    assert found["charge"].tolist() == [30, 31, 32, 33, 34]
    assert found["angle"][:2] == pytest.approx(90.0)
    assert found["angle"][3] == pytest.approx(45.0)
    assert np.isnan(found["angle"][[2, 4]]).all()
    assert found["end_distance"][:3] == pytest.approx(np.array([39.5, 0.5, 4.5]) * pitch, abs=1e-3)
    assert np.isnan(found["end_distance"][4])
    # around wire 60 within 24: wire 62 of another primary; around 99: 90 (noise) and 104 (its own electron)
    assert found["overlap"][:4] == pytest.approx([1 / 2, 1 / 3, 1 / 3, 1 / 2])
    assert np.isnan(found["overlap"][4])


def test_surroundings_without_particles_are_charge_alone() -> None:
    hits = np.zeros(3, HIT_DTYPE)
    hits["g4_id"] = -1
    found = surroundings(hits, np.zeros(0, PARTICLE_DTYPE), {})
    assert np.isfinite(found["charge"]).all()
    assert all(np.isnan(found[name]).all() for name in ("angle", "end_distance", "overlap"))


@pytest.fixture(scope="module")
def evaluated(run_folder: Path, events_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in a folder of an odd name, evaluated against its own uncalibrated checkpoint."""
    copy = Path(shutil.copytree(run_folder, tmp_path_factory.mktemp("evaluated") / "a[" / ODD_NAME))
    shutil.copy(copy / "metrics.csv", copy / "metrics.until-1.csv")
    assert (
        main([f"--checkpoint={copy}/calibrated.ckpt", f"--data={events_file}", f"--against={copy}/best.ckpt"])
        == 0
    )
    return copy


def test_evaluation_writes_report_card_numbers_and_scores(evaluated: Path, events_file: Path) -> None:
    record = json.loads((evaluated / "metrics.json").read_text())
    everything = record["groups"]["all"]
    assert 0.8 < record["metrics"]["track_shower_auc"] < 1
    natural = record["natural_metrics"]["track_shower_auc"]
    assert everything["natural"]["track"]["auc"]["value"] == pytest.approx(natural, abs=1e-6)
    assert record["natural_metrics"]["michel_share"] < 0.6 * record["metrics"]["michel_share"]
    assert record["events"] == 2
    assert {"all", "without radioactivity", "without delta rays", "of stopping muons"} <= set(
        record["groups"]
    )
    assert set(record["scales"]) == {"upstream", "natural", "uncalibrated"}
    assert record["score_scale"] == "upstream" and len(record["equivalent_cuts"]) == 4
    shares = [row["share"]["value"] for row in record["showers_called_track"]]
    assert sum(shares) == pytest.approx(1.0, abs=1e-5)
    assert "delta ray" in {row["origin"] for row in record["michel_background"]}
    dots = next(row for row in record["samples"] if row["sample"] == "radioactivity")
    assert dots["true_shower"] > 0.8
    page = (evaluated / "report.html").read_text()
    assert "://" not in page and page.count("data:image/png;base64,") >= 11
    card = (evaluated / "model_card.md").read_text()
    assert all(left_out in card and left_out in page for left_out in NOT_SIMULATED)
    assert "<script>" not in page and "<script>" not in card
    assert card.startswith(r"# Model card: hit classifier b\] \<script\>\|\`x\` \*y\*" + "\n")
    assert record["checkpoint_sha256"][:12] in card and "{{" not in card and "{%" not in card
    difference = record["against"]["differences"]["natural"]["track"]["auc"]["difference"]
    assert difference["value"] == pytest.approx(0.0, abs=1e-6)


def test_a_report_of_more_hits_is_not_written_over(
    evaluated: Path, events_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (evaluated / "metrics.json").read_bytes()
    smaller = [f"--checkpoint={evaluated}/calibrated.ckpt", f"--data={events_file}", "--share=0.5"]
    assert main(smaller) == 2
    assert (
        "has a report of 2 events, --share 1; this one would be of 2, --share 0.5" in capsys.readouterr().err
    )
    assert main([*smaller, f"--out={tmp_path / 'small'}"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"evaluating {evaluated}/calibrated.ckpt on 2 held-out events of {events_file}\n")
    assert {path.name for path in (tmp_path / "small").iterdir()} == {
        "metrics.json", "model_card.md", "report.html", "scores.h5",
    }  # fmt: skip
    assert (evaluated / "metrics.json").read_bytes() == before
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "metrics.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read; name another folder with --out"):
        spare_fuller_report(tmp_path / "damaged", 2, 1.0)


def test_figures_can_be_recomputed_from_the_scores(evaluated: Path, events_file: Path) -> None:
    record = json.loads((evaluated / "metrics.json").read_text())
    scores = read_scores(evaluated / "scores.h5")
    auc = roc_auc_score(scores["michel"], scores["michel_score"])
    assert auc == pytest.approx(record["metrics"]["michel_auc"], abs=1e-6)
    with EventFile(events_file) as events:
        test = events.in_split("test")
        assert set(scores["index"]) == set(test.tolist())
        hits = events.hits(int(test[0]))
        of_event = scores[scores["index"] == test[0]]
        same = hits[of_event["hit_id"]]
        assert len(of_event) == len(hits)
        assert np.array_equal(of_event["label"], same["label"])
        assert np.array_equal(of_event["g4_id"], same["g4_id"])
        assert np.array_equal(of_event["weight"], events.natural_weights(same).astype("f4"))
    with h5py.File(evaluated / "scores.h5") as file:
        assert file.attrs["data_digest"] == record["data_digest"]


def test_mistakes_show_the_patches_that_were_answered(evaluated: Path, events_file: Path) -> None:
    scores = read_scores(evaluated / "scores.h5")
    trained = load_checkpoint(evaluated / "calibrated.ckpt")
    with EventFile(events_file) as events:
        for kind in worst_mistakes(scores):
            patches = patches_of(events, scores, kind.rows, trained.scale)
            with torch.no_grad():
                classes, michel = trained.network(torch.from_numpy(patches[..., None]))
            assert np.allclose(classes.numpy(), outputs_of(scores[kind.rows])[CLASS_OUTPUT], atol=1e-4)
            assert len({(hit["index"], hit["g4_id"]) for hit in scores[kind.rows]}) == len(kind.rows)


def test_learning_curves_hold_earlier_logs(tmp_path: Path) -> None:
    (tmp_path / "metrics.until-5.csv").write_text(
        "epoch,step,train_loss,michel_auc\n0,10,1.5,\n0,20,1.4,0.6\n"
    )
    (tmp_path / "metrics.csv").write_text("epoch,step,train_loss\n1,20,1.3\n1,30,1.2\n")
    assert learning_curves(tmp_path) == {
        "train_loss": ([10.0, 20.0, 30.0], [1.5, 1.3, 1.2]),
        "michel_auc": ([20.0], [0.6]),
    }


def test_held_out_events_are_those_of_the_event_number(events_file: Path, tmp_path: Path) -> None:
    with EventFile(events_file) as events:
        assert held_out(events).tolist() == [5, 8]
        assert held_out(events, 1).tolist() == [5]
    moved = Path(shutil.copy(events_file, tmp_path / "moved.h5"))
    with h5py.File(moved, "r+") as file:
        file["event_table/split"][0] = 2
    with EventFile(moved) as events, pytest.raises(UserError, match="otherwise than by their numbers"):
        held_out(events)


def test_events_without_hits_do_not_matter(checkpoint: Path, events_file: Path) -> None:
    trained = load_checkpoint(checkpoint)
    with EventFile(events_file) as events:
        scores = answer_events(trained, events, np.array([5]))
        dataset = PatchDataset(events, np.array([5]), trained.scale)
    assert np.array_equal(scores["hit_id"], dataset.hit_id)
    assert np.isfinite(scores["charge"]).all() and np.isfinite(scores["overlap"]).mean() > 0.9


def test_a_share_of_the_hits_is_drawn_by_the_events_number(checkpoint: Path, events_file: Path) -> None:
    trained = load_checkpoint(checkpoint)
    with EventFile(events_file) as events:
        whole = answer_events(trained, events, np.array([5, 8]))
        some = answer_events(trained, events, np.array([5, 8]), share=0.1)
        alone = answer_events(trained, events, np.array([8]), share=0.1)
        with pytest.raises(UserError, match="leaves no hit"):
            answer_events(trained, events, np.array([8]), share=1e-9)
    assert len(some) == pytest.approx(0.1 * len(whole), rel=0.2)
    assert np.array_equal(some["hit_id"][some["index"] == 8], alone["hit_id"])
    place = {(hit["index"], hit["hit_id"]): row for row, hit in enumerate(whole)}
    same = whole[[place[hit["index"], hit["hit_id"]] for hit in some]]
    for name in ("label", "weight", "overlap"):
        assert np.array_equal(some[name], same[name], equal_nan=True)
    assert np.allclose(some["track"], same["track"], atol=1e-5)


def test_variations_are_paired_with_the_nominal_detector(
    evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "variations"
    for name, response in (("nominal", Response()), ("noise_x4", Response(raw_noise=10.0))):
        generate(folder / f"{name}.h5", 6, 9, planes=("W",), configuration=Configuration(response=response))
    copy = Path(shutil.copytree(evaluated, tmp_path / "run"))
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
    assert "noise_x4" in (copy / "report.html").read_text()
    assert len(read_scores(copy / "scores-noise_x4.h5")) == found["hits"]


def test_variations_of_something_else_are_refused(tmp_path: Path, events_file: Path) -> None:
    with pytest.raises(UserError, match="needs nominal.h5"):
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--events=0"], "--events 0 must be at least 1"),
        (["--share=0"], "--share 0 must be above 0"),
        (["--share=1.5"], "--share 1.5 must be above 0 and at most 1"),
        (["--against=none.ckpt"], "no checkpoint none.ckpt"),
        (["--data=none.h5"], "no event file none.h5"),
        (["--variations=nowhere"], "needs nominal.h5"),
    ],
)
def test_wrong_requests_write_nothing(
    run_folder: Path, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(run_folder, tmp_path / "run"))
    before = sorted(path.name for path in copy.iterdir())
    assert main([f"--checkpoint={copy}/calibrated.ckpt", *options]) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in copy.iterdir()) == before


@pytest.mark.parametrize(
    "name", ["<script>", "a|b", "`x`", "``", "*a* _b_ [c](d)", "a\nb", " ", "&lt;", "~~a~~"]
)
def test_names_are_shown_as_they_are_in_markdown(name: str) -> None:
    parser = MarkdownIt("gfm-like", {"linkify": False})
    tokens = parser.parseInline(f"x {words(name)} y")[0].children or []
    assert "".join(token.content for token in tokens) == f"x {name} y".replace("\n", r"\n")
    tokens = parser.parseInline(f"x {code(name)} y")[0].children or []
    assert [token.content.strip() for token in tokens if token.type == "code_inline"] == [
        name.replace("\n", r"\n").strip()
    ]


def test_a_variation_of_any_name_is_drawn() -> None:
    found = {"value": 0.1, "low": 0.0, "high": 0.2}
    area = {figure: {"difference": found} for figure in ("auc", "average_precision")}
    variation = {"differences": {"natural": {"track": area, "michel": area}}}
    assert variation_picture({r"a $\q{$ b": variation}).png.startswith(b"\x89PNG")
