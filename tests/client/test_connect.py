"""A classifier by each kind of URL, with the real Triton: the same scores, and one line for what is none."""

import re
import socket
from pathlib import Path

import numpy as np
import pytest

from client import connect
from client.settings import Address, Settings
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import INPUT_SHAPE
from lartpc.served.manifest import MODEL_FILE
from serving.ports import LOOPBACK
from serving.triton import TritonServer
from tests.helpers.served_repository import answer, write_model

MODEL = "emtrkmichel_fp32"


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    return np.random.default_rng(2).normal(0, 3, (70, *INPUT_SHAPE)).clip(-5, 14).astype(np.float32)


@pytest.fixture(scope="module")
def nobody() -> str:
    """An address where nobody answers."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        yield f"{LOOPBACK}:{taken.getsockname()[1]}"


def url_of(kind: str, server: TritonServer, repository: Path, nobody: str, folder: Path) -> str:
    """A URL of each kind."""
    if kind == "settings":
        path = folder / "classifier.yaml"
        path.write_text(
            f"urls: [grpc://{nobody}, grpc://{server.grpc}]\nmodel: {MODEL}\nbatch_size: 32\n"
            "require: {adc_era: '2021'}\n"
        )
        return str(path)
    return {
        "onnx": f"onnx:{repository / MODEL}@2",
        "grpc": f"grpc://{server.grpc}/{MODEL}",
        "http": f"http://{server.http}/{MODEL}/2",
        "several": f"grpc://{nobody}/{MODEL},http://{server.http}/{MODEL},grpc://{server.grpc}/{MODEL}",
    }[kind]


@pytest.mark.parametrize("kind", ["onnx", "grpc", "http", "several", "settings"])
def test_each_kind_of_url_gives_the_same_scores(
    kind: str,
    tiny_server: TritonServer,
    tiny_repository: Path,
    nobody: str,
    patches: np.ndarray,
    tmp_path: Path,
) -> None:
    wanted = answer(tiny_repository / MODEL / "2" / MODEL_FILE, patches)
    with connect(url_of(kind, tiny_server, tiny_repository, nobody, tmp_path)) as classifier:
        scores = classifier.classify_patches(patches)
        assert (classifier.model.name, classifier.model.version) == (MODEL, 2)
    for name, values in scores.outputs.items():
        np.testing.assert_allclose(values, wanted[name], atol=1e-6)
    assert sum(scores.answered.values()) == len(scores) == 70


def test_what_is_demanded_is_checked_on_connecting(tiny_server: TritonServer, tiny_repository: Path) -> None:
    for url in (f"grpc://{tiny_server.grpc}/{MODEL}", f"onnx:{tiny_repository / MODEL}@1"):
        with pytest.raises(CheckError, match="ADC era 2021 answered, --require-adc-era wants 2020"):
            connect(url, require={"adc_era": "2020"})
        with pytest.raises(CheckError, match="digest .* answered, --require-digest wants 00000000"):
            connect(url, require={"digest": "0" * 64})


def test_no_server_and_a_fallback_is_said_once(
    nobody: str, tiny_repository: Path, patches: np.ndarray
) -> None:
    said: list[str] = []
    fallback = f"onnx:{tiny_repository / MODEL}@1"
    with connect(f"grpc://{nobody}/{MODEL}", fallback=fallback, say=said.append) as classifier:
        assert classifier.classify_patches(patches).answered == {str(tiny_repository / MODEL): 70}
    assert len(said) == 1 and nobody in said[0]
    with pytest.raises(UserError, match=f"no server answers at {nobody}"):
        connect(f"grpc://{nobody}/{MODEL}")


WRONG = {
    "": "'' names no model",
    "cnn": "'cnn' names no model; write onnx:FOLDER/MODEL",
    "ftp://host/model": "names no model; write onnx:",
    "grpc://host:8001": "names no model; write grpc://HOST:PORT/MODEL",
    "grpc://host:0/model": "names no model",
    "grpc://host:99999/model": "names no model",
    "grpc://[::1/model": "names no model",
    "grpc://user:word@host:8001/model": "names no model",
    "grpc://host:8001/model/latest": "names version 'latest', which is none; versions begin at 1",
    "onnx:": "names no model",
    "onnx:nowhere/model": "there is no model nowhere/model",
    "onnx:a,onnx:b": "a folder is no server among others",
    "nowhere.yaml": "nowhere.yaml is no YAML file of settings",
}


@pytest.mark.parametrize("url", WRONG)
def test_what_is_no_url_is_one_line(url: str) -> None:
    with pytest.raises(UserError) as raised:
        connect(url)
    assert WRONG[url] in str(raised.value) and raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "holds no settings"),
        ("urls: [\n", "is no YAML file"),
        ("model: a\n", "names no model"),
        ("urls: grpc://h:1/m\nretry: 3\n", "retry is no setting; there are urls, model"),
        ("urls: grpc://h:1/m\nbatch_size: many\n", "batch_size is 'many', which is no int"),
        ("urls: grpc://h:1/m\nrequire: {colour: red}\n", "require: colour is no setting"),
        ("urls: grpc://h:1/m\nsecurity: {ca: nowhere.pem}\n", "nowhere.pem is not there"),
    ],
)
def test_settings_that_are_none_are_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        connect(str(path))


def test_a_token_is_not_sent_in_clear(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    with pytest.raises(UserError, match="certificates and tokens are for TLS; write grpcs://"):
        connect("grpc://host:8001/model", security={"token": str(token)})


def test_the_names_of_addresses() -> None:
    for url in ("grpc://host:8001/model", "http://[::1]:8000/model/3", "onnx:folder/model"):
        assert str(Address.parse(url)) == url
    assert Address.parse("grpcs://host/model").server == "host:443"
    assert Settings.of("grpc://a/m,grpc://b/m").urls == ("grpc://a/m", "grpc://b/m")


def test_altered_weights_do_not_answer_in_this_process(tmp_path: Path) -> None:
    folder = write_model(tmp_path, MODEL)
    weights = folder / "1" / MODEL_FILE
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckError, match="differs from its recorded SHA-256"):
        connect(f"onnx:{folder}")


def test_what_requests_took_on_the_server_is_told(
    tiny_server: TritonServer, tiny_repository: Path, patches: np.ndarray
) -> None:
    for server in (f"grpc://{tiny_server.grpc}", f"http://{tiny_server.http}"):
        with connect(f"{server}/{MODEL}", batch_size=10) as classifier:
            classifier.classify_patches(patches)
            (times,) = classifier.engine.times().values()
        assert times.requests >= 7 and times.queue_s > 0.0 and times.compute_s > 0.0
        assert "a request waited" in str(times)
    with connect(f"onnx:{tiny_repository / MODEL}@1") as classifier:
        assert classifier.engine.times() == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("urls: 5", "names no model"),
        ("urls: [3]", "names no model"),
        ("urls: [null]", "names no model"),
        ("urls: 'onnx:x/y'\nrequire: 3", "require is 3; write it as NAME: VALUE pairs"),
        ("urls: 'onnx:x/y'\nrequire: [digest]", "require is ['digest']"),
        ("urls: 'grpcs://x/y'\nsecurity: {ca: 3}", "security: ca is 3, which is no path"),
        ("urls: 'grpc://x/y'\ntimeout_s: -1", "timeout_s is -1; it must be above 0"),
        ("urls: 'onnx:x/y'\nthreads: 0", "threads is 0; it must be above 0"),
        ("urls: 'onnx:x/y@0'", "names version '0', which is none"),
        ("urls: 'grpc://x:1/y/" + "9" * 5000 + "'", "which is none; versions begin at 1"),
        ("urls: 'grpc://127.0.0.1:9/y'\nfallback: 'onnx:nowhere/x'", "there is no model nowhere/x"),
        ("urls: 'grpc://127.0.0.1:9/y'\nrequire: {adc_era: '2019'}", "no ADC scale is called '2019'"),
    ],
)
def test_odd_settings_are_one_line(settings: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(settings)
    with pytest.raises(UserError, match=re.escape(message)):
        connect(str(path))


def test_a_repository_says_which_models_it_has(tiny_repository: Path) -> None:
    for url in (f"onnx:{tiny_repository}", f"onnx:{tiny_repository}/nothing"):
        with pytest.raises(UserError, match="has emtrkmichel_fp32, emtrkmichel_int8"):
            connect(url)
    with pytest.raises(UserError, match="has no version 9; it has 1, 2, 3"):
        connect(f"onnx:{tiny_repository}/emtrkmichel_fp32@9")


@pytest.mark.parametrize(
    ("scheme", "port", "message"),
    [
        ("grpc", "http", "that port speaks HTTP: gRPC has another one, 8001"),
        ("http", "grpc", "that port speaks gRPC: HTTP has another one, 8000"),
    ],
)
def test_a_port_of_the_other_protocol_is_told(
    scheme: str, port: str, message: str, tiny_server: TritonServer
) -> None:
    with pytest.raises(UserError, match=message):
        connect(f"{scheme}://{getattr(tiny_server, port)}/{MODEL}", give_up_s=0)
