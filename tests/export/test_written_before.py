"""A repository and a target that an earlier version of this package wrote stay valid, byte for byte."""

import json
import shutil
from pathlib import Path

import pytest

from export.check import main as check
from export.publish import main as publish
from export.registry import main as registry
from lartpc.errors import UserError
from lartpc.files import sha256
from lartpc.served.manifest import MANIFEST_FILE, SCHEMA, Manifest
from serving.follow import Follower
from serving.triton import TritonServer
from tests.helpers.published_repository import MODEL, add, model_of, visible

WRITTEN_BEFORE = Path(__file__).with_name("written_before")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WRITTEN_BEFORE / "model_repository", tmp_path / "model_repository"))


@pytest.fixture
def target(tmp_path: Path) -> str:
    return str(shutil.copytree(WRITTEN_BEFORE / "target", tmp_path / "target"))


def state(folder: Path | str) -> dict[str, bytes]:
    root = Path(folder)
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


def test_a_manifest_is_known_by_the_bytes_that_were_read() -> None:
    for path in WRITTEN_BEFORE.rglob(MANIFEST_FILE):
        assert "schema" not in json.loads(path.read_text())
        manifest = Manifest.read(path.parent)
        assert manifest.own_digest == sha256(path) and manifest.content == path.read_bytes()


def test_a_repository_is_checked_and_published_as_it_is(repository: Path, tmp_path: Path) -> None:
    before = state(repository)
    assert check([str(repository)]) == 0
    assert publish([str(repository), str(tmp_path / "new")]) == 0
    assert registry(["verify", str(tmp_path / "new")]) == 0
    assert state(repository) == before
    sent = state(tmp_path / "new")
    visible_files = [path for path in before if "/2/" in path]
    assert len(visible_files) == 9 and all(sent[path] == before[path] for path in visible_files)


def test_quick_gates_of_before_are_not_published(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which gates were publishable their name alone told."""
    path = repository / MODEL / "2" / MANIFEST_FILE
    path.write_text(path.read_text().replace('"name": "gates"', '"name": "gates_quick"'))
    assert publish([str(repository), str(tmp_path / "new")]) == 1
    assert "has passed the gates gates_quick alone" in capsys.readouterr().err


def test_a_target_is_verified_promoted_rolled_back_and_pruned(target: str) -> None:
    before = state(target)
    assert registry(["verify", target]) == 0
    assert visible(target) == 2
    assert registry(["rollback", target, MODEL]) == 0
    assert visible(target) == 1
    assert registry(["promote", target, MODEL, "2"]) == 0
    assert registry(["prune", target, "--keep=0"]) == 0
    assert registry(["verify", target]) == 0
    after = state(target)
    assert visible(target) == 2
    assert {path: before[path] for path in after if "/1/" in path or "/2/" in path} == {
        path: after[path] for path in after if "/1/" in path or "/2/" in path
    }


def test_a_version_of_today_stands_beside_those_of_before(target: str, tmp_path: Path) -> None:
    add(tmp_path / "source", 3)
    assert publish([str(tmp_path / "source"), target]) == 0
    assert visible(target) == 3
    assert registry(["verify", target]) == 0
    assert registry(["rollback", target, MODEL]) == 0
    assert visible(target) == 2
    assert check([target]) == 0


def test_it_is_served(target: str, server_environment: None) -> None:
    with TritonServer(Path(target)) as server:
        assert server.versions() == {MODEL: [2]}
        assert registry(["rollback", target, MODEL]) == 0
        assert Follower(server).look() == [MODEL]
        assert server.versions() == {MODEL: [1]}


def test_a_reformatted_manifest_is_another_one(
    repository: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the check and the registry as by the server."""
    for root in (repository, Path(target)):
        path = root / MODEL / "2" / MANIFEST_FILE
        path.write_text(json.dumps(json.loads(path.read_text())))
    assert check([str(repository)]) == 1
    assert "config.pbtxt is not what an export writes" in capsys.readouterr().err
    assert registry(["verify", target]) == 1
    assert "2/manifest.json differs from its SHA-256 in config.pbtxt" in capsys.readouterr().err


@pytest.mark.parametrize("schema", [SCHEMA + 1, -1, "1", True, None])
def test_an_unknown_schema_is_refused(
    repository: Path, schema: object, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = repository / MODEL / "2"
    content = json.loads((folder / MANIFEST_FILE).read_text())
    (folder / MANIFEST_FILE).write_text(json.dumps({**content, "schema": schema}))
    with pytest.raises(UserError, match=f"is of schema {schema!r}, and this package knows 0 to {SCHEMA}"):
        Manifest.read(folder)
    assert publish([str(repository), str(repository.parent / "new")]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_new_manifest_says_its_schema_and_keeps_it(tmp_path: Path) -> None:
    manifest = add(tmp_path, 1)
    read = Manifest.read(tmp_path / MODEL / "1")
    assert json.loads(read.content)["schema"] == SCHEMA
    assert (read, read.content) == (manifest, manifest.content)
    assert model_of(tmp_path).manifests == {1: manifest}


def test_a_manifest_that_changes_while_it_is_looked_at_is_told(repository: Path) -> None:
    model = model_of(repository)
    with (repository / MODEL / "2" / MANIFEST_FILE).open("ab") as manifest:
        manifest.write(b"\n")
    with pytest.raises(UserError, match="manifest.json differs from its recorded SHA-256"):
        model.check(model.manifests[2])
