"""Servers in a batch job: what is refused, and that nothing is left. tests/sites has them on SLURM."""

import errno
import os
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from client import connect
from lartpc.errors import UserError
from lartpc.served.contract import INPUT_SHAPE
from serving import job as job_module
from serving.balancer.description import Tls
from serving.job import main
from serving.stack import Stack, running
from tests.helpers.published_repository import MODEL, add


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    add(Path("model_repository"), 1, MODEL)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["servers.txt"], "servers.txt is no file of settings"),
        (["servers.yaml", "--host=no.such.host.invalid"], "no.such.host.invalid has no address"),
        (["servers.yaml", "--host=a..b"], "a..b has no address"),
        (["servers.yaml", "--servers=0"], "--servers 0 must lie between 1 and 4096"),
        (["servers.yaml", "--repository=nowhere"], "nowhere"),
        (["servers.yaml", "--model=other"], f"serves no other; it serves {MODEL}"),
    ],
)
def test_a_wrong_request_is_told_and_leaves_nothing(
    arguments: list[str],
    message: str,
    place: Path,
    server_environment: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in place.iterdir()] == ["model_repository"]


def test_nobody_is_answered_without_the_file_and_the_next_one_relieves(
    place: Path, server_environment: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    patches, serve = np.zeros((3, *INPUT_SHAPE), np.float32), job_module.serve

    def asked(its: Stack, file: Path, text: str) -> None:
        (url,) = yaml.safe_load(file.read_text(encoding="utf-8"))["urls"]
        assert all(path.stat().st_mode & 0o077 == 0 for path in place.glob(".servers-*"))
        with connect(str(file)) as classifier:
            assert len(classifier.classify_patches(patches)) == 3
        ca = next(place.glob(".servers-*")) / "ca.pem"
        with pytest.raises(UserError, match="no server answers"):
            connect(url, security={"ca": str(ca)}, give_up_s=0.5)
        file.write_text("urls: [grpcs://another:1/model]", encoding="utf-8")
        serve(its, file, text)

    monkeypatch.setattr(job_module, "serve", asked)
    monkeypatch.setattr(job_module, "QUIET_SECONDS", 0.5)
    assert main(["servers.yaml", f"--model={MODEL}", "--host=localhost"]) == 0
    assert "Relieved: servers.yaml names other servers" in capsys.readouterr().out
    assert sorted(path.name for path in place.iterdir()) == ["model_repository", "servers.yaml"]


def test_a_disk_that_does_not_answer_relieves_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As NFS does while a file is replaced: the servers go on, and end when it names others."""
    stale = OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    answers, read = [stale, "own", stale, "own", stale, "another"], []

    def read_text(path: Path, **_: object) -> str:
        read.append(answers[len(read)])
        if isinstance(read[-1], OSError):
            raise read[-1]
        return str(read[-1])

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(job_module, "QUIET_SECONDS", -1.0)
    quiet = {"upstream_rq_total": 0, "upstream_rq_active": 0}
    its = SimpleNamespace(looks=lambda: repeat(None), envoy=SimpleNamespace(statistics=lambda: quiet))
    job_module.serve(its, tmp_path / "servers.yaml", "own")
    assert len(read) == len(answers)
    assert "Relieved" in capsys.readouterr().out


def test_a_name_that_others_do_not_reach_is_told(
    place: Path, server_environment: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on Debian, where /etc/hosts has a machine's own name at 127.0.1.1."""
    monkeypatch.setattr(job_module, "_address", lambda _: "127.0.1.1")
    assert main(["servers.yaml", "--model=other"]) == 2
    assert "127.0.1.1 here, which no other machine reaches; --host" in caplog.text


def test_others_reach_a_balancer_by_certificates_or_tokens_alone(place: Path) -> None:
    for tls in (None, Tls(place / "own.pem", place / "own.key")):
        with (
            pytest.raises(UserError, match="0.0.0.0 is others' to reach"),
            running(Path("model_repository"), tls=tls, address="0.0.0.0"),
        ):
            pass
