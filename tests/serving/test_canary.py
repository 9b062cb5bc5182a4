"""A canary beside a real Triton: it finds the dead, spares the slow, and knows what is served."""

import os
import socket
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest

from export.repository.promotion import promoted
from serving.canary import main as canary_command
from serving.connection import Connection, ServerError, SlowServerError
from serving.follow import Follower
from serving.monitoring.canary import Canary
from serving.monitoring.canary_pages import pages
from serving.triton import TritonServer
from tests.helpers.published_repository import MODEL, add, model_of

DEMANDED = {"adc_era": "2021"}


@pytest.fixture
def server(tmp_path: Path, server_environment: None) -> Iterator[TritonServer]:
    for seed in (1, 2):
        add(tmp_path / "models", seed)
    with TritonServer(tmp_path / "models") as running:
        yield running


def value(canary: Canary, name: str, **labels: str) -> float | None:
    return canary.registry.get_sample_value(f"emtrkmichel_canary_{name}", {"model": MODEL, **labels})


def test_it_knows_what_is_served_and_follows_it(server: TritonServer) -> None:
    canary = Canary(server.grpc, timeout_s=30, rounds=2, demanded=DEMANDED)
    assert canary.look() == [] and canary.dead == []
    assert value(canary, "dead", version="2") == 0 and value(canary, "answer_seconds", version="2") > 0
    assert value(canary, "mismatch", version="2", what="adc_era") == 0
    text = canary.text().decode()
    digest = model_of(server.repository).manifests[2].digest
    assert f'digest="{digest}"' in text and 'adc_era="2021"' in text
    promoted(model_of(server.repository), 1)
    assert Follower(server).look() == [MODEL]
    assert canary.look() == []
    assert value(canary, "dead", version="1") == 0 and value(canary, "dead", version="2") is None


def test_another_era_or_scale_than_the_sites_is_told(server: TritonServer) -> None:
    canary = Canary(server.grpc, 30, 2, {"adc_era": "2018", "score_scale": "natural"})
    assert len(canary.look()) == 2
    assert value(canary, "mismatch", version="2", what="adc_era") == 1
    assert value(canary, "mismatch", version="2", what="score_scale") == 1
    assert canary.dead == [], "it answers"


def test_a_model_without_its_process_is_dead_after_some_rounds_and_a_page_says_so(
    server: TritonServer,
) -> None:
    canary = Canary(server.grpc, 30, 2, {})
    assert canary.look() == []
    with pages(canary, "127.0.0.1", 0, 5) as port:
        assert page(port, "/dead") == 404 and page(port, "/alive") == 200 and page(port, "/other") == 404
        for process in psutil.process_iter(["name"]):
            if "stub" in (process.info["name"] or "") and os.getpgid(process.pid) == server.group:
                process.kill()
        assert server.connection.served() == {MODEL: [2]}, "Triton calls it ready"
        assert "not healthy" in canary.look()[0] and page(port, "/dead") == 404
        canary.look()
        assert page(port, "/dead") == 200 and page(port, "/alive") == 200
        assert value(canary, "dead", version="2") == 1
        assert page(port, "/metrics") == 200


def page(port: int, path: str) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    "error",
    [
        SlowServerError("slow", "no answer in time", again=True),
        ServerError("queue full", "Exceeds maximum queue size", again=True, status="UNAVAILABLE"),
    ],
)
def test_load_is_no_proof_of_death(
    server: TritonServer, error: ServerError, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = Canary(server.grpc, 30, 1, {})

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(Connection, "infer", refuse)
    assert canary.look() == [str(error)]
    assert canary.dead == [] and value(canary, "dead", version="2") == 0


def test_a_round_in_which_every_model_is_slow_is_no_silence(
    server: TritonServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = Canary(server.grpc, 30, 1, {})
    clock = SimpleNamespace(time=count(100, 100).__next__, monotonic=time.monotonic)
    monkeypatch.setattr("serving.monitoring.canary.time", clock)
    canary.look()
    assert canary.round_at == 200, "when the round began, and when the one model was asked"


def test_its_pages_are_where_there_is_ipv6_alone() -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with pages(Canary("localhost:1", 1, 2, {}), "::1", 0, 5) as port:
        assert urlopen(f"http://[::1]:{port}/alive", timeout=5).status == 200


def test_a_server_that_is_not_there_is_not_dead_and_is_found_when_it_comes(
    tmp_path: Path, server_environment: None
) -> None:
    add(tmp_path / "models", 1)
    server = TritonServer(tmp_path / "models")
    canary = Canary(server.grpc, 1, 1, {})
    assert "no server answers" in canary.look()[0] and canary.dead == []
    with server:
        assert canary.look() == []
    assert canary.look() and canary.dead == []


def test_the_command_asks_once(server: TritonServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert canary_command([f"--url={server.grpc}", "--once"]) == 0
    assert "every model" in capsys.readouterr().out
    assert canary_command([f"--url={server.grpc}", "--once", "--require-adc-era=2018"]) == 1
    assert "has adc_era 2021, this site serves 2018" in capsys.readouterr().err


def test_a_wrong_request_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert canary_command(["--rounds=0"]) == 2
    assert "--rounds 0 must lie between 1 and" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert canary_command([f"--port={taken.getsockname()[1]}"]) == 2
    assert "give another --port" in capsys.readouterr().err
