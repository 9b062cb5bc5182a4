"""Training: the recipes, the checkpoint, resuming, and what is refused."""

import csv
import io
import json
import pickle
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from data_gen.import_larsoft import main as import_larsoft
from lartpc.adc_scale import adc_scale, network_units
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.patches.cut import cut_patches, drift_pixel, pad_planes
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT
from tests.helpers.dumps import table
from tests.helpers.trainings import QUICK, tiny, weights
from training.data.batches import EpochBatches
from training.data.dataset import PatchDataset
from training.data.gate_file import ROUNDED
from training.evaluate import main as evaluate
from training.evaluation.metrics import physics_metrics
from training.fit import CONFIGS, ensure_data, main
from training.network.checkpoint import latest_checkpoint, load_checkpoint
from training.network.networks import PAPER_PARAMETERS, build_network


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_the_papers_network_has_its_parameters() -> None:
    network = build_network("paper")
    assert sum(parameter.numel() for parameter in network.parameters()) == PAPER_PARAMETERS == 11_900_420


@pytest.mark.parametrize("recipe", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_fits_the_command(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--config", str(recipe), "--print_config"])
    assert stop.value.code in (0, None)
    assert f"name: {recipe.stem}" in capsys.readouterr().out


def test_patches_of_the_data_set_are_those_of_the_file(events_file: Path) -> None:
    scale = adc_scale("2021")
    with EventFile(events_file) as events:
        dataset = PatchDataset(events, np.array([2, 0]), scale)
        plane = events.planes[0]
        hits, image = events.hits(0), events.image(0, plane)[0]
    first = len(dataset) - len(hits)
    expected = cut_patches(
        pad_planes(network_units(image, plane, scale)[None]),
        hits["local_wire"],
        drift_pixel(hits["local_time"]),
    )
    assert np.array_equal(dataset.patches(slice(first, None)), expected)
    assert np.array_equal(dataset.label[first:], hits["label"])
    assert set(dataset.event[first:]) == {0}


def test_short_training_learns_and_leaves_its_files(run_folder: Path) -> None:
    assert {"best.ckpt", "calibrated.ckpt", "last.ckpt", "gate.h5", "config.yaml", "metrics.csv"} <= {
        path.name for path in run_folder.iterdir()
    }
    with (run_folder / "metrics.csv").open() as file:
        scores = [float(row["track_shower_auc"]) for row in csv.DictReader(file) if row["track_shower_auc"]]
    assert scores[-1] > 0.8


def test_gate_file_holds_events_of_the_data(run_folder: Path, events_file: Path) -> None:
    with EventFile(run_folder / "gate.h5") as gate, EventFile(events_file) as events:
        assert len(gate.in_split("train")) == len(events.in_split("train"))
        assert len(gate.in_split("validation")) == 0
        assert len(gate.in_split("test")) == len(events.in_split("test"))
        assert gate.provenance.data["source_digest"] == events.provenance.data["digest"]
        ours, theirs = gate.hits(gate.in_split("test")[0]), events.hits(events.in_split("test")[0])
        for name in ROUNDED:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=2.0**-9)
            np.testing.assert_allclose(ours[name].sum(), theirs[name].sum(), rtol=1e-3)
        rest = [name for name in ours.dtype.names if name not in ROUNDED]
        assert (ours[rest] == theirs[rest]).all()


def test_checkpoint_says_where_it_comes_from(checkpoint: Path, events_file: Path) -> None:
    trained = load_checkpoint(checkpoint)
    with EventFile(events_file) as events:
        assert trained.provenance.data["digest"] == events.provenance.data["digest"]
    assert trained.provenance.training["era"] == trained.scale.era == "2021"
    assert len(trained.provenance.training["checkpoint_sha256"]) == 64


def test_resumed_training_gives_the_weights_of_an_uninterrupted_one(
    workplace: Path,
    events_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_epoch = EpochBatches.set_epoch

    def interrupt_in_epoch_1(batches: EpochBatches, epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt
        set_epoch(batches, epoch)

    assert main(tiny(events_file, "--name=whole")) == 0
    with monkeypatch.context() as patch:
        patch.setattr(EpochBatches, "set_epoch", interrupt_in_epoch_1)
        assert main(tiny(events_file, "--name=interrupted")) == 130
    advice = capsys.readouterr().err.strip().split(" go on with: python -m training.fit ")[1]
    assert advice == "--config runs/interrupted/config.yaml --ckpt-path runs/interrupted/last.ckpt"
    last = Path("runs/interrupted/last.ckpt")
    assert torch.load(last, weights_only=True)["epoch"] == 0
    assert main(advice.split()) == 0
    assert len(list(Path("runs/interrupted").glob("metrics*.csv"))) == 2
    for checkpoint in (last, Path("runs/whole/last.ckpt")):
        assert torch.load(checkpoint, weights_only=True)["epoch"] == 1
    whole, resumed = weights(Path("runs/whole/last.ckpt")), weights(last)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_without_data_the_recipe_generates_its_own(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [
        argument for argument in tiny(Path()) if "--config" not in argument and "--data.path" not in argument
    ]
    assert (
        main(
            [
                *small,
                "--generate.events=10",
                "--generate.seed=5",
                "--generate.planes=W",
                "--trainer.max-epochs=1",
            ]
        )
        == 0
    )
    assert "data/default.h5 is missing: generating" in capsys.readouterr().out
    assert Path("runs/default/best.ckpt").is_file()
    with EventFile(Path("data/default.h5")) as events:
        assert len(events) == 10


@pytest.mark.parametrize("how", ["own recipe", "config of a run", "checkpoint"])
def test_missing_data_that_the_user_named_are_never_generated(
    workplace: Path,
    run_folder: Path,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Half an hour of events at the user's path, and then a refusal to resume with them."""

    def refuse(**options: object) -> None:
        raise AssertionError(f"generated {options}")

    monkeypatch.setattr("data_gen.generate.command", refuse)
    run = Path(shutil.copytree(run_folder, "runs/moved"))
    config = run / "config.yaml"
    config.write_text(re.sub(r"path: .*events?\.h5|path: .*e\.h5", "path: gone.h5", config.read_text()))
    assert "path: gone.h5" in config.read_text()
    Path("own.yaml").write_text("name: own\ndata: {path: gone.h5}\n", encoding="utf-8")
    arguments = {
        "own recipe": ["--config=own.yaml"],
        "config of a run": [f"--config={config}"],
        "checkpoint": [f"--config={QUICK}", f"--ckpt-path={run / 'last.ckpt'}"],
    }[how]
    assert main(arguments) == 2
    assert "no event file" in capsys.readouterr().err
    assert not Path("data").exists()


def test_a_taken_name_gets_a_number(workplace: Path, events_file: Path) -> None:
    Path("runs/mine").mkdir(parents=True)
    assert main(tiny(events_file, "--name=mine", "--trainer.max-epochs=1")) == 0
    assert latest_checkpoint() == Path("runs/mine-2/calibrated.ckpt")
    assert not any(Path("runs/mine").iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model.learning-rat=1"], "learning-rat"),
        (["--model.network=resnet"], "model.network"),
        (["--data.path=none.h5"], "none.h5"),
        (["--data.era=1999"], "1999"),
        (["--name=../x"], "not a plain folder name"),
        (["--ckpt-path=none.ckpt"], "no checkpoint none.ckpt"),
        (["--data.batch-size=0"], "batch-size"),
        (["--data.patches-per-epoch=-5"], "patches-per-epoch"),
        (["--data.memory-gb=0"], "memory-gb"),
        (["--data.augmentation.dead-wires=1"], "data.augmentation.dead-wires"),
        (["--data.balance={neutrino: 2}"], "--data.balance names 'neutrino'"),
        (["--trainer.accelerator=gpu"], "Lightning refuses"),
        (["--config=none.yaml"], "none.yaml"),
    ],
)
def test_wrong_requests(
    workplace: Path, events_file: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*tiny(events_file), *options]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not Path("runs").exists()


def test_a_missing_class_is_named(
    workplace: Path, events_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(events_file, "no_michel.h5")
    with h5py.File("no_michel.h5", "r+") as file:
        file["hit_table/michel"][:] = 0
    assert main(tiny(Path("no_michel.h5"))) == 2
    assert "no michel hit in its train split" in capsys.readouterr().err


def test_nan_in_an_image_is_named(
    workplace: Path, events_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(events_file, "nan.h5")
    with h5py.File("nan.h5", "r+") as file:
        file["plane_images/W"][0, 0, 10, 10] = np.nan
    assert main(tiny(Path("nan.h5"))) == 2
    assert "event 0, plane W: its image holds NaN" in capsys.readouterr().err


def test_without_validation_there_is_no_best_checkpoint(
    workplace: Path, events_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tiny(events_file, "--trainer.limit-val-batches=0")) == 0
    assert "has no best checkpoint" in capsys.readouterr().out


def test_another_training_is_refused_on_resume_and_loses_nothing(
    workplace: Path, events_file: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(run_folder, "runs/copy")
    before = {path: path.read_bytes() for path in Path(copy).iterdir()}
    assert main(tiny(events_file, "--data.era=2020", f"--ckpt-path={copy}/last.ckpt")) == 2
    error = capsys.readouterr().err
    assert "era was 2021, now 2020" in error
    assert "patches_per_epoch was 9216, now 256" in error
    assert {path: path.read_bytes() for path in Path(copy).iterdir()} == before


def test_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(
    workplace: Path, events_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tiny(events_file, "--name=nan", "--trainer.max-epochs=1", "--model.optimizer=sgd")) == 0
    kept = Path("runs/nan/last.ckpt").read_bytes()
    broken = torch.load("runs/nan/last.ckpt", weights_only=True)
    broken["state_dict"]["network.classes.layer.bias"][0] = torch.nan
    torch.save(broken, "runs/nan/broken.ckpt")
    assert main(tiny(events_file, "--ckpt-path=runs/nan/broken.ckpt", "--model.optimizer=sgd")) == 1
    assert "the loss is nan at epoch 1, batch 0" in capsys.readouterr().err
    assert Path("runs/nan/last.ckpt").read_bytes() == kept


def test_metrics_of_perfect_answers() -> None:
    label = np.array([0, 0, 1, 1, 2])
    michel = np.array([0, 0, 0, 1, 0])
    outputs = {CLASS_OUTPUT: np.eye(3, dtype="f4")[label], MICHEL_OUTPUT: michel[:, None].astype("f4")}
    metrics = physics_metrics(outputs, label, michel)
    assert metrics.pop("michel_share") == 0.2
    assert set(metrics.values()) == {1.0}


def test_metrics_count_hits_as_often_as_they_weigh() -> None:
    random = np.random.default_rng(1)
    label = random.integers(0, 3, 300)
    michel = (label == 1) & (random.random(300) < 0.4)
    classes = random.dirichlet(np.ones(3), 300).astype("f4")
    outputs = {CLASS_OUTPUT: classes, MICHEL_OUTPUT: random.random((300, 1)).astype("f4")}
    weight = random.integers(0, 4, 300)
    repeated = {name: np.repeat(values, weight, axis=0) for name, values in outputs.items()}
    expected = physics_metrics(repeated, np.repeat(label, weight), np.repeat(michel, weight))
    assert physics_metrics(outputs, label, michel, weight) == pytest.approx(expected, abs=2e-6)
    assert len(expected) == 6


def test_metrics_of_one_sided_samples_are_left_out() -> None:
    label, michel = np.zeros(4, int), np.zeros(4, int)
    outputs = {CLASS_OUTPUT: np.eye(3, dtype="f4")[label], MICHEL_OUTPUT: np.zeros((4, 1), "f4")}
    assert physics_metrics(outputs, label, michel) == {"accuracy": 1.0, "michel_share": 0.0}


class _Exploit:
    def __reduce__(self) -> tuple:
        return Path("exploited").touch, ()


@pytest.mark.parametrize("content", ["missing", "text", "empty", "pickle", "foreign", "other"])
def test_what_is_no_checkpoint_is_refused(workplace: Path, checkpoint: Path, content: str) -> None:
    path = Path("x.ckpt")
    message = "not a readable checkpoint"
    if content == "missing":
        message = "no checkpoint x.ckpt"
    elif content == "text":
        path.write_text("hello, no checkpoint", encoding="utf-8")
    elif content == "empty":
        path.touch()
    elif content == "pickle":
        path.write_bytes(pickle.dumps(_Exploit()))
    elif content == "foreign":
        torch.save({"provenance": "{}", "state_dict": {}}, path)
        message = "not a checkpoint of training.fit"
    else:
        stored = torch.load(checkpoint, weights_only=True)
        stored["state_dict"]["network.trunk.0.weight"] = torch.zeros(48, 1, 3, 3)
        torch.save(stored, path)
        message = "another architecture"
    with pytest.raises(UserError, match=message):
        load_checkpoint(path)
    assert not Path("exploited").exists()


def test_torch_save_of_code_is_refused(workplace: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"provenance": _Exploit()}, buffer)
    Path("x.ckpt").write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_checkpoint(Path("x.ckpt"))
    assert not Path("exploited").exists()


@pytest.mark.long
def test_imported_patches_train_and_are_evaluated(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """LArSoft's patch dumps have none as empty pixels alone; no figure counts those."""
    np.save("dump.npy", np.concatenate([table(300, event, evt=event) for event in range(10)]))
    Path("data").mkdir()
    arguments = ["dump.npy", "--format=numpy", "--adc-scale=2021", "--out=data/imported.h5"]
    assert import_larsoft(arguments) == 0
    assert main(tiny(Path("data/imported.h5"), "--name=imported", "--trainer.max-epochs=1")) == 0
    assert evaluate(["--data=data/imported.h5"]) == 0
    record = json.loads(Path("runs/imported/metrics.json").read_text(encoding="utf-8"))
    assert record["hits"] == 2 * 225
    assert "none_auc" not in record["metrics"]
    assert record["natural_metrics"] == record["metrics"]


def test_of_two_trainings_without_data_one_generates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, calls = tmp_path / "data" / "events.h5", tmp_path / "calls"

    def generate(**options: Any) -> None:
        with calls.open("a") as file:
            file.write("generated\n")
        time.sleep(1.0)
        options["out"].touch()

    monkeypatch.setattr("data_gen.generate.command", generate)
    recipe = SimpleNamespace(events=1, seed=1, planes="W")
    cli: Any = SimpleNamespace(
        datamodule=SimpleNamespace(path=path),
        config=SimpleNamespace(ckpt_path=None, config=[], generate=recipe),
    )
    trainings = [threading.Thread(target=ensure_data, args=(cli, [])) for _ in range(3)]
    for training in trainings:
        training.start()
    for training in trainings:
        training.join()
    assert calls.read_text() == "generated\n"
    assert [file.name for file in path.parent.iterdir()] == [path.name]
