"""A connection to a Triton server over gRPC or HTTP, with errors that say what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lartpc.errors import CheckError, UserError

DEFAULT_URLS = {"grpc": "localhost:8001", "http": "localhost:8000"}
PROTOCOL_NAMES = {"grpc": "gRPC", "http": "HTTP"}
CONNECT_SECONDS = 10.0


class ServerError(CheckError):
    """A server that answers refuses a request or breaks off.

    Attributes:
        reason: in its own words.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class SlowServerError(ServerError):
    """A server gives no answer in time."""


class Connection:
    """One server, asked over one protocol.

    Args:
        url: HOST:PORT; default the protocol's usual port on this machine.
        protocol: grpc or http.
        timeout_s: longest wait for one answer, in s.
        connect_s: longest wait for the first sign of life, in s.

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
    ) -> None:
        if protocol not in DEFAULT_URLS:
            raise UserError(f"no protocol is called {protocol!r}; there are {', '.join(DEFAULT_URLS)}")
        self.url = url or DEFAULT_URLS[protocol]
        self.protocol = protocol
        if not re.fullmatch(r"[^\s/:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", self.url):
            raise UserError(f"{self.url!r} is not a server's address; write HOST:PORT, as in localhost:8001")
        self._timeout_s = timeout_s
        self._open(connect_s)
        try:
            self._check_live(connect_s)
        except BaseException:
            self._client.close()
            raise

    def _open(self, connect_s: float) -> None:
        if self.protocol == "grpc":
            import tritonclient.grpc as triton

            self._client = triton.InferenceServerClient(self.url)
            self._json: dict[str, bool] = {"as_json": True}
        else:
            import tritonclient.http as triton

            self._client = triton.InferenceServerClient(
                self.url, connection_timeout=connect_s, network_timeout=self._timeout_s
            )
            self._json = {}
        self._triton = triton

    def _wait(self, timeout_s: float | None = None) -> dict[str, float]:
        """The longest wait as gRPC's calls take it; over HTTP it belongs to the connection."""
        if self.protocol == "http":
            return {}
        return {"client_timeout": self._timeout_s if timeout_s is None else timeout_s}

    def _check_live(self, connect_s: float) -> None:
        try:
            live = self._client.is_server_live(**self._wait(connect_s))
        except Exception as error:  # either library raises whatever its transport raises
            raise UserError(
                f"no server answers at {self.url} over {PROTOCOL_NAMES[self.protocol]}; "
                "start one with: python -m serving.local"
            ) from error
        if not live:
            raise CheckError(f"the server at {self.url} says that it is not live; look at its log")

    def __str__(self) -> str:
        return f"{self.url} ({PROTOCOL_NAMES[self.protocol]})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def server_name(self) -> str:
        """What the server calls itself."""
        with self._errors("the server"):
            return self._client.get_server_metadata(**self._json, **self._wait())["name"]

    def served(self) -> dict[str, list[int]]:
        """Versions of each model that the server is ready to ask, in ascending order."""
        models: dict[str, list[int]] = {}
        for entry in self._index():
            if entry.get("state") == "READY":
                models.setdefault(entry["name"], []).append(int(entry["version"]))
        return {name: sorted(versions) for name, versions in sorted(models.items())}

    def _index(self) -> list[dict[str, Any]]:
        with self._errors("the server"):
            index = self._client.get_model_repository_index(**self._json, **self._wait())
        return index.get("models", []) if isinstance(index, dict) else index

    def statistics(self, model: str, version: int) -> dict[str, Any]:
        """Triton's counters of a version: inferences, executions, and count and ns of each stage."""
        with self._errors(model):
            found = self._client.get_inference_statistics(model, str(version), **self._json, **self._wait())
        return found["model_stats"][0]

    def metadata(self, model: str, version: int) -> dict[str, Any]:
        """Names, types and shapes of the tensors of a version."""
        with self._errors(model):
            return self._client.get_model_metadata(model, str(version), **self._json, **self._wait())

    def parameters(self, model: str, version: int | None = None) -> dict[str, str]:
        """The ``parameters`` of the model's configuration, as a version has it, by default the latest."""
        asked = "" if version is None else str(version)
        with self._errors(model):
            config = self._client.get_model_config(model, asked, **self._json, **self._wait())
        raw = config.get("config", config).get("parameters", {})
        return {key: value.get("string_value", "") for key, value in raw.items()}

    def infer(
        self, model: str, version: int, inputs: dict[str, NDArray[Any]], outputs: tuple[str, ...]
    ) -> tuple[int, dict[str, NDArray[np.float32]]]:
        """Send tensors; return the version that answered and the outputs asked for.

        Raises:
            ServerError: the server refuses the request or does not answer in time.
            CheckError: it leaves out an output.
        """
        from tritonclient.utils import np_to_triton_dtype

        tensors = []
        for name, values in inputs.items():
            tensor = self._triton.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
            tensor.set_data_from_numpy(values)
            tensors.append(tensor)
        wanted = [self._triton.InferRequestedOutput(name) for name in outputs]
        with self._errors(model):
            result = self._client.infer(model, tensors, str(version), wanted, **self._wait())
        response = result.get_response()
        answered = response["model_version"] if isinstance(response, dict) else response.model_version
        arrays = {name: result.as_numpy(name) for name in outputs}
        missing = [name for name, array in arrays.items() if array is None]
        if missing:
            raise CheckError(f"{model} at {self} left out its output {missing[0]}")
        return int(answered), arrays

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        from http.client import HTTPException

        from geventhttpclient.response import HTTPParseError
        from tritonclient.utils import InferenceServerException

        try:
            yield
        except InferenceServerException as error:
            reason = error.message() or str(error)
            if error.status() == "StatusCode.DEADLINE_EXCEEDED":
                raise self._too_slow(what) from error
            raise ServerError(f"{what} at {self}: {reason}", reason) from error
        except TimeoutError as error:
            raise self._too_slow(what) from error
        except (OSError, HTTPException, HTTPParseError, ValueError) as error:
            raise ServerError(f"{what} at {self}: the connection broke ({error})", str(error)) from error

    def _too_slow(self, what: str) -> SlowServerError:
        reason = "no answer in time"
        return SlowServerError(f"{what} at {self} gave no answer within {self._timeout_s:g} s", reason)
