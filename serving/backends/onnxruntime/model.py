"""The backend ``onnxruntime`` of the embedded server: ONNX Runtime on CPU, one process per instance.

It serves models whose config.pbtxt says ``backend: "onnxruntime"`` where Triton's native backend
of that name is not installed, and understands the same parameters: ``intra_op_thread_count``,
``inter_op_thread_count``, ``execution_mode`` and ``optimization.graph.level``. One is its own:
``max_rows_per_run``, the rows of one run of the session. A larger batch is run in slices, which
bounds the memory of the activations and is faster, because they stay nearer to the caches. A request of a
model whose ``contract`` is of planes is refused where a pixel, a run or a hit is none. Weights whose
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
LEAST_UNIT, MOST_UNIT = -5.0, 15.0
"""Of a plane's pixels: lartpc.adc_scale."""
MOST_PIXELS = 1 << 25
"""Of a plane with its margin: DUNE's far detector has 24 million, in 2 x 1148 wires by 10,000."""
MARGIN = 48

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
        contract = config.get("parameters", {}).get("contract", {}).get("string_value", "")
        self.of_planes = contract.startswith("plane")
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
            if self.of_planes:
                _check_plane(dict(zip(self.inputs, arrays, strict=True)))
        except ValueError as error:
            return _refusal(error, pb_utils.TritonError.INVALID_ARG)
        try:
            return self._respond(request, self._run(arrays))
        except Exception as error:
            return _refusal(error, pb_utils.TritonError.INTERNAL)

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


def _refusal(error, code):
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"onnxruntime: {error}", code))


def _check_plane(request):
    """Refuse a plane request that the graph would answer with NaN, or with scores that mean nothing."""
    if "run" in request:
        shape = tuple(request["plane_shape"].tolist())
        _check_runs(shape, request["run"].astype(np.int64), len(request["value"]))
    else:
        shape = request["plane_image"].shape
        _check_size(shape)
        if request["plane_image"].dtype != np.uint8:
            _check_pixels(request["plane_image"])
    hit = request["hit_pixel"]
    outside = ((hit < 0) | (hit >= shape)).any(axis=1)
    if outside.any():
        number = int(np.argmax(outside))
        raise ValueError(
            f"hit {number} at wire {hit[number, 0]}, pixel {hit[number, 1]} lies outside of its plane of "
            f"{shape[0]} wires and {shape[1]} pixels; it is one of {np.count_nonzero(outside)}"
        )


def _check_size(shape):
    if min(shape) < 0 or (shape[0] + MARGIN) * (shape[1] + MARGIN) > MOST_PIXELS:
        raise ValueError(f"a plane of {shape[0]} wires and {shape[1]} pixels is none")


def _check_pixels(image):
    finite = np.isfinite(image)
    if not finite.all():
        wire, pixel = np.argwhere(~finite)[0]
        raise ValueError(f"the plane's image holds NaN or infinity, first at wire {wire}, pixel {pixel}")
    if image.size and not LEAST_UNIT <= image.min() <= image.max() <= MOST_UNIT:
        raise ValueError(
            f"the plane's image reaches from {image.min():g} to {image.max():g}; network units lie within "
            f"[{LEAST_UNIT:g}, {MOST_UNIT:g}]: it may be in ADC"
        )


def _check_runs(shape, runs, values):
    wire, first, length = runs.T
    _check_size(shape)
    if length.sum() != values:
        raise ValueError(f"the runs hold {length.sum()} pixels, and {values} values came with them")
    leaving = (wire >= shape[0]) | (first + length > shape[1])
    begin = wire * shape[1] + first
    overlapping = np.zeros(len(runs), bool)
    overlapping[1:] = begin[1:] < (begin + length)[:-1]
    for fault, what in (
        (leaving, "leaves the plane"),
        (overlapping, "begins before the end of the last"),
    ):
        if fault.any():
            number = int(np.argmax(fault))
            raise ValueError(
                f"run {number} at wire {wire[number]}, pixel {first[number]}, of {length[number]} pixels, "
                f"{what}; the plane has {shape[0]} wires and {shape[1]} pixels"
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
