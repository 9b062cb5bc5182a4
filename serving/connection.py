"""A connection to a Triton server over gRPC or HTTP, with errors that say what to do."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar
from urllib.request import proxy_bypass

import numpy as np
from numpy.typing import NDArray

from lartpc.errors import CheckError, UserError
from serving import answers
from serving.ports import is_loopback
from serving.security import Security
from serving.spoken import spoken_at
from serving.wire import AnswerError, ForbiddenError, RefusedError, SilentError, Wire

DEFAULT_URLS = {"grpc": "localhost:8001", "http": "localhost:8000"}
PROTOCOL_NAMES = {"grpc": "gRPC", "http": "HTTP"}
CONNECT_SECONDS = 10.0
PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
"""Variables by which gRPC finds a proxy (grpc: doc/environment_variables.md), the first one first."""

Answer = TypeVar("Answer")
LONGEST_REASON = 2000
"""Letters of what a server says that a message repeats."""


_GONE = re.compile(r"unknown model|is not found|has no available versions|not at ready state|is not ready")
"""In Triton's words, of a model or version that it does not serve (core: server.cc, model_lifecycle.cc)."""


class ServerError(CheckError):
    """A server that answers refuses a request or breaks off.

    Attributes:
        reason: in its own words.
        again: whether it may be answered later, or by another server.
        status: of gRPC, by its name; empty over HTTP.
    """

    def __init__(self, message: str, reason: str, again: bool = False, status: str = "") -> None:
        super().__init__(message)
        self.reason, self.again, self.status = reason, again, status


class SlowServerError(ServerError):
    """A server gives no answer in time."""


class GoneError(ServerError):
    """A server does not serve the model or version that is asked for, no longer or not yet."""


class Connection:
    """One server, asked over one protocol.

    Args:
        url: HOST:PORT; default the protocol's usual port on this machine.
        protocol: grpc or http.
        timeout_s: longest wait for one answer, in s.
        connect_s: longest wait for the first sign of life, in s.
        security: TLS, by which a server that leaves this machine is reached; none where not given.
        compression: of what is sent: gzip, or none.
        shared_memory: hand tensors to a server on this machine in shared memory, where it allows that.

    Raises:
        UserError: the protocol or the URL is not one, or no server answers there.
        CheckError: the server says that it is not live.
    """

    def __init__(
        self,
        url: str | None = None,
        protocol: str = "grpc",
        timeout_s: float = 60.0,
        connect_s: float = CONNECT_SECONDS,
        security: Security | None = None,
        compression: str | None = None,
        shared_memory: bool = False,
    ) -> None:
        if protocol not in DEFAULT_URLS:
            raise UserError(f"no protocol is called {protocol!r}; there are {', '.join(DEFAULT_URLS)}")
        self.url = url or DEFAULT_URLS[protocol]
        self.protocol = protocol
        if compression not in (None, "gzip"):
            raise UserError(f"no compression is called {compression!r}; there is gzip")
        if not re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}", self.url):
            raise UserError(f"{self.url!r} is not a server's address; write HOST:PORT, as in localhost:8001")
        self._timeout_s = timeout_s
        if shared_memory and not (protocol == "grpc" and is_loopback(self.url)):
            raise UserError(
                "shared memory is for a server on this machine, over gRPC: write grpc://127.0.0.1:PORT"
            )
        self._wire = _open(self.url, protocol, security, compression, shared_memory)
        try:
            self._check_live(connect_s)
        except BaseException:
            self._wire.close()
            raise

    def _check_live(self, connect_s: float) -> None:
        try:
            live = self._wire.is_live(connect_s)
        except ForbiddenError as error:
            raise UserError(f"the server at {self.url} does not take this client: {error}") from error
        except Exception as error:  # a library raises whatever its transport raises
            raise UserError(
                f"no server answers at {self.url} over {PROTOCOL_NAMES[self.protocol]}; "
                f"{self._what_to_do()}{self._by_proxy()}"
            ) from error
        if not live:
            raise CheckError(f"the server at {self.url} says that it is not live; look at its log")

    def _what_to_do(self) -> str:
        spoken = spoken_at(self.url)
        if spoken is None or spoken == self.protocol:
            return "start one with: python -m serving.local"
        own, other = PROTOCOL_NAMES[self.protocol], PROTOCOL_NAMES[spoken]
        usual = DEFAULT_URLS[self.protocol].rpartition(":")[2]
        return f"that port speaks {other}: {own} has another one, {usual} by default"

    def _by_proxy(self) -> str:
        """That gRPC asks a proxy, where the environment names one for this server."""
        host = self.url.rpartition(":")[0]
        named = [name for name in PROXIES if os.environ.get(name)]
        if self.protocol != "grpc" or is_loopback(self.url) or not named or proxy_bypass(host):
            return ""
        return f". gRPC asks the proxy that {named[0]} names; no_proxy={host} lets it ask the server itself"

    def __str__(self) -> str:
        return f"{self.url} ({PROTOCOL_NAMES[self.protocol]})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._wire.close()

    @property
    def no_shared_memory(self) -> str:
        """Why the server took no shared memory, in its words; empty where it did, or was not asked."""
        return self._wire.no_shared_memory

    def server_name(self) -> str:
        """What the server calls itself."""
        return self._ask("the server", answers.server_name, self._wire.server_metadata)

    def served(self) -> dict[str, list[int]]:
        """Versions of each model that the server is ready to ask, in ascending order."""
        return self._ask("the server", answers.ready_versions, self._wire.index)

    def metadata(self, model: str, version: int) -> dict[str, list[dict[str, Any]]]:
        """``inputs`` and ``outputs`` of a version: name, datatype and shape of each, -1 where it is free."""
        return self._ask(model, answers.metadata, self._wire.metadata, model, str(version))

    def parameters(self, model: str, version: int | None = None) -> dict[str, str]:
        """The ``parameters`` of the model's configuration, as a version has it, by default the latest."""
        asked = "" if version is None else str(version)
        return self._ask(model, answers.parameters, self._wire.config, model, asked)

    def statistics(self, model: str, version: int) -> dict[str, Any]:
        """Triton's counters of a version: inferences, executions, and count and ns of each stage."""
        return self._ask(model, answers.statistics, self._wire.statistics, model, str(version))

    def infer(
        self,
        model: str,
        version: int,
        inputs: dict[str, NDArray[Any]],
        outputs: tuple[str, ...],
        timeout_s: float | None = None,
        why: str = "",
    ) -> tuple[int, dict[str, NDArray[np.float32]]]:
        """Send tensors; return the version that answered and the outputs asked for.

        Args:
            model: its name.
            version: of it.
            inputs: name -> tensor.
            outputs: names of those that are wanted.
            timeout_s: longest wait for the answer; default the connection's.
            why: where that wait comes from, for the error.

        Raises:
            GoneError: the server does not serve that version.
            ServerError: the server refuses the request, does not answer in time, or answers in another form.
            CheckError: it leaves out an output.
        """
        limit = timeout_s or self._timeout_s
        with self._errors(model, limit, why):
            answered, arrays = self._wire.infer(model, str(version), inputs, outputs, limit)
            number = answers.whole_number(answered, "the version that answered")
            for name, array in arrays.items():
                if array.dtype != np.float32:
                    raise AnswerError(f"output {name} is of type {array.dtype}, not FP32")
        if missing := [name for name in outputs if name not in arrays]:
            raise CheckError(f"{model} at {self} left out its output {missing[0]}")
        return number, arrays

    def _ask(self, what: str, read: Callable[[Any], Answer], call: Callable[..., Any], *given: str) -> Answer:
        with self._errors(what, self._timeout_s):
            return read(call(*given, self._timeout_s))

    @contextmanager
    def _errors(self, what: str, timeout_s: float, why: str = "") -> Iterator[None]:
        try:
            yield
        except SilentError as error:
            message = f"{what} at {self} gave no answer within {timeout_s:.3g} s"
            reason = f"{message} ({why})" if why else message
            raise SlowServerError(reason, "no answer in time", again=True) from error
        except RefusedError as error:
            reason = f"{error}"[:LONGEST_REASON]
            kind = GoneError if _GONE.search(reason) else ServerError
            raise kind(f"{what} at {self}: {reason}", reason, error.again, error.status) from error
        except Exception as error:  # what an odd answer makes the libraries raise is of any class
            reason = f"the answer is not of Triton's form: {error or repr(error)}"[:LONGEST_REASON]
            raise ServerError(f"{what} at {self}: {reason}", reason) from error


def _open(
    url: str, protocol: str, security: Security | None, compression: str | None, shared_memory: bool
) -> Wire:
    if protocol == "grpc":
        from serving.grpc_wire import GrpcWire

        return GrpcWire(url, security, compression, shared_memory)
    from serving.http_wire import HttpWire

    return HttpWire(url, security, compression)
