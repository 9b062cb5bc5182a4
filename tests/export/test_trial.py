"""A target for trials: it takes what no publication would, and never what a publication sends there."""

from pathlib import Path

import pytest

from export.publish import main as publish
from export.registry import main as registry
from export.repository.trial import TRIAL_FILE, is_for_trials
from export.store.target import open_store
from tests.helpers.published_repository import MODEL, add, visible


@pytest.fixture(params=["folder", "bucket"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place to publish to."""
    return str(tmp_path / "published") if request.param == "folder" else request.getfixturevalue("bucket")


def test_publish_list_verify_and_roll_back_what_passed_gates_for_trials(
    tmp_path: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path / "models", 1, publishable=False, edge=0.5)
    source = str(tmp_path / "models")
    assert publish([source, target]) == 1
    assert "say that what passes them is not published" in capsys.readouterr().err
    assert publish([source, target, "--trial", "--dry-run"]) == 0
    assert open_store(target).names() == []
    assert publish([source, target, "--trial"]) == 0
    add(tmp_path / "models", 2, publishable=False)
    assert publish([source, target]) == 0
    capsys.readouterr()
    assert registry(["list", target]) == 0
    assert f"{TRIAL_FILE}: for trials" in capsys.readouterr().out
    assert registry(["verify", target]) == 0
    assert visible(target) == 2
    assert registry(["rollback", target, MODEL]) == 0
    assert visible(target) == 1


def test_a_target_of_publications_never_becomes_one_for_trials(
    tmp_path: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path / "models", 1)
    add(tmp_path / "quick", 2, publishable=False)
    assert publish([str(tmp_path / "models"), target]) == 0
    assert publish([str(tmp_path / "quick"), target, "--trial", "--dry-run"]) == 2
    assert publish([str(tmp_path / "quick"), target, "--trial"]) == 2
    assert "is not empty and not for trials" in capsys.readouterr().err
    assert not is_for_trials(open_store(target))
    assert publish([str(tmp_path / "quick"), target]) == 1


def test_what_fails_its_check_is_not_sent_to_a_trial_either(tmp_path: Path, target: str) -> None:
    add(tmp_path / "models", 1, publishable=False)
    (tmp_path / "models" / MODEL / "1" / "model.onnx").write_bytes(b"altered")
    assert publish([str(tmp_path / "models"), target, "--trial"]) == 1
    assert open_store(target).names() == []
