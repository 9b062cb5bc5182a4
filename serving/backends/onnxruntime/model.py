"""The backend ``onnxruntime`` of the embedded server: ONNX Runtime on CPU, one process per instance.

It serves models whose config.pbtxt says ``backend: "onnxruntime"`` where Triton's native backend
of that name is not installed, and understands the same parameters: ``intra_op_thread_count``,
``inter_op_thread_count``, ``execution_mode`` and ``optimization.graph.level``. One is its own:
``max_rows_per_run``, the rows of one run of the session. A larger batch is run in slices, which
bounds the memory of the activations and is faster, because they stay nearer to the caches. Weights whose
SHA-256 is not that of config.pbtxt or of the manifest beside them are not loaded, nor is a version with an
altered manifest.

Runs in the server's environment: numpy 1, onnxruntime and the standard library only.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils

MAX_ROWS_PER_RUN = 256
MANIFEST_FILE = "manifest.json"


class TritonPythonModel:
    """One instance of one version of one model."""

    def initialize(self, args):
        """Open the version's ONNX file; a wrong config or file fails the load with its reason."""
        if int(np.__version__.split(".")[0]) >= 2:
            raise pb_utils.TritonModelException(
                f"numpy {np.__version__} in the server's environment empties every output; install numpy<2"
            )
        config = json.loads(args["model_config"])
        path = Path(pb_utils.get_model_dir()) / (config.get("default_model_filename") or "model.onnx")
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]
        self.batching = config["max_batch_size"] > 0
        self.max_rows = _parameter(config, "max_rows_per_run", MAX_ROWS_PER_RUN, least=1)
        _check_weights(config, path, args["model_version"])
        self.session = _open_session(config, path)
        self._check_names(path)

    def execute(self, requests):
        """Run the merged batch of all requests; where that fails, run each alone.

        A request that cannot be run then gets its own error and does not fail its neighbours.
        """
        rows = [
            [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs]
            for request in requests
        ]
        if len(requests) == 1 or not self.batching:
            return [
                self._answer_alone(request, arrays) for request, arrays in zip(requests, rows, strict=True)
            ]
        try:
            merged = self._run([np.concatenate(column) for column in zip(*rows, strict=True)])
        except Exception:
            return [
                self._answer_alone(request, arrays) for request, arrays in zip(requests, rows, strict=True)
            ]
        ends = np.cumsum([len(arrays[0]) for arrays in rows])[:-1]
        answers = zip(*(np.split(output, ends) for output in merged), strict=True)
        return [self._respond(request, outputs) for request, outputs in zip(requests, answers, strict=True)]

    def finalize(self):
        """Release the session."""
        self.session = None

    def _check_names(self, path):
        for kind, named, present in (
            ("input", self.inputs, [tensor.name for tensor in self.session.get_inputs()]),
            ("output", self.outputs, [tensor.name for tensor in self.session.get_outputs()]),
        ):
            if not set(named) <= set(present):
                raise pb_utils.TritonModelException(
                    f"config.pbtxt names {kind} {named}, but {path} has {present}"
                )

    def _answer_alone(self, request, arrays):
        try:
            return self._respond(request, self._run(arrays))
        except Exception as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"onnxruntime: {error}"))

    def _run(self, arrays):
        rows = len(arrays[0]) if self.batching else 1
        if rows <= self.max_rows:
            return self.session.run(self.outputs, dict(zip(self.inputs, arrays, strict=True)))
        slices = [slice(first, first + self.max_rows) for first in range(0, rows, self.max_rows)]
        parts = [
            self.session.run(
                self.outputs, {name: a[part] for name, a in zip(self.inputs, arrays, strict=True)}
            )
            for part in slices
        ]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def _respond(self, request, outputs):
        wanted = request.requested_output_names()
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor(name, np.ascontiguousarray(output))
                for name, output in zip(self.outputs, outputs, strict=True)
                if name in wanted
            ]
        )


def _check_weights(config, path, version):
    """Refuse weights that are not those of the configuration and of the manifest beside them."""
    if not path.is_file():
        raise pb_utils.TritonModelException(f"there is no file {path}")
    parameters = config.get("parameters", {})
    digest, manifest_digest = (
        parameters.get(f"v{version}.{key}", {}).get("string_value") for key in ("digest", "manifest")
    )
    manifest = path.with_name(MANIFEST_FILE)
    with path.open("rb") as file:
        weights_digest = hashlib.file_digest(file, "sha256").hexdigest()
    _compare(path, weights_digest, digest, "config.pbtxt")
    if not manifest.is_file():
        return
    content = manifest.read_bytes()
    _compare(manifest, hashlib.sha256(content).hexdigest(), manifest_digest, "config.pbtxt")
    try:
        recorded = json.loads(content)["files"][path.name]
    except (ValueError, KeyError, TypeError) as error:
        raise pb_utils.TritonModelException(f"{manifest} is not a manifest: {error!r}") from error
    _compare(path, weights_digest, recorded, MANIFEST_FILE)


def _compare(path, digest, expected, source):
    if expected and expected != digest:
        raise pb_utils.TritonModelException(
            f"{path} was altered: SHA-256 {digest[:12]}, by {source} {expected[:12]}; fetch it anew"
        )


def _open_session(config, path):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = _parameter(config, "intra_op_thread_count", 0)
    options.inter_op_num_threads = _parameter(config, "inter_op_thread_count", 0)
    if _parameter(config, "execution_mode", 0) == 1:
        options.execution_mode = ort.ExecutionMode.ORT_PARALLEL
    level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
    if level != 0:
        levels = ort.GraphOptimizationLevel
        options.graph_optimization_level = (
            levels.ORT_ENABLE_BASIC if level < 0 else levels.ORT_ENABLE_EXTENDED
        )
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise pb_utils.TritonModelException(f"cannot open {path}: {error}") from error


def _parameter(config, name, default, least=0):
    text = config.get("parameters", {}).get(name, {}).get("string_value") or str(default)
    if not text.isdigit() or int(text) < least:
        raise pb_utils.TritonModelException(f"parameter {name} is {text!r}, not a number of at least {least}")
    return int(text)
