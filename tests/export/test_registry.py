"""The registry of published versions: list, show, verify, promote, roll back, pin, prune."""

import json
import shutil
from pathlib import Path

import boto3
import pytest

from export.publish import main as publish
from export.registry import main as registry
from export.repository.config import model_config
from export.repository.model_folder import ModelFolder
from export.repository.removal import remove
from export.store.folder import FolderStore
from export.store.interface import ConflictError, Store
from export.store.target import open_store
from lartpc.served.model_config import CONFIG_FILE, Visibility, config_text
from tests.helpers.published_repository import MODEL, add, visible


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A target with versions 1 to 5 of a model, of which 5 is visible."""
    folder = tmp_path_factory.mktemp("five")
    for number in range(1, 6):
        add(folder / "source", number)
        assert publish([str(folder / "source"), str(folder / "published")]) == 0
    return folder / "published"


@pytest.fixture(params=["folder", "s3"])
def target(five: Path, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same as a folder and in a bucket."""
    if request.param == "folder":
        return str(shutil.copytree(five, tmp_path / "published"))
    place = request.getfixturevalue("bucket")
    store = open_store(place)
    for path in five.rglob("*"):
        if path.is_file():
            store.create(path.relative_to(five).as_posix(), path.read_bytes())
    return place


def versions(target: str) -> list[int]:
    return ModelFolder.read(open_store(target), MODEL).versions


def test_versions_stand_side_by_side(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert registry(["list", target]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if MODEL in line]
    assert len(lines) == 5
    assert "visible" in lines[4] and "visible" not in "".join(lines[:4])
    assert "0.9850" in lines[4] and "2021" in lines[4] and "gates" in lines[4]
    assert registry(["show", target, MODEL, "2"]) == 0
    assert '"version": 2' in capsys.readouterr().out
    assert registry(["show", target, MODEL, "9"]) == 2
    assert "has no version 9; there are 1, 2, 3, 4, 5" in capsys.readouterr().err
    assert registry(["list", target, "--model=other"]) == 2
    assert f"has no model 'other'; it has {MODEL}" in capsys.readouterr().err


def drop(target: str, path: str) -> None:
    """Remove one file at a target."""
    if target.startswith("s3://"):
        name, _, folder = target.removeprefix("s3://").partition("/")
        boto3.client("s3").delete_object(Bucket=name, Key=f"{folder}/{path}")
    else:
        Path(target, path).unlink()


def test_an_altered_or_missing_file_is_found(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(target)
    path = f"{MODEL}/3/model.onnx"
    found = store.read(path)
    assert found is not None
    store.replace(path, b"altered", found[1])
    drop(target, f"{MODEL}/2/golden.h5")
    assert registry(["verify", target]) == 1
    said = capsys.readouterr().err
    assert "3/model.onnx differs from its recorded SHA-256" in said and "2/golden.h5 is missing" in said
    assert registry(["promote", target, MODEL, "3"]) == 1
    assert visible(target) == 5


def test_an_alteration_that_is_consistent_with_its_manifest_is_found_and_not_adopted(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(target)
    for name in ("model.onnx", "golden.h5", "manifest.json"):
        here, other = (store.read(f"{MODEL}/{number}/{name}") for number in (2, 3))
        assert here and other
        content = other[0]
        if name == "manifest.json":
            content = json.dumps({**json.loads(content), "version": 2}).encode()
        store.replace(f"{MODEL}/2/{name}", content, here[1])
    for command in (["verify", target], ["promote", target, MODEL, "2"], ["pin", target, MODEL, "4"]):
        assert registry(command) == 1
        assert "2/manifest.json differs from its SHA-256 in config.pbtxt" in capsys.readouterr().err
    assert visible(target) == 5


def altered(store: Store, path: str, old: str, new: str) -> None:
    """Replace words in a file of a store."""
    found = store.read(path)
    assert found and old in found[0].decode()
    store.replace(path, found[0].decode().replace(old, new).encode(), found[1])


def test_altered_labels_and_figures_are_found(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(target)
    altered(store, f"{MODEL}/labels_em_trk_none.txt", "track\nem\n", "em\ntrack\n")
    assert registry(["verify", target]) == 1
    said = capsys.readouterr().err
    assert said.count("labels_em_trk_none.txt does not list track, em, none") == 1
    altered(store, f"{MODEL}/labels_em_trk_none.txt", "em\ntrack\n", "track\nem\n")
    assert registry(["verify", target]) == 0
    altered(store, f"{MODEL}/2/manifest.json", '"track_shower_auc": 0.982', '"track_shower_auc": 0.999')
    assert registry(["verify", target]) == 1
    assert "2/manifest.json differs" in capsys.readouterr().err


def test_odd_content_at_the_target_is_told_or_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "published"
    add(tmp_path / "source", 1)
    assert publish([str(tmp_path / "source"), str(target), "--checksum-agent"]) == 0
    (target / "[red]").mkdir()
    (target / "[red]" / CONFIG_FILE).write_text('name: "of another group"')
    store = open_store(target)
    altered(store, f"{MODEL}/1/manifest.json", '"era": "2021"', '"era": "[/red] 2021"')
    altered(store, f"{MODEL}/{CONFIG_FILE}", "MD5:1/model.onnx", "MD5:notes.txt")
    capsys.readouterr()
    assert registry(["list", str(target)]) == 0
    assert "[/red] 2021" in (said := capsys.readouterr().out) and "another" not in said
    assert registry(["pin", str(target), MODEL, "1"]) == 1
    altered(store, f"{MODEL}/1/manifest.json", "[/red] ", "")
    assert registry(["pin", str(target), MODEL, "1"]) == 0
    (target / "emtrkmichel_int8").symlink_to("emtrkmichel_int8")
    assert registry(["list", str(target)]) == 1
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new"),
    [('"michel_auc": 0.95', '"michel_auc": [0.95]'), ('"export": {', '"export": {"engine": "none", ')],
)
def test_a_manifest_with_odd_values_is_no_manifest(
    tmp_path: Path, old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path, 1)
    altered(open_store(tmp_path), f"{MODEL}/1/manifest.json", old, new)
    for command in (["list", str(tmp_path)], ["promote", str(tmp_path), MODEL, "1"]):
        assert registry(command) == 1
        assert "manifest.json is not a manifest" in capsys.readouterr().err


def test_a_rollback_goes_to_what_was_visible_before(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert registry(["promote", target, MODEL, "2"]) == 0
    assert registry(["promote", target, MODEL, "2"]) == 0
    assert registry(["promote", target, MODEL, "4"]) == 0
    for expected in (2, 5, 3, 1):
        assert registry(["rollback", target, MODEL]) == 0
        assert visible(target) == expected
    assert registry(["rollback", target, MODEL]) == 2
    assert "no other version was visible before 1" in capsys.readouterr().err


def test_pruning_spares_what_is_served_pinned_new_or_next_in_a_rollback(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert registry(["pin", target, MODEL, "1"]) == 0
    assert registry(["promote", target, MODEL, "3"]) == 0
    assert registry(["prune", target, "--keep=0", "--dry-run"]) == 0
    assert "would remove versions 2, 4" in capsys.readouterr().out
    assert versions(target) == [1, 2, 3, 4, 5]
    assert registry(["prune", target, "--keep=2"]) == 0
    assert versions(target) == [1, 3, 4, 5]
    assert open_store(target).names(f"{MODEL}/2") == []
    assert registry(["prune", target, "--keep=0"]) == 0
    assert versions(target) == [1, 3, 5]
    assert registry(["pin", target, MODEL, "1", "--remove"]) == 0
    assert registry(["prune", target, "--keep=0"]) == 0
    assert versions(target) == [3, 5]
    assert registry(["verify", target]) == 0
    assert registry(["rollback", target, MODEL]) == 0
    assert registry(["rollback", target, MODEL]) == 2
    assert registry(["prune", target, "--keep=-1"]) == 2


class Breaks(FolderStore):
    """A folder of which the connection breaks while a version is removed, as a bucket's may."""

    def delete_all(self, folder: str) -> None:
        (self.root / folder / "model.onnx").unlink()
        raise KeyboardInterrupt


def publish_three(folder: Path) -> tuple[str, str]:
    """Source and target, with versions 1 to 3."""
    source, target = folder / "source", folder / "published"
    for number in range(1, 4):
        add(source, number)
        assert publish([str(source), str(target)]) == 0
    return str(source), str(target)


def remove_halfway(target: Path, version: int) -> FolderStore:
    """Remove a version until the connection breaks."""
    store = Breaks(target)
    with pytest.raises(KeyboardInterrupt):
        remove(ModelFolder.read(store, MODEL), [version])
    return store


def test_a_removal_that_was_cut_off_is_gone_on_with(tmp_path: Path) -> None:
    publish_three(tmp_path)
    store = remove_halfway(tmp_path / "published", 1)
    assert versions(str(tmp_path / "published")) == [2, 3]
    assert registry(["verify", str(tmp_path / "published")]) == 0
    assert registry(["prune", str(tmp_path / "published")]) == 0
    assert store.names(MODEL) == ["2", "3", "config.pbtxt", "labels_em_trk_none.txt", "labels_michel.txt"]


def test_a_version_that_is_being_removed_is_not_published_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be visible, and the next prune would go on with removing it."""
    source, target = publish_three(tmp_path)
    assert registry(["rollback", target, MODEL]) == 0
    assert registry(["rollback", target, MODEL]) == 0
    remove_halfway(tmp_path / "published", 3)
    assert publish([source, target]) == 1
    assert "version 3 is being removed there; python -m export.registry prune" in capsys.readouterr().err
    assert visible(target) == 1
    assert registry(["prune", target]) == 0
    assert publish([source, target]) == 0
    assert visible(target) == 3 and versions(target) == [1, 2, 3]
    assert registry(["verify", target]) == 0


def test_what_is_visible_or_pinned_stays_whatever_the_configuration_says(tmp_path: Path) -> None:
    _, target = publish_three(tmp_path)
    store = open_store(target)
    model = ModelFolder.read(store, MODEL)
    visibility = Visibility(3, pinned=(1,), removing=(1, 2, 3))
    config = model_config(model.served, list(model.manifests.values()), visibility)
    store.replace(f"{MODEL}/config.pbtxt", config_text(config).encode(), model.token)
    assert registry(["prune", target, "--keep=0"]) == 0
    assert store.names(f"{MODEL}/2") == []
    assert store.names(f"{MODEL}/1") and store.names(f"{MODEL}/3")


def test_an_empty_folder_that_a_removal_left_goes_too(tmp_path: Path) -> None:
    """A process that is killed after the last file of a version leaves its folder."""
    publish_three(tmp_path)
    store = remove_halfway(tmp_path / "published", 1)
    for file in (tmp_path / "published" / MODEL / "1").iterdir():
        file.unlink()
    assert registry(["prune", str(tmp_path / "published")]) == 0
    assert "1" not in store.names(MODEL)


def test_a_change_between_reading_and_writing_is_not_overwritten(target: str) -> None:
    store = open_store(target)
    early = ModelFolder.read(store, MODEL)
    assert registry(["promote", target, MODEL, "2"]) == 0
    with pytest.raises(ConflictError, match="changed meanwhile by another publisher"):
        remove(early, [3])
    assert versions(target) == [1, 2, 3, 4, 5] and visible(target) == 2


def test_an_empty_place_says_how_to_fill_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert registry(["list", str(tmp_path)]) == 2
    assert "publish: python -m export.publish" in capsys.readouterr().err
