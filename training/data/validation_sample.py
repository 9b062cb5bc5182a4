"""The validation hits that calibrate a checkpoint: every Michel hit, and some of all others.

How frequent a class is in a mixture is a matter of the events alone, whatever a network says of them. Rare
particles of large weight decide it, so it is counted in all events that are not held out, ten times as many.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lartpc.adc_scale import AdcScale
from lartpc.errors import UserError
from lartpc.event_folder import open_events
from lartpc.served.contract import SCORE_SCALES, Label
from training.data.dataset import CLASSES, PatchDataset, class_of
from training.data.event_chunks import EventChunks
from training.data.selection import ALWAYS, SHARES

MOST_OTHERS = 20_000
"""Hits and empty pixels besides the Michel hits, drawn from all validation events."""

SEED = 5
"""Of their choice, with the event's place in the file."""

CHUNK_BYTES = 0.5e9
"""Of images in memory at once; the next chunk is read meanwhile."""


@dataclass(frozen=True)
class ValidationHits:
    """Some hits of some validation events.

    Attributes:
        dataset: the events.
        rows: (n,) which of their hits and empty pixels.
        stands_for: (n,) how many of its kind each stands for.
    """

    dataset: PatchDataset
    rows: NDArray[np.int64]
    stands_for: NDArray[np.float64]

    @property
    def kind(self) -> NDArray[np.int64]:
        """(n,) index of each into training.data.dataset.CLASSES."""
        return class_of(self.dataset.label[self.rows], self.dataset.michel[self.rows])

    def weights(self) -> dict[str, NDArray[np.float64]]:
        """Score scale -> (n,) weight of each in the mixture of which its scores are the probabilities.

        On upstream's scale empty pixels count, which the published networks learn none from.
        """
        weight = self.dataset.weight[self.rows] * self.stands_for
        return {
            "upstream": weight * np.array(SHARES)[self.dataset.level[self.rows]],
            "natural": weight * self.dataset.is_hit[self.rows],
        }


def class_totals(data: Path, scale: AdcScale) -> dict[str, NDArray[np.float64]]:
    """Score scale -> (4,) weight of each class in its mixture, in the events of training and validation."""
    totals = {name: np.zeros(len(CLASSES)) for name in SCORE_SCALES}
    for split in ("train", "validation"):
        chunks = EventChunks(data, split, scale, empty_pixels=True, selected=True)
        counts = chunks.counts * chunks.natural[:, None, None]
        totals["upstream"] += (counts * np.array(SHARES)).sum(axis=(0, 2))
        counts[:, Label.NONE, ALWAYS] = 0.0  # the empty pixels
        totals["natural"] += counts.sum(axis=(0, 2))
    return totals


def with_totals(
    weight: NDArray[np.float64], kind: NDArray[np.integer], totals: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(N,) weights of which each class has its total; as they are where that is 0 or it has no hits."""
    now = np.bincount(kind, weight, len(totals))
    factor = np.divide(totals, now, out=np.ones(len(totals)), where=(now > 0.0) & (totals > 0.0))
    return weight * factor[kind]


def validation_hits(
    data: Path, digest: str, scale: AdcScale, split: str = "validation"
) -> Iterator[ValidationHits]:
    """The hits of the validation events of a data set, a part of the events at a time.

    Raises:
        UserError: the file cannot be read, has another digest, or no validation events.
    """
    with open_events(data) as events:
        if events.provenance.data.get("digest") != digest:
            raise UserError(
                f"{data} is not what the checkpoint was trained on; name the data set of its training"
            )
        if not len(events.in_split(split)):
            raise UserError(f"{data} has no {split} events; generate more")
    chunks = EventChunks(data, split, scale, empty_pixels=True, selected=True)
    chunks.divide(CHUNK_BYTES)
    michel = int(chunks.counts.sum(axis=(0, 2))[CLASSES.index("michel")])
    share = min(1.0, MOST_OTHERS / max(chunks.hits.sum() - michel, 1))
    for dataset in chunks:
        drawn = np.zeros(len(dataset))
        for event in np.unique(dataset.event):
            of_event = dataset.event == event
            drawn[of_event] = np.random.default_rng((SEED, int(event))).random(of_event.sum())
        is_michel = dataset.michel == 1
        rows = np.flatnonzero(is_michel | (drawn < share))
        yield ValidationHits(dataset, rows, np.where(is_michel[rows], 1.0, 1.0 / share))
