"""The graphs that GPUs are served, in ONNX Runtime on a GPU: parity with the golden hits, and speed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import onnxruntime

from benchmarks.record import Figure
from export.repository.find import find_models
from export.store.folder import FolderStore
from export.variants import ServedModel
from lartpc.errors import UserError
from lartpc.served.contract import CLASS_OUTPUT, INPUT_NAME, MICHEL_OUTPUT, PATCH
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import GOLDEN_FILE, MODEL_FILE, Manifest
from lartpc.served.parity import Request, compare
from lartpc.served.session import GraphSession

PROVIDERS = {
    "CUDA": ("CUDAExecutionProvider", {"use_tf32": "0"}),
    "CUDA with TF32": ("CUDAExecutionProvider", {"use_tf32": "1"}),
    "TensorRT": ("TensorrtExecutionProvider", {}),
}
"""What ONNX Runtime may answer with; TF32 is its default, and moves FP32 graphs alone."""

BATCHES = (256, 2048, 8192)
ROUNDS = 9


@dataclass(frozen=True)
class Served:
    """A version of a model whose graph is served on GPUs."""

    model: ServedModel
    manifest: Manifest
    folder: Path

    @property
    def golden(self) -> GoldenHits:
        return GoldenHits.read(self.folder / GOLDEN_FILE, self.model.variant.contract)


def served_on_gpus(repository: Path) -> Iterator[Served]:
    """The latest version of every model whose graph a GPU answers, and of FP32, of each network once."""
    for model in find_models(FolderStore(repository)).models:
        of = model.served
        if of.variant.backend == "onnxruntime" and (of.variant.gpu or of.variant.precision == "fp32"):
            manifest = model.manifests[max(model.manifests)]
            yield Served(of, manifest, repository / model.name / str(manifest.version))


def graph_figures(served: Served) -> tuple[list[Figure], list[str]]:
    """Figures of a graph by each provider that is there, and what exceeds the version's tolerances."""
    figures: list[Figure] = []
    faults: list[str] = []
    for name, (provider, options) in PROVIDERS.items():
        exact = served.model.variant.precision != "fp32"
        if provider not in onnxruntime.get_available_providers() or (exact and name == "CUDA with TF32"):
            continue
        what = f"{served.model.name}, {name}"
        try:
            session = GraphSession(served.folder / MODEL_FILE, provider=provider, options=options)
        except UserError as error:
            faults.append(str(error))
            continue
        golden = served.golden
        parity = compare(session.answer_requests(golden.requests), golden.outputs)
        beyond = parity.beyond(served.manifest.tolerances, served.manifest.class_agreement)
        faults += [f"{what}: {fault}" for fault in beyond]
        figures += [
            Figure(f"{what}: class", parity.max_dp[CLASS_OUTPUT], "max |dp|"),
            Figure(f"{what}: Michel", parity.max_dp[MICHEL_OUTPUT], "max |dp|"),
        ]
        for label, request in requests(served, golden):
            hits = len(next(reversed(request.values())))
            figures.append(Figure(f"{what}: {label}", hits / seconds(session, request), "hits/s"))
    return figures, faults


def requests(served: Served, golden: GoldenHits) -> Iterator[tuple[str, Request]]:
    """Requests to time, made of golden hits."""
    if served.model.variant.contract is PATCH:
        patches = golden.requests[0][INPUT_NAME]
        for batch in BATCHES:
            yield f"batch {batch}", {INPUT_NAME: np.resize(patches, (batch, *patches.shape[1:]))}
        return
    largest = max(golden.requests, key=lambda request: len(next(reversed(request.values()))))
    hits = len(next(reversed(largest.values())))
    yield f"plane of {hits} hits", largest


def seconds(session: GraphSession, request: Request) -> float:
    """Of a request, its copies to the GPU and back counted: the median of some after the first ones."""
    taken = []
    for _ in range(ROUNDS):
        start = perf_counter()
        session.answer_requests([request])
        taken.append(perf_counter() - start)
    return median(taken[2:])
