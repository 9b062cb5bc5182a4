"""Published models on the disk of a server: whole, followed, and left alone where the source is at fault."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from export import fetch as command
from export.fetch import main as fetch
from export.publish import main as publish
from export.registry import main as registry
from export.repository.copying import copy, sweep
from export.store.folder import FolderStore
from export.store.target import open_store
from lartpc.served.manifest import MODEL_FILE
from lartpc.served.model_config import CONFIG_FILE, parse_config
from lartpc.served.tuning import Tuning
from serving.certificates import Authority
from serving.ports import LOOPBACK, free_port
from serving.triton import TritonServer
from tests.helpers.paths import ROOT
from tests.helpers.published_repository import MODEL, add, config_of, visible

ANY, OF_GPUS = (False,), (True,)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Two versions, a model of GPUs and an alias, published to a folder."""
    for seed in (1, 2):
        add(tmp_path / "source", seed)
        add(tmp_path / "source", seed, "emtrkmichel_fp16_gpu")
        assert publish([str(tmp_path / "source"), str(tmp_path / "published")]) == 0
    assert registry(["alias", str(tmp_path / "published"), "mycnn", MODEL]) == 0
    return tmp_path / "published"


def test_a_server_serves_what_was_fetched(published: Path, tmp_path: Path, server_environment: None) -> None:
    here = tmp_path / "here"
    assert fetch([str(published), str(here)]) == 0
    assert sorted(path.name for path in here.iterdir() if path.is_dir()) == [MODEL, "mycnn"]
    assert [path.name for path in (here / MODEL).iterdir() if path.is_dir()] == ["2"]
    assert registry(["verify", str(here), f"--model={MODEL}"]) == 0
    with TritonServer(here) as server:
        assert server.versions() == {MODEL: [2], "mycnn": [1]}
    assert fetch([str(published), str(tmp_path / "gpu"), "--profile=gpu"]) == 0
    assert [path.name for path in (tmp_path / "gpu").iterdir() if path.is_dir()] == ["emtrkmichel_fp16_gpu"]


def test_a_server_may_have_settings_of_its_own(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The source stays as it is; settings of a model that it has not are told."""
    here, file = tmp_path / "here", tmp_path / "tuning.json"
    file.write_text(json.dumps({"models": {MODEL: {"instances": 2, "threads": 1}}}))
    before = (published / MODEL / CONFIG_FILE).read_bytes()
    for _ in range(2):
        assert fetch([str(published), str(here), f"--tuning={file}"]) == 0
    tuned, untuned = (parse_config(config_of(str(place)).encode(), "a test") for place in (here, published))
    assert Tuning.of(tuned) == Tuning(instances=2, threads=1) and Tuning.of(untuned) == Tuning()
    assert (published / MODEL / CONFIG_FILE).read_bytes() == before
    assert registry(["verify", str(here), f"--model={MODEL}"]) == 0
    file.write_text(json.dumps({"models": {"emtrkmichel_fp64": {}}}))
    assert fetch([str(published), str(here), f"--tuning={file}"]) == 1
    assert "has no model 'emtrkmichel_fp64', of which there are settings" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_it_follows_a_rollback_a_promotion_and_a_removal(
    kind: str, published: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "s3":
        target = request.getfixturevalue("bucket")
        assert publish([str(tmp_path / "source"), target]) == 0
        there, here = open_store(target), FolderStore(tmp_path / "here")
        assert copy(there, here, ANY).shown == {MODEL: 2} and copy(there, here, ANY).shown == {}
        return
    there, here = open_store(published), FolderStore(tmp_path / "here")
    assert copy(there, here, ANY).shown == {MODEL: 2, "mycnn": 1}
    assert registry(["rollback", str(published), MODEL]) == 0
    assert copy(there, here, ANY).shown == {MODEL: 1}
    assert visible(here.name) == 1 and here.names(MODEL)[:2] == ["1", "2"]
    assert sweep(here) == [f"{here.name}/{MODEL}/2"]
    assert registry(["promote", str(published), MODEL, "2"]) == 0
    assert copy(there, here, ANY).shown == {MODEL: 2}
    assert registry(["unalias", str(published), "mycnn"]) == 0
    assert copy(there, here, ANY).gone == ["mycnn"]


def test_what_is_damaged_there_is_told_and_what_is_here_stays(published: Path, tmp_path: Path) -> None:
    there, here = open_store(published), FolderStore(tmp_path / "here")
    copy(there, here, ANY)
    before = config_of(here.name)
    add(tmp_path / "source", 3)
    assert publish([str(tmp_path / "source"), str(published)]) == 0
    (published / MODEL / "3" / MODEL_FILE).write_bytes(b"altered")
    found = copy(there, here, ANY)
    assert found.shown == {} and "differs from its recorded SHA-256" in found.faults[0]
    assert config_of(here.name) == before and f"{MODEL}/3" not in str(here.names(MODEL))
    (published / MODEL / CONFIG_FILE).write_text("")
    found = copy(there, here, ANY)
    assert found.faults and found.gone == [] and config_of(here.name) == before
    assert fetch([str(published), str(tmp_path / "new")]) == 1


def test_what_was_altered_here_is_told(published: Path, tmp_path: Path) -> None:
    there, here = open_store(published), FolderStore(tmp_path / "here")
    copy(there, here, ANY)
    (tmp_path / "here" / MODEL / "2" / MODEL_FILE).write_bytes(b"altered")
    [fault] = copy(there, here, ANY).faults
    assert "was altered; remove the folder" in fault


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Lets two looks happen, then ends as Ctrl-C does; no other thread sleeps by it."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=sleep))
    yield slept


def test_a_source_that_is_away_is_looked_for_again(
    tmp_path: Path, stopping: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    assert fetch([str(tmp_path / "away"), str(tmp_path / "here"), "--every-s=5"]) == 130
    assert stopping == [5, 5]
    assert caplog.text.count("it is tried again") == 1


def test_a_server_of_buckets_that_is_not_there_is_told_with_the_reason(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{LOOPBACK}:{free_port()}")
    assert fetch([bucket, str(tmp_path / "copy")]) == 2
    said = capsys.readouterr().err
    assert said.endswith("Connection refused\n") and said.count("\n") == 1


def test_a_server_whose_authority_is_the_sites_own_is_believed_when_told(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same buckets over TLS, asked by processes of their own, which read authorities once."""
    add(tmp_path / "source", 1)
    assert publish([str(tmp_path / "source"), bucket]) == 0
    authority, application = Authority(tmp_path), DomainDispatcherApplication(create_backend_app)
    its = authority.vouch_for("s3")
    tls = (str(its.certificate), str(its.key))
    server = make_server(LOOPBACK, 0, application, threaded=True, ssl_context=tls)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://{LOOPBACK}:{server.server_port}")
    fetching = [sys.executable, "-m", "export.fetch", bucket, str(tmp_path / "copy")]
    refused = subprocess.run(fetching, cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "certificate is not accepted (UnknownIssuer); SSL_CERT_FILE names" in refused.stderr
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    assert subprocess.run(fetching, cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0
    server.shutdown()
    assert registry(["verify", str(tmp_path / "copy"), f"--model={MODEL}"]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--profile=gpu"], "shows no model that is wanted here"),
        (["--every-s=0"], "must lie between 1 and 86400"),
    ],
)
def test_a_wrong_request_is_told(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path / "source", 1)
    assert fetch([str(tmp_path / "source"), str(tmp_path / "here"), *options]) == 2
    assert message in capsys.readouterr().err
