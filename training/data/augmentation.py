"""Training patches as another event or another day of the detector might have shown them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lartpc.adc_scale import AdcScale
from lartpc.errors import UserError
from lartpc.patches.cut import HALF
from training.data.dataset import PatchDataset

_QUANTILES = torch.special.ndtri((torch.arange(65536) + 0.5) / 65536).numpy()
_FLIP_DRIFT, _FLIP_WIRES, _CHARGE, _DEAD, _NOISE = range(5)


@dataclass(frozen=True)
class Augmentation:
    """What is varied; by default nothing.

    Every random number follows from (seed, epoch, event, hit) alone, whatever the order of the hits, the
    batch or the process they fall in.

    Attributes:
        flip_drift: mirror half of the patches along the drift, about the hit's own pixel.
        flip_wires: mirror half of the patches across the wires, about the hit's own.
        charge: multiply the charge of a patch by a factor drawn from 1 - charge to 1 + charge; the
            ADC window clips what comes out.
        noise: add Gaussian noise of so many network units; pixels outside regions of interest stay 0.
        dead_wires: probability of a wire, other than the hit's own, to show nothing.
    """

    flip_drift: bool = False
    flip_wires: bool = False
    charge: float = 0.0
    noise: float = 0.0
    dead_wires: float = 0.0

    def __post_init__(self) -> None:
        for name, highest in (("charge", 1.0), ("noise", np.inf), ("dead_wires", 1.0)):
            value = getattr(self, name)
            if not 0 <= value < highest:
                option = f"--data.augmentation.{name.replace('_', '-')}"
                raise UserError(f"{option} is {value}; it must be from 0 to below {highest:g}")

    @property
    def changes_charge(self) -> bool:
        """Whether pixels get other values, so that the images must not be clipped before."""
        return self.charge > 0.0 or self.noise > 0.0

    def patches(
        self, dataset: PatchDataset, hits: NDArray[np.integer], scale: AdcScale, key: NDArray[np.uint64]
    ) -> NDArray[np.float32]:
        """(B, 48, 48, 1) varied patches of some hits.

        Args:
            dataset: of the hits; its images not clipped where :attr:`changes_charge`.
            hits: (B,) indices into the dataset.
            scale: the ADC window to clip to.
            key: (B,) of each hit, from :func:`hit_keys`.
        """
        none = np.zeros(len(key), bool)
        across = _uniform(key, _FLIP_WIRES) < 0.5 if self.flip_wires else none
        along = _uniform(key, _FLIP_DRIFT) < 0.5 if self.flip_drift else none
        patches = dataset.mirrored_patches(hits, across, along)
        if self.charge:
            factor = 1.0 + self.charge * (2.0 * _uniform(key, _CHARGE) - 1.0)
            patches *= factor.astype(np.float32)[:, None, None, None]
        if self.noise:
            _add_noise(patches, key, self.noise)
        if self.changes_charge:
            np.clip(patches, scale.adc_min * scale.gain, scale.adc_max * scale.gain, out=patches)
        if self.dead_wires:
            wires = np.arange(patches.shape[1], dtype=np.uint64)
            dead = _uniform(_mix(key[:, None] + wires), _DEAD) < self.dead_wires
            dead[:, HALF] = False
            patches[dead] = 0.0
        return patches


def hit_keys(
    dataset: PatchDataset,
    hits: NDArray[np.integer],
    copy: NDArray[np.integer],
    seed: int,
    epoch: int,
) -> NDArray[np.uint64]:
    """(B,) number that decides all that is random of each hit in an epoch.

    Args:
        dataset: of the hits.
        hits: (B,) indices into the dataset.
        copy: (B,) how often the hit was drawn in the epoch before.
        seed: of the training.
        epoch: counted from 0.
    """
    key = np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64).astype(np.uint64)
    for part in (dataset.event[hits], dataset.number[hits], copy):
        key = _mix(key + part.astype(np.uint64))
    return key


def _add_noise(patches: NDArray[np.float32], key: NDArray[np.uint64], sigma: float) -> None:
    """Each pixel that is not 0 gets one of the quantiles of the normal distribution."""
    flat = patches.reshape(-1)
    lit = np.flatnonzero(flat)
    hit, pixel = np.divmod(lit, flat.size // len(patches))
    bits = _mix(_mix(key + np.uint64(_NOISE))[hit] + pixel.astype(np.uint64))
    flat[lit] += np.float32(sigma) * _QUANTILES[bits >> np.uint64(48)]


def _uniform(key: NDArray[np.uint64], stream: int) -> NDArray[np.floating]:
    """Uniform in [0, 1), in the shape of the keys; each stream of a key is another number."""
    return ((_mix(key + np.uint64(stream)) >> np.uint64(11)) * 2.0**-53).astype(np.float64)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64: a step and its finalizer (Steele, Lea, Flood, OOPSLA 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
