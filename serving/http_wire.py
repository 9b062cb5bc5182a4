"""Triton over HTTP: tensors as bytes behind a JSON header (Triton: binary tensor data extension)."""

import json
import time
from typing import Any
from urllib.parse import quote

import tritonclient.http as triton
import urllib3
from numpy.typing import NDArray
from tritonclient.utils import np_to_triton_dtype
from urllib3.exceptions import HTTPError, TimeoutError

from serving.answers import LARGEST
from serving.wire import AnswerError, BrokenError, RefusedError, SilentError, Wire

HEADER = "Inference-Header-Content-Length"
PIECE = 1 << 20
"""Bytes that are read at a time."""

CONNECTIONS = 64
"""Kept open for as many requests at once."""


class HttpWire(Wire):
    """Connections to one server, never by a proxy; see the base class."""

    def __init__(self, url: str) -> None:
        host, _, port = url.rpartition(":")
        self._pool = urllib3.HTTPConnectionPool(
            host.strip("[]"), int(port), maxsize=CONNECTIONS, retries=False
        )

    def close(self) -> None:
        """See the base class."""
        self._pool.close()

    def is_live(self, timeout_s: float) -> bool:
        """See the base class."""
        try:
            self._ask("GET", "v2/health/live", timeout_s)
        except BrokenError:
            raise
        except RefusedError:
            return False
        return True

    def server_metadata(self, timeout_s: float) -> Any:
        """See the base class."""
        return self._json("GET", "v2", timeout_s)

    def index(self, timeout_s: float) -> Any:
        """See the base class."""
        return self._json("POST", "v2/repository/index", timeout_s)

    def metadata(self, model: str, version: str, timeout_s: float) -> Any:
        """See the base class."""
        return self._json("GET", _path(model, version), timeout_s)

    def config(self, model: str, version: str, timeout_s: float) -> Any:
        """See the base class."""
        return self._json("GET", f"{_path(model, version)}/config", timeout_s)

    def statistics(self, model: str, version: str, timeout_s: float) -> Any:
        """See the base class."""
        return self._json("GET", f"{_path(model, version)}/stats", timeout_s)

    def infer(
        self,
        model: str,
        version: str,
        inputs: dict[str, NDArray[Any]],
        outputs: tuple[str, ...],
        timeout_s: float,
    ) -> tuple[Any, dict[str, NDArray[Any]]]:
        """See the base class."""
        tensors = []
        for name, values in inputs.items():
            tensor = triton.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
            tensor.set_data_from_numpy(values)
            tensors.append(tensor)
        wanted = [triton.InferRequestedOutput(name) for name in outputs]
        body, size = triton.InferenceServerClient.generate_request_body(tensors, outputs=wanted)
        headers = {} if size is None else {HEADER: str(size)}
        answer, found = self._ask("POST", f"{_path(model, version)}/infer", timeout_s, body, headers)
        length = found.get(HEADER)
        result = triton.InferenceServerClient.parse_response_body(
            answer, header_length=None if length is None else int(length)
        )
        arrays = {name: result.as_numpy(name) for name in outputs}
        return result.get_response()["model_version"], {
            name: array for name, array in arrays.items() if array is not None
        }

    def _json(self, method: str, path: str, timeout_s: float) -> Any:
        content, _ = self._ask(method, path, timeout_s)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise AnswerError(f"it is no JSON ({error})") from error

    def _ask(
        self,
        method: str,
        path: str,
        timeout_s: float,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[bytes, Any]:
        """Content and headers of the answer."""
        deadline = time.monotonic() + timeout_s
        try:
            response = self._pool.request(
                method,
                f"/{path}",
                body=body,
                headers=headers,
                timeout=timeout_s,
                preload_content=False,
                redirect=False,
            )
            content = _read(response, deadline)
        except TimeoutError as error:
            raise SilentError from error
        except HTTPError as error:
            raise BrokenError(f"the connection broke ({error})") from error
        if response.status != 200:
            raise RefusedError(_reason(content, response.status))
        return content, response.headers


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The content, of bounded size, within the time."""
    pieces, size = [], 0
    while piece := response.read1(PIECE, decode_content=False):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST:
            response.close()
            raise AnswerError(f"it is larger than {LARGEST >> 20} MiB")
        if time.monotonic() > deadline:
            response.close()
            raise SilentError
    response.release_conn()
    return b"".join(pieces)


def _reason(content: bytes, status: int) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return f"HTTP status {status}"


def _path(model: str, version: str) -> str:
    path = f"v2/models/{quote(model, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path
