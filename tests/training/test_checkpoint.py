"""What is almost a checkpoint: one line each, from every command that reads one."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from export.triton import main as export
from lartpc.errors import UserError
from tests.helpers.trainings import tiny
from training.calibrate import main as calibrate
from training.evaluate import main as evaluate
from training.fit import main as fit
from training.network.checkpoint import read_content

Content = dict[str, Any]
WEIGHT = "network.trunk.convolutions.0.weight"

ALMOST: dict[str, tuple[Callable[[Content], object], str]] = {
    "no weights": (lambda content: content.pop("state_dict"), "state_dict missing"),
    "weights without names": (lambda content: content.update(state_dict={1: torch.zeros(1)}), "state_dict"),
    "no tensors": (lambda content: content.update(state_dict={WEIGHT: 1}), "state_dict"),
    "a list of settings": (lambda content: content.update(hyper_parameters=[1]), "hyper_parameters"),
    "a network of another name": (lambda content: content["hyper_parameters"].update(network=[1]), "network"),
    "no provenance": (lambda content: content.update(provenance="[]"), "provenance"),
    "a provenance of numbers": (lambda content: content.update(provenance='{"data": 7}'), "provenance"),
    "a provenance of no data": (lambda content: content.update(provenance="{}"), "digest"),
    "no loops": (lambda content: content.update(loops={}), "loops"),
    "numbers for the optimiser": (lambda content: content.update(optimizer_states=[1]), "optimizer_states"),
    "no schedule": (lambda content: content.pop("lr_schedulers"), "lr_schedulers missing"),
}


@pytest.fixture
def spoiled(run_folder: Path, tmp_path: Path) -> Callable[[Callable[[Content], object]], Path]:
    """Writes the last checkpoint of a training, changed."""

    def write(change: Callable[[Content], object], **more: int) -> Path:
        content = torch.load(run_folder / "last.ckpt", weights_only=True) | more
        change(content)
        torch.save(content, tmp_path / "last.ckpt")
        return tmp_path / "last.ckpt"

    return write


@pytest.mark.parametrize("kind", ALMOST)
def test_what_is_almost_a_checkpoint_is_refused(kind: str, spoiled: Callable[..., Path]) -> None:
    change, named = ALMOST[kind]
    with pytest.raises(UserError, match=rf"is not a checkpoint of training.fit \(.*{named}.*; train anew"):
        read_content(spoiled(change))


@pytest.mark.parametrize("kind", ["no weights", "other weights", "zeros in a zip"])
def test_every_command_refuses_it_in_one_line(
    kind: str,
    spoiled: Callable[..., Path],
    run_folder: Path,
    events_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = spoiled(
        lambda content: content.update(epoch=0) or content["state_dict"].update({WEIGHT: torch.zeros(3)})
    )
    if kind == "no weights":
        path = spoiled(ALMOST[kind][0])
    elif kind == "zeros in a zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a/data.pkl", bytes(1000))
    shutil.copy(run_folder / "config.yaml", tmp_path)
    for command in (
        lambda: fit([f"--config={tmp_path / 'config.yaml'}", f"--ckpt_path={path}"]),
        lambda: fit(tiny(events_file, f"--model.init_from={path}")),
        lambda: calibrate([str(events_file), f"--checkpoint={path}"]),
        lambda: evaluate([f"--checkpoint={path}"]),
        lambda: export([f"--checkpoint={path}"]),
    ):
        assert command() == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("error: ") and "arbitrary code" not in error


def test_a_disk_that_does_not_answer_makes_no_checkpoint_a_bad_one(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(torch, "load", refused)
    with pytest.raises(UserError, match=r"best.ckpt: Permission denied; its content is not at fault"):
        read_content(checkpoint)
