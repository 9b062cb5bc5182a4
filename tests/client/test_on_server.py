"""The classifier behind a server, over gRPC and HTTP: its contract and its errors."""

import socket
import threading

import numpy as np
import pytest

from client.classifier import HitClassifier
from client.model import Demands
from client.on_server import OnServer
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import CLASS_OUTPUT, INPUT_SHAPE, MICHEL_OUTPUT
from lartpc.served.manifest import MODEL_FILE
from serving.connection import Connection
from serving.ports import LOOPBACK
from tests.helpers.served_repository import LARGEST_PIXEL, answer

PROTOCOLS = ("grpc", "http")


@pytest.fixture(params=PROTOCOLS)
def connection(request, tiny_server):
    with Connection(getattr(tiny_server, request.param), request.param) as opened:
        yield opened


def classifier_of(connection, name="emtrkmichel_fp32", version=None, **settings):
    return HitClassifier(OnServer(connection, name, version), **settings)


def patches_of(rows):
    return np.random.default_rng(2).normal(0, 3, (rows, *INPUT_SHAPE)).clip(-5, 14).astype(np.float32)


def test_it_asks_the_highest_served_version_and_splits_into_requests(connection, tiny_repository):
    classifier = classifier_of(connection, batch_size=32)
    assert classifier.model.version == 2
    patches = patches_of(70)
    outputs = classifier.classify_patches(patches).outputs
    for name, values in answer(tiny_repository / "emtrkmichel_fp32" / "2" / MODEL_FILE, patches).items():
        np.testing.assert_allclose(outputs[name], values, atol=1e-6)


def test_no_patches_give_empty_outputs(connection):
    scores = classifier_of(connection).classify_patches(np.zeros((0, *INPUT_SHAPE), np.float32))
    outputs = scores.outputs
    assert outputs[CLASS_OUTPUT].shape == (0, 3)
    assert outputs[MICHEL_OUTPUT].shape == (0, 1)


def test_a_model_of_another_contract_is_refused(connection):
    with pytest.raises(CheckError, match="other at .* is not the hit classifier: output 0: expected em_trk"):
        OnServer(connection, "other")


def test_a_model_or_version_that_is_not_served_is_named(connection):
    with pytest.raises(UserError, match="serves no model 'cnn'; it serves emtrkmichel_fp32"):
        OnServer(connection, "cnn")
    with pytest.raises(UserError, match=r"in version \[1, 2\], not 3"):
        OnServer(connection, "emtrkmichel_fp32", version=3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_patch_with_a_value_that_is_not_finite_is_named(connection, value):
    patches = patches_of(5)
    patches[3, 10, 20, 0] = value
    with pytest.raises(UserError, match="patch 3 holds NaN or infinity"):
        classifier_of(connection).classify_patches(patches)


@pytest.mark.parametrize("shape", [(48, 48, 1), (2, 48, 48), (2, 48, 47, 1), (2, 1, 48, 48)])
def test_patches_of_another_shape_are_refused(connection, shape):
    with pytest.raises(UserError, match=r"the model takes \(N, 48, 48, 1\)"):
        classifier_of(connection).classify_patches(np.zeros(shape, np.float32))


def test_a_failing_run_gives_the_servers_reason(connection):
    patches = patches_of(2)
    patches[0, 0, 0, 0] = LARGEST_PIXEL + 2
    with pytest.raises(CheckError, match="emtrkmichel_fp32 at .*: onnxruntime: .*Gather"):
        classifier_of(connection).classify_patches(patches)


def test_what_the_configuration_says_of_the_version(connection):
    model = OnServer(connection, "emtrkmichel_fp32", version=1).model
    assert (model.adc_era, model.score_scale, model.version) == ("2021", "unstated", 1)
    with pytest.raises(CheckError, match="2021 answered, --require-adc-era wants 2020"):
        OnServer(connection, "emtrkmichel_fp32", demands=Demands(adc_era="2020"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_server_at_the_url(protocol):
    with socket.socket() as closed:
        closed.bind((LOOPBACK, 0))
        url = f"{LOOPBACK}:{closed.getsockname()[1]}"
        with pytest.raises(UserError, match=f"no server answers at {url} .*python -m serving.local"):
            Connection(url, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_something_that_is_not_triton_at_the_url(protocol):
    with socket.create_server((LOOPBACK, 0)) as other:

        def answer_nonsense():
            for _ in range(20):
                try:
                    caller, _ = other.accept()
                except OSError:
                    return
                with caller:
                    caller.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=answer_nonsense, daemon=True).start()
        with pytest.raises(UserError, match="no server answers"):
            Connection(f"{LOOPBACK}:{other.getsockname()[1]}", protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_port_of_the_other_protocol(protocol, tiny_server):
    other = {"grpc": tiny_server.http, "http": tiny_server.grpc}[protocol]
    with pytest.raises(UserError, match="no server answers"):
        Connection(other, protocol)


@pytest.mark.parametrize("url", ["localhost", "http://localhost:8000", "localhost:8000/v2", ":8001"])
def test_what_is_not_an_address(url):
    with pytest.raises(UserError, match="write HOST:PORT"):
        Connection(url)


def test_what_is_not_a_protocol():
    with pytest.raises(UserError, match="no protocol is called 'udp'"):
        Connection("localhost:8001", "udp")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_that_is_too_slow(protocol, tiny_server):
    with (
        Connection(getattr(tiny_server, protocol), protocol) as connection,
        HitClassifier(OnServer(connection, "emtrkmichel_int8", timeout_s=0.05)) as impatient,
        pytest.raises(CheckError, match=r"gave no answer within 0\.05 s \(as asked for\)"),
    ):
        # The INT8 model's queue waits for 200 ms.
        impatient.classify_patches(patches_of(1))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(protocol, host, tiny_server, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "grpc_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    url = f"{host}:{getattr(tiny_server, protocol).rpartition(':')[2]}"
    with Connection(url, protocol) as connection:
        classifier_of(connection).classify_patches(patches_of(1))


def test_of_another_host_the_proxy_is_named(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(UserError, match="the proxy that http_proxy names; no_proxy=192.0.2.1 lets it"):
        Connection("192.0.2.1:8001", connect_s=1)
    monkeypatch.setenv("no_proxy", "192.0.2.1")
    with pytest.raises(UserError, match="serving.local$"):
        Connection("192.0.2.1:8001", connect_s=1)
