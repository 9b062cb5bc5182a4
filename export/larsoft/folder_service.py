"""A model of a folder as a server would show it, answered in this process."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from export.larsoft.service import CallError, for_jobs
from lartpc.errors import UserError
from lartpc.served.manifest import MANIFEST_FILE, Manifest
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
        return {name: self._is_for_jobs(name) for name in names}

    def has(self, model: str) -> bool:
        """Whether it has a configuration."""
        return (self.repository / model / CONFIG_FILE).is_file()

    def _is_for_jobs(self, model: str) -> bool:
        """Also where its configuration cannot be read, which is told then."""
        try:
            return for_jobs(self.config(model))
        except UserError:
            return True

    def config(self, model: str, version: str = "") -> ModelConfig:
        """The configuration in its folder."""
        folder = self.repository / model
        return parse_config(read_config_file(folder), str(folder / CONFIG_FILE))

    def metadata(self, model: str, version: str) -> Any:
        """As Triton makes it of the configuration: a shape begins with -1 where there are batches."""
        config = self.config(model)
        if config.name not in ("", model):
            raise CallError(f"its configuration is of a model {config.name!r}; Triton refuses that")
        batch = [-1] if config.max_batch_size else []

        def tensors(of_config: Any) -> list[Any]:
            return [
                service_pb2.ModelMetadataResponse.TensorMetadata(
                    name=each.name, datatype=type_name(each.data_type), shape=[*batch, *each.dims]
                )
                for each in of_config
            ]

        return service_pb2.ModelMetadataResponse(
            name=model, inputs=tensors(config.input), outputs=tensors(config.output)
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
        name = self._of_graph(request.model_name)
        config = self.config(request.model_name)
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
        session = self._sessions(name)
        wanted = [each.name for each in request.outputs] or [each.name for each in config.output]
        try:
            arrays = session.run(wanted, {tensor.name: values})
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise CallError(f"its graph does not run: {error}") from error
        response = service_pb2.ModelInferResponse(model_name=request.model_name)
        for output, array in zip(wanted, arrays, strict=True):
            response.outputs.add(name=output, shape=list(array.shape))
            response.raw_output_contents.append(np.ascontiguousarray(array).tobytes())
        return response

    def metadata_of_graph(self, model: str) -> dict[str, str]:
        """What the ONNX graph of the version that a server loads says of itself."""
        session = self._sessions(self._of_graph(model))
        found: dict[str, str] = session.get_modelmeta().custom_metadata_map
        return found

    def score_scale_of(self, model: str, version: int) -> str | None:
        """The scale of a version's scores by its manifest; None where it has none that says it."""
        folder = self.repository / self._of_graph(model) / str(version)
        return Manifest.read(folder).score_scale if (folder / MANIFEST_FILE).is_file() else None

    def why_not_here(self, model: str) -> str:
        """Why its answers are not asked in this process; empty where they are.

        Raises:
            CallError: no server would serve it.
        """
        config = self.config(model)
        if len(config.ensemble_scheduling.step) > 1:
            return f"it is an ensemble of {len(config.ensemble_scheduling.step)} steps: ask a server"
        name = self._of_graph(model)
        config = self.config(name)
        if (
            any(group.kind == group.KIND_GPU for group in config.instance_group)
            and config.backend == "tensorrt"
        ):
            return "a plan needs a GPU"
        kind = config.backend or config.platform or "onnxruntime"
        return "" if "onnxruntime" in kind else f"it is of backend {kind}: ask a server"

    def _of_graph(self, model: str) -> str:
        """The model that has the graph: of an ensemble of one step, the step's.

        Raises:
            CallError: the step leads nowhere, or in a circle, or hands tensors on under other names.
        """
        name, passed = model, []
        while len(steps := self.config(name).ensemble_scheduling.step) == 1:
            passed.append(name)
            if not any(path.name.isdecimal() for path in (self.repository / name).iterdir()):
                raise CallError(f"{self.repository / name} has no folder of a version")
            step = steps[0]
            for tensors in (step.input_map, step.output_map):
                if renamed := {each: other for each, other in tensors.items() if each != other}:
                    raise CallError(f"{name} hands tensors on under other names ({renamed})")
            wanted = {each.name for each in self.config(name).output}
            if missing := wanted - set(step.output_map.values()):
                raise CallError(f"{name} gets no output {', '.join(sorted(missing))} from {step.model_name}")
            if step.model_name in passed:
                raise CallError(f"it points in a circle: {' -> '.join([*passed, step.model_name])}")
            if not self.has(step.model_name):
                raise CallError(f"it points at {step.model_name}, which is not there")
            if step.model_version not in (-1, *self._shown(step.model_name)):
                raise CallError(
                    f"it asks {step.model_name} for version {step.model_version}, which is not shown"
                )
            name = step.model_name
        return name

    def _shown(self, model: str) -> list[int]:
        """Versions that a server loads.

        Raises:
            CallError: there is none.
        """
        folder = self.repository / model
        there = sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
        named = list(self.config(model).version_policy.specific.versions)
        shown = [number for number in named if number in there] if named else there[-1:]
        if not shown:
            raise CallError(f"{folder} shows version {named or 'none'}, and has {there or 'none'}")
        return shown

    def _session(self, model: str) -> Any:
        import onnxruntime

        config = self.config(model)
        version = self.repository / model / str(max(self._shown(model)))
        graph = version / (config.default_model_filename or "model.onnx")
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
