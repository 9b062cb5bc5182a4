"""What the chart starts, asks and ends servers with, tried on a real Triton and a real Envoy."""

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import yaml
from tritonclient.utils import InferenceServerException

from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAMES
from serving import environment
from serving.balancer.envoy import find_envoy
from serving.bound_process import BoundProcess
from serving.cluster.rendering import VALUES, Manifest, Values, envoy_configuration, find, read_values, render
from serving.connection import Connection
from serving.ports import LOOPBACK, Ports, free_port, free_ports
from serving.process import PINGS
from tests.helpers.published_repository import MODEL, add, version_of, write
from tests.helpers.waiting import wait_until

SITES = sorted(path.stem for path in VALUES.glob("*.yaml"))
RELEASES = yaml.safe_load((Path(__file__).parent / "triton_releases.yaml").read_text())
SHORT: Values = {"triton": {"release": "25.02", "forgetSeconds": 5, "drainSeconds": 20, "exitSeconds": 5}}


def container(found: list[Manifest], deployment: str, name: str) -> dict[str, Any]:
    [its] = [
        each
        for each in find(found, "Deployment", deployment)["spec"]["template"]["spec"]["containers"]
        if each["name"] == name
    ]
    return its


def options(values: Values) -> list[str]:
    return container(render(values), "-triton", "triton")["args"]


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("release", RELEASES["options"])
def test_the_release_has_every_option(site: str, release: str) -> None:
    values = read_values(site)
    values.setdefault("triton", {})["release"] = release
    if release < "25.04":
        values.pop("tracing", None)
    known = RELEASES["options"][release]["names"].split()
    given = [option.removeprefix("--").partition("=")[0] for option in options(values)]
    assert len(given) > 10 and set(given) <= set(known)


def test_an_option_of_a_later_release_is_not_given_to_an_earlier_one() -> None:
    shared = {"triton": {"clientSharedMemory": True}}
    assert "--allow-client-shm=true" in options(shared)
    shared["triton"]["release"] = "25.02"  # type: ignore[assignment]
    assert not [option for option in options(shared) if "shm" in option or "histogram" in option]
    assert not [option for option in options(shared) if "shared-memory" in option]


def test_pings_of_connections_are_allowed_as_on_this_machine() -> None:
    assert set(PINGS) <= set(options({}))


def status(url: str) -> int:
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status
    except HTTPError as error:
        return error.code
    except OSError:
        return 0


@contextmanager
def running(models: Path, ports: Ports) -> Iterator[BoundProcess]:
    """A real Triton with the chart's own options, of this machine's folder and ports."""
    found = environment.find()
    places = {
        "--model-repository=/models": f"--model-repository={models}",
        "--http-port=8000": f"--http-port={ports.http}",
        "--grpc-port=8001": f"--grpc-port={ports.grpc}",
        "--metrics-port=8002": f"--metrics-port={ports.metrics}",
    }
    given = options(SHORT)
    assert set(places) < set(given)
    command = [str(found.server), *(places.get(option, option) for option in given)]
    command += [f"--{name}-address={LOOPBACK}" for name in ("http", "grpc", "metrics")]
    command.append(f"--backend-directory={found.backends}")
    process = BoundProcess("the server", command, None, 10, found.variables(), found.python, "triton")
    try:
        wait_until(lambda: status(f"http://{LOOPBACK}:{ports.http}/v2/health/live") == 200)
        yield process
    finally:
        process.stop()


def script(values: Values, deployment: str, name: str, hook: str, ports: dict[str, int]) -> str:
    """What a hook or probe runs, with this machine's ports."""
    its = container(render(values), deployment, name)
    [bash, c, text] = (its["lifecycle"]["preStop"] if hook == "preStop" else its[hook])["exec"]["command"]
    assert [bash, c] == ["/bin/bash", "-c"]
    for there, here in ports.items():
        assert re.search(rf"[:/]{there}\b", text)
        text = re.sub(rf"(?<=[:/]){there}\b", str(here), text)
    return text


def ran(text: str) -> tuple[int, float]:
    began = time.monotonic()
    code = subprocess.run(["/bin/bash", "-c", text], timeout=60, capture_output=True).returncode
    return code, time.monotonic() - began


@pytest.fixture
def models(tmp_path: Path, server_environment: None) -> Path:
    add(tmp_path / "models", 1)
    return tmp_path / "models"


@pytest.mark.long
def test_a_bad_promotion_takes_no_server_out_and_closed_interfaces_stay_closed(models: Path) -> None:
    """Strict readiness, the default, fails at every server at once where a new version does not load."""
    ports = free_ports()
    probe = container(render({}), "-triton", "triton")["readinessProbe"]["httpGet"]["path"]
    ready = f"http://{LOOPBACK}:{ports.http}{probe}"
    with running(models, ports), triton.InferenceServerClient(f"{LOOPBACK}:{ports.grpc}") as client:
        assert status(ready) == 200
        with pytest.raises(InferenceServerException, match="restricted"):
            client.get_trace_settings()
        with pytest.raises(InferenceServerException, match="not allowed if polling"):
            client.load_model(MODEL)
        version = version_of(2)
        write(models, version, 2)
        (models / MODEL / "2" / "model.onnx").write_bytes(b"no graph")
        with urlopen(f"http://{LOOPBACK}:{ports.metrics}/metrics", timeout=5) as answer:
            assert b"nv_inference_pending_request_count" in answer.read()
        time.sleep(12)  # two polls
        assert status(ready) == 200
        with Connection(f"{LOOPBACK}:{ports.grpc}") as connection:
            assert connection.infer(MODEL, 1, zeros(1), OUTPUT_NAMES)[0] == 1


def zeros(rows: int) -> dict[str, Any]:
    return {INPUT_NAME: np.zeros((rows, *INPUT_SHAPE), np.float32)}


@pytest.mark.long
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed, which Triton's image has")
def test_a_server_drains_before_it_ends_and_lives_while_nothing_is_proved(models: Path) -> None:
    ports, canary = free_ports(), free_port()
    drain = script(SHORT, "-triton", "triton", "preStop", {"8002": ports.metrics})
    alive = script(SHORT, "-triton", "triton", "livenessProbe", {"8000": ports.http, "9400": canary})
    assert ran(alive)[0] != 0, "there is no server"
    with running(models, ports):
        assert ran(alive)[0] == 0, "a canary that is not there proves nothing"
        code, took = ran(drain)
        assert code == 0 and 5 <= took < 20, "nothing waits: the balancers' time alone"
        with urlopen(f"http://{LOOPBACK}:{ports.metrics}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        calm = re.compile(r"^(nv_inference_pending_request_count{.*}) 0$", re.MULTILINE)
        assert calm.search(text)
    with waits_until(time.monotonic() + 5, text, calm.sub(r"\1 3", text), ports.metrics):
        code, took = ran(drain.replace("sleep 5;", "sleep 0;"))
        assert code == 0 and 4 < took < 15, "until nothing waits"
        assert ran(drain.replace("sleep 5;", "sleep 0;"))[1] < 4


@contextmanager
def waits_until(end: float, calm: str, busy: str, port: int) -> Iterator[None]:
    """The metrics of a server in which requests wait until then; a real one's, for a real one is too fast."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write((busy if time.monotonic() < end else calm).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer((LOOPBACK, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.long
def test_a_balancer_sends_its_clients_elsewhere_and_answers_what_is_under_way(tmp_path: Path) -> None:
    values: Values = {
        "balancer": {"address": "0.0.0.0", "forgetSeconds": 1, "drainSeconds": 20, "waitSeconds": 8}
    }
    found = render(values)
    text = yaml.safe_dump(envoy_configuration(found))
    here = {port: free_port() for port in (8001, 9901, 9902, 10001, 10002)}
    for there, port in here.items():
        text = re.sub(rf"port_value: {there}\b", f"port_value: {port}", text)
    text = text.replace("0.0.0.0", LOOPBACK).replace("hits-triton.default.svc", "no.such.host.invalid")
    path = tmp_path / "envoy.yaml"
    path.write_text(text)
    drain = script(values, "-balancer", "envoy", "preStop", {"9901": here[9901]})
    its = container(found, "-balancer", "envoy")
    command = [str(path) if option == "/etc/envoy/envoy.json" else option for option in its["args"]]
    envoy = BoundProcess("Envoy", [str(find_envoy()), *command], None, 5)
    try:
        wait_until(lambda: status(f"http://{LOOPBACK}:{here[9902]}/ready") == 200)
        with grpc.insecure_channel(f"{LOOPBACK}:{here[8001]}") as channel:
            call = channel.unary_unary("/grpc.health.v1.Health/Check")
            held = call.future(b"", timeout=30)
            time.sleep(1)
            code, took = ran(drain)
            assert held.code() is grpc.StatusCode.UNAVAILABLE, "it waited its time, 8 s, and was answered"
        assert code == 0 and 4 < took < 20, "until nothing is under way"
        with urlopen(f"http://{LOOPBACK}:{here[9901]}/stats?filter=downstream_cx_drain_close") as answer:
            assert b"http.grpc.downstream_cx_drain_close: 1" in answer.read(), "its client was told"
    finally:
        envoy.stop()
