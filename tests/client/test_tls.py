"""TLS: the real Triton over gRPC with certificates on both sides; a proxy by HTTPS that wants a token."""

import ssl
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from client import connect
from lartpc.errors import UserError
from lartpc.served.contract import INPUT_SHAPE
from lartpc.served.manifest import MODEL_FILE
from serving.certificates import Authority
from serving.ports import LOOPBACK
from serving.triton import TritonServer
from tests.helpers.secure_triton import secure_triton
from tests.helpers.served_repository import answer

MODEL = "emtrkmichel_fp32"
TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def triton_by_tls(authority: Authority, tiny_repository: Path, server_environment: None) -> Iterator[str]:
    with secure_triton(authority, tiny_repository) as address:
        yield address


@pytest.fixture(scope="module")
def secure_proxy(authority: Authority, tiny_server: TritonServer) -> Iterator[str]:
    """HOST:PORT of a proxy before the tiny server that speaks HTTPS and passes on who has the token."""
    own = authority.vouch_for("proxy")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._send(401, b'{"error":"a token is wanted"}', None)
                return
            upstream = HTTPConnection(*tiny_server.http.split(":"))
            kept = ("Inference-Header-Content-Length", "Content-Encoding")
            headers = {name: self.headers[name] for name in kept if name in self.headers}
            upstream.request(self.command, self.path, body, headers)
            response = upstream.getresponse()
            self._send(response.status, response.read(), response.headers.get(kept[0]))

        def do_POST(self) -> None:
            self.do_GET()

        def _send(self, status: int, content: bytes, header: str | None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if header is not None:
                self.send_header("Inference-Header-Content-Length", header)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *given: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"localhost:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    return np.random.default_rng(2).normal(0, 3, (40, *INPUT_SHAPE)).clip(-5, 14).astype(np.float32)


def test_grpc_with_certificates_on_both_sides(
    triton_by_tls: str, authority: Authority, tiny_repository: Path, patches: np.ndarray
) -> None:
    own = authority.vouch_for("client")
    security = {"ca": authority.ca, "key": own.key, "certificate": own.certificate}
    with connect(f"grpcs://{triton_by_tls}/{MODEL}", security=security) as classifier:
        scores = classifier.classify_patches(patches)
    wanted = answer(tiny_repository / MODEL / "2" / MODEL_FILE, patches)
    for name, values in scores.outputs.items():
        np.testing.assert_allclose(values, wanted[name], atol=1e-6)


@pytest.mark.parametrize("missing", ["ca", "own", "tls"])
def test_who_is_not_vouched_for_is_not_spoken_to(
    missing: str, triton_by_tls: str, authority: Authority
) -> None:
    own = authority.vouch_for("client")
    security = {"ca": authority.ca, "key": own.key, "certificate": own.certificate}
    scheme = "grpcs"
    if missing == "ca":
        del security["ca"]
    elif missing == "own":
        security = {"ca": authority.ca}
    else:
        scheme, security = "grpc", {}
    with pytest.raises(UserError, match=f"no server answers at {triton_by_tls}"):
        connect(f"{scheme}://{triton_by_tls}/{MODEL}", security=security, give_up_s=0)


def test_https_with_a_token(
    secure_proxy: str, authority: Authority, tiny_repository: Path, patches: np.ndarray, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    wanted = answer(tiny_repository / MODEL / "2" / MODEL_FILE, patches)
    for compression in (None, "gzip"):
        with connect(
            f"https://{secure_proxy}/{MODEL}",
            security={"ca": authority.ca, "token": token},
            compression=compression,
        ) as classifier:
            for name, values in classifier.classify_patches(patches).outputs.items():
                np.testing.assert_allclose(values, wanted[name], atol=1e-6)


def test_without_the_token_the_server_says_so(secure_proxy: str, authority: Authority) -> None:
    with pytest.raises(UserError, match="does not take this client: a token is wanted"):
        connect(f"https://{secure_proxy}/{MODEL}", security={"ca": authority.ca}, give_up_s=0)


@pytest.mark.parametrize(("text", "message"), [("", "holds no token"), ("two words", "holds no token")])
def test_a_file_that_holds_no_token(text: str, message: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(text)
    with pytest.raises(UserError, match=message):
        connect("https://localhost:1/model", security={"token": token}, give_up_s=0)


def test_key_and_certificate_belong_together(authority: Authority) -> None:
    own = authority.vouch_for("client")
    with pytest.raises(UserError, match="belong together"):
        connect("grpcs://localhost:1/model", security={"key": own.key})
