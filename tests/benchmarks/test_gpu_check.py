"""The check of a machine with a GPU, as far as none is needed."""

from pathlib import Path

import pytest
import torch

from benchmarks.gpu_check import main
from tests.helpers.published_repository import MODEL, add


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    Path("data.h5").touch()
    Path("models").mkdir()
    return tmp_path


def test_what_is_in_no_name_is_told_before_anything_is_measured(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(place / "models", 1, MODEL)
    assert main(["--repository=models", "--data=data.h5", "--only=colour"]) == 2
    said = capsys.readouterr().err
    assert (
        "--only colour is in no name of what is measured: training, recipe full, " in said and MODEL in said
    )
    assert not (place / "benchmarks").exists()


def test_a_repository_without_models_is_told_before_anything_is_measured(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--repository=models", "--data=data.h5"]) == 2
    said = capsys.readouterr()
    assert "holds no model" in said.err and "training ..." not in said.out
