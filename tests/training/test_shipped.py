"""The weights that come along: whole, small, and answering as they did where they were made."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lartpc.adc_scale import adc_scale
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.files import sha256
from lartpc.served.contract import OUTPUT_NAMES
from training.data.dataset import PatchDataset
from training.data.gate_file import GATE_FILE, write_gate_file
from training.evaluate import report_folder
from training.network.checkpoint import RUNS, load_checkpoint
from training.network.shipped import FLOAT_FILE, FOLDER, QUANTISED_FILE, located
from training.ship import MOST_BYTES, SCORES, main

NETWORKS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
FILES = [(FLOAT_FILE, ""), (QUANTISED_FILE, "-int8")]


def test_the_recommended_network_comes_along() -> None:
    assert "compact" in NETWORKS


@pytest.mark.parametrize("network", NETWORKS)
def test_they_are_small_and_those_of_the_record(network: str) -> None:
    folder = FOLDER / network
    assert sum(path.stat().st_size for path in folder.iterdir()) < MOST_BYTES
    recorded = json.loads((folder / SCORES).read_text())["sha256"]
    with EventFile(folder / "gate.h5") as gate:
        checkpoint = load_checkpoint(folder / FLOAT_FILE)
        assert gate.provenance.data["source_digest"] == checkpoint.provenance.data["digest"]
    assert set(recorded) == {path.name for path in folder.iterdir()} - {SCORES}
    assert {name: sha256(folder / name) for name in recorded} == recorded
    card = (folder / "model_card.md").read_text(encoding="utf-8")
    assert recorded[FLOAT_FILE][:12] in card


def test_a_part_of_a_gate_file_judges_the_same_checkpoint(tmp_path: Path) -> None:
    whole = FOLDER / "compact" / GATE_FILE
    write_gate_file(whole, tmp_path / GATE_FILE, held_out_events=2)
    with EventFile(whole) as gate, EventFile(tmp_path / GATE_FILE) as part:
        assert part.provenance.data["source_digest"] == gate.provenance.data["source_digest"]
        assert 0 < len(part.in_split("test")) < len(gate.in_split("test"))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("file", "suffix"), FILES)
def test_they_give_their_recorded_scores(network: str, file: str, suffix: str) -> None:
    """To what another processor's arithmetic differs by; quantised, a value may fall on the other step."""
    trained = load_checkpoint(Path(f"shipped:{network}{suffix}"))
    assert trained.score_scale == "upstream" and trained.quantised == (file == QUANTISED_FILE)
    recorded = json.loads((FOLDER / network / SCORES).read_text())[file]
    with EventFile(trained.gate_path) as events:
        held_out = PatchDataset(events, events.in_split("test"), adc_scale(trained.scale.era))
    with torch.no_grad():
        answers = trained.network(torch.from_numpy(held_out.patches(np.array(recorded["rows"]))))
    for name, values in zip(OUTPUT_NAMES, answers, strict=True):
        apart = np.abs(values.numpy() - np.array(recorded["scores"][name]))
        assert apart.max() < (0.1 if trained.quantised else 1e-4)
        assert apart.mean() < (5e-3 if trained.quantised else 1e-5)


def test_the_quantised_weights_were_trained_from_the_others() -> None:
    for network in NETWORKS:
        plain, quantised = (load_checkpoint(Path(f"shipped:{network}{suffix}")) for _, suffix in FILES)
        stage = quantised.provenance.training
        assert stage["init_sha256"] == plain.provenance.training["checkpoint_sha256"]


@pytest.mark.parametrize("name", ["shipped:paper-int8", "shipped:../shipped/compact", "shipped:"])
def test_others_are_not_found(name: str) -> None:
    with pytest.raises(UserError, match=r"no weights shipped:.* come along; there are shipped:compact"):
        located(Path(name))
    assert located(Path("runs/x/best.ckpt")) == Path("runs/x/best.ckpt")


def test_only_a_quantised_training_of_the_checkpoint_goes_with_it(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run_folder), str(run_folder), f"--folder={tmp_path / 'new'}"]) == 2
    assert "is no quantised training of" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_what_goes_together_has_its_weights_and_its_data_from_the_same() -> None:
    plain, quantised = (load_checkpoint(FOLDER / "compact" / file) for file in (FLOAT_FILE, QUANTISED_FILE))
    plain.check_quantised(quantised)
    with pytest.raises(UserError, match="is no quantised training of"):
        plain.check_quantised(plain)
    with pytest.raises(UserError, match="is no quantised training of"):
        quantised.check_quantised(quantised)
    elsewhere = replace(quantised, provenance=quantised.provenance.with_stage(data={"digest": "other"}))
    with pytest.raises(UserError, match="was trained on other data"):
        plain.check_quantised(elsewhere)
    with pytest.raises(UserError, match="has natural scores, .* upstream ones"):
        plain.check_quantised(quantised.on_scale("natural"))


@pytest.mark.parametrize(
    ("replaced", "message"), [("model_card.md", "is not of"), ("gate.h5", "was not cut from the data of")]
)
def test_what_is_of_other_weights_or_data_does_not_come_along(
    replaced: str, message: str, run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [tmp_path / kind for kind in ("float", "int8")]
    for run, file in zip(runs, (FLOAT_FILE, QUANTISED_FILE), strict=True):
        run.mkdir()
        for name in ("gate.h5", "model_card.md"):
            (run / name).symlink_to(FOLDER / "compact" / name)
        (run / "calibrated.ckpt").symlink_to(FOLDER / "compact" / file)
    (runs[0] / replaced).unlink()
    (runs[0] / replaced).write_bytes(
        (run_folder / "gate.h5").read_bytes() if "gate" in replaced else b"# card"
    )
    assert main([*map(str, runs), f"--folder={tmp_path / 'new'}"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_beside_them(tmp_path: Path) -> None:
    for file, name in ((FLOAT_FILE, "shipped-compact"), (QUANTISED_FILE, "shipped-compact-int8")):
        assert report_folder(FOLDER / "compact" / file) == RUNS / name
    assert report_folder(tmp_path / FLOAT_FILE) == tmp_path
    (tmp_path / "calibrated.ckpt").symlink_to(FOLDER / "compact" / QUANTISED_FILE)
    assert report_folder(tmp_path / "calibrated.ckpt") == tmp_path
