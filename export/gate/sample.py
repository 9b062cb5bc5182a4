"""The gate: a rewritten graph must answer like the checkpoint on held-out events, or it is not written."""

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.gate.limits import Limits
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.files import sha256
from lartpc.served.contract import OUTPUT_NAMES, Label
from lartpc.served.golden import GoldenPatches
from lartpc.served.manifest import Tolerance
from lartpc.served.parity import Outputs, Parity, compare
from lartpc.served.session import GraphSession, runs
from training.checkpoint import Checkpoint, load_checkpoint
from training.dataset import PatchDataset
from training.gate_file import GOLDEN_OF_EACH_CLASS

CALIBRATION_PATCHES = 4096
DENSEST_PATCHES = 256
GOLDEN_PATCHES = 512
GOLDEN_MARGIN = 1.5
CLASS_AGREEMENT = 0.99
"""Share of the golden patches that must keep their class, where the version keeps so many here."""


class GateSample:
    """What an export is calibrated with and judged by: the gate file beside a checkpoint.

    It is read, and the reference asked, when something is first wanted of it.

    Args:
        checkpoint: the trained network.
        reference: from :func:`reference_of`.
        watch: wraps the batches that the reference answers, to show progress.

    Raises:
        UserError: the file is missing, damaged or too small, or comes from other data.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        reference: Checkpoint,
        watch: Callable[[Iterable[int]], Iterable[int]] = iter,
    ) -> None:
        self.path = checkpoint.gate_path
        self._scale, self._reference, self._watch = checkpoint.scale, reference, watch
        with EventFile(self.path) as events:
            source = events.provenance.data.get("source_digest")
        if source != checkpoint.provenance.data.get("digest"):
            raise UserError(
                f"{self.path} was not cut from the data of {checkpoint.path}; "
                "put the checkpoint's own gate.h5 beside it"
            )

    @cached_property
    def calibration(self) -> NDArray[np.float32]:
        """(up to 4352, 48, 48, 1) patches of training events: some drawn at random, and the densest ones.

        What lies beyond the calibrated range is clipped.
        """
        with EventFile(self.path) as events:
            training = PatchDataset(events, events.in_split("train"), self._scale)
        random = np.random.default_rng(4096)
        drawn = random.choice(len(training), min(CALIBRATION_PATCHES, len(training)), replace=False)
        density = np.concatenate([training.patches(rows).sum(axis=(1, 2, 3)) for rows in runs(len(training))])
        densest = np.argsort(density, kind="stable")[-DENSEST_PATCHES:]
        return training.patches(np.union1d(drawn, densest))

    @cached_property
    def held_out(self) -> PatchDataset:
        """Every hit and empty pixel of the held-out events."""
        with EventFile(self.path) as events:
            return PatchDataset(events, events.in_split("test"), self._scale, empty_pixels=True)

    @cached_property
    def reference(self) -> Outputs:
        """The FP32 network's answers to them."""
        return self._reference.answer(self.held_out, self._watch)

    @cached_property
    def golden(self) -> GoldenPatches:
        """512 held-out patches with their reference outputs, at least 64 of each class and of Michel."""
        held_out = self.held_out
        random = np.random.default_rng(512)
        groups = {"michel": held_out.michel == 1, **{of.name.lower(): held_out.label == of for of in Label}}
        chosen: set[int] = set()
        for name, group in groups.items():
            members = np.flatnonzero(group)
            if len(members) < GOLDEN_OF_EACH_CLASS:
                raise UserError(
                    f"{self.path} holds {len(members)} held-out {name} patches, and golden patches need "
                    f"{GOLDEN_OF_EACH_CLASS}; put the gate.h5 that training.fit wrote beside the checkpoint"
                )
            chosen.update(random.choice(members, GOLDEN_OF_EACH_CLASS, replace=False).tolist())
        others = np.setdiff1d(np.arange(len(held_out)), list(chosen))
        missing = GOLDEN_PATCHES - len(chosen)
        if len(others) < missing:
            raise UserError(
                f"{self.path} holds {len(held_out)} held-out patches, and {GOLDEN_PATCHES} are needed; "
                "put the gate.h5 that training.fit wrote beside the checkpoint"
            )
        indices = np.sort([*chosen, *random.choice(others, missing, replace=False)])
        return GoldenPatches(
            patches=held_out.patches(indices),
            outputs={name: values[indices] for name, values in self.reference.items()},
            label=held_out.label[indices].astype(np.uint8),
            michel=held_out.michel[indices],
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
    parity = compare(GraphSession(weights).answer(golden.patches), golden.outputs)
    tolerances = {
        name: Tolerance(
            max=max(limits.max_dp, GOLDEN_MARGIN * parity.max_dp[name]),
            mean=max(limits.mean_dp, GOLDEN_MARGIN * parity.mean_dp[name]),
        )
        for name in OUTPUT_NAMES
    }
    return tolerances, min(CLASS_AGREEMENT, 1 - GOLDEN_MARGIN * (1 - parity.class_agreement))


def measure(weights: bytes, sample: GateSample) -> tuple[Parity, Outputs]:
    """Differences of a graph from the reference on the held-out hits, and its answers."""
    held_out = sample.held_out
    answers = GraphSession(weights).answer_batches(held_out.patches(rows) for rows in runs(len(held_out)))
    return compare(answers, sample.reference), answers
