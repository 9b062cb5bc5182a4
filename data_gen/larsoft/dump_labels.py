"""From the truth of a dumped plane to labels, and which of its pixels become hits and empty pixels.

Bits, rule and selection are those of larrecodnn (PointIdAlg.h and .cxx: TrainingDataAlg;
PointIdTrainingData_module.cc) and of the script prepare_patches_em-trk-michel-none.py beside it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lartpc.event import SAMPLE_DTYPE
from lartpc.patches.cut import HALF
from lartpc.served.contract import Label

PDG_MASK = 0x0FFF
"""|PDG code| of the particle with the largest deposit."""
TYPE_MASK = 0xF000
"""0x1000 delta electron, 0x2000 Michel electron, 0x4000 primary electron, 0x8000 primary muon."""
MICHEL_TYPE = 0x2000
VERTEX_SHIFT = 16
"""The upper 16 bits are set where an interaction, decay or conversion vertex projects to."""

LEAST_DEPOSIT_GEV = 2e-5
"""A pixel whose largest deposit is below has no signal: none."""

ELECTRON, MUON = 11, 13

_NEAR = 2  # pixels around an empty one that must hold no signal
_LEAST_SIGNAL_PIXELS = 7  # in the patch around an empty pixel
_MARGIN = 2  # of the patch in which Michel pixels are counted
_LEAST_MICHEL_PIXELS = 3  # in the patch around a muon's pixel near its stop

KEPT_ALWAYS, THINNED = 0, 1


@dataclass(frozen=True)
class Selection:
    """How many of a plane's pixels are taken.

    Attributes:
        keep: share of the signal pixels that are neither Michel nor near a stop or vertex, in (0, 1].
        empty: empty pixels per hit, 0 or more.
        seed: of the choice; each plane of each event has its own random numbers.
    """

    keep: float = 0.3
    empty: float = 0.1
    seed: int = 1

    def samples(self) -> NDArray[np.void]:
        """(2,) sample table: what is kept always, and what is thinned to ``keep`` of its natural number."""
        return np.array([("kept always", 1.0, 1.0), ("thinned", self.keep, 1.0)], SAMPLE_DTYPE)


def labels(
    deposit: NDArray[np.floating], pdg: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Label and Michel flag of pixels.

    Args:
        deposit: the largest deposit, in GeV.
        pdg: code and flags of the particle that made it.

    Returns:
        The same shape: lartpc.served.contract.Label, none below 2e-5 GeV, else shower for electrons, else
        track; 1 where a shower pixel's type is Michel electron and nothing else besides.
    """
    label = np.where(pdg & PDG_MASK == ELECTRON, Label.SHOWER, Label.TRACK).astype(np.uint8)
    label[deposit < LEAST_DEPOSIT_GEV] = Label.NONE
    michel = (label == Label.SHOWER) & (pdg & TYPE_MASK == MICHEL_TYPE)
    return label, michel.astype(np.uint8)


@dataclass(frozen=True)
class Chosen:
    """Pixels of one plane; each is (wire, drift pixel), counted from the plane's first.

    Attributes:
        hits: (H, 2), ordered by wire and drift pixel.
        sample: (H,) :data:`KEPT_ALWAYS` or :data:`THINNED`.
        empty: (N, 2) pixels without signal near others that have one.
    """

    hits: NDArray[np.int64]
    sample: NDArray[np.uint8]
    empty: NDArray[np.int64]


def choose(
    visible: NDArray[np.bool_],
    deposit: NDArray[np.floating],
    pdg: NDArray[np.int64],
    selection: Selection,
    random: np.random.Generator,
) -> Chosen:
    """Choose hits and empty pixels of a plane, all (wire, drift pixel).

    Only pixels whose whole patch lies on the plane are taken. A hit is a visible pixel with a deposit; all
    are kept that are Michel, a vertex, or a muon's with three Michel pixels in the patch without its
    outermost two rows, and ``keep`` of the others. An empty pixel has no deposit in the 5 x 5 around it
    and seven or more in its patch.

    Args:
        visible: the waveform has a signal there.
        deposit: as of :func:`labels`.
        pdg: as of :func:`labels`.
        selection: how many.
        random: the plane's own generator.
    """
    label, michel = labels(deposit, pdg)
    signal = label != Label.NONE
    whole = np.zeros(signal.shape, bool)
    whole[tuple(slice(HALF, size - HALF + 1) for size in signal.shape)] = True

    michel_type = signal & (pdg & TYPE_MASK == MICHEL_TYPE)
    inner = HALF - _MARGIN
    near_stop = (pdg & PDG_MASK == MUON) & (_count(michel_type, inner, inner) >= _LEAST_MICHEL_PIXELS)
    always = (michel == 1) | near_stop | (pdg >> VERTEX_SHIFT != 0)
    candidate = signal & visible & whole
    kept = candidate & (always | (random.random(signal.shape) < selection.keep))
    hits = np.argwhere(kept)

    alone = _count(signal, _NEAR, _NEAR + 1) == 0
    empty = np.argwhere(whole & alone & (_count(signal, HALF, HALF) >= _LEAST_SIGNAL_PIXELS))
    wanted = min(round(selection.empty * len(hits)), len(empty))
    drawn = np.sort(random.choice(len(empty), wanted, replace=False))
    return Chosen(hits, np.where(always[kept], KEPT_ALWAYS, THINNED).astype(np.uint8), empty[drawn])


def _count(mask: NDArray[np.bool_], before: int, after: int) -> NDArray[np.int64]:
    """Number of true pixels in [w - before, w + after) x [d - before, d + after) of each pixel."""
    total = np.pad(mask, ((1, 0), (1, 0))).astype(np.int64).cumsum(axis=0).cumsum(axis=1)
    low, high = (
        [np.clip(np.arange(size) + shift, 0, size) for size in mask.shape] for shift in (-before, after)
    )
    inside = total[np.ix_(high[0], high[1])] - total[np.ix_(low[0], high[1])]
    return inside - total[np.ix_(high[0], low[1])] + total[np.ix_(low[0], low[1])]
