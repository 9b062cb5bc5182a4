"""Triton over HTTP: tensors as bytes behind a JSON header (Triton: binary tensor data extension)."""

import gzip
import json
import socket
import threading
from collections import deque
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote

import tritonclient.http as triton
from numpy.typing import NDArray

from serving.answers import LARGEST, LARGEST_JSON
from serving.security import Security
from serving.wire import (
    AnswerError,
    BrokenError,
    ForbiddenError,
    RefusedError,
    SilentError,
    Wire,
    inputs_of,
    wanted_of,
)

HEADER = "Inference-Header-Content-Length"
PIECE = 1 << 20
"""Bytes that are read at a time."""


AGAIN = {408, 429, 500, 502, 503, 504}
"""Statuses of what may be answered later or elsewhere."""


class HttpWire(Wire):
    """Connections to one server, kept open and never by a proxy; see the base class."""

    def __init__(self, url: str, security: Security | None, compression: str | None = None) -> None:
        host, _, port = url.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._context = security.context() if security else None
        self._headers = security.headers() if security else {}
        self._compression = compression
        self._idle: deque[HTTPConnection] = deque()
        self._busy: set[HTTPConnection] = set()
        self._closed = False

    def close(self) -> None:
        """See the base class; whoever still waits for an answer gets none."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        for connection in list(self._busy):
            _break_off(connection)

    def is_live(self, timeout_s: float) -> bool:
        """See the base class."""
        try:
            self._ask("GET", "v2/health/live", timeout_s, LARGEST_JSON)
        except (BrokenError, ForbiddenError):
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
        tensors, wanted = inputs_of(triton, inputs), wanted_of(triton, outputs)
        body, size = triton.InferenceServerClient.generate_request_body(tensors, outputs=wanted)
        headers = {} if size is None else {HEADER: str(size)}
        if self._compression == "gzip":
            body, headers["Content-Encoding"] = gzip.compress(body, compresslevel=1), "gzip"
        path = f"{_path(model, version)}/infer"
        answer, length = self._ask("POST", path, timeout_s, LARGEST, body, headers)
        result = triton.InferenceServerClient.parse_response_body(
            answer, header_length=None if length is None else int(length)
        )
        arrays = {name: result.as_numpy(name) for name in outputs}
        return result.get_response()["model_version"], {
            name: array for name, array in arrays.items() if array is not None
        }

    def _json(self, method: str, path: str, timeout_s: float) -> Any:
        content, _ = self._ask(method, path, timeout_s, LARGEST_JSON)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise AnswerError(f"it is no JSON ({error})") from error

    def _ask(
        self,
        method: str,
        path: str,
        timeout_s: float,
        largest: int,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[bytes, str | None]:
        """Content of the answer, and the length of its JSON header where it has one."""
        try:
            kept = self._idle.pop()
        except IndexError:
            kept = None
        if kept is not None and kept.sock is not None:
            kept.sock.settimeout(timeout_s)
            with suppress(BrokenError):  # the server may have closed what was idle
                return self._exchange(kept, method, path, timeout_s, largest, body, headers)
        if self._closed:
            raise BrokenError("the connection was closed")
        fresh = self._fresh(timeout_s)
        return self._exchange(fresh, method, path, timeout_s, largest, body, headers)

    def _fresh(self, timeout_s: float) -> HTTPConnection:
        if self._context is None:
            return HTTPConnection(self._host, self._port, timeout=timeout_s)
        return HTTPSConnection(self._host, self._port, timeout=timeout_s, context=self._context)

    def _exchange(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        timeout_s: float,
        largest: int,
        body: bytes | None,
        headers: dict[str, str] | None,
    ) -> tuple[bytes, str | None]:
        """The answer on one connection, all of it in time: a socket's own limit is for a piece alone."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            _break_off(connection)

        timer = threading.Timer(timeout_s, expire)
        timer.daemon = True
        timer.start()
        whole = False
        self._busy.add(connection)
        try:
            connection.request(method, f"/{path}", body, {**self._headers, **(headers or {})})
            response = connection.getresponse()
            content = _read(response, largest)
            whole = not expired.is_set()
        except TimeoutError as error:
            raise SilentError from error
        except (OSError, HTTPException, ValueError) as error:
            if expired.is_set():
                raise SilentError from error
            raise BrokenError(f"the connection broke ({error or type(error).__name__})") from error
        finally:
            timer.cancel()
            self._busy.discard(connection)
            if whole and not response.will_close:
                self._idle.append(connection)
            else:
                connection.close()
        if not whole:
            raise SilentError
        if response.status in (401, 403):
            raise ForbiddenError(_reason(content, response.status))
        if response.status != 200:
            raise RefusedError(_reason(content, response.status), again=response.status in AGAIN)
        return content, response.headers.get(HEADER)


def _break_off(connection: HTTPConnection) -> None:
    if (open_socket := connection.sock) is not None:
        with suppress(OSError):
            open_socket.shutdown(socket.SHUT_RDWR)


def _read(response: HTTPResponse, largest: int) -> bytes:
    """The content, of bounded size."""
    pieces, size = [], 0
    while piece := response.read1(PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > largest:
            raise AnswerError(f"it is larger than {largest >> 20} MiB")
    if response.length:
        raise HTTPException(f"it ended {response.length} bytes early")
    return b"".join(pieces)


def _reason(content: bytes, status: int) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return f"HTTP status {status}"


def _path(model: str, version: str) -> str:
    path = f"v2/models/{quote(model, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path
