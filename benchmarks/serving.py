"""Served networks over gRPC against ONNX Runtime in process, and what dynamic batching merges.

Both sides run the same weights with the same number of threads, in interleaved rounds. The
server is the embedded Triton; its own statistics tell where a request's time goes.
"""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2

from benchmarks.record import Figure, record
from export.triton import main as export
from lartpc.command import run
from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAMES
from lartpc.served.manifest import MODEL_FILE
from lartpc.served.model_config import CONFIG_FILE
from lartpc.served.names import served_name
from serving.answers import counter
from serving.connection import Connection
from serving.triton import TritonServer

MODEL = served_name("fp32")
UNMERGED = f"{MODEL}_unmerged"
VERSION = 1
CHECKPOINT = Path("runs/published/calibrated.ckpt")
BATCH = 256
ROUNDS = 7
REQUESTS_A_ROUND = 8
IN_FLIGHT = 64
COMPACT = ("fp32", "int8")
"""Precisions of the network that comes along; a request of 2.4 MB costs the same and its run much less."""

SINGLE_PATCHES = {MODEL: 4096, UNMERGED: 1024}
"""Requests of one patch each, with and without dynamic batching."""

STAGES = ("queue", "compute_input", "compute_infer", "compute_output")
"""Of Triton's statistics: waiting for others, copy to the backend, run there, copy back."""


def benchmark(checkpoint: Path = CHECKPOINT, rounds: int = ROUNDS) -> None:
    """Measure served networks over gRPC against ONNX Runtime in process, and what dynamic batching merges.

    Args:
        checkpoint: a checkpoint of the published network, of training.fit, with its gate.h5 beside it.
        rounds: of each figure, interleaved.
    """
    with TemporaryDirectory() as folder:
        repository = Path(folder)
        fill(repository, checkpoint)
        models = [MODEL, *(served_name(precision, "compact") for precision in COMPACT)]
        with TritonServer(repository) as server:
            figures = [
                figure
                for model in models
                for figure in throughput(server.connection, model, weights_of(repository, model), rounds)
            ]
            figures += merging(server.connection)
    record(f"Serving, batch {BATCH}, median of {rounds} rounds", "serving", figures)


def fill(repository: Path, checkpoint: Path) -> None:
    """Export the published network's FP32, once without dynamic batching too, and the compact network."""
    with TemporaryDirectory() as exported:
        sources = [(checkpoint, "fp32"), *(("shipped:compact", precision) for precision in COMPACT)]
        for source, precision in sources:
            options = [f"--precision={precision}", f"--checkpoint={source}", f"--repository={exported}"]
            if export(options) != 0:
                raise SystemExit(1)
        for model in (MODEL, *(served_name(precision, "compact") for precision in COMPACT)):
            shutil.copytree(Path(exported, model), repository / model)
    shutil.copytree(repository / MODEL, repository / UNMERGED)
    path = repository / UNMERGED / CONFIG_FILE
    config = text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    config.name = UNMERGED
    config.ClearField("dynamic_batching")
    path.write_text(text_format.MessageToString(config), encoding="utf-8")


def weights_of(repository: Path, model: str) -> Path:
    """The graph of a model's one version."""
    return next((repository / model).glob(f"*/{MODEL_FILE}"))


def throughput(connection: Connection, model: str, weights: Path, rounds: int) -> list[Figure]:
    """Patches a second of one sequential client, and where the difference goes."""
    version = int(weights.parent.name)
    session = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    patches = np.random.default_rng(1).normal(0, 3, (BATCH, *INPUT_SHAPE)).clip(-5, 15).astype(np.float32)

    def in_process() -> None:
        session.run(list(OUTPUT_NAMES), {INPUT_NAME: patches})

    def served() -> None:
        connection.infer(model, version, {INPUT_NAME: patches}, OUTPUT_NAMES)

    in_process()
    served()
    before = statistics(connection, model, version)
    local_s, served_s = [], []
    for _ in range(rounds):
        local_s.append(seconds_a_call(in_process))
        served_s.append(seconds_a_call(served))
    after = statistics(connection, model, version)
    requests = after["success"][0] - before["success"][0]
    stage_ms = {
        stage: (after[stage][1] - before[stage][1]) / requests / 1e6 for stage in (*STAGES, "success")
    }
    whole_ms, local_ms = 1e3 * median(served_s), 1e3 * median(local_s)
    write_ms = 1e3 * seconds_a_call(lambda: serialised(patches))
    ratios = [ours / theirs for ours, theirs in zip(local_s, served_s, strict=True)]
    return [
        Figure(f"{model}: ONNX Runtime in process", BATCH / median(local_s), "patches/s"),
        Figure(f"{model}: served over gRPC", BATCH / median(served_s), "patches/s"),
        Figure(f"{model}: served / in process", median(ratios), "ratio", ">= 0.9"),
        Figure("a request, in process", local_ms, "ms"),
        Figure("a request, served", whole_ms, "ms"),
        Figure("  waiting for others to merge with", stage_ms["queue"], "ms"),
        Figure("  copy into the backend", stage_ms["compute_input"], "ms"),
        Figure("  run in the backend", stage_ms["compute_infer"], "ms"),
        Figure("  copy out of the backend", stage_ms["compute_output"], "ms"),
        Figure("  serialisation by the client", write_ms, "ms"),
        Figure("  transport and the rest", whole_ms - stage_ms["success"] - write_ms, "ms"),
    ]


def merging(connection: Connection) -> list[Figure]:
    """Rows of one execution where 64 requests of one patch are in flight."""
    figures = []
    for name, what, goal in ((MODEL, "with", ">= 16"), (UNMERGED, "without", "1")):
        before = statistics(connection, name, VERSION)
        start = perf_counter()
        keep_in_flight(connection, name, SINGLE_PATCHES[name])
        seconds = perf_counter() - start
        after = statistics(connection, name, VERSION)
        rows = (after["rows"] - before["rows"]) / (after["executions"] - before["executions"])
        figures += [
            Figure(f"rows an execution, {what} dynamic batching", rows, "rows", goal),
            Figure(f"batch 1, {IN_FLIGHT} in flight, {what}", SINGLE_PATCHES[name] / seconds, "patches/s"),
        ]
    return figures


def keep_in_flight(connection: Connection, model: str, requests: int) -> None:
    """Send requests of one patch, always IN_FLIGHT at a time, and wait for all answers."""
    patch = {INPUT_NAME: np.zeros((1, *INPUT_SHAPE), np.float32)}
    with ThreadPoolExecutor(IN_FLIGHT) as senders:
        for answer in [
            senders.submit(connection.infer, model, VERSION, patch, OUTPUT_NAMES) for _ in range(requests)
        ]:
            answer.result()


def serialised(patches: np.ndarray) -> bytes:
    """The request as bytes, as the client makes it before it sends."""
    request = service_pb2.ModelInferRequest(model_name=MODEL)
    request.raw_input_contents.append(patches.tobytes())
    return request.SerializeToString()


def seconds_a_call(call: Callable[[], Any]) -> float:
    """Mean seconds of a few calls in a row."""
    start = perf_counter()
    for _ in range(REQUESTS_A_ROUND):
        call()
    return (perf_counter() - start) / REQUESTS_A_ROUND


def statistics(connection: Connection, model: str, version: int) -> dict[str, Any]:
    """Triton's counters of a model: rows, executions, and (count, ns) of each stage of its requests."""
    stats = connection.statistics(model, version)
    stages = {
        stage: tuple(counter(stats.get("inference_stats", {}).get(stage, {}), key) for key in ("count", "ns"))
        for stage in (*STAGES, "success")
    }
    rows, executions = (counter(stats, key) for key in ("inference_count", "execution_count"))
    return {"rows": rows, "executions": executions, **stages}


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(benchmark, args, prog="python -m benchmarks.serving")


if __name__ == "__main__":
    raise SystemExit(main())
