"""INT8 against FP32 on one thread, its share of the processor's integer peak, and where its time goes."""

import json
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.record import Figure, record
from export.gate.sample import GateSample
from export.graph.fp32 import fp32_graph
from export.graph.precision import rewrite
from export.graph.quantization import canonical_int8, cpu_int8
from export.graph.wide_convolution import widen_first_convolution
from export.variants import BY_SUFFIX
from lartpc.command import run
from lartpc.served.contract import INPUT_NAME
from training.network.checkpoint import load_checkpoint
from training.network.networks import multiply_adds

CHECKPOINT = Path("runs/published/calibrated.ckpt")
ROUNDS = 7
PATCHES = {1: 64, 256: 1024}
"""Batch size -> patches of a round."""
UNGUARDED = "int8 that hides NaN"
GOALS = {1: ">= 4", 256: ">= 1.6"}
SIDE = 1024
"""Of the square matrices of the peak."""


def benchmark(checkpoint: Path = CHECKPOINT, rounds: int = ROUNDS) -> None:
    """Measure INT8 against FP32 on one thread, against the processor's integer product, and by operator.

    Args:
        checkpoint: an FP32 checkpoint of training.fit, with its gate.h5 beside it.
        rounds: of each figure, interleaved.
    """
    trained = load_checkpoint(checkpoint)
    sample = GateSample(trained, trained)
    fp32 = fp32_graph(trained)
    graphs = {
        "fp32": fp32,
        "int8": rewrite(fp32, BY_SUFFIX["int8"], sample.calibration),
        UNGUARDED: cpu_int8(canonical_int8(widen_first_convolution(fp32), sample.calibration)),
        "int8, one pixel at a time": cpu_int8(canonical_int8(fp32, sample.calibration)),
    }
    patches = sample.held_out.patches(slice(0, max(PATCHES.values())))
    sessions = {name: session(graph) for name, graph in graphs.items()}
    peaks = {kind: peak(kind) for kind in ("fp32", "int8")}
    figures = [Figure(f"{kind} matrix product", value, "GOP/s") for kind, value in peaks.items()]
    operations = 2 * multiply_adds(trained.name)
    for batch, count in PATCHES.items():
        rates = measure(sessions, patches[:count], batch, rounds)
        for name, values in rates.items():
            figures.append(Figure(f"{name}, batch {batch}", median(values), "patches/s"))
        for name in list(rates)[1:]:
            ratios = [ours / theirs for ours, theirs in zip(rates[name], rates["fp32"], strict=True)]
            goal = GOALS[batch] if name == "int8" else ""
            figures.append(Figure(f"{name} / fp32, batch {batch}", median(ratios), "ratio", goal))
        guard = [ours / theirs for ours, theirs in zip(rates["int8"], rates[UNGUARDED], strict=True)]
        figures.append(Figure(f"int8 / {UNGUARDED}, batch {batch}", median(guard), "ratio"))
    reached = {kind: median(rates[kind]) * operations / 1e9 for kind in peaks}
    for kind, value in reached.items():
        figures.append(Figure(f"{kind}, batch 256", value, "GOP/s"))
        figures.append(Figure(f"{kind}, of the matrix product", value / peaks[kind], "share"))
    for name, microseconds in operators(graphs["int8"], patches):
        figures.append(Figure(f"int8: {name}", microseconds, "us a patch"))
    record(f"Integer kernels, {trained.name} network, one thread", "integer_kernels", figures)


def session(graph: onnx.ModelProto, profile: str = "") -> onnxruntime.InferenceSession:
    """A session of one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, ["CPUExecutionProvider"])


def answer(opened: onnxruntime.InferenceSession, patches: np.ndarray, batch: int) -> float:
    """Patches per second."""
    start = perf_counter()
    for first in range(0, len(patches), batch):
        opened.run(None, {INPUT_NAME: patches[first : first + batch]})
    return len(patches) / (perf_counter() - start)


def measure(sessions: dict, patches: np.ndarray, batch: int, rounds: int) -> dict[str, list[float]]:
    """Rates of each session, in rounds that take turns; the first round warms up."""
    rates: dict[str, list[float]] = {name: [] for name in sessions}
    for number in range(rounds + 1):
        for name, opened in sessions.items():
            rate = answer(opened, patches, batch)
            if number:
                rates[name].append(rate)
    return rates


def peak(kind: str) -> float:
    """Best rate of a large matrix product, in GOP/s: FP32, or uint8 with int8."""
    random = np.random.default_rng(1)
    numbers = random.integers(0, 255, (2, SIDE, SIDE))
    if kind == "int8":
        operator, left, right = "MatMulInteger", numbers[0].astype(np.uint8), (numbers[1] // 2 - 64)
        right, made = right.astype(np.int8), TensorProto.INT32
    else:
        operator, made = "MatMul", TensorProto.FLOAT
        left, right = numbers.astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node(operator, ["left", "right"], ["product"])],
        "product",
        [helper.make_tensor_value_info("left", helper.np_dtype_to_tensor_dtype(left.dtype), left.shape)],
        [helper.make_tensor_value_info("product", made, left.shape)],
        [numpy_helper.from_array(right, "right")],
    )
    opened = session(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))
    seconds = []
    for _ in range(12):
        start = perf_counter()
        opened.run(None, {"left": left})
        seconds.append(perf_counter() - start)
    return 2 * SIDE**3 / min(seconds) / 1e9


def operators(graph: onnx.ModelProto, patches: np.ndarray) -> list[tuple[str, float]]:
    """Operator with its name -> microseconds a patch at batch 256, the longest first."""
    with TemporaryDirectory() as folder:
        opened = session(graph, f"{folder}/profile")
        for _ in range(ROUNDS):
            answer(opened, patches, 256)
        events = json.loads(Path(opened.end_profiling()).read_text(encoding="utf-8"))
    total: dict[str, float] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = f"{event['args']['op_name']} {event['name'].removesuffix('_kernel_time')}"
            total[name] = total.get(name, 0.0) + event["dur"] / ROUNDS / len(patches)
    return sorted(total.items(), key=lambda item: -item[1])[:6]


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(benchmark, args, prog="python -m benchmarks.integer_kernels")


if __name__ == "__main__":
    raise SystemExit(main())
