"""Decays of charged kaons, at rest and in flight.

Branching fractions: PDG. Decays to three bodies follow phase space, without form factors.
"""

import math

import numpy as np

from data_gen.compiled import compiled
from data_gen.physics.argon import ELECTRON_MASS, KAON_MASS, MUON_MASS, NEUTRAL_PION_MASS, PION_MASS
from data_gen.physics.decays import boosted, decay_neutral_pion
from data_gen.physics.directions import Direction, isotropic
from data_gen.physics.record import Balance, Process, Record, push_named
from data_gen.physics.steps import Deposit

MUON_SHARE = 0.6356
"""K+ -> mu+ nu."""
TWO_PION_SHARE = 0.2067
"""K+ -> pi+ pi0."""
CHARGED_PIONS_SHARE = 0.0558
"""K+ -> pi+ pi+ pi-."""
ELECTRON_SHARE = 0.0507
"""K+ -> pi0 e+ nu."""
MUON_PION_SHARE = 0.0335
"""K+ -> pi0 mu+ nu; what remains is K+ -> pi+ pi0 pi0, 1.8 %."""

_NEUTRINO = 14
_NEUTRAL_PION = 111
_NEUTRINOS = int(Balance.NEUTRINOS)
_RELEASED = int(Balance.RELEASED)
_TRACK = int(Deposit.TRACK)
_SHOWER = int(Deposit.SHOWER)
_DECAY = int(Process.DECAY)


@compiled
def breakup_momentum(mass: float, first: float, second: float) -> float:
    """Momentum in MeV/c of the products of a decay at rest into two bodies (PDG, Kinematics)."""
    above = mass * mass - (first + second) ** 2
    return math.sqrt(max(above * (mass * mass - (first - second) ** 2), 0.0)) / (2.0 * mass)


@compiled
def three_bodies(
    mass: float, first: float, second: float, third: float, rng: np.random.Generator
) -> tuple[Direction, Direction, Direction]:
    """Momenta in MeV/c of a decay at rest into three bodies of the given masses, flat in phase space."""
    least = second + third
    most = mass - first
    bound = breakup_momentum(mass, first, least) * breakup_momentum(most, second, third)
    while True:
        pair = least + (most - least) * rng.random()
        out = breakup_momentum(mass, first, pair)
        inner = breakup_momentum(pair, second, third)
        if rng.random() * bound < out * inner:
            break
    away = isotropic(rng)
    axis = isotropic(rng)
    gamma = math.sqrt(out * out + pair * pair) / pair
    back = (-away[0], -away[1], -away[2])
    one = (inner * axis[0], inner * axis[1], inner * axis[2])
    other = (-one[0], -one[1], -one[2])
    _, size2, direction2 = boosted(second, one, gamma, back)
    _, size3, direction3 = boosted(third, other, gamma, back)
    return (
        (out * away[0], out * away[1], out * away[2]),
        (size2 * direction2[0], size2 * direction2[1], size2 * direction2[2]),
        (size3 * direction3[0], size3 * direction3[1], size3 * direction3[2]),
    )


@compiled
def _push(
    record: Record,
    pdg: int,
    momentum: Direction,
    gamma: float,
    x: float,
    y: float,
    z: float,
    direction: Direction,
    t: float,
    g4_id: int,
    rng: np.random.Generator,
) -> None:
    """Push a product of the decay; a neutrino only enters the balance."""
    mass = _mass(pdg)
    kinetic, _, out = boosted(mass, momentum, gamma, direction)
    record.balance[_RELEASED] -= mass
    if pdg == _NEUTRINO:
        record.balance[_NEUTRINOS] += kinetic
    elif pdg == _NEUTRAL_PION:
        decay_neutral_pion(record, kinetic, x, y, z, out, t, g4_id, _DECAY, rng)
    else:
        kind = _SHOWER if abs(pdg) == 11 else _TRACK
        push_named(record, pdg, kinetic, x, y, z, out, t, kind, g4_id, _DECAY)


@compiled
def _mass(pdg: int) -> float:
    if pdg == _NEUTRINO:
        return 0.0
    if pdg == _NEUTRAL_PION:
        return NEUTRAL_PION_MASS
    if abs(pdg) == 211:
        return PION_MASS
    return MUON_MASS if abs(pdg) == 13 else ELECTRON_MASS


@compiled
def decay_kaon(
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
    """A charged kaon of kinetic energy ``energy`` decays."""
    sign = 1 if pdg > 0 else -1
    which = rng.random()
    second = _NEUTRINO
    third = 0
    if which < MUON_SHARE:
        first = -13 * sign
    elif which < MUON_SHARE + TWO_PION_SHARE:
        first = 211 * sign
        second = _NEUTRAL_PION
    else:
        which -= MUON_SHARE + TWO_PION_SHARE
        third = _NEUTRINO
        second = _NEUTRAL_PION
        if which < CHARGED_PIONS_SHARE:
            first, second, third = 211 * sign, 211 * sign, -211 * sign
        elif which < CHARGED_PIONS_SHARE + ELECTRON_SHARE:
            first = -11 * sign
        elif which < CHARGED_PIONS_SHARE + ELECTRON_SHARE + MUON_PION_SHARE:
            first = -13 * sign
        else:
            first, third = 211 * sign, _NEUTRAL_PION
    gamma = 1.0 + energy / KAON_MASS
    record.balance[_RELEASED] += KAON_MASS
    if third == 0:
        size = breakup_momentum(KAON_MASS, _mass(first), _mass(second))
        axis = isotropic(rng)
        momentum = (size * axis[0], size * axis[1], size * axis[2])
        opposite = (-momentum[0], -momentum[1], -momentum[2])
        _push(record, first, momentum, gamma, x, y, z, direction, t, g4_id, rng)
        _push(record, second, opposite, gamma, x, y, z, direction, t, g4_id, rng)
        return
    one, two, three = three_bodies(KAON_MASS, _mass(first), _mass(second), _mass(third), rng)
    _push(record, first, one, gamma, x, y, z, direction, t, g4_id, rng)
    _push(record, second, two, gamma, x, y, z, direction, t, g4_id, rng)
    _push(record, third, three, gamma, x, y, z, direction, t, g4_id, rng)
