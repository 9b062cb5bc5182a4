"""Kills, full disks and damaged files: nothing corrupt, nothing half visible, nothing twice."""

import hashlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export.check import main as check
from export.publish import main as publish
from export.registry import main as registry
from export.repository.lint import lint_model, lint_version
from export.store.target import open_store
from lartpc.errors import CheckError, UserError
from lartpc.served.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from lartpc.served.model_config import CONFIG_FILE, Visibility, parse_config
from tests.helpers.paths import ROOT
from tests.helpers.published_repository import MODEL, add, model_of, version_of
from training.network.checkpoint import read_content

EVERY_POINT = bool(os.environ.get("EVERY_POINT"))
"""make soak: kill at every point; otherwise at a few, from the first to the last."""

few = settings(
    max_examples=2000 if EVERY_POINT else 150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def killed(log: Path, point: int, *step: str) -> int:
    """Run a step that is killed at a point; its exit code, -9 where it was killed."""
    command = [sys.executable, "-m", "tests.helpers.killed", str(log), str(point), *step]
    return subprocess.run(command, cwd=ROOT, capture_output=True).returncode


def points_of(log: Path, *step: str) -> list[int]:
    """The points to kill at: all, or some from the first to the last."""
    assert killed(log, 0, *step) == 0
    count = len(log.read_text(encoding="utf-8").splitlines())
    log.unlink()
    assert count > 5
    return list(range(1, count + 1)) if EVERY_POINT else sorted({1, count // 3, 2 * count // 3, count})


def test_an_export_killed_at_any_point_is_gone_on_with(tmp_path: Path) -> None:
    add(tmp_path / "before", 1)
    shutil.copytree(tmp_path / "before", tmp_path / "counted")
    log = tmp_path / "points"
    for point in points_of(log, "export", str(tmp_path / "counted"), "2"):
        root = tmp_path / f"repository-{point}"
        shutil.copytree(tmp_path / "before", root)
        assert killed(log, point, "export", str(root), "2") == -signal.SIGKILL, point
        model = model_of(root)
        assert model.visibility.visible in model.versions
        for manifest in model.manifests.values():
            lint_version(model, manifest)
        if 2 in model.manifests:
            model.finished(version_of(2).served, 2)
        else:
            add(root, 2)
        assert lint_model(model_of(root)) == []
        assert model_of(root).visibility.visible == 2


@pytest.mark.parametrize("kind", ["folder", pytest.param("s3", marks=pytest.mark.long)])
def test_a_publication_killed_at_any_point_is_gone_on_with(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = str(tmp_path / "source")
    base = request.getfixturevalue("bucket") if kind == "s3" else str(tmp_path / "published")
    add(tmp_path / "source", 1)
    add(tmp_path / "later", 2)
    later = str(tmp_path / "later")
    log = tmp_path / "points"
    assert publish([source, f"{base}-0"]) == 0
    for point in points_of(log, "publish", later, f"{base}-0"):
        target = f"{base}-{point}"
        assert publish([source, target]) == 0
        assert killed(log, point, "publish", later, target) == -signal.SIGKILL, point
        store = open_store(target)
        config = store.read(f"{MODEL}/{CONFIG_FILE}")
        assert config is not None
        shown = Visibility.of(parse_config(config[0], ""), "").visible
        assert shown in (1, 2)
        assert registry(["verify", target]) == 0
        assert registry(["promote", target, MODEL, str(shown)]) == 0
        assert publish([later, target]) == 0
        assert registry(["verify", target]) == 0
        assert kind == "s3" or check([target]) == 0
        assert store.names(MODEL) == [
            "1", "2", CONFIG_FILE, "labels_em_trk_none.txt", "labels_michel.txt"
        ]  # fmt: skip
        assert store.names(f"{MODEL}/2") == ["golden.h5", MANIFEST_FILE, MODEL_FILE]


@pytest.mark.long
def test_a_prune_killed_at_any_point_is_gone_on_with(tmp_path: Path) -> None:
    base = tmp_path / "published"
    for number in range(1, 5):
        add(tmp_path / "source", number)
        assert publish([str(tmp_path / "source"), str(base)]) == 0
    log = tmp_path / "points"
    shutil.copytree(base, tmp_path / "counted")
    for point in points_of(log, "registry", "prune", str(tmp_path / "counted")):
        target = tmp_path / f"target-{point}"
        shutil.copytree(base, target)
        assert killed(log, point, "registry", "prune", str(target)) == -signal.SIGKILL, point
        assert registry(["verify", str(target)]) == 0
        assert registry(["prune", str(target)]) == 0
        assert open_store(target).names(MODEL)[:3] == ["3", "4", CONFIG_FILE]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB, a fifth of what a version with its golden hits needs."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_half_written(
    small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="No space left"):
        add(small_disk / "repository", 1)
    assert not list(small_disk.rglob("*.part")) and not list(small_disk.rglob(CONFIG_FILE))
    add(tmp_path / "source", 1)
    shutil.rmtree(small_disk / "repository")
    assert publish([str(tmp_path / "source"), str(small_disk / "published")]) == 2
    assert "No space left" in capsys.readouterr().err
    left = {path.name for path in small_disk.rglob("*") if path.is_file()}
    assert CONFIG_FILE not in left and not any(name.endswith(".part") for name in left)
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert publish([str(tmp_path / "source"), str(small_disk / "published")]) == 0
    assert registry(["verify", str(small_disk / "published")]) == 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a repository."""
    root = tmp_path_factory.mktemp("whole")
    add(root, 1)
    return root / MODEL


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """The content with a piece cut out, and other bytes in its place."""
    place = st.integers(0, len(content))
    return st.builds(
        lambda first, second, piece: content[: min(first, second)] + piece + content[max(first, second) :],
        place,
        place,
        st.binary(max_size=40),
    )


@few
@given(data=st.data())
def test_a_damaged_configuration_is_refused_or_read(data: st.DataObject, whole: Path) -> None:
    text = data.draw(damaged((whole / CONFIG_FILE).read_bytes()) | st.binary(max_size=200))
    try:
        Visibility.of(parse_config(text, "config.pbtxt"), "config.pbtxt")
    except UserError:
        return


@few
@given(data=st.data())
def test_a_damaged_manifest_is_refused_or_read(data: st.DataObject, whole: Path) -> None:
    text = data.draw(damaged((whole / "1" / MANIFEST_FILE).read_bytes()) | st.binary(max_size=200))
    try:
        manifest = Manifest.parse(text, "manifest.json", MODEL, "1")
    except UserError:
        return
    assert all("/" not in name and name not in (".", "..") for name in manifest.files)


@few
@given(data=st.data())
def test_a_damaged_graph_is_refused_or_answers(data: st.DataObject, whole: Path, tmp_path: Path) -> None:
    content = (whole / "1" / MODEL_FILE).read_bytes()
    text = data.draw((damaged(content) | st.binary(max_size=200)).filter(lambda other: other != content))
    root = tmp_path / "repository"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(whole, root / MODEL)
    (root / MODEL / "1" / MODEL_FILE).write_bytes(text)
    model = model_of(root)
    (manifest,) = model.manifests.values()
    with pytest.raises(CheckError, match="differs from its recorded SHA-256"):
        lint_version(model, manifest)
    known = replace(manifest, files={**manifest.files, MODEL_FILE: hashlib.sha256(text).hexdigest()})
    try:
        lint_version(model, known)
    except UserError:
        return


class Code:
    """What runs code where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


def test_a_checkpoint_with_code_is_refused_and_the_code_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "code.ckpt", tmp_path / "ran"
    for save in (
        lambda: torch.save({"provenance": Code(mark), "state_dict": {}}, path),
        lambda: path.write_bytes(pickle.dumps({"provenance": Code(mark)})),
    ):
        save()
        with pytest.raises(UserError, match="not a readable checkpoint"):
            read_content(path)
        assert not mark.exists()


@few
@given(data=st.data())
def test_a_damaged_checkpoint_is_refused_or_read(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "damaged.ckpt"
    torch.save({"provenance": "{}", "state_dict": {"weight": torch.zeros(3)}}, path)
    path.write_bytes(data.draw(damaged(path.read_bytes()) | st.binary(max_size=200)))
    try:
        assert "provenance" in read_content(path)
    except UserError:
        return
