"""What an export is calibrated with and judged by: the gate file beside a checkpoint, and its reference."""

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.files import sha256
from lartpc.served.contract import Label
from lartpc.served.golden import GoldenPatches
from lartpc.served.parity import Outputs
from lartpc.served.session import runs
from training.data.dataset import PatchDataset
from training.data.gate_file import GOLDEN_OF_EACH_CLASS
from training.network.checkpoint import Checkpoint, load_checkpoint
from training.network.shipped import FLOAT_FILE, located

CALIBRATION_PATCHES = 4096
DENSEST_PATCHES = 256
GOLDEN_PATCHES = 512


class GateSample:
    """What an export is calibrated with and judged by: the gate file beside a checkpoint.

    It is read, and the reference asked, when something is first wanted of it.

    Args:
        checkpoint: the trained network.
        reference: file of the FP32 checkpoint that the exports of a quantised one are judged against, where
            it lies no longer where its training found it.
        watch: wraps the batches that the reference answers, to show progress.

    Raises:
        UserError: the file is missing, damaged or too small, or comes from other data; or the reference is
            missing, or another one.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        reference: Path | None = None,
        watch: Callable[[Iterable[int]], Iterable[int]] = iter,
    ) -> None:
        self.path = checkpoint.gate_path
        self._scale, self._watch = checkpoint.scale, watch
        self._reference = _reference_of(checkpoint, reference)
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


def _reference_of(checkpoint: Checkpoint, path: Path | None) -> Checkpoint:
    """Itself, or where it is quantised the one that its training started from."""
    if not checkpoint.quantised:
        return checkpoint
    stage = checkpoint.provenance.training
    beside = checkpoint.path.with_name(FLOAT_FILE)
    places = [located(path)] if path else [located(Path(stage["init_from"])), beside]
    there = [place for place in places if place.is_file() and sha256(place) == stage["init_sha256"]]
    if not there:
        raise UserError(
            f"{places[0]} is not the FP32 checkpoint that {checkpoint.path} started from and is judged "
            f"against (SHA-256 {stage['init_sha256'][:12]}); name that with --reference"
        )
    reference = load_checkpoint(there[0])
    scale = checkpoint.score_scale
    return reference if scale in (None, reference.score_scale) else reference.on_scale(scale)
