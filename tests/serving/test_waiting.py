"""Requests that come while there is no server wait for the first one, in the real Envoy, and are counted."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import grpc
import numpy as np
import pytest

from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAMES
from serving.balancer.clusters import WAITING
from serving.balancer.endpoints import Health
from serving.balancer.envoy import Envoy
from serving.connection import Connection
from serving.ports import LOOPBACK
from serving.triton import TritonServer
from tests.helpers.balancers import waiting_balancer
from tests.helpers.published_repository import add
from tests.helpers.waiting import wait_until

MODEL = "emtrkmichel_fp32"
HEALTH = "/grpc.health.v1.Health/Check"


@pytest.fixture
def envoy(tmp_path: Path) -> Iterator[Envoy]:
    """A balancer without a server, that lets requests wait."""
    balancer = waiting_balancer(tmp_path, most_s=6)
    with Envoy(balancer, {}) as running:
        yield running


def page(envoy: Envoy, path: str) -> str:
    with urlopen(f"http://{LOOPBACK}:{envoy.balancer.stats_port}{path}", timeout=5) as answer:
        return answer.read().decode()


def waiting_now(envoy: Envoy) -> float:
    return of_waiting(envoy, "active")


def counted(envoy: Envoy) -> float:
    return of_waiting(envoy, "total")


def of_waiting(envoy: Envoy, what: str) -> float:
    name = f'envoy_cluster_upstream_rq_{what}{{envoy_cluster_name="{WAITING}"}}'
    return next(
        float(line.split()[-1]) for line in page(envoy, "/stats/prometheus").split("\n") if name in line
    )


def test_what_comes_before_the_first_server_is_answered_by_it(
    envoy: Envoy, tmp_path: Path, server_environment: None
) -> None:
    """A request of more than a megabyte waits whole."""
    add(tmp_path / "models", 1, MODEL)
    with TritonServer(tmp_path / "models") as server:
        answered: list[int] = []

        def ask() -> None:
            with Connection(envoy.url, timeout_s=60, connect_s=60) as connection:
                patches = np.zeros((300, *INPUT_SHAPE), np.float32)
                answered.append(connection.infer(MODEL, 1, {INPUT_NAME: patches}, OUTPUT_NAMES)[0])

        asking = threading.Thread(target=ask)
        asking.start()
        wait_until(lambda: waiting_now(envoy) == 1)
        assert not answered
        envoy.name_servers({server.grpc: Health.HEALTHY})
        asking.join(30)
        assert answered == [1] and waiting_now(envoy) == 0
        with Connection(envoy.url) as connection:  # without a detour while there is a server
            connection.infer(MODEL, 1, {INPUT_NAME: np.zeros((1, *INPUT_SHAPE), np.float32)}, OUTPUT_NAMES)
        waited = counted(envoy)
        envoy.name_servers({server.grpc: Health.HEALTHY, f"{LOOPBACK}:1": Health.UNHEALTHY})
        wait_until(lambda: len(envoy.hosts()) == 2)
        with Connection(envoy.url) as connection:
            for _ in range(30):
                connection.served()
        assert counted(envoy) == waited, "nothing waits as long as one of several servers is well"


def test_a_client_that_waits_longer_than_it_wants_is_told(envoy: Envoy) -> None:
    with grpc.insecure_channel(envoy.url) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(HEALTH)(b"", timeout=2.5)
    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: waiting_now(envoy) == 0)


def test_what_no_server_comes_for_is_refused_when_its_time_is_over(envoy: Envoy) -> None:
    """Once, and not as many times as failures are asked again."""
    with grpc.insecure_channel(f"{LOOPBACK}:{envoy.balancer.port}") as channel:
        began = time.monotonic()
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(HEALTH)(b"", timeout=60)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert 5 < time.monotonic() - began < 15


def test_the_listener_for_probes_shows_two_pages_and_no_other(envoy: Envoy) -> None:
    assert page(envoy, "/ready").strip() == "LIVE"
    with pytest.raises(OSError, match="404"):
        page(envoy, "/config_dump")
