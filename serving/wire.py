"""How a server is asked: the requests that gRPC and HTTP have in common, and how they fail."""

from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import NDArray
from tritonclient.utils import np_to_triton_dtype


class RefusedError(Exception):
    """The server refuses a request, or breaks off; the text is its reason.

    Attributes:
        again: whether it may be answered later, or by another server.
        status: of gRPC, by its name; empty over HTTP.
    """

    def __init__(self, reason: str, again: bool = False, status: str = "") -> None:
        super().__init__(reason)
        self.again, self.status = again, status


class ForbiddenError(RefusedError):
    """The server does not take this client, which lacks a token or has another one."""


class BrokenError(RefusedError):
    """Nothing that speaks the protocol is there, or the connection broke."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, again=True)


class SilentError(Exception):
    """The server gives no answer in time."""


class AnswerError(Exception):
    """The server answers in a form that is not Triton's; the text says what is wrong."""


class Wire(ABC):
    """One server, asked over one protocol.

    Every request raises RefusedError, SilentError or AnswerError. Whatever else an odd answer makes a library
    raise, the caller takes for an AnswerError. Answers other than tensors are returned as they were decoded.
    """

    no_shared_memory = ""
    """Why the server took none where it was to; empty where it did, or was not asked."""

    @abstractmethod
    def close(self) -> None:
        """End the connection."""

    @abstractmethod
    def is_live(self, timeout_s: float) -> bool:
        """Whether the server says that it is."""

    @abstractmethod
    def server_metadata(self, timeout_s: float) -> Any:
        """Of the server itself."""

    @abstractmethod
    def index(self, timeout_s: float) -> Any:
        """Of its models and their versions."""

    @abstractmethod
    def metadata(self, model: str, version: str, timeout_s: float) -> Any:
        """The tensors of a version."""

    @abstractmethod
    def config(self, model: str, version: str, timeout_s: float) -> Any:
        """The configuration of a model; of no version in particular where that is empty."""

    @abstractmethod
    def statistics(self, model: str, version: str, timeout_s: float) -> Any:
        """The counters of a version."""

    @abstractmethod
    def infer(
        self,
        model: str,
        version: str,
        inputs: dict[str, NDArray[Any]],
        outputs: tuple[str, ...],
        timeout_s: float,
    ) -> tuple[Any, dict[str, NDArray[Any]]]:
        """The version that answered, and those of the outputs asked for that it gave."""


def inputs_of(library: Any, tensors: dict[str, NDArray[Any]]) -> list[Any]:
    """Inputs as a library of tritonclient (its grpc or its http) takes them."""
    inputs = []
    for name, values in tensors.items():
        tensor = library.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
        tensor.set_data_from_numpy(values)
        inputs.append(tensor)
    return inputs


def wanted_of(library: Any, outputs: tuple[str, ...]) -> list[Any]:
    """Wanted outputs as a library of tritonclient takes them."""
    return [library.InferRequestedOutput(name) for name in outputs]
