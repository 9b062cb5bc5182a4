"""Servers that speak Triton's protocols and answer oddly: what a real one cannot be made to answer."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
from google.protobuf import json_format
from tritonclient.grpc import service_pb2, service_pb2_grpc

from lartpc.served.contract import PATCH
from serving.ports import LOOPBACK

MODEL = "emtrkmichel_fp32"
ROWS = 64
"""Golden hits of the tiny repository: one request."""

_TENSORS = {
    kind: [
        {"name": spec.name, "datatype": spec.dtype, "shape": [-1, *spec.shape]}
        for spec in getattr(PATCH.signature, kind)
    ]
    for kind in ("inputs", "outputs")
}
GOOD: dict[str, Any] = {
    "index": [{"name": MODEL, "version": "1", "state": "READY", "reason": ""}],
    "metadata": {"name": MODEL, "versions": ["1"], "platform": "onnxruntime", **_TENSORS},
    "config": {
        "name": MODEL,
        "parameters": {
            key: {"string_value": value}
            for key, value in (("v1.digest", "d" * 64), ("v1.manifest", "e" * 64), ("v1.adc_era", "2021"))
        },
    },
    "infer": {
        "model_name": MODEL,
        "model_version": "1",
        "outputs": [
            {"name": spec.name, "datatype": "FP32", "shape": [ROWS, *spec.shape]}
            for spec in PATCH.signature.outputs
        ],
    },
}
"""What a server answers that is none of its kind."""


def changed(part: str, *path: Any, to: Any) -> dict[str, Any]:
    """The good answers with one value of one of them replaced."""
    answers = deepcopy(GOOD)
    if not path:
        answers[part] = to
        return answers
    place = answers[part]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return answers


def contents() -> list[bytes]:
    """Of the outputs: the same probability everywhere."""
    return [np.full((ROWS, *spec.shape), 0.3, np.float32).tobytes() for spec in PATCH.signature.outputs]


class Server(ThreadingHTTPServer):
    """Clients that break off are expected here."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def over_http(answers: dict[str, Any], tensors: list[bytes] | None = None) -> Iterator[str]:
    """A server over HTTP; what is bytes among the answers is sent as it is."""
    tensors = contents() if tensors is None else tensors

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(b"" if "health" in self.path else self._answer())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._send(self._answer())

        def _answer(self) -> Any:
            for ending, name in (("index", "index"), ("config", "config"), ("infer", "infer")):
                if self.path.endswith(ending):
                    return answers[name]
            return answers["metadata"]

        def _send(self, answer: Any) -> None:
            content, header = answer, None
            if not isinstance(answer, bytes):
                content = json.dumps(_with_sizes(answer, tensors)).encode()
                if self.path.endswith("infer"):
                    header = len(content)
                    content += b"".join(tensors)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            if header is not None:
                self.send_header("Inference-Header-Content-Length", str(header))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *given: object) -> None:
            pass

    with Server((LOOPBACK, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{LOOPBACK}:{server.server_port}"
        server.shutdown()


def _with_sizes(answer: Any, tensors: list[bytes]) -> Any:
    if (
        not isinstance(answer, dict)
        or not isinstance(answer.get("outputs"), list)
        or "model_version" not in answer
    ):
        return answer
    answer = deepcopy(answer)
    for output, tensor in zip(answer["outputs"], tensors, strict=False):
        if isinstance(output, dict):
            output.setdefault("parameters", {"binary_data_size": len(tensor)})
    return answer


@contextmanager
def over_grpc(answers: dict[str, Any], tensors: list[bytes] | None = None) -> Iterator[str]:
    """A server over gRPC, whose messages can hold less that is odd."""
    tensors = contents() if tensors is None else tensors

    class Service(service_pb2_grpc.GRPCInferenceServiceServicer):
        def ServerLive(self, request: Any, context: Any) -> Any:
            return service_pb2.ServerLiveResponse(live=True)

        def RepositoryIndex(self, request: Any, context: Any) -> Any:
            return json_format.ParseDict({"models": answers["index"]}, service_pb2.RepositoryIndexResponse())

        def ModelMetadata(self, request: Any, context: Any) -> Any:
            return json_format.ParseDict(answers["metadata"], service_pb2.ModelMetadataResponse())

        def ModelConfig(self, request: Any, context: Any) -> Any:
            return json_format.ParseDict({"config": answers["config"]}, service_pb2.ModelConfigResponse())

        def ModelInfer(self, request: Any, context: Any) -> Any:
            response = json_format.ParseDict(answers["infer"], service_pb2.ModelInferResponse())
            response.raw_output_contents.extend(tensors)
            return response

    server = grpc.server(ThreadPoolExecutor(4))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    try:
        yield f"{LOOPBACK}:{port}"
    finally:
        server.stop(None).wait()
