"""LArSoft's two C++ clients, call by call: what they read, what they send, and how they take an answer apart.

larrecodnn: ImagePatternAlgs/Triton/Tools/PointIdAlgTriton_tool.cc, PointIdAlgSonicTriton_tool.cc, and
ImagePatternAlgs/NuSonic/Triton/TritonClient.cc, TritonData.cc.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.larsoft.service import CallError, Service
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT

Vectors = NDArray[np.float32]
"""(N, 4): of each patch the outputs of the first head and of the second, side by side."""

FLOAT_BYTES = 4
SIZES = {
    "BOOL": 1,
    "UINT8": 1,
    "INT8": 1,
    "FP16": 2,
    "BF16": 2,
    "INT16": 2,
    "FP32": 4,
    "INT32": 4,
    "FP64": 8,
    "INT64": 8,
}
"""Bytes of a value of each type that a model may show."""


class PointIdAlgTriton:
    """The tool that calls the server itself, and finds the outputs by their position.

    Args:
        service: server or folder.
        model: TritonModelName.
        version: TritonModelVersion, empty by default.

    Raises:
        CallError: the server does not answer, or the input has no four sizes.
    """

    name = "PointIdAlgTriton"

    def __init__(self, service: Service, model: str, version: str = "") -> None:
        self._service, self._model, self._version = service, model, version
        self._metadata = service.metadata(model, version)
        service.config(model, version)
        if not self._metadata.inputs:
            raise CallError("the model shows no input")
        sizes = list(self._metadata.inputs[0].shape)
        if len(sizes) < 4:
            raise CallError(f"reads sizes 1, 2 and 3 of the input, which has {sizes}")
        self._sizes = sizes[1:4]

    def run(self, patches: NDArray[np.float32]) -> Vectors:
        """(N, 48, 48) patches -> their vectors.

        Raises:
            CallError: the request is, or the answer cannot be taken apart.
        """
        response = self._service.infer(
            request_of(self._metadata.inputs[0], self._model, self._version, self._sizes, patches)
        )
        if len(self._metadata.outputs) < 2:
            raise CallError(f"reads outputs 0 and 1, and the model has {len(self._metadata.outputs)}")
        heads = [raw(response, output.name) for output in self._metadata.outputs[:2]]
        return np.hstack([as_floats(content, len(patches)) for content in heads])


class PointIdAlgSonicTriton:
    """The tool on NuSonic's client, which finds the outputs by their names and checks what it gets.

    Args:
        service: server or folder.
        model: TritonModelName.
        version: TritonModelVersion, empty by default.
        verbose: TritonVerbose: statistics are asked before and after each request.
        timeout_s: of a request; PointIdAlgSonicTriton passes a number that it never set, 0 for none.

    Raises:
        CallError: the server does not answer, or the model has no input or output.
    """

    name = "PointIdAlgSonicTriton"

    def __init__(
        self, service: Service, model: str, version: str = "", verbose: bool = False, timeout_s: int = 0
    ) -> None:
        self._service, self._model, self._version = service, model, version
        self._verbose, self._timeout_s = verbose, timeout_s or None
        config = service.config(model, version)
        self._without_batches = config.max_batch_size == 0
        self.most_rows = max(1, config.max_batch_size)
        self._metadata = service.metadata(model, version)
        if not self._metadata.inputs or not self._metadata.outputs:
            raise CallError("the model shows no input or no output")
        self._rows = 1

    def set_rows(self, rows: int) -> bool:
        """Set the batch; one beyond the limit is warned of, and the batch stays as it was."""
        if rows > self.most_rows:
            return False
        self._rows = rows
        return True

    def run(self, patches: NDArray[np.float32]) -> Vectors:
        """(N, 48, 48) patches -> their vectors; tried once.

        Raises:
            CallError: the request is, or the answer is not what the metadata promise.
        """
        self.set_rows(len(patches))
        first = self._metadata.inputs[0]
        sizes = list(first.shape) if self._without_batches else list(first.shape)[1:]
        request = request_of(first, self._model, self._version, sizes, patches, self._rows)
        for output in self._metadata.outputs:
            request.outputs.add(name=output.name)
        before = self._counted()
        response = self._service.infer(request, self._timeout_s)
        after = self._counted()
        if after < before:
            raise CallError(f"its statistics went from {before} to {after} inferences")
        by_name = {output.name: output for output in self._metadata.outputs}
        heads = [self._head(response, by_name, name) for name in (CLASS_OUTPUT, MICHEL_OUTPUT)]
        if len(heads[0]) < len(patches):
            raise CallError(f"answered {len(heads[0])} of {len(patches)} patches")
        return np.hstack(heads)

    def _head(self, response: Any, by_name: dict[str, Any], name: str) -> NDArray[np.float32]:
        if name not in by_name:
            raise CallError(f"asks for output {name}; the model has {', '.join(by_name)}")
        output = by_name[name]
        size = SIZES.get(output.datatype, 0)
        if size != FLOAT_BYTES:
            raise CallError(f"output {name} is of {output.datatype}, {size} bytes a value, not {FLOAT_BYTES}")
        columns = int(np.prod(list(output.shape) if self._without_batches else list(output.shape)[1:]))
        content = raw(response, name)
        if len(content) != columns * size * self._rows:
            raise CallError(
                f"output {name} came with {len(content)} bytes, not {columns * size * self._rows}"
            )
        return as_floats(content, self._rows)

    def _counted(self) -> int:
        if not self._verbose:
            return 0
        statistics = self._service.statistics(self._model, self._version).model_stats
        if not statistics:
            raise CallError("the server keeps no statistics of it")
        return int(statistics[0].inference_count)


Client = PointIdAlgTriton | PointIdAlgSonicTriton


def request_of(
    tensor: Any,
    model: str,
    version: str,
    sizes: list[int],
    patches: NDArray[np.float32],
    rows: int | None = None,
) -> Any:
    """A request as both send it: floats whatever the model's type, marked with that type, uncompressed."""
    from tritonclient.grpc import service_pb2

    request = service_pb2.ModelInferRequest(model_name=model, model_version=version)
    shape = [len(patches) if rows is None else rows, *sizes]
    request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=shape)
    request.raw_input_contents.append(np.ascontiguousarray(patches, np.float32).tobytes())
    return request


def raw(response: Any, name: str) -> bytes:
    """Content of an output.

    Raises:
        CallError: it is not in the answer.
    """
    for number, output in enumerate(response.outputs):
        if output.name == name and number < len(response.raw_output_contents):
            content: bytes = response.raw_output_contents[number]
            return content
    raise CallError(f"output {name} is not in the answer")


def as_floats(content: bytes, rows: int) -> NDArray[np.float32]:
    """(rows, columns) of what is read as floats.

    Raises:
        CallError: it is no whole number of them for each row.
    """
    if len(content) % (FLOAT_BYTES * rows):
        raise CallError(f"{len(content)} bytes are no whole number of floats for {rows} patches")
    return np.frombuffer(content, np.float32).reshape(rows, -1)
