"""A served model as LArSoft's C++ clients see it: four calls of Triton's gRPC, of a server or of a folder."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from lartpc.errors import CheckError, UserError
from lartpc.served.contract import INPUT_SHAPE, PATCH
from lartpc.served.model_config import ALIAS

CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 120.0
UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
"""As Triton's C++ client opens its channel (client: src/c++/library/grpc_client.cc)."""


class CallError(CheckError):
    """A call that is answered by an error."""


class Service(Protocol):
    """The calls; requests and answers are Triton's own messages.

    Each raises :class:`CallError`.
    """

    @property
    def place(self) -> str:
        """Where it is, for messages."""

    def models(self) -> dict[str, bool]:
        """Name of each model -> whether its configuration says that it takes patches, or is an alias."""

    def has(self, model: str) -> bool:
        """Whether a model is there."""

    def metadata(self, model: str, version: str) -> Any:
        """ModelMetadata."""

    def config(self, model: str, version: str) -> Any:
        """The configuration of ModelConfig's answer."""

    def statistics(self, model: str, version: str) -> Any:
        """ModelStatistics."""

    def infer(self, request: Any, timeout_s: float | None = None) -> Any:
        """ModelInfer."""

    def labels(self, model: str, output: str, columns: int) -> tuple[str, ...]:
        """Of the columns of an output; empty where it has none."""


def for_jobs(config: Any) -> bool:
    """Whether a configuration says that its model is one of patches, or an alias of one."""
    parameters = config.parameters
    return parameters["contract"].string_value == PATCH.name or bool(parameters[ALIAS].string_value)


@dataclass(frozen=True)
class Certificates:
    """Files for TLS.

    Attributes:
        ca: certificates of those who may vouch for the server; default the system's.
        key: private key of the client, for mutual TLS.
        certificate: its certificate chain.
    """

    ca: Path | None = None
    key: Path | None = None
    certificate: Path | None = None

    def contents(self) -> list[bytes | None]:
        """What the files hold.

        Raises:
            UserError: one cannot be read.
        """
        try:
            return [
                None if path is None else path.read_bytes() for path in (self.ca, self.key, self.certificate)
            ]
        except OSError as error:
            raise UserError(f"{error.filename} cannot be read ({error.strerror})") from error


def labels_in(content: bytes) -> tuple[str, ...]:
    """Of each column, from texts ``value:column:label``, each behind its length in four bytes."""
    found: dict[int, str] = {}
    while content:
        length = int.from_bytes(content[:4], "little")
        text = content[4 : 4 + length].decode(errors="replace")
        _, _, column_and_label = text.partition(":")
        column, colon, label = column_and_label.partition(":")
        if colon and column.isdecimal() and len(column) < 6:
            found[int(column)] = label
        content = content[4 + length :]
    return tuple(found[column] for column in sorted(found))


class ServerService:
    """A server that answers.

    Args:
        url: ``grpc://HOST:PORT``, or ``grpcs://HOST:PORT`` by TLS.
        certificates: for TLS.

    Raises:
        UserError: the URL is of another form, or nothing answers there.
    """

    def __init__(self, url: str, certificates: Certificates = Certificates()) -> None:
        import grpc
        from tritonclient.grpc import service_pb2, service_pb2_grpc

        scheme, _, self.address = url.partition("://")
        if scheme not in ("grpc", "grpcs") or "/" in self.address or ":" not in self.address:
            raise UserError(
                f"{url}: LArSoft's clients speak gRPC; write grpc://HOST:PORT or grpcs://HOST:PORT"
            )
        if scheme == "grpc":
            self._channel = grpc.insecure_channel(self.address, UNLIMITED)
        else:
            ca, key, chain = certificates.contents()
            credentials = grpc.ssl_channel_credentials(ca, key, chain)
            self._channel = grpc.secure_channel(self.address, credentials, UNLIMITED)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._messages, self._error = service_pb2, grpc.RpcError
        try:
            self._stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=CONNECT_SECONDS)
        except grpc.RpcError as error:
            self.close()
            raise UserError(
                f"no server answers at {url} ({error.details()}); docs/serving.md says how one is started"
            ) from error

    @property
    def place(self) -> str:
        """Where it is."""
        return self.address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def models(self) -> dict[str, bool]:
        """Of those that are ready."""
        index = self._call("RepositoryIndex", self._messages.RepositoryIndexRequest(ready=True))
        names = sorted({model.name for model in index.models})
        return {name: self._is_for_jobs(name) for name in names}

    def has(self, model: str) -> bool:
        """Whether it is there."""
        try:
            self.config(model, "")
        except CallError:
            return False
        return True

    def _is_for_jobs(self, model: str) -> bool:
        """Also where its configuration cannot be had, which is told then."""
        try:
            return for_jobs(self.config(model, ""))
        except CallError:
            return True

    def metadata(self, model: str, version: str) -> Any:
        """ModelMetadata."""
        return self._call("ModelMetadata", self._messages.ModelMetadataRequest(name=model, version=version))

    def config(self, model: str, version: str) -> Any:
        """The configuration of ModelConfig's answer."""
        return self._call(
            "ModelConfig", self._messages.ModelConfigRequest(name=model, version=version)
        ).config

    def statistics(self, model: str, version: str) -> Any:
        """ModelStatistics."""
        return self._call(
            "ModelStatistics", self._messages.ModelStatisticsRequest(name=model, version=version)
        )

    def infer(self, request: Any, timeout_s: float | None = None) -> Any:
        """ModelInfer."""
        return self._call("ModelInfer", request, min(timeout_s or ANSWER_SECONDS, ANSWER_SECONDS))

    def labels(self, model: str, output: str, columns: int) -> tuple[str, ...]:
        """By Triton's classification extension, which answers value, column and label of each column."""
        metadata = self.metadata(model, "")
        request = self._messages.ModelInferRequest(model_name=model)
        if not metadata.inputs:
            raise CallError("the model shows no input")
        first = metadata.inputs[0]
        shape = [max(length, 1) for length in first.shape]
        if math.prod(shape) > math.prod(INPUT_SHAPE):
            raise CallError(f"its input of {shape} is no patch")
        request.inputs.add(name=first.name, datatype=first.datatype, shape=shape)
        request.raw_input_contents.append(bytes(4 * math.prod(shape)))
        request.outputs.add(name=output).parameters["classification"].int64_param = columns
        contents = self.infer(request).raw_output_contents
        if not contents:
            raise CallError("an answer by classes has no content")
        return labels_in(contents[0])

    def _call(self, name: str, request: Any, timeout_s: float | None = ANSWER_SECONDS) -> Any:
        try:
            return getattr(self._stub, name)(request, timeout=timeout_s)
        except self._error as error:
            raise CallError(f"{name}: {error.details()}") from error
