"""Served FP32 over gRPC against ONNX Runtime in process, and what dynamic batching merges.

Both sides run the same weights with the same number of threads, in interleaved rounds. The
server is the embedded Triton; its own statistics tell where a request's time goes.
"""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
import tritonclient.grpc as triton
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from benchmarks.record import Figure, record
from export.triton import main as export
from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAMES
from lartpc.served.manifest import MODEL_FILE
from lartpc.served.model_config import CONFIG_FILE
from lartpc.served.names import served_name
from serving.triton import TritonServer

MODEL = served_name("fp32")
UNMERGED = f"{MODEL}_unmerged"
CHECKPOINT = Path("runs/quick/calibrated.ckpt")
BATCH = 256
ROUNDS = 7
REQUESTS_A_ROUND = 8
IN_FLIGHT = 64
SINGLE_PATCHES = {MODEL: 4096, UNMERGED: 1024}
"""Requests of one patch each, with and without dynamic batching."""

STAGES = ("queue", "compute_input", "compute_infer", "compute_output")
"""Of Triton's statistics: waiting for others, copy to the backend, run there, copy back."""


def main() -> None:
    """Measure and record."""
    with TemporaryDirectory() as folder:
        repository = Path(folder)
        weights = fill(repository)
        with TritonServer(repository) as server, triton.InferenceServerClient(server.grpc) as client:
            figures = [*throughput(client, weights), *merging(client)]
    record(f"Serving of {MODEL}, batch {BATCH}, median of {ROUNDS} rounds", "serving", figures)


def fill(repository: Path) -> Path:
    """Copy the latest exported FP32 model as it is, and once without dynamic batching."""
    with TemporaryDirectory() as exported:
        if export(["--precision=fp32", f"--checkpoint={CHECKPOINT}", f"--repository={exported}"]) != 0:
            raise SystemExit(1)
        shutil.copytree(Path(exported, MODEL), repository / MODEL)
    shutil.copytree(repository / MODEL, repository / UNMERGED)
    path = repository / UNMERGED / CONFIG_FILE
    config = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    config.name = UNMERGED
    config.ClearField("dynamic_batching")
    path.write_text(text_format.MessageToString(config))
    return repository / MODEL / "1" / MODEL_FILE


def throughput(client: triton.InferenceServerClient, weights: Path) -> list[Figure]:
    """Patches a second of one sequential client, and where the difference goes."""
    session = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    patches = np.random.default_rng(1).normal(0, 3, (BATCH, *INPUT_SHAPE)).clip(-5, 15).astype(np.float32)

    def in_process() -> None:
        session.run(list(OUTPUT_NAMES), {INPUT_NAME: patches})

    def served() -> None:
        result = client.infer(MODEL, [tensor_of(patches)])
        for name in OUTPUT_NAMES:
            result.as_numpy(name)

    in_process()
    served()
    before = statistics(client, MODEL)
    local_s, served_s = [], []
    for _ in range(ROUNDS):
        local_s.append(seconds_a_call(in_process))
        served_s.append(seconds_a_call(served))
    after = statistics(client, MODEL)
    requests = after["success"][0] - before["success"][0]
    stage_ms = {
        stage: (after[stage][1] - before[stage][1]) / requests / 1e6 for stage in (*STAGES, "success")
    }
    whole_ms, local_ms = 1e3 * median(served_s), 1e3 * median(local_s)
    write_ms = 1e3 * seconds_a_call(lambda: serialised(patches))
    return [
        Figure("ONNX Runtime in process", BATCH / median(local_s), "patches/s"),
        Figure("served over gRPC", BATCH / median(served_s), "patches/s"),
        Figure(
            "served / in process",
            median(ours / theirs for ours, theirs in zip(local_s, served_s, strict=True)),
            "ratio",
            ">= 0.75",
        ),
        Figure("a request, in process", local_ms, "ms"),
        Figure("a request, served", whole_ms, "ms"),
        Figure("  waiting for others to merge with", stage_ms["queue"], "ms"),
        Figure("  copy into the backend", stage_ms["compute_input"], "ms"),
        Figure("  run in the backend", stage_ms["compute_infer"], "ms"),
        Figure("  copy out of the backend", stage_ms["compute_output"], "ms"),
        Figure("  serialisation by the client", write_ms, "ms"),
        Figure("  transport and the rest", whole_ms - stage_ms["success"] - write_ms, "ms"),
    ]


def merging(client: triton.InferenceServerClient) -> list[Figure]:
    """Rows of one execution where 64 requests of one patch are in flight."""
    figures = []
    for name, what, goal in ((MODEL, "with", ">= 16"), (UNMERGED, "without", "1")):
        before = statistics(client, name)
        start = perf_counter()
        keep_in_flight(client, name, SINGLE_PATCHES[name])
        seconds = perf_counter() - start
        after = statistics(client, name)
        rows = (after["rows"] - before["rows"]) / (after["executions"] - before["executions"])
        figures += [
            Figure(f"rows an execution, {what} dynamic batching", rows, "rows", goal),
            Figure(f"batch 1, {IN_FLIGHT} in flight, {what}", SINGLE_PATCHES[name] / seconds, "patches/s"),
        ]
    return figures


def keep_in_flight(client: triton.InferenceServerClient, model: str, requests: int) -> None:
    """Send requests of one patch, always IN_FLIGHT at a time, and wait for all answers."""
    patch = [tensor_of(np.zeros((1, *INPUT_SHAPE), np.float32))]
    free = threading.Semaphore(IN_FLIGHT)
    errors: list[Exception] = []

    def answered(result: triton.InferResult | None, error: Exception | None) -> None:
        if error is not None:
            errors.append(error)
        free.release()

    for _ in range(requests):
        free.acquire()
        client.async_infer(model, patch, callback=answered)
    for _ in range(IN_FLIGHT):
        free.acquire()
    if errors:
        raise errors[0]


def tensor_of(patches: np.ndarray) -> triton.InferInput:
    """The request's tensor."""
    tensor = triton.InferInput(INPUT_NAME, list(patches.shape), "FP32")
    tensor.set_data_from_numpy(patches)
    return tensor


def serialised(patches: np.ndarray) -> bytes:
    """The request as bytes, as the client makes it before it sends."""
    request = triton.service_pb2.ModelInferRequest(model_name=MODEL)
    request.raw_input_contents.append(patches.tobytes())
    return request.SerializeToString()


def seconds_a_call(call: Callable[[], Any]) -> float:
    """Mean seconds of a few calls in a row."""
    start = perf_counter()
    for _ in range(REQUESTS_A_ROUND):
        call()
    return (perf_counter() - start) / REQUESTS_A_ROUND


def statistics(client: triton.InferenceServerClient, model: str) -> dict[str, Any]:
    """Triton's counters of a model: rows, executions, and (count, ns) of each stage of its requests."""
    stats = client.get_inference_statistics(model).model_stats[0]
    stages = {
        stage: (getattr(stats.inference_stats, stage).count, getattr(stats.inference_stats, stage).ns)
        for stage in (*STAGES, "success")
    }
    return {"rows": stats.inference_count, "executions": stats.execution_count, **stages}


if __name__ == "__main__":
    main()
