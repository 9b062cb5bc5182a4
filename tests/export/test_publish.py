"""Publishing to a folder and to a local S3 server: what travels, in which order, and what is refused."""

import json
import multiprocessing
import os
import shutil
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest

import export.publish
from export.publish import main as publish
from export.registry import main as registry
from export.store.folder import FolderStore
from export.store.interface import ConflictError, Store
from export.store.target import open_store
from lartpc.errors import UserError
from lartpc.served.model_config import CONFIG_FILE
from tests.helpers.published_repository import MODEL, add, config_of, visible
from tests.helpers.served_repository import read_config


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A repository with version 1 of a model for any machine and of one for GPUs."""
    root = tmp_path / "source"
    add(root, 1)
    add(root, 1, "emtrkmichel_fp16_gpu")
    return root


@pytest.fixture(params=["folder", "s3"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place to publish to."""
    if request.param == "folder":
        return str(tmp_path / "published")
    return request.getfixturevalue("bucket")


def test_everything_travels_once(source: Path, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert publish([str(source), target, "--dry-run"]) == 0
    assert "nothing was sent" in capsys.readouterr().out
    assert open_store(target).names() == []
    assert publish([str(source), target]) == 0
    store = open_store(target)
    assert store.names() == ["emtrkmichel_fp16_gpu", MODEL]
    assert store.names(f"{MODEL}/1") == ["golden.h5", "manifest.json", "model.onnx"]
    assert read_config(source / MODEL).SerializeToString()  # the same configuration as here
    assert config_of(target) == (source / MODEL / CONFIG_FILE).read_text()
    assert registry(["verify", target]) == 0
    assert "2 versions of 2 models" in capsys.readouterr().out
    assert publish([str(source), target]) == 0
    assert "0 files, 0.0 MB sent; config.pbtxt stays as it is" in capsys.readouterr().out


def test_a_profile_selects(source: Path, target: str) -> None:
    assert publish([str(source), target, "--profile=cpu"]) == 0
    assert open_store(target).names() == [MODEL]
    assert publish([str(source), target, "--profile=gpu"]) == 0
    assert open_store(target).names() == ["emtrkmichel_fp16_gpu", MODEL]


class Recorded(FolderStore):
    """A folder that notes what is written in which order, and breaks after some writes."""

    def __init__(self, root: Path, writes: int = 1000) -> None:
        super().__init__(root)
        self.written: list[str] = []
        self.left = writes

    def create(self, path: str, content: bytes) -> None:
        self._count(path)
        super().create(path, content)

    def replace(self, path: str, content: bytes, token: str | None) -> None:
        self._count(path)
        super().replace(path, content, token)

    def _count(self, path: str) -> None:
        if self.left == 0:
            raise UserError("the connection is broken")
        self.left -= 1
        self.written.append(path)


def test_a_broken_connection_is_gone_on_with(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest goes first, config.pbtxt last; whatever was sent is not sent again."""
    root = tmp_path / "published"
    written: list[str] = []
    for _ in range(8):
        store = Recorded(root, writes=1)
        monkeypatch.setattr("export.store.target.open_store", lambda name, store=store: store)
        code = publish([str(source), str(root), f"--model={MODEL}"])
        written += store.written
        whole = (root / MODEL / CONFIG_FILE).exists()
        assert (code == 0) == (not store.written or whole)
        if code == 0:
            break
    assert written[2:] == [f"{MODEL}/{name}" for name in
                           ("1/manifest.json", "1/model.onnx", "1/golden.h5", CONFIG_FILE)]  # fmt: skip
    assert registry(["verify", str(root)]) == 0


def test_a_published_version_never_changes(
    source: Path, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish([str(source), target]) == 0
    other = tmp_path / "other"
    add(other, 2, number=1)
    assert publish([str(other), target]) == 1
    assert "manifest.json is there already with another content" in capsys.readouterr().err
    assert registry(["verify", target]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"publishable": False}, "has passed the gates gates alone, which say that what passes them is not"),
        ({"edge": 0.01}, "auc_loss of michel, all: 0.01, allowed 0.0001"),
        ({"edge": float("nan")}, "auc_loss of michel, all: nan"),
    ],
)
def test_what_fails_its_gates_is_not_published(
    options: dict, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path / "source", 1, **options)
    assert publish([str(tmp_path / "source"), str(tmp_path / "published")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "published").exists()


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({}, "was exported without gates"),
        ({"gates": 1}, "was exported without gates"),
        ({"gates": {"name": "gates"}}, "it has no figures"),
        ({"gates": {"name": "gates"}, "losses": [{"edge": 0}]}, "cannot be read"),
        ({"gates": {"name": "gates"}, "losses": [{"figure": "luck", "edge": 0}]}, "cannot be read"),
        ({"gates": {"name": "gates"}, "losses": 3}, "cannot be read"),
        ({"gates": {"name": "gates", "limits": {"outliers": 0.01}}}, "left a share of 0.01 out of max_dp"),
        ([], "is not a manifest"),
    ],
)
def test_figures_of_the_gates_that_are_missing_or_damaged(
    source: Path, tmp_path: Path, gate: object, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = source / MODEL / "1" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "gate": gate}))
    assert publish([str(source), str(tmp_path / "published")]) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "published").exists()


def test_what_the_check_fails_is_not_published(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = source / MODEL / "1" / "model.onnx"
    weights.write_bytes(weights.read_bytes() + b"\0")
    assert publish([str(source), str(tmp_path / "published")]) == 1
    assert "differs from its recorded SHA-256" in capsys.readouterr().err
    assert not (tmp_path / "published").exists()


def test_a_newer_version_becomes_visible_and_an_older_one_does_not(
    source: Path, target: str, tmp_path: Path
) -> None:
    assert publish([str(source), target]) == 0
    add(source, 3)
    assert publish([str(source), target, "--hold"]) == 0
    assert visible(target) == 1
    assert registry(["promote", target, MODEL, "3"]) == 0
    assert visible(target) == 3
    add(tmp_path / "late", 2)
    assert publish([str(tmp_path / "late"), target]) == 0
    assert visible(target) == 3
    assert registry(["rollback", target, MODEL]) == 0
    assert publish([str(source), target]) == 0
    assert visible(target) == 1


def test_the_checksum_agent_is_told_the_weights_of_each_version(source: Path, target: str) -> None:
    assert publish([str(source), target, "--checksum-agent", "--profile=cpu"]) == 0
    assert 'name: "checksum"' in config_of(target) and 'key: "MD5:1/model.onnx"' in config_of(target)
    add(source, 2)
    assert publish([str(source), target, "--profile=cpu"]) == 0
    assert 'key: "MD5:1/model.onnx"' in config_of(target)


def in_process(arguments: list[str], barrier, codes) -> None:
    barrier.wait()
    codes.append(publish(arguments))


@pytest.mark.parametrize("same", [pytest.param(True, marks=pytest.mark.long), False])
def test_two_publishers_at_once(same: bool, source: Path, target: str, tmp_path: Path) -> None:
    """Of the same content both are right; of two contents one version is whole and the other refused."""
    other = source if same else tmp_path / "other"
    if not same:
        add(other, 2, number=1)
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        barrier, codes = manager.Barrier(2), manager.list()
        arguments = ([str(root), target, f"--model={MODEL}"] for root in (source, other))
        processes = [context.Process(target=in_process, args=(given, barrier, codes)) for given in arguments]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        ended = sorted(codes)
    assert ended == [0, 0] if same and ended[1] == 0 else ended == [0, 1]
    assert registry(["verify", target]) == 0
    content = open_store(target).sha256(f"{MODEL}/1/manifest.json")
    assert content in {FolderStore(root).sha256(f"{MODEL}/1/manifest.json") for root in (source, other)}


def test_writes_are_conditional(target: str) -> None:
    store: Store = open_store(target)
    store.create("a/b", b"one")
    with pytest.raises(FileExistsError):
        store.create("a/b", b"two")
    found = store.read("a/b")
    assert found is not None and found[0] == b"one"
    store.replace("a/b", b"three", found[1])
    with pytest.raises(ConflictError, match="changed meanwhile"):
        store.replace("a/b", b"four", found[1])
    with pytest.raises(ConflictError, match="changed meanwhile"):
        store.replace("a/b", b"four", None)
    with pytest.raises(ConflictError, match="changed meanwhile"):
        store.replace("a/c", b"four", found[1])
    assert store.read("a/b")[0] == b"three"  # type: ignore[index]
    store.delete_all("a")
    store.delete_all("a")
    assert store.read("a/b") is None and store.names("a") == [] and store.names() == []


class Refuses(BaseHTTPRequestHandler):
    """A server of S3 that refuses to write, as AWS does where two write at the same time."""

    status = 200

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *given: object) -> None:
        pass


@pytest.mark.parametrize("status", [409, 412])
def test_writes_at_the_same_time_are_told(
    status: int, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moto never answers 409."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(Refuses, "status", status)
        store = open_store("s3://bucket/models")
        with pytest.raises(FileExistsError):
            store.create("a/b", b"one")
        with pytest.raises(ConflictError, match="changed meanwhile"):
            store.replace("a/c", b"two", {"e_tag": '"old"'})
        server.shutdown()


@pytest.mark.parametrize("path", ["../a", "a/../../b", "/etc/passwd", "a//b", "", "a/./b", "a\\b"])
def test_paths_that_lead_elsewhere_are_refused(target: str, path: str) -> None:
    with pytest.raises(UserError, match="not a path inside"):
        open_store(target).create(path, b"")


def test_a_link_out_of_the_store_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / MODEL).symlink_to(tmp_path)
    with pytest.raises(UserError, match="is a link"):
        FolderStore(tmp_path / "published").create(f"{MODEL}/1/model.onnx", b"")


@pytest.mark.parametrize("name", ["../../escaped", "/etc/passwd", "..", "a/b", "a\\b", "manifest.json", ""])
def test_a_manifest_that_names_files_elsewhere_is_refused(
    source: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = source / MODEL / "1" / "manifest.json"
    content = json.loads(path.read_text())
    content["files"][name] = "0" * 64
    path.write_text(json.dumps(content))
    assert publish([str(source), str(tmp_path / "published")]) == 1
    assert "not a plain file name" in capsys.readouterr().err


def test_a_link_in_place_of_a_file_is_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = source / MODEL / "1" / "golden.h5"
    shutil.move(golden, tmp_path / "golden.h5")
    golden.symlink_to(tmp_path / "golden.h5")
    assert publish([str(source), str(tmp_path / "published")]) == 1
    assert "is a link; put what it leads to in its place" in capsys.readouterr().err


@pytest.mark.parametrize("linked", [MODEL, f"{MODEL}/1"])
def test_a_link_in_place_of_a_folder_is_refused(
    source: Path, tmp_path: Path, linked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(source / linked, tmp_path / "elsewhere")
    (source / linked).symlink_to(tmp_path / "elsewhere")
    assert publish([str(source), str(tmp_path / "published")]) == 1
    assert "is a link; put what it leads to in its place" in capsys.readouterr().err


def test_a_version_removed_while_it_is_looked_at_is_not_made_visible(
    source: Path, target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [str(source), target, f"--model={MODEL}"]
    assert publish(asked) == 0
    for number in (2, 3):
        add(source, number)
        assert publish(asked) == 0
    for version in ("1", "2"):
        assert registry(["promote", target, MODEL, version]) == 0
    kind = type(open_store(target))
    hashed = kind.sha256

    def prune_after_the_last(store: Store, path: str) -> str | None:
        digest = hashed(store, path)
        if store.name == target and path.endswith("3/golden.h5"):
            monkeypatch.undo()
            assert registry(["prune", target, "--keep=0"]) == 0
        return digest

    monkeypatch.setattr(kind, "sha256", prune_after_the_last)
    code = publish(asked)
    assert visible(target) == 2
    assert open_store(target).names(f"{MODEL}/3") == []
    assert code == 0 and "config.pbtxt stays as it is" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["1/golden.h5", "1/model.onnx", "labels_michel.txt"])
def test_a_file_missing_here_and_published_there_is_one_line(
    source: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "published")
    assert publish([str(source), target]) == 0
    (source / MODEL / name).unlink()
    assert publish([str(source), target]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("error: nothing is published: ") and f"{MODEL}/{name} " in said


def test_a_file_that_changes_after_the_check_is_not_sent(
    source: Path, target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = export.publish.check_all

    def alter_afterwards(*given) -> None:
        plain(*given)
        with (source / MODEL / "1" / "golden.h5").open("ab") as golden:
            golden.write(b"more")

    monkeypatch.setattr("export.publish.check_all", alter_afterwards)
    assert publish([str(source), target, f"--model={MODEL}"]) == 1
    assert "golden.h5 differs from its recorded SHA-256" in capsys.readouterr().err
    assert config_of(target) == ""
    assert open_store(target).read(f"{MODEL}/1/golden.h5") is None


def test_publishers_with_the_same_process_id_do_not_share_a_file(tmp_path: Path, monkeypatch) -> None:
    """As in two containers that share a disk."""
    store, linked = FolderStore(tmp_path), os.link
    written = []

    def other_publisher_starts(part: Path, file: Path) -> None:
        linked(part, file)
        monkeypatch.setattr("os.link", linked)
        with pytest.raises(FileExistsError):
            store.create("a/b", b"of the other")
        written.append((tmp_path / "a" / "b").read_bytes())

    monkeypatch.setattr("os.link", other_publisher_starts)
    store.create("a/b", b"of the first")
    assert written == [b"of the first"] and (tmp_path / "a" / "b").read_bytes() == b"of the first"


def test_targets_that_cannot_be_reached(
    source: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish([str(source), "s3://no-such-bucket/models"]) == 2
    assert "error: s3://no-such-bucket/models" in capsys.readouterr().err
    assert publish([str(source), "nonsense://a/b"]) == 2
    assert "nonsense" in (said := capsys.readouterr().err) and "[s3]" not in said
    assert publish([str(source), "ftp://127.0.0.1:1/models"]) == 2
    assert "error: ftp://127.0.0.1:1/models: " in capsys.readouterr().err
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert publish([str(source), bucket.replace("models", "others")]) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    if os.geteuid() != 0:
        assert publish([str(source), "/proc/published"]) == 2


def test_a_profile_that_cannot_be_used_is_one_line(
    bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    assert registry(["list", bucket]) == 2
    assert "The config profile (production) could not be found" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert registry(["list", bucket]) == 2
    assert "AWS_PROFILE is production, and boto3, which reads profiles" in capsys.readouterr().err


def test_the_environment_is_enough_without_boto3(
    source: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert publish([str(source), bucket, "--profile=cpu"]) == 0
    assert registry(["verify", bucket]) == 0


@pytest.mark.parametrize("url", ["gs://bucket/models", "az://container/models"])
def test_other_buckets_without_credentials_are_one_line(
    source: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith(("AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("export.store.bucket.RETRIES", {"max_retries": 0})
    assert publish([str(source), url]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"error: {url}") and len(said.splitlines()) == 1


@pytest.mark.parametrize("folder", ["", "/", "/a/", "/mit leer/ü", "/a#b", "/a?b", "/a%20b", "/a+b&c=d"])
def test_a_folder_of_a_bucket_is_taken_as_it_is_written(bucket: str, folder: str) -> None:
    name = bucket.removeprefix("s3://").partition("/")[0]
    store = open_store(f"s3://{name}{folder}")
    store.create("model/1/weights", b"one")
    (found,) = boto3.client("s3").list_objects_v2(Bucket=name)["Contents"]
    assert found["Key"] == f"{folder.strip('/')}/model/1/weights".lstrip("/")
    assert store.names("model") == ["1"]


@pytest.mark.parametrize(
    "url", ["s3://", "s3:///a", "s3://bucket/a//b", "s3://bucket/../a", "s3://bucket/./a"]
)
def test_an_address_that_is_no_place_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="is no place in a bucket; write s3://BUCKET/FOLDER"):
        open_store(url)
