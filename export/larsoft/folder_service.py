"""A model of a folder as a server would show it, answered in this process."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from export.larsoft.service import CallError
from lartpc.errors import UserError
from lartpc.served.contract import PATCH
from lartpc.served.model_config import CONFIG_FILE, parse_config, read_config_file
from lartpc.served.types import NUMPY_TYPES


class FolderService:
    """The models of a repository, for one of which each call is.

    Args:
        repository: folder that Triton would serve.

    Raises:
        UserError: there is no such folder.
    """

    def __init__(self, repository: Path) -> None:
        if not repository.is_dir():
            raise UserError(f"no folder {repository}")
        self.repository = repository
        self._sessions = lru_cache(maxsize=1)(self._session)

    @property
    def place(self) -> str:
        """Where it is."""
        return str(self.repository)

    def models(self) -> dict[str, bool]:
        """Of those that have a configuration."""
        names = sorted(path.parent.name for path in self.repository.glob(f"*/{CONFIG_FILE}"))
        return {name: self.config(name).parameters["contract"].string_value == PATCH.name for name in names}

    def config(self, model: str, version: str = "") -> ModelConfig:
        """The configuration in its folder."""
        folder = self.repository / model
        return parse_config(read_config_file(folder), str(folder / CONFIG_FILE))

    def metadata(self, model: str, version: str) -> Any:
        """As Triton makes it of the configuration: a shape begins with -1 where there are batches."""
        config = self.config(model)
        batch = [-1] if config.max_batch_size else []

        def tensors(of_config: Any) -> list[Any]:
            return [
                service_pb2.ModelMetadataResponse.TensorMetadata(
                    name=each.name, datatype=type_name(each.data_type), shape=[*batch, *each.dims]
                )
                for each in of_config
            ]

        return service_pb2.ModelMetadataResponse(
            name=config.name, inputs=tensors(config.input), outputs=tensors(config.output)
        )

    def statistics(self, model: str, version: str) -> Any:
        """Of a server that has answered nothing."""
        response = service_pb2.ModelStatisticsResponse()
        response.model_stats.add(name=model)
        return response

    def labels(self, model: str, output: str, columns: int) -> tuple[str, ...]:
        """Of the file that the configuration names."""
        names = {each.name: each.label_filename for each in self.config(model).output}
        if not names.get(output):
            return ()
        path = self.repository / model / names[output]
        try:
            return tuple(path.read_text(encoding="utf-8").split())
        except (OSError, ValueError) as error:
            raise CallError(f"its labels {path} cannot be read ({error})") from error

    def infer(self, request: Any, timeout_s: float | None = None) -> Any:
        """Answered by ONNX Runtime, after what Triton looks at."""
        config = self._of_graph(request.model_name)
        (tensor,) = request.inputs
        rows = tensor.shape[0] if tensor.shape else 0
        if config.max_batch_size and rows > config.max_batch_size:
            raise CallError(f"a batch of {rows} is over the limit of {config.max_batch_size}")
        dtype = np.dtype(NUMPY_TYPES.get(tensor.datatype, np.float32))
        try:
            values = np.frombuffer(request.raw_input_contents[0], dtype).reshape(tuple(tensor.shape))
        except ValueError as error:
            sizes = list(tensor.shape)
            raise CallError(f"input {tensor.name} of {tensor.datatype} {sizes}: {error}") from error
        session = self._sessions(config.name)
        wanted = [each.name for each in request.outputs] or [each.name for each in config.output]
        try:
            arrays = session.run(wanted, {tensor.name: values})
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise CallError(f"its graph does not run: {error}") from error
        response = service_pb2.ModelInferResponse(model_name=config.name)
        for name, array in zip(wanted, arrays, strict=True):
            response.outputs.add(name=name, shape=list(array.shape))
            response.raw_output_contents.append(np.ascontiguousarray(array).tobytes())
        return response

    def metadata_of_graph(self, model: str) -> dict[str, str]:
        """What the ONNX graph of the version that a server loads says of itself."""
        session = self._sessions(self._of_graph(model).name)
        found: dict[str, str] = session.get_modelmeta().custom_metadata_map
        return found

    def runs_here(self, model: str) -> bool:
        """Whether its graph is one that ONNX Runtime answers."""
        config = self._of_graph(model)
        return "onnxruntime" in (config.backend or config.platform)

    def _of_graph(self, model: str) -> ModelConfig:
        """The configuration of the model that has the graph: of an ensemble of one step, the step's."""
        config = self.config(model)
        steps = config.ensemble_scheduling.step
        return self.config(steps[0].model_name) if len(steps) == 1 else config

    def _session(self, model: str) -> Any:
        import onnxruntime

        folder, config = self.repository / model, self.config(model)
        there = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
        shown = [number for number in config.version_policy.specific.versions if number in there]
        if not (shown or there):
            raise CallError(f"{folder} shows no version that is there")
        graph = folder / str(max(shown or there)) / (config.default_model_filename or "model.onnx")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(str(graph), options, ["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise CallError(f"ONNX Runtime does not load {graph}: {error}") from error


def type_name(number: int) -> str:
    """A type of a configuration in the words of metadata."""
    known = number in DataType.values()
    return DataType.Name(number).removeprefix("TYPE_") if known else f"type {number}"
