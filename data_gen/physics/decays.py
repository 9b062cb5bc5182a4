"""Decays at rest and in flight of muons and pions; annihilation of positrons."""

import math

import numpy as np

from data_gen.compiled import compiled
from data_gen.physics.argon import (
    ELECTRON_MASS,
    ELECTRON_RADIUS,
    ELECTRONS,
    MICHEL_ENDPOINT,
    MUON_MASS,
    NEUTRAL_PION_MASS,
    PION_MASS,
    PION_MUON_ENERGY,
)
from data_gen.physics.directions import Direction, isotropic, rotate
from data_gen.physics.record import Balance, Process, Record, name, push_named
from data_gen.physics.steps import Deposit

_NEUTRINOS = int(Balance.NEUTRINOS)
_RELEASED = int(Balance.RELEASED)
_DECAY = int(Process.DECAY)
_TRACK = int(Deposit.TRACK)
_SHOWER = int(Deposit.SHOWER)


@compiled
def michel_energy(rng: np.random.Generator) -> float:
    """Kinetic energy in MeV of the electron from an unpolarised muon at rest.

    dN/dx = 2 x^2 (3 - 2 x) with x = E / 52.83 MeV (L. Michel, Proc. Phys. Soc. A63 (1950) 514), without
    radiative corrections. The mean total energy is 7/10 of the end point.
    """
    while True:
        x = rng.random()
        if rng.random() < x * x * (3.0 - 2.0 * x):
            energy = x * MICHEL_ENDPOINT - ELECTRON_MASS
            if energy > 0.0:
                return energy


@compiled
def neutral_pion_photon(kinetic: float, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Energies in MeV of the two photons of a pi0 in flight and cosines of their angles to it.

    Isotropic in the rest frame: E = gamma m / 2 (1 + beta cos), boosted.
    """
    gamma = 1.0 + kinetic / NEUTRAL_PION_MASS
    beta = math.sqrt(1.0 - 1.0 / (gamma * gamma))
    cosine = 2.0 * rng.random() - 1.0
    half = 0.5 * gamma * NEUTRAL_PION_MASS
    first = half * (1.0 + beta * cosine)
    second = half * (1.0 - beta * cosine)
    return first, (cosine + beta) / (1.0 + beta * cosine), second, (beta - cosine) / (1.0 - beta * cosine)


@compiled
def annihilation_rate(energy: float) -> float:
    """Annihilations in flight per cm of a positron (W. Heitler, The Quantum Theory of Radiation, 1954)."""
    gamma = 1.0 + energy / ELECTRON_MASS
    root = math.sqrt(gamma * gamma - 1.0)
    bracket = (gamma * gamma + 4.0 * gamma + 1.0) / (gamma * gamma - 1.0) * math.log(gamma + root)
    bracket -= (gamma + 3.0) / root
    return ELECTRONS * math.pi * ELECTRON_RADIUS**2 / (gamma + 1.0) * bracket


@compiled
def annihilation(energy: float, rng: np.random.Generator) -> tuple[float, float]:
    """Energy of the first photon of an annihilation in flight and cosine of its angle.

    dsigma/de goes as (1 + 2 gamma / (gamma + 1)^2 - e - 1 / (gamma + 1)^2 / e) / e, where e is the first
    photon's share of the available energy (Heitler; Geant4 manual, Positron-electron annihilation).
    """
    gamma = 1.0 + energy / ELECTRON_MASS
    root = math.sqrt((gamma - 1.0) / (gamma + 1.0))
    low = 0.5 * (1.0 - root)
    high = 0.5 * (1.0 + root)
    while True:
        e = low * (high / low) ** rng.random()
        weight = 1.0 - e + (2.0 * gamma * e - 1.0) / (e * (gamma + 1.0) ** 2)
        if rng.random() < weight:
            break
    cosine = (e * (gamma + 1.0) - 1.0) / (e * math.sqrt(gamma * gamma - 1.0))
    return e * (energy + 2.0 * ELECTRON_MASS), min(1.0, max(-1.0, cosine))


@compiled
def boosted(
    mass: float, momentum: Direction, gamma: float, direction: Direction
) -> tuple[float, float, Direction]:
    """A product of a decay in flight.

    Args:
        mass: of the product.
        momentum: of the product in the frame of the parent, in MeV/c; its z axis is the parent's direction.
        gamma: Lorentz factor of the parent.
        direction: of the parent.

    Returns:
        Kinetic energy, momentum, direction in the laboratory.
    """
    beta_gamma = math.sqrt(max(gamma * gamma - 1.0, 0.0))
    across2 = momentum[0] ** 2 + momentum[1] ** 2
    total = math.sqrt(mass * mass + across2 + momentum[2] ** 2)
    along = gamma * momentum[2] + beta_gamma * total
    size = math.sqrt(across2 + along * along)
    if size == 0.0:
        return 0.0, 0.0, direction
    phi = math.atan2(momentum[1], momentum[0])
    out = rotate(direction[0], direction[1], direction[2], along / size, phi)
    return max(gamma * total + beta_gamma * momentum[2] - mass, 0.0), size, out


@compiled
def decay_pion(
    record: Record,
    pdg: int,
    energy: float,
    x: float,
    y: float,
    z: float,
    direction: Direction,
    t: float,
    g4_id: int,
    rng: np.random.Generator,
) -> None:
    """A charged pion of kinetic energy ``energy`` becomes a muon and a neutrino."""
    at_rest = math.sqrt(PION_MUON_ENERGY * (PION_MUON_ENERGY + 2.0 * MUON_MASS))
    axis = isotropic(rng)
    momentum = (at_rest * axis[0], at_rest * axis[1], at_rest * axis[2])
    kinetic, _, out = boosted(MUON_MASS, momentum, 1.0 + energy / PION_MASS, direction)
    record.balance[_RELEASED] += PION_MASS - MUON_MASS
    record.balance[_NEUTRINOS] += energy + PION_MASS - MUON_MASS - kinetic
    push_named(record, -13 if pdg > 0 else 13, kinetic, x, y, z, out, t, _TRACK, g4_id, _DECAY)


@compiled
def decay_neutral_pion(
    record: Record,
    energy: float,
    x: float,
    y: float,
    z: float,
    direction: Direction,
    t: float,
    parent_id: int,
    process: int,
    rng: np.random.Generator,
) -> None:
    """A pi0 decays where it arises: it has its row in the particle table, its photons are pushed."""
    own = name(record, 111, energy, x, y, z, t, parent_id, process)
    record.balance[_RELEASED] += NEUTRAL_PION_MASS
    first, cosine1, second, cosine2 = neutral_pion_photon(energy, rng)
    phi = 2.0 * math.pi * rng.random()
    one = rotate(direction[0], direction[1], direction[2], cosine1, phi)
    two = rotate(direction[0], direction[1], direction[2], cosine2, phi + math.pi)
    push_named(record, 22, first, x, y, z, one, t, _SHOWER, own, _DECAY)
    push_named(record, 22, second, x, y, z, two, t, _SHOWER, own, _DECAY)
