"""Which hits make a batch: their order, how often each is drawn, and each process's part."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from lartpc.adc_scale import AdcScale
from lartpc.errors import UserError
from training.data.augmentation import Augmentation, hit_keys
from training.data.dataset import CLASSES, Batch, PatchDataset, class_of
from training.data.event_chunks import EventChunks
from training.data.selection import SHARES

VALIDATION_SEED = 7
"""Of the choice of validation hits: it is the same for all trainings on a data set."""

Rank = tuple[int, int]
"""Number of this process among those that train together, and how many they are."""


@dataclass(frozen=True)
class Draw:
    """A batch before its patches are cut.

    Attributes:
        chunk: the patches that it is of.
        hits: (B,) indices into the chunk.
        copy: (B,) how often the hit was drawn in this epoch before.
        epoch: counted from 0.
    """

    chunk: PatchDataset
    hits: NDArray[np.int64]
    copy: NDArray[np.int64]
    epoch: int


class Balance:
    """How often an epoch draws a hit: the product of what is said of its class and of its sample.

    Of chunks that know upstream's selection, that times the hit's weight in the natural mixture and the share
    of such hits that the selection keeps: what the published networks were trained on.

    Args:
        draws: by class (track, shower, none, michel) or sample; 1 where not given.
        chunks: the hits.

    Attributes:
        rate: (S, 4, L) draws of a hit in an epoch, by sample, class and level of the selection.

    Raises:
        UserError: there is no such class or sample, or a number is negative.
    """

    def __init__(self, draws: dict[str, float], chunks: EventChunks) -> None:
        for name, value in draws.items():
            if name not in (*CLASSES, *chunks.samples):
                known = ", ".join((*CLASSES, *chunks.samples))
                raise UserError(f"--data.balance names {name!r}; {chunks.path} has {known}")
            if not 0.0 <= value < np.inf:
                raise UserError(f"--data.balance draws {name} {value} times; give 0 or more")
        of_class = [draws.get(name, 1.0) for name in CLASSES]
        of_sample = [draws.get(name, 1.0) for name in chunks.samples]
        of_level = SHARES if chunks.selected else np.ones(len(SHARES))
        if chunks.selected:
            of_sample = list(np.array(of_sample) * chunks.natural)
        self.rate = np.multiply.outer(np.outer(of_sample, of_class), of_level)
        self._hits = Counter[float]()
        for value, count in zip(self.rate.flat, chunks.counts.flat, strict=True):
            self._hits[float(value)] += int(count)
        drawn = (self.rate * chunks.counts).sum(axis=(0, 2))
        self.shares = {
            name: round(float(share), 6)
            for name, share in zip(CLASSES, drawn / max(drawn.sum(), 1.0), strict=True)
        }

    def __len__(self) -> int:
        """Number of hits drawn in an epoch."""
        return sum(int(rate * hits) for rate, hits in self._hits.items())

    def draw(
        self, chunk: PatchDataset, random: np.random.Generator, before: Counter[float]
    ) -> NDArray[np.int64]:
        """Shuffled draws of a chunk's hits, each as copy x hits + hit.

        Args:
            chunk: the hits.
            random: of the epoch.
            before: hits of each rate in the epoch's chunks before this one; this chunk's are added. So
                an epoch draws the same number, however its events are divided.
        """
        rates = self.rate[chunk.sample, class_of(chunk.label, chunk.michel), chunk.level]
        draws = []
        for rate in np.unique(rates):
            hits = random.permutation(np.flatnonzero(rates == rate))
            first = int(rate * before[rate])
            before[rate] += len(hits)
            order = np.arange(int(rate * before[rate]) - first)
            draws.append(order // len(hits) * len(chunk) + hits[order % len(hits)])
        return random.permutation(np.concatenate(draws))


class EpochBatches(Sampler):
    """Batches shuffled by (seed, epoch) alone: a resumed epoch sees the same ones.

    The last incomplete batch of a chunk is dropped.

    Args:
        chunks: the hits to draw from.
        balance: how often each.
        batch_size: hits of a batch, of all processes together.
        seed: of the order.
        per_epoch: hits of an epoch; by default all that the balance draws.
        rank: this process takes every so many-th hit of each batch.
    """

    def __init__(
        self,
        chunks: EventChunks,
        balance: Balance,
        batch_size: int,
        seed: int,
        per_epoch: int | None = None,
        rank: Rank = (0, 1),
    ) -> None:
        self.chunks, self.balance, self.batch_size, self.seed, self.rank = (
            chunks,
            balance,
            batch_size,
            seed,
            rank,
        )
        complete = (len(balance) - (chunks.chunks - 1) * (batch_size - 1)) // batch_size
        self.count = min((per_epoch or len(balance)) // batch_size, complete)
        if self.count < 1:
            raise UserError(
                f"{len(balance)} hits do not fill one batch of {batch_size}; generate more events"
            )
        if batch_size % rank[1]:
            raise UserError(
                f"--data.batch-size {batch_size} cannot be divided between {rank[1]} processes; "
                "give a multiple of their number"
            )
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Draw]:
        random = np.random.default_rng((self.seed, self.epoch))
        before, left = Counter[float](), self.count
        number, processes = self.rank
        for chunk in self.chunks.shuffled(random):
            draws = self.balance.draw(chunk, random, before)
            batches = min(len(draws) // self.batch_size, left)
            for batch in draws[: batches * self.batch_size].reshape(batches, self.batch_size):
                copy, hits = np.divmod(batch[number::processes], len(chunk))
                yield Draw(chunk, hits, copy, self.epoch)
            left -= batches
            del chunk
            if not left:
                return


class InOrder(Sampler):
    """Batches of hits in the order of the file, each process its part of every batch.

    Args:
        chunks: the hits.
        batch_size: hits of a batch, of all processes together.
        hits: so many, drawn at random from all events; all where not given.
        rank: this process takes every so many-th hit of each batch.
    """

    def __init__(
        self, chunks: EventChunks, batch_size: int, hits: int | None = None, rank: Rank = (0, 1)
    ) -> None:
        self.chunks, self.batch_size, self.rank = chunks, batch_size, rank
        ends = np.cumsum([part.sum() for part in np.array_split(chunks.hits, chunks.chunks)])
        drawn = np.random.default_rng(VALIDATION_SEED).permutation(int(ends[-1]))[:hits]
        parts = np.split(np.sort(drawn), np.searchsorted(np.sort(drawn), ends[:-1]))
        self.hits = [part - first for part, first in zip(parts, (0, *ends[:-1]), strict=True)]

    def __len__(self) -> int:
        return sum(math.ceil(len(hits) / self.batch_size) for hits in self.hits)

    def __iter__(self) -> Iterator[Draw]:
        number, processes = self.rank
        for chunk, of_chunk in zip(self.chunks, self.hits, strict=True):
            for first in range(0, len(of_chunk), self.batch_size):
                hits = of_chunk[first : first + self.batch_size][number::processes]
                yield Draw(chunk, hits, np.zeros_like(hits), 0)
            del chunk


class DrawnPatches(Dataset):
    """The batch of a draw: its patches cut and, in training, varied.

    Args:
        augmentation: what is varied.
        scale: the ADC window of the network units.
        seed: of the variations.
    """

    def __init__(self, augmentation: Augmentation, scale: AdcScale, seed: int) -> None:
        self.augmentation, self.scale, self.seed = augmentation, scale, seed

    def __getitem__(self, draw: Draw) -> Batch:
        if self.augmentation == Augmentation():
            return draw.chunk[draw.hits]
        key = hit_keys(draw.chunk, draw.hits, draw.copy, self.seed, draw.epoch)
        patches = self.augmentation.patches(draw.chunk, draw.hits, self.scale, key)
        return draw.chunk.with_truth(patches, draw.hits)
