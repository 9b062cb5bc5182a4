"""Evaluation as a command: the report, its files, what is refused."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt
from sklearn.metrics import (
    roc_auc_score,
)

from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.score_file import outputs_of
from lartpc.served.contract import CLASS_OUTPUT
from training.data.dataset import PatchDataset
from training.evaluate import main, spare_fuller_report
from training.evaluation.hit_scores import answer_events, held_out, read_scores
from training.evaluation.learning import learning_curves
from training.evaluation.mistakes import patches_of, worst_mistakes
from training.network.checkpoint import load_checkpoint
from training.report.limits import NOT_SIMULATED
from training.report.markdown import code, words

ODD_NAME = "b] <script>|`x` *y*"
"""Of a folder: markup for rich, with the one around it, for HTML and for Markdown."""


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
    assert {kind["views"] for kind in record["candidates"]} <= {1, 3} and record["particles"]["kinds"]
    assert set(record["against"]["groups"]) == set(record["groups"]) - {"all"}
    difference = record["against"]["differences"]["natural"]["track"]["auc"]["difference"]
    assert difference["value"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.long
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--events=0"], "--events 0 must be at least 1"),
        (["--share=0"], "--share 0 must be above 0"),
        (["--share=1.5"], "--share 1.5 must be above 0 and at most 1"),
        (
            ["--share=0.2", "--others-share=0.3"],
            "--others-share 0.3 must be above 0 and at most",
        ),
        (["--against=none.ckpt"], "no checkpoint none.ckpt"),
        (["--data=none.h5"], "no event file none.h5"),
        (["--variations=nowhere"], "needs nominal.h5"),
        (["--against=shipped:none"], "no weights shipped:none come along"),
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


def with_seed(run: Path, folder: Path, seed: int, **changed: object) -> None:
    """A run like another, of another seed as its provenance says, with weights a little different."""
    folder.mkdir(parents=True)
    content = torch.load(run / "calibrated.ckpt", weights_only=True)
    provenance = json.loads(content["provenance"])
    provenance["training"] |= {"seed": seed, **changed}
    content["provenance"] = json.dumps(provenance)
    content["state_dict"] = {key: value * (1.0 + 1e-2 * seed) for key, value in content["state_dict"].items()}
    torch.save(content, folder / "calibrated.ckpt")


@pytest.mark.long
def test_trainings_with_other_seeds_show_their_spread(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(run_folder, tmp_path / "runs" / "one"))
    options = [f"--checkpoint={copy}/calibrated.ckpt", f"--repeats={tmp_path}/runs", "--events=1"]
    with_seed(copy, tmp_path / "runs" / "other_recipe", 2, learning_rate=0.5)
    assert main(options) == 2
    assert "no run of the recipe" in capsys.readouterr().err
    with_seed(copy, tmp_path / "runs" / "two", 2)
    (tmp_path / "runs" / "spoilt").mkdir()
    (tmp_path / "runs" / "spoilt" / "calibrated.ckpt").write_text("no checkpoint")
    assert main([*options, "--others-share=0.5"]) == 0
    said = capsys.readouterr().out
    assert "passed over: " in said and "intervals drawn from 1 events are too narrow" in said
    record = json.loads((copy / "metrics.json").read_text())
    assert 0.4 < record["repeats"]["hits"] / record["hits"] < 0.6
    assert [training["seed"] for training in record["repeats"]["trainings"]] == [1, 2]
    found = record["repeats"]["groups"]["all"]["natural"]["track"]["auc"]
    assert found["values"][0] == pytest.approx(record["natural_metrics"]["track_shower_auc"], abs=2e-2)
    assert found["deviation"] == pytest.approx(abs(np.diff(found["values"])[0]) / np.sqrt(2))
    assert "The same recipe with other seeds" in (copy / "report.html").read_text()
    assert "2 trainings with a seed of their own, this one among them" in (copy / "model_card.md").read_text()
