"""The gate: a rewritten graph must answer like the checkpoint on held-out events, or it is not written."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from export.gates import Limits
from lartpc.contract import INPUT_NAME, OUTPUT_NAMES, Label
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.files import sha256
from lartpc.golden import GoldenPatches
from lartpc.manifest import Tolerance
from lartpc.parity import Outputs, Parity, compare
from training.checkpoint import Checkpoint, load_checkpoint
from training.dataset import PatchDataset
from training.gate_file import GOLDEN_OF_EACH_CLASS

CALIBRATION_PATCHES = 4096
DENSEST_PATCHES = 256
GOLDEN_PATCHES = 512
ROWS_PER_RUN = 512
GOLDEN_MARGIN = 1.5
CLASS_AGREEMENT = 0.99
"""Share of the golden patches that must keep their class, where the version keeps so many here."""


@dataclass(frozen=True)
class GateSample:
    """What an export is calibrated with and judged by.

    Attributes:
        calibration: (up to 4352, 48, 48, 1) patches of training events.
        held_out: every hit and empty pixel of the held-out events.
        reference: the FP32 network's answers to them.
    """

    calibration: NDArray[np.float32]
    held_out: PatchDataset
    reference: Outputs

    def golden(self) -> GoldenPatches:
        """512 held-out patches with their reference outputs, at least 64 of each class and of Michel."""
        random = np.random.default_rng(512)
        groups = [self.held_out.michel == 1, *(self.held_out.label == label for label in Label)]
        chosen: set[int] = set()
        for group in groups:
            members = np.flatnonzero(group)
            chosen.update(random.choice(members, GOLDEN_OF_EACH_CLASS, replace=False).tolist())
        others = np.setdiff1d(np.arange(len(self.held_out)), list(chosen))
        fill = random.choice(others, GOLDEN_PATCHES - len(chosen), replace=False)
        indices = np.sort([*chosen, *fill])
        return GoldenPatches(
            patches=self.held_out.patches(indices),
            outputs={name: values[indices] for name, values in self.reference.items()},
            label=self.held_out.label[indices].astype(np.uint8),
            michel=self.held_out.michel[indices],
        )


def reference_of(checkpoint: Checkpoint, path: Path | None = None) -> Checkpoint:
    """The FP32 checkpoint that the exports of a checkpoint are judged against: itself, or where it is
    quantised the one that its training started from.

    Args:
        checkpoint: to be exported.
        path: of that other one, where it lies no longer where the training found it.

    Raises:
        UserError: it is not there, or is another one.
    """
    if not checkpoint.quantised:
        return checkpoint
    stage = checkpoint.provenance.training
    path = path or Path(stage["init_from"])
    if not path.is_file() or sha256(path) != stage["init_sha256"]:
        raise UserError(
            f"{path} is not the FP32 checkpoint that {checkpoint.path} started from and is judged against "
            f"(SHA-256 {stage['init_sha256'][:12]}); name that with --reference"
        )
    return load_checkpoint(path)


def read_gate_sample(
    checkpoint: Checkpoint,
    reference: Checkpoint,
    watch: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> GateSample:
    """Read the gate file beside a checkpoint and let the reference answer its held-out hits.

    Args:
        checkpoint: the trained network.
        reference: from :func:`reference_of`.
        watch: wraps the batches, to show progress.

    Raises:
        UserError: the file is missing, damaged or too small, or comes from other data.
    """
    with EventFile(checkpoint.gate_path) as events:
        if events.provenance.data.get("source_digest") != checkpoint.provenance.data.get("digest"):
            raise UserError(
                f"{checkpoint.gate_path} was not cut from the data of {checkpoint.path}; "
                "put the checkpoint's own gate.h5 beside it"
            )
        training = PatchDataset(events, events.in_split("train"), checkpoint.scale)
        held_out = PatchDataset(events, events.in_split("test"), checkpoint.scale, empty_pixels=True)
    return GateSample(_calibration(training), held_out, reference.answer(held_out, watch))


def _calibration(training: PatchDataset) -> NDArray[np.float32]:
    """Patches drawn at random, and the densest ones: what lies beyond the calibrated range is clipped."""
    random = np.random.default_rng(4096)
    drawn = random.choice(len(training), min(CALIBRATION_PATCHES, len(training)), replace=False)
    density = np.concatenate([patches.sum(axis=(1, 2, 3)) for patches in slices(training)])
    densest = np.argsort(density, kind="stable")[-DENSEST_PATCHES:]
    return training.patches(np.union1d(drawn, densest))


class Replay:
    """Runs a graph in process, in slices that bound memory.

    Args:
        weights: serialised ONNX graph, or the path of one.
        threads: processor threads; all where 0.

    Raises:
        UserError: ONNX Runtime does not load the graph.
    """

    def __init__(self, weights: bytes | str, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(weights, options, ["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise UserError(f"ONNX Runtime does not load the graph: {error}") from error

    def answer(self, batches: Iterator[NDArray[np.float32]]) -> Outputs:
        """Answers to batches of (B, 48, 48, 1) patches, joined."""
        parts = [self._session.run(OUTPUT_NAMES, {INPUT_NAME: batch}) for batch in batches]
        return {
            name: np.concatenate(values)
            for name, values in zip(OUTPUT_NAMES, zip(*parts, strict=True), strict=True)
        }


def slices(patches: NDArray[np.float32] | PatchDataset) -> Iterator[NDArray[np.float32]]:
    """Patches, or the patches of a data set, 512 at a time."""
    cut = patches.patches if isinstance(patches, PatchDataset) else patches.__getitem__
    for first in range(0, len(patches), ROWS_PER_RUN):
        yield cut(slice(first, first + ROWS_PER_RUN))


def golden_tolerances(
    weights: bytes, golden: GoldenPatches, limits: Limits
) -> tuple[dict[str, Tolerance], float]:
    """How far a server may answer the golden patches from their reference outputs.

    They are the limits of the precision. The golden patches hold more of the rare classes, so that a version
    which keeps its limits on all hits may be further off on them: then half more than it is here is allowed,
    as another processor rounds otherwise.

    Returns:
        Tolerance of each output, and the share that must keep its class of largest probability.
    """
    parity = compare(Replay(weights).answer(slices(golden.patches)), golden.outputs)
    tolerances = {
        name: Tolerance(
            max=max(limits.max_dp, GOLDEN_MARGIN * parity.max_dp[name]),
            mean=max(limits.mean_dp, GOLDEN_MARGIN * parity.mean_dp[name]),
        )
        for name in OUTPUT_NAMES
    }
    return tolerances, min(CLASS_AGREEMENT, 1 - GOLDEN_MARGIN * (1 - parity.class_agreement))


def measure(weights: bytes, sample: GateSample) -> tuple[Parity, Outputs]:
    """Differences of a graph from the checkpoint on the held-out hits, and its answers."""
    answers = Replay(weights).answer(slices(sample.held_out))
    return compare(answers, sample.reference), answers
