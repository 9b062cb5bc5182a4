"""Triton over gRPC."""

from typing import Any

import numpy as np
import tritonclient.grpc as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from serving.answers import LARGEST
from serving.ports import is_loopback
from serving.security import Security
from serving.shared_memory import Regions
from serving.wire import AnswerError, ForbiddenError, RefusedError, SilentError, Wire, inputs_of, wanted_of

MAP_SECONDS = 10.0
"""Longest wait for a server to map shared memory."""

AGAIN = {"UNAVAILABLE", "CANCELLED", "INTERNAL", "UNKNOWN", "ABORTED", "RESOURCE_EXHAUSTED"}
"""Statuses of what may be answered later or elsewhere. A server that ends says CANCELLED or UNAVAILABLE
(Triton's client README, "GRPC Status Codes During Server Shutdown"), a model without its process INTERNAL."""


class GrpcWire(Wire):
    """A channel to one server, to this machine never by a proxy; see the base class."""

    def __init__(
        self,
        url: str,
        security: Security | None,
        compression: str | None = None,
        shared_memory: bool = False,
    ) -> None:
        self.shared_memory = shared_memory
        options = [("grpc.max_receive_message_length", LARGEST)]
        if is_loopback(url):
            options.append(("grpc.enable_http_proxy", 0))
        files = (
            {}
            if security is None
            else {
                "root_certificates": security.ca,
                "private_key": security.key,
                "certificate_chain": security.certificate,
            }
        )
        self._headers = security.headers() if security else {}
        self._compression = compression
        self._client = triton.InferenceServerClient(
            url,
            ssl=security is not None,
            **{name: str(path) for name, path in files.items() if path},
            channel_args=options,
        )
        self._regions = Regions(triton, self._client, MAP_SECONDS)

    def close(self) -> None:
        """See the base class."""
        self._regions.forget()
        self._client.close()

    def is_live(self, timeout_s: float) -> bool:
        """See the base class."""
        return self._ask("is_server_live", timeout_s)

    def server_metadata(self, timeout_s: float) -> Any:
        """See the base class."""
        return self._ask("get_server_metadata", timeout_s, as_json=True)

    def index(self, timeout_s: float) -> Any:
        """See the base class."""
        return self._ask("get_model_repository_index", timeout_s, as_json=True)

    def metadata(self, model: str, version: str, timeout_s: float) -> Any:
        """See the base class."""
        return self._ask("get_model_metadata", timeout_s, model, version, as_json=True)

    def config(self, model: str, version: str, timeout_s: float) -> Any:
        """See the base class."""
        return self._ask("get_model_config", timeout_s, model, version, as_json=True)

    def statistics(self, model: str, version: str, timeout_s: float) -> Any:
        """See the base class."""
        return self._ask("get_inference_statistics", timeout_s, model, version, as_json=True)

    def infer(
        self,
        model: str,
        version: str,
        inputs: dict[str, NDArray[Any]],
        outputs: tuple[str, ...],
        timeout_s: float,
    ) -> tuple[Any, dict[str, NDArray[Any]]]:
        """See the base class."""
        asked = (timeout_s, model, version, outputs)
        response = self._by_shared_memory(inputs, *asked) if self.shared_memory else None
        if response is None:
            response = self._infer(inputs_of(triton, inputs), *asked)
        if len(response.outputs) != len(response.raw_output_contents):
            raise AnswerError("it has other outputs than contents")
        answers = {}
        for output, content in zip(response.outputs, response.raw_output_contents, strict=True):
            if output.name in outputs:
                dtype = triton_to_np_dtype(output.datatype)
                answers[output.name] = np.frombuffer(content, dtype).reshape(tuple(output.shape))
        return response.model_version, answers

    def _infer(
        self, tensors: list[Any], timeout_s: float, model: str, version: str, outputs: tuple[str, ...]
    ) -> Any:
        wanted = wanted_of(triton, outputs)
        options = {"compression_algorithm": self._compression}
        return self._ask("infer", timeout_s, model, tensors, version, wanted, **options).get_response()

    def _by_shared_memory(self, inputs: dict[str, NDArray[Any]], *asked: Any) -> Any:
        """The response; None where the server takes no shared memory, which it is asked no more then."""
        for _ in range(2):
            try:
                with self._regions.holding(inputs) as tensors:
                    return self._infer(tensors, *asked)
            except InferenceServerException as error:  # it does not map the region
                self.shared_memory, self.no_shared_memory = False, error.message() or str(error)
                return None
            except RefusedError as error:
                if "shared memory" not in str(error):
                    raise
                self._regions.forget()  # the server was started anew
        return None

    def _ask(self, call: str, timeout_s: float, *given: Any, **options: Any) -> Any:
        try:
            asked = getattr(self._client, call)
            return asked(*given, client_timeout=timeout_s, headers=self._headers, **options)
        except InferenceServerException as error:
            reason = error.message() or str(error)
            if error.status() == "StatusCode.DEADLINE_EXCEEDED":
                raise SilentError from error
            if error.status() == "StatusCode.RESOURCE_EXHAUSTED" and "larger than max" in reason:
                raise AnswerError(f"it is larger than {LARGEST >> 20} MiB") from error
            status = str(error.status()).removeprefix("StatusCode.")
            if status in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
                raise ForbiddenError(reason) from error
            raise RefusedError(reason, status in AGAIN, status) from error
