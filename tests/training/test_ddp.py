"""Two processes that train together on this machine."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.helpers.paths import ROOT
from tests.helpers.trainings import tiny, weights
from tests.helpers.waiting import PATIENCE
from training.fit import main

TOGETHER = ["--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"]
PLAIN = ["--trainer.precision=32-true", "--model.dropout=0.0", "--data.augmentation.noise=0.05"]


SAYS_ITS_WEIGHTS = """
import hashlib, pathlib, sys
import pytorch_lightning as lightning
from training import fit
from training.run import command_line

class Witness(lightning.Callback):
    def __init__(self):
        self.hits = []
    def on_train_batch_start(self, trainer, module, batch, index):
        self.hits += [round(float(value), 3) for value in batch[0].double().sum(dim=(1, 2, 3))]
    def on_train_end(self, trainer, module):
        content = b"".join(value.detach().numpy().tobytes() for value in module.network.parameters())
        said = f"{hashlib.sha256(content).hexdigest()} {len(self.hits)}"
        pathlib.Path(f"witness-{trainer.global_rank}").write_text(said)

plain = command_line.callbacks
command_line.callbacks = lambda *arguments, **options: [*plain(*arguments, **options), Witness()]
sys.exit(fit.main())
"""


def train_together(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run training.fit in two processes that leave what they have seen and learnt in witness-RANK."""
    (folder / "witness.py").write_text(SAYS_ITS_WEIGHTS)
    return subprocess.run(
        [sys.executable, "witness.py", *arguments, *TOGETHER],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def validation(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["val_score"]]


def test_two_processes_train_as_one_does(workplace: Path, events_file: Path) -> None:
    """Without dropout the gradient of a divided batch is that of the whole one; both end with its weights."""
    done = train_together(workplace, *tiny(events_file, "--name=two", *PLAIN))
    assert done.returncode == 0, done.stderr
    assert [folder.name for folder in Path("runs").iterdir()] == ["two"]
    assert done.stdout.count("wrote runs/two/best.ckpt") == 1
    assert {path.name for path in Path("runs/two").iterdir()} == {
        "best.ckpt", "calibrated.ckpt", "last.ckpt", "gate.h5", "config.yaml", "hparams.yaml", "metrics.csv"
    }  # fmt: skip
    witnesses = [Path(f"witness-{rank}").read_text(encoding="utf-8").split() for rank in (0, 1)]
    assert witnesses[0] == witnesses[1]
    assert int(witnesses[0][1]) == 256
    assert main(tiny(events_file, "--name=one", *PLAIN)) == 0
    one, two = weights(Path("runs/one/last.ckpt")), weights(Path("runs/two/last.ckpt"))
    assert all(torch.allclose(one[name], two[name], atol=1e-4) for name in one)
    scores = [validation(Path(f"runs/{name}")) for name in ("one", "two")]
    assert len(scores[0]) == len(scores[1]) == 2
    for alone, divided in zip(*scores, strict=True):
        for metric in ("track_shower_auc", "michel_auc", "michel_average_precision"):
            assert float(alone[metric]) == pytest.approx(float(divided[metric]), abs=2e-3)


@pytest.mark.long
def test_they_go_on_from_a_checkpoint_and_one_may_go_on_alone(workplace: Path, events_file: Path) -> None:
    sgd = ["--model.optimizer=sgd", "--trainer.max-epochs=1", "--data.memory-gb=0.01", *PLAIN]
    assert main(tiny(events_file, "--name=mixed", *sgd)) == 0
    go_on = [
        "--config=runs/mixed/config.yaml", "--ckpt-path=runs/mixed/last.ckpt", "--trainer.max-epochs=2"
    ]  # fmt: skip
    done = train_together(workplace, *go_on)
    assert done.returncode == 0, done.stderr
    assert [folder.name for folder in Path("runs").iterdir()] == ["mixed"]
    assert torch.load("runs/mixed/last.ckpt", weights_only=True)["epoch"] == 1


def test_an_error_ends_both_with_one_line(workplace: Path, events_file: Path) -> None:
    done = train_together(workplace, *tiny(events_file, "--data.batch-size=63"))
    assert done.returncode == 2
    assert done.stderr.count("error: --data.batch-size 63 cannot be divided between 2 processes") >= 1
    assert "Traceback" not in done.stderr
