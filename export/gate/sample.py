"""What an export is calibrated with and judged by: the gate file beside a checkpoint, and its reference."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.files import sha256
from lartpc.patches.plane_hits import PlaneHits, PlaneRequest
from lartpc.patches.wire import encoded
from lartpc.served.contract import INPUT_NAME, PATCH, Contract, Label
from lartpc.served.golden import GoldenHits
from lartpc.served.parity import Outputs, Request
from lartpc.served.session import GraphSession, runs
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
            checkpoint.check_gate(events)

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

    def requests(
        self, contract: Contract, step: float | None = None
    ) -> Iterator[tuple[NDArray[np.int64], Request]]:
        """Requests of all held-out hits and empty pixels, and which of :attr:`held_out` they are.

        Args:
            contract: of the requests.
            step: network units of a step, of a contract in steps.
        """
        if contract is PATCH:
            for run in runs(len(self.held_out)):
                numbers = np.arange(run.start, run.stop)
                yield numbers, {INPUT_NAME: self.held_out.patches(numbers)}
            return
        for rows, request in self._planes():
            yield rows, encoded(request.image, request.hit, contract, step)

    def _planes(self) -> Iterator[tuple[NDArray[np.int64], PlaneRequest]]:
        first = 0
        with EventFile(self.path) as events:
            for index in events.in_split("test"):
                for of_plane in PlaneHits.of_event(events, index, empty_pixels=True):
                    for request in of_plane.requests(self._scale):
                        yield first + request.rows, request
                    first += len(of_plane.hits)

    def answers(self, session: GraphSession, contract: Contract, step: float | None = None) -> Outputs:
        """A graph's answers to all held-out hits and empty pixels; of a contract in steps, of this size."""
        answers = {name: np.empty_like(values) for name, values in self.reference.items()}
        for rows, request in self.requests(contract, step):
            for name, values in session.answer_requests([request]).items():
                answers[name][rows] = values
        return answers

    def golden(self, contract: Contract, step: float | None = None) -> GoldenHits:
        """Held-out hits with their reference outputs: 512 patches in a request, or those of some planes.

        At least 64 are of each class and of Michel electrons. Planes are those with the most of the latter,
        and one of each size at least.
        """
        if contract is PATCH:
            return self._golden_patches
        rows, asked = zip(*self._golden_planes, strict=True)
        requests = tuple(encoded(request.image, request.hit, contract, step) for request in asked)
        return self._with_reference(np.concatenate(rows), requests)

    @cached_property
    def _golden_planes(self) -> list[tuple[NDArray[np.int64], PlaneRequest]]:
        asked = list(self._planes())
        counts = np.array([[group[rows].sum() for group in self._groups.values()] for rows, _ in asked])
        shapes = [request.image.shape for _, request in asked]
        by_michel = np.argsort(-counts[:, 0], kind="stable").tolist()
        firsts = {shapes[number]: number for number in reversed(by_michel)}
        chosen: list[int] = []
        for number in [*firsts.values(), *by_michel]:
            if number not in chosen and (len(chosen) < len(firsts) or not _enough(counts[chosen])):
                chosen.append(number)
        return [asked[number] for number in chosen]

    def _with_reference(self, indices: NDArray[np.int64], requests: tuple[Request, ...]) -> GoldenHits:
        return GoldenHits(
            requests=requests,
            outputs={name: values[indices] for name, values in self.reference.items()},
            label=self.held_out.label[indices].astype(np.uint8),
            michel=self.held_out.michel[indices],
        )

    @property
    def _groups(self) -> dict[str, NDArray[np.bool_]]:
        held_out = self.held_out
        return {"michel": held_out.michel == 1, **{of.name.lower(): held_out.label == of for of in Label}}

    @cached_property
    def _golden_patches(self) -> GoldenHits:
        held_out, groups = self.held_out, self._groups
        random = np.random.default_rng(512)
        chosen: set[int] = set()
        for name, group in groups.items():
            members = np.flatnonzero(group)
            if len(members) < GOLDEN_OF_EACH_CLASS:
                raise UserError(
                    f"{self.path} holds {len(members)} held-out {name} patches, and golden hits need "
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
        return self._with_reference(indices, ({INPUT_NAME: held_out.patches(indices)},))


def _enough(counts: NDArray[np.integer]) -> bool:
    """Whether planes with so many hits of each kind have enough of all."""
    return bool((counts.sum(axis=0) >= GOLDEN_OF_EACH_CLASS).all())


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
