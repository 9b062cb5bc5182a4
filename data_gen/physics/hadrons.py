"""Simplified hadrons: charged pions, kaons and protons scatter off nuclei and interact with them.

Free paths are the PDG's; the final states are a sketch that keeps energy balanced and gives the
topologies (kinks, stars of protons, secondary pions, pi0 showers), not a model of nuclei. Neutrons
and nuclear excitation carry their energy away unseen. Kaons have the free path of pions and come out of an
interaction as the leading particle.
"""

import math

import numpy as np

from data_gen.compiled import compiled
from data_gen.physics.argon import (
    DENSITY,
    KAON_MASS,
    NEUTRAL_PION_MASS,
    NUCLEON_INTERACTION_LENGTH,
    PION_INTERACTION_LENGTH,
    PION_MASS,
    PROTON_MASS,
    A,
    Z,
)
from data_gen.physics.decays import decay_neutral_pion
from data_gen.physics.directions import Direction, isotropic, rotate
from data_gen.physics.record import Balance, Process, Record, push_named
from data_gen.physics.steps import Deposit

ELASTIC_LENGTH = 1.0 / (1.0 / 75.7 - 1.0 / 119.7) / DENSITY
"""Free path of elastic scattering off the nucleus in cm: nuclear collision less interaction length (PDG)."""
ELASTIC_SLOPE = 14.5e-6 * A ** (2.0 / 3.0)
"""Of exp(-b t), in 1/MeV^2: 14.5 A^(2/3) per GeV^2 for coherent scattering (GEANT3, GHEISHA)."""
ABSORPTION_SHARE = 0.3
"""Of pion interactions below 500 MeV: absorbed by nucleons (D. Ashery et al., PRC 23 (1981) 2173)."""
NEUTRAL_SHARE = 0.2
"""Of leading pions: charge exchange to pi0."""
TRANSVERSE_MOMENTUM = 350.0
"""Mean transverse momentum of secondaries, in MeV/c."""
SEPARATION_ENERGY = 8.0
"""To free a nucleon, in MeV."""

_PROTON = 2212
_NEUTRAL_PION = 111
_NUCLEAR = int(Balance.NUCLEAR)
_RELEASED = int(Balance.RELEASED)
_TRACK = int(Deposit.TRACK)
_INELASTIC = int(Process.INELASTIC)


@compiled
def hadron_mass(pdg: int) -> float:
    """Mass in MeV of a charged pion, a charged kaon or a proton.

    Raises:
        ValueError: the particle is none of these.
    """
    if pdg == _PROTON:
        return PROTON_MASS
    if abs(pdg) == 211:
        return PION_MASS
    if abs(pdg) == 321:
        return KAON_MASS
    raise ValueError("the transport follows e, mu, pi, K, p, alpha and photons only")


@compiled
def inelastic_rate(pdg: int) -> float:
    """Inelastic interactions per cm."""
    return 1.0 / NUCLEON_INTERACTION_LENGTH if pdg == _PROTON else 1.0 / PION_INTERACTION_LENGTH


@compiled
def elastic_cosine(momentum: float, rng: np.random.Generator) -> float:
    """Cosine of the angle of elastic scattering off the nucleus, from exp(-b t); recoil is neglected."""
    t = -math.log(1.0 - rng.random()) / ELASTIC_SLOPE
    return max(-1.0, 1.0 - 0.5 * t / (momentum * momentum))


@compiled
def interact(
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
    """End a pion, kaon or proton in an inelastic interaction and push what comes out of it."""
    left = energy
    nucleons = 1 + int(3.0 * rng.random())
    pion = abs(pdg) == 211
    if pion and energy < 500.0 and rng.random() < ABSORPTION_SHARE:
        record.balance[_RELEASED] += PION_MASS
        left += PION_MASS
        nucleons += 1
    else:
        keep = left * (0.3 + 0.6 * rng.random())
        left -= keep
        if not pion:
            emit(record, pdg, keep, x, y, z, direction, t, g4_id, _INELASTIC, rng)
        elif rng.random() < NEUTRAL_SHARE:
            # the mass difference of 4.6 MeV stays with the nucleus
            record.balance[_RELEASED] += PION_MASS - NEUTRAL_PION_MASS
            record.balance[_NUCLEAR] += PION_MASS - NEUTRAL_PION_MASS
            emit(record, _NEUTRAL_PION, keep, x, y, z, direction, t, g4_id, _INELASTIC, rng)
        else:
            emit(record, pdg, keep, x, y, z, direction, t, g4_id, _INELASTIC, rng)
    while left > 500.0 and rng.random() < 0.7:
        charge = int(3.0 * rng.random()) - 1
        mass = PION_MASS if charge != 0 else NEUTRAL_PION_MASS
        share = mass + (left - mass) * 0.6 * rng.random()
        left -= share
        record.balance[_RELEASED] -= mass
        code = 211 * charge if charge != 0 else _NEUTRAL_PION
        emit(record, code, share - mass, x, y, z, direction, t, g4_id, _INELASTIC, rng)
    emit_nucleons(record, nucleons, left, x, y, z, direction, t, g4_id, _INELASTIC, rng)


@compiled
def emit_nucleons(
    record: Record,
    nucleons: int,
    left: float,
    x: float,
    y: float,
    z: float,
    direction: Direction,
    t: float,
    parent_id: int,
    process: int,
    rng: np.random.Generator,
) -> None:
    """Share ``left`` MeV among nucleons, of which protons are followed; the nucleus keeps the rest."""
    for _ in range(nucleons):
        if left <= SEPARATION_ENERGY:
            break
        left -= SEPARATION_ENERGY
        record.balance[_NUCLEAR] += SEPARATION_ENERGY
        share = min(left, left * rng.random() + 5.0)
        left -= share
        if rng.random() * A < Z:
            emit(record, _PROTON, share, x, y, z, direction, t, parent_id, process, rng)
        else:
            record.balance[_NUCLEAR] += share
    record.balance[_NUCLEAR] += left


@compiled
def emit(
    record: Record,
    pdg: int,
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
    """Push a secondary; its direction has an exponential transverse momentum, or is isotropic if slow."""
    mass = NEUTRAL_PION_MASS if pdg == _NEUTRAL_PION else hadron_mass(pdg)
    momentum = math.sqrt(energy * (energy + 2.0 * mass))
    transverse = -math.log(1.0 - rng.random()) * TRANSVERSE_MOMENTUM
    if transverse < momentum:
        cosine = math.sqrt(1.0 - (transverse / momentum) ** 2)
        out = rotate(direction[0], direction[1], direction[2], cosine, 2.0 * math.pi * rng.random())
    else:
        out = isotropic(rng)
    if pdg == _NEUTRAL_PION:
        decay_neutral_pion(record, energy, x, y, z, out, t, parent_id, process, rng)
    else:
        push_named(record, pdg, energy, x, y, z, out, t, _TRACK, parent_id, process)
