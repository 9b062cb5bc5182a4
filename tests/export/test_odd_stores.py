"""What else can lie at a store, or go wrong on the way to it: one line each, and no other model suffers."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import boto3
import h5py
import numpy as np
import onnx
import pytest

from export.check import main as check
from export.publish import main as publish
from export.registry import main as registry
from export.repository.model_folder import ModelFolder
from export.repository.removal import remove
from export.store.interface import ConflictError
from export.store.target import open_store
from lartpc.errors import UserError
from lartpc.files import sha256
from lartpc.served.contract import INPUT_NAME
from lartpc.served.manifest import MANIFEST_FILE
from tests.helpers.published_repository import MODEL, add

OTHER = "emtrkmichel_int8"


def verify(given: list[str]) -> int:
    return registry(["verify", *given])


def listed(given: list[str]) -> int:
    return registry(["list", *given])


COMMANDS = (check, verify, listed)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Versions 1 to 3 of a model, and one of another."""
    for number in (1, 2, 3):
        add(tmp_path / "source", number)
        add(tmp_path / "source", 1, OTHER) if number == 1 else None
        assert publish([str(tmp_path / "source"), str(tmp_path / "published")]) == 0
    return tmp_path / "published"


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    return lines[0]


def edited(folder: Path, *path: Any, to: Any) -> None:
    """Put a value into a version's manifest."""
    file = folder / MANIFEST_FILE
    content = json.loads(file.read_text())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    file.write_text(json.dumps(content))


def test_a_second_removal_does_not_take_what_was_published_again(target: Path) -> None:
    """One is killed, another has read the target, the first is gone on with, and the version comes back."""
    store = open_store(target)
    begun = ModelFolder.read(store, MODEL)
    waiting = begun.changed(type(begun.visibility)(3, history=(2,), removing=(1,), claim="killed"))
    assert registry(["prune", str(target), "--keep=9", f"--model={MODEL}"]) == 0
    assert publish([str(target.parent / "source"), str(target)]) == 0
    one = target.parent / "one"
    add(one, 1)
    assert publish([str(one), str(target)]) == 0
    with pytest.raises(ConflictError, match="changed meanwhile"):
        remove(waiting, [1])
    assert registry(["verify", str(target)]) == 0
    assert ModelFolder.read(store, MODEL).versions == [1, 2, 3]


def test_what_killed_publishers_have_left_goes_after_a_day(target: Path) -> None:
    folder = target / MODEL
    removed, kept = [], []
    for age, paths in ((86_500.0, removed), (80_000.0, kept)):
        for ending in ("part", "gone"):
            path = folder / f".1.{age:.0f}.{ending}"
            path.mkdir() if ending == "gone" else path.touch()
            (path / "model.onnx").touch() if ending == "gone" else None
            os.utime(path, (time.time() - age,) * 2)
            paths.append(path)
    os.utime(folder / "1", (0, 0))
    assert registry(["prune", str(target), "--keep=1", f"--model={MODEL}"]) == 0
    assert not any(path.exists() for path in removed) and all(path.exists() for path in kept)
    assert ModelFolder.read(open_store(target), MODEL).versions == [2, 3]


def test_a_removal_that_another_one_has_taken_over_ends(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(target)
    plain = type(store).delete_all

    def another_begins(self: Any, folder: str) -> None:
        monkeypatch.setattr(type(store), "delete_all", plain)
        plain(self, folder)
        model = ModelFolder.read(store, MODEL)
        model.changed(type(model.visibility)(3, removing=(1, 2), claim="another"))

    monkeypatch.setattr(type(store), "delete_all", another_begins)
    with pytest.raises(ConflictError, match="changed meanwhile"):
        remove(ModelFolder.read(store, MODEL), [1, 2])
    assert (target / MODEL / "2").is_dir()


@pytest.mark.parametrize("content", [b"", b"{", b'name: "other"'])
def test_a_configuration_that_was_emptied_or_overwritten_is_found(
    content: bytes, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (target / MODEL / "config.pbtxt").write_bytes(content)
    for command in (registry, check):
        arguments = ["verify", str(target)] if command is registry else [str(target)]
        assert command(arguments) == 1
        assert f"{MODEL}/config.pbtxt" in one_line(capsys)
    assert publish([str(target), str(target.parent / "elsewhere")]) == 1
    assert "nothing is published" in one_line(capsys)


def test_one_damaged_model_stands_in_the_way_of_no_other(
    target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (target / OTHER / "1" / MANIFEST_FILE).write_text("{")
    (target / "current").symlink_to(MODEL)
    shutil.copytree(target / MODEL / "3", target / MODEL / "007")
    shutil.rmtree(target / MODEL / "007")
    assert registry(["promote", str(target), MODEL, "2"]) == 0
    assert registry(["rollback", str(target), MODEL]) == 0
    for command in (["list", str(target)], ["verify", str(target)], ["prune", str(target)]):
        capsys.readouterr()
        assert registry(command) == 1
        said = one_line(capsys)
        assert f"{OTHER}/1/{MANIFEST_FILE} is not a manifest" in said and "current is a link" in said


SURROGATE = "\ud800"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("files",), ["model.onnx", "golden.h5"]),
        (("files", SURROGATE), "0" * 64),
        (("files", "a" * 300), "0" * 64),
        (("tolerances",), {}),
        (("tolerances", "michel_netout/Sigmoid", "max"), "x"),
        (("tolerances", "michel_netout/Sigmoid", "mean"), None),
        (("tolerances", "michel_netout/Sigmoid", "max"), float("nan")),
        (("class_agreement",), "x"),
        (("class_agreement",), []),
        (("provenance", "export", "engine"), {"tensorrt": 10}),
        (("provenance", "export", "engine"), {"compute_capability": [8, 6]}),
        (("provenance", "training", "era"), SURROGATE),
        (("metrics", "michel_auc"), 10**400),
        (("metrics", "michel_auc"), True),
        (("metrics", "michel_auc"), float("nan")),
        (("tolerances", "michel_netout/Sigmoid", "max"), float("inf")),
    ],
    ids=range(16),
)
def test_a_field_of_another_type_is_one_line(
    path: tuple, value: Any, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited(target / MODEL / "3", *path, to=value)
    for command in COMMANDS:
        code = command([str(target)])
        assert code == 1 or (code == 0 and path == ("tolerances",))
        if code:
            one_line(capsys)
        capsys.readouterr()


@pytest.mark.parametrize(
    "damage", ["no patches", "fewer outputs", "scalar", "group", "40 wires", "float64", "84 TB"]
)
def test_golden_patches_of_another_form_are_one_line(
    damage: str, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = target / MODEL / "3" / "golden.h5"
    with h5py.File(golden, "r+") as file:
        patches = file[INPUT_NAME][:]
        name = "michel_netout/Sigmoid" if damage in ("fewer outputs", "group") else INPUT_NAME
        outputs = file[name][:]
        del file[name]
        if damage == "group":
            file.create_group(name)
        elif damage == "84 TB":
            file.create_dataset(name, (10**10, 48, 48, 1), "f4", chunks=(1000, 48, 48, 1))
        else:
            file[name] = {
                "no patches": patches[:0], "fewer outputs": outputs[:3], "scalar": 3.0,
                "40 wires": patches[:, :40], "float64": patches.astype(np.float64),
            }[damage]  # fmt: skip
    edited(target / MODEL / "3", "files", "golden.h5", to=sha256(golden))
    assert check([str(target)]) == 1
    assert "holds no golden hits" in one_line(capsys)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [f"{MODEL}/3/model.onnx", f"{MODEL}/3/golden.h5", "zz/config.pbtxt"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(
    name: str, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (target / name).parent.mkdir(exist_ok=True)
    (target / name).unlink(missing_ok=True)
    os.mkfifo(target / name)
    for command in (check, verify):
        assert command([str(target)]) == 1
        assert f"{name} is not a file" in one_line(capsys)


@pytest.mark.parametrize("extra", ["cache/", ".DS_Store", "loop", "\udcff"])
def test_whatever_lies_in_a_version_goes_with_it(
    extra: str, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = target / MODEL / "1" / extra
    if extra.endswith("/"):
        place.mkdir()
    elif extra == "loop":
        place.symlink_to(place)
    else:
        place.touch()
    assert check([str(target)]) == (0 if extra.startswith(".") else 1)
    capsys.readouterr()
    assert registry(["prune", str(target), "--keep=0"]) == 0
    assert not (target / MODEL / "1").exists()
    assert check([str(target)]) == 0


def test_markers_of_folders_in_a_bucket_are_no_files(tmp_path: Path, bucket: str) -> None:
    """Zero-byte keys that S3's console makes, and keys of others that are no paths."""
    add(tmp_path, 1)
    assert publish([str(tmp_path), bucket]) == 0
    name, _, folder = bucket.removeprefix("s3://").partition("/")
    for key in ("", f"{MODEL}/", f"{MODEL}/1/", "a\\b/config.pbtxt"):
        boto3.client("s3").put_object(Bucket=name, Key=f"{folder}/{key}", Body=b"")
    assert open_store(bucket).names() == [MODEL]
    assert registry(["verify", bucket]) == 0
    assert registry(["promote", bucket, MODEL, "1"]) == 0
    assert registry(["prune", bucket]) == 0


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "", "nonsense", "http://"])
def test_an_address_of_s3_that_is_none_is_one_line(
    endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert registry(["list", bucket]) == 2
    assert f"AWS_ENDPOINT_URL is {endpoint!r}" in one_line(capsys)


class Strange(BaseHTTPRequestHandler):
    """A server that answers reads as others answer conditional writes."""

    status = 412

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *given: object) -> None:
        pass


@pytest.mark.parametrize("status", [304, 401, 403, 409, 412, 416])
def test_a_read_that_is_refused_is_one_line(
    status: int, s3_server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Strange, "status", status)
    with ThreadingHTTPServer(("127.0.0.1", 0), Strange) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        assert registry(["list", "s3://bucket/models"]) == 2
        server.shutdown()
    one_line(capsys)


def test_paths_that_no_disk_takes_are_one_line(
    target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "a" * 300
    source = str(tmp_path / "source")
    for command in (
        lambda: check([long]),
        lambda: registry(["list", long]),
        lambda: publish([source, long]),
        lambda: publish([source, ""]),
        lambda: check(["s3://bucket/models"]),
        lambda: check([f"file://{target}"]),
        lambda: registry(["list", str(target), "--markdown", ""]),
    ):
        assert command() == 2
        one_line(capsys)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert publish([source, str(tmp_path / "dangling")]) == 2
    assert "is not a folder" in one_line(capsys)


def test_altered_labels_at_the_target_say_what_helps(
    target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (target / MODEL / "labels_michel.txt").write_text("others")
    assert publish([str(tmp_path / "source"), str(target)]) == 1
    assert "labels_michel.txt was altered there; remove it, and publish again" in one_line(capsys)
    (target / MODEL / "labels_michel.txt").unlink()
    assert publish([str(tmp_path / "source"), str(target)]) == 0
    assert registry(["verify", str(target)]) == 0


@pytest.fixture
def for_everybody(target: Path) -> Iterator[Path]:
    """The same where other users may look."""
    with TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        shutil.copytree(target, Path(folder, "published"))
        yield Path(folder, "published")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user")
@pytest.mark.parametrize("closed", [".", MODEL, f"{MODEL}/3"])
def test_a_folder_without_permission_is_one_line(
    closed: str, for_everybody: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in COMMANDS:
        assert command([str(for_everybody)]) == 0  # imports what they need
    capsys.readouterr()
    for mode in (0o000, 0o444):
        (for_everybody / closed).chmod(mode)
        for command in COMMANDS:
            os.seteuid(65534)
            try:
                code = command([str(for_everybody)])
            finally:
                os.seteuid(0)
            assert code in (1, 2)
            one_line(capsys)
    (for_everybody / closed).chmod(0o755)


def test_a_graph_that_fails_while_it_runs_is_one_line(
    target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lookup beyond its table: ONNX Runtime loads it, and finds out when it is asked."""
    weights = target / MODEL / "3" / "model.onnx"
    graph = onnx.load(weights)
    for node in graph.graph.node:
        if node.op_type == "Gather":
            (table,) = (each for each in graph.graph.initializer if each.name == node.input[0])
            table.CopyFrom(onnx.numpy_helper.from_array(np.zeros(1, np.float32), table.name))
    onnx.save(graph, weights)
    edited(target / MODEL / "3", "files", "model.onnx", to=sha256(weights))
    assert check([str(target)]) == 1
    assert "ONNX Runtime does not" in one_line(capsys)


def test_a_disk_without_hard_links_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(UserError, match="without hard links, which publishing needs; name another place"):
        open_store(tmp_path / "target").create("m/1/a", b"")
    assert list((tmp_path / "target").rglob("*")) == [tmp_path / "target/m", tmp_path / "target/m/1"]
