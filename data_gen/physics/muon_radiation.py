"""Radiation of muons: bremsstrahlung, pairs, photonuclear interactions.

Mean losses are those of D. E. Groom, N. V. Mokhov, S. I. Striganov, At. Data Nucl. Data Tables 78 (2001)
183, in the table of the PDG for liquid argon (muE_liquid_argon). Transfers above :data:`RADIATION_CUT` make
a photon or a pair that is followed, with approximate spectra in the share v of the muon's energy:
(4/3 - 4/3 v + v^2) / v for photons, v^-2.5 for pairs (PDG, Passage of particles through matter, Energy loss
of muons at high energy: 1/v and v^-2 to v^-3). Smaller ones and photonuclear interactions deposit where they
happen.
Energies in MeV, lengths in cm.
"""

import math

import numpy as np
from numpy.typing import NDArray

from data_gen.compiled import compiled
from data_gen.physics.argon import DENSITY, ELECTRON_MASS, FINE_STRUCTURE, IONISATION_PREFACTOR, MUON_MASS
from data_gen.physics.bremsstrahlung import emission_cosine
from data_gen.physics.directions import Direction, rotate
from data_gen.physics.record import Balance, Process, Record, push_named
from data_gen.physics.showers import push_electron
from data_gen.physics.steps import Deposit

RADIATION_CUT = 2.0
"""Smallest energy of an explicit photon or pair."""
LEAST_TRANSFER = max(RADIATION_CUT, 4.0 * ELECTRON_MASS)
"""Smallest energy of an explicit pair, masses included."""
LEAST_ENERGY = 300.0
"""Kinetic energy below which muons do not radiate: it is less than 1e-3 of their loss."""

_RELEASED = int(Balance.RELEASED)
_SHOWER = int(Deposit.SHOWER)
_RADIATION = int(Process.RADIATION)

_GROOM = np.array(
    [  # kinetic energy in MeV; bremsstrahlung, pairs, photonuclear in MeV cm^2/g
        (300.0, 8.648e-5, 0.0, 1.721e-4),
        (500.0, 1.845e-4, 0.0, 2.570e-4),
        (1000.0, 4.884e-4, 1.833e-5, 4.691e-4),
        (1400.0, 7.712e-4, 2.268e-4, 6.389e-4),
        (2000.0, 1.239e-3, 6.238e-4, 8.967e-4),
        (3000.0, 2.103e-3, 1.444e-3, 1.359e-3),
        (4000.0, 3.042e-3, 2.407e-3, 1.831e-3),
        (6000.0, 5.097e-3, 4.658e-3, 2.740e-3),
        (1e4, 9.685e-3, 1.004e-2, 4.454e-3),
        (2e4, 2.277e-2, 2.661e-2, 8.504e-3),
        (4e4, 5.246e-2, 6.743e-2, 1.637e-2),
        (1e5, 0.1535, 0.2126, 3.941e-2),
        (2e5, 0.3384, 0.4853, 7.784e-2),
        (5e5, 0.9373, 1.358, 0.1944),
        (1e6, 1.989, 2.875, 0.3950),
        (2e6, 4.161, 5.985, 0.8104),
        (1e7, 22.15, 31.40, 4.427),
    ]
)

_PER_DECADE = 40
_SIZE = int(round(_PER_DECADE * math.log10(1e7 / LEAST_ENERGY))) + 2


def _tables() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Whole and soft mean loss in MeV/cm, rates of photons and pairs in 1/cm, in steps of log energy."""
    energy = LEAST_ENERGY * 10.0 ** (np.arange(_SIZE) / _PER_DECADE)
    photons, pairs, nuclear = (
        DENSITY * energy * np.interp(np.log(energy), np.log(_GROOM[:, 0]), column / _GROOM[:, 0])
        for column in _GROOM.T[1:]
    )
    electronic = of_electrons(energy)
    total = energy + MUON_MASS
    cut, top = RADIATION_CUT / total, energy / total
    whole = _photon_moment(top)
    photon_rate = 4.0 / 3.0 * (np.log(top / cut) - top + cut) + 0.5 * (top**2 - cut**2)
    photon_rate *= photons / total / whole
    soft = photons * _photon_moment(cut) / whole
    least, cut = 4.0 * ELECTRON_MASS / total, LEAST_TRANSFER / total
    whole = 2.0 * (least**-0.5 - top**-0.5)  # integral of v^-1.5
    soft += pairs * 2.0 * (least**-0.5 - cut**-0.5) / whole
    pair_rate = pairs / total * (cut**-1.5 - top**-1.5) / 1.5 / whole
    return photons + pairs + nuclear + electronic, soft + nuclear + electronic, photon_rate, pair_rate


def _photon_moment(v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral of 4/3 - 4/3 v + v^2 from 0 on."""
    return 4.0 / 3.0 * v - 2.0 / 3.0 * v**2 + v**3 / 3.0


def of_electrons(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean loss in MeV/cm that Groom et al. add to the Bethe equation: radiation off electrons, and spin."""
    total = energy + MUON_MASS
    gamma = total / MUON_MASS
    ratio = ELECTRON_MASS / MUON_MASS
    largest = 2.0 * ELECTRON_MASS * (gamma**2 - 1.0) / (1.0 + 2.0 * gamma * ratio + ratio**2)
    log = np.log(2.0 * largest / ELECTRON_MASS)
    radiated = FINE_STRUCTURE / (4.0 * math.pi) * (np.log(2.0 * gamma) - log / 3.0) * log**2
    return IONISATION_PREFACTOR * (radiated + 0.125 * (largest / total) ** 2)


_LOSS, _SOFT, _PHOTONS, _PAIRS = _tables()


@compiled
def radiation(energy: float) -> tuple[float, float, float]:
    """Mean soft loss in MeV/cm, photons and pairs per cm, for a kinetic energy of up to 10 TeV."""
    if energy < LEAST_ENERGY:
        return 0.0, 0.0, 0.0
    position = math.log10(energy / LEAST_ENERGY) * _PER_DECADE
    i = min(int(position), _SIZE - 2)
    w = min(position - i, 1.0)
    return (
        _SOFT[i] + w * (_SOFT[i + 1] - _SOFT[i]),
        _PHOTONS[i] + w * (_PHOTONS[i + 1] - _PHOTONS[i]),
        _PAIRS[i] + w * (_PAIRS[i + 1] - _PAIRS[i]),
    )


def mean_loss(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean loss to all radiation in MeV/cm, at kinetic energies in MeV."""
    grid = LEAST_ENERGY * 10.0 ** (np.arange(_SIZE) / _PER_DECADE)
    return np.interp(np.log(energy), np.log(grid), _LOSS, left=0.0)


@compiled
def photon_energy(energy: float, rng: np.random.Generator) -> float:
    """Energy of a photon above the cut."""
    total = energy + MUON_MASS
    while True:
        v = energy / total * (RADIATION_CUT / energy) ** (1.0 - rng.random())
        if rng.random() * 4.0 / 3.0 < 4.0 / 3.0 * (1.0 - v) + v * v:
            return v * total


@compiled
def pair_energy(energy: float, rng: np.random.Generator) -> float:
    """Energy of a pair above the cut, masses included."""
    total = energy + MUON_MASS
    low = (LEAST_TRANSFER / total) ** -1.5
    high = (energy / total) ** -1.5
    return total * (high + rng.random() * (low - high)) ** (-1.0 / 1.5)


@compiled
def radiate(
    record: Record,
    energy: float,
    pair: bool,
    separate: bool,
    gamma: float,
    x: float,
    y: float,
    z: float,
    direction: Direction,
    t: float,
    kind: int,
    g4_id: int,
    rng: np.random.Generator,
) -> None:
    """Push a photon or a pair of a muon: a shower with rows of its own; a pair may stay with the muon.

    The photon's angle is of the order of 1 / gamma of the muon, distributed as an electron's; the pair
    goes along the muon.
    """
    if not pair:
        cosine = emission_cosine(gamma * ELECTRON_MASS, rng)
        out = rotate(direction[0], direction[1], direction[2], cosine, 2.0 * math.pi * rng.random())
        push_named(record, 22, energy, x, y, z, out, t, _SHOWER, g4_id, _RADIATION)
        return
    record.balance[_RELEASED] -= 2.0 * ELECTRON_MASS
    electron = (energy - 2.0 * ELECTRON_MASS) * rng.random()
    positron = energy - 2.0 * ELECTRON_MASS - electron
    if separate:
        push_named(record, 11, electron, x, y, z, direction, t, _SHOWER, g4_id, _RADIATION)
        push_named(record, -11, positron, x, y, z, direction, t, _SHOWER, g4_id, _RADIATION)
    else:
        push_electron(record, 11, electron, x, y, z, direction, t, kind, g4_id)
        push_electron(record, -11, positron, x, y, z, direction, t, kind, g4_id)
