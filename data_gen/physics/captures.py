"""Capture at rest of pi-, K- and mu- by the argon nucleus.

Sketches that balance energy and show what a detector sees of them: a star of a few protons, sometimes a pion,
after pi- and K-; mostly nothing after mu-. Neutrons, the nucleus and hyperons keep the rest unseen.
"""

import math

import numpy as np

from data_gen.compiled import compiled
from data_gen.physics.argon import KAON_MASS, MUON_MASS, NEUTRAL_PION_MASS, PION_MASS
from data_gen.physics.directions import isotropic
from data_gen.physics.hadrons import SEPARATION_ENERGY, emit, emit_nucleons
from data_gen.physics.record import Balance, Process, Record, push_named
from data_gen.physics.steps import Deposit

PROTON_PAIR_SHARE = 1.0 / 6.0
"""Of pi- absorbed on two protons, which makes a fast proton: neutron pairs are 5 times as many as neutron and
proton in aluminium (S. Ozaki et al., PRL 4 (1960) 533)."""
PION_SHARE = 0.8
"""Of K- absorptions that set a pion free: K- N -> pion and hyperon; absorption on two nucleons makes 20 %
(V. R. Veirs, R. A. Burnstein, PRD 1 (1970) 1883)."""
HYPERON_EXCESS = 176.0
"""Mass of the Lambda less that of the neutron, in MeV; its decay is left out."""
PROTON_SHARE = 0.027
"""Protons per mu- capture: 2.66 % in aluminium, 2.65 % in titanium (AlCap: A. Edmonds et al., PRC 105 (2022)
035501)."""
LEAST_PROTON_ENERGY = 3.5
PROTON_SLOPE = 4.6
"""Of the exponential spectrum of these protons in MeV, from 3.5 MeV on (S. E. Sobottka, E. L. Wills, PRL 20
(1968) 596)."""
EXCITATION = 15.0
"""Mean energy in MeV that a mu- capture leaves in the nucleus (D. F. Measday, Phys. Rep. 354 (2001) 243)."""
GAMMA_ENERGY = 1.5
"""Of the photon that stands for the de-excitation after a mu- capture, in MeV: the scale of the low levels
of chlorine. One photon a capture."""

_PROTON = 2212
_NEUTRINOS = int(Balance.NEUTRINOS)
_NUCLEAR = int(Balance.NUCLEAR)
_RELEASED = int(Balance.RELEASED)
_TRACK = int(Deposit.TRACK)
_SHOWER = int(Deposit.SHOWER)
_CAPTURE = int(Process.CAPTURE)


@compiled
def capture_pion(
    record: Record, x: float, y: float, z: float, t: float, g4_id: int, rng: np.random.Generator
) -> None:
    """A stopped pi- is absorbed by two nucleons; each may pass energy on to others."""
    record.balance[_RELEASED] += PION_MASS
    left = PION_MASS
    if rng.random() < PROTON_PAIR_SHARE:
        fast = (0.5 * PION_MASS - SEPARATION_ENERGY) * rng.random() ** 0.5
        record.balance[_NUCLEAR] += SEPARATION_ENERGY
        left -= SEPARATION_ENERGY + fast
        emit(record, _PROTON, fast, x, y, z, isotropic(rng), t, g4_id, _CAPTURE, rng)
    # the neutrons of the pair leave with most of the rest
    neutrons = 0.7 * left * rng.random() ** 0.5
    record.balance[_NUCLEAR] += neutrons
    nucleons = 1 + int(3.0 * rng.random())
    emit_nucleons(record, nucleons, left - neutrons, x, y, z, isotropic(rng), t, g4_id, _CAPTURE, rng)


@compiled
def capture_kaon(
    record: Record, x: float, y: float, z: float, t: float, g4_id: int, rng: np.random.Generator
) -> None:
    """A stopped K- makes a hyperon, mostly with a pion, and knocks nucleons out."""
    record.balance[_RELEASED] += KAON_MASS
    record.balance[_NUCLEAR] += HYPERON_EXCESS
    left = KAON_MASS - HYPERON_EXCESS
    if rng.random() < PION_SHARE:
        charge = int(3.0 * rng.random()) - 1
        mass = PION_MASS if charge != 0 else NEUTRAL_PION_MASS
        pion = (left - mass - SEPARATION_ENERGY) * rng.random() ** 0.5
        left -= mass + pion
        record.balance[_RELEASED] -= mass
        code = 211 * charge if charge != 0 else 111
        emit(record, code, pion, x, y, z, isotropic(rng), t, g4_id, _CAPTURE, rng)
    nucleons = 1 + int(4.0 * rng.random())
    emit_nucleons(record, nucleons, left, x, y, z, isotropic(rng), t, g4_id, _CAPTURE, rng)


@compiled
def capture_muon(
    record: Record, x: float, y: float, z: float, t: float, g4_id: int, rng: np.random.Generator
) -> None:
    """A mu- in the 1s orbit turns a proton into a neutron; the neutrino takes most of the energy."""
    excitation = min(-EXCITATION * math.log(1.0 - rng.random()), 0.5 * MUON_MASS)
    record.balance[_RELEASED] += MUON_MASS
    record.balance[_NEUTRINOS] += MUON_MASS - excitation
    if rng.random() < PROTON_SHARE:
        proton = LEAST_PROTON_ENERGY - PROTON_SLOPE * math.log(1.0 - rng.random())
        if proton < 0.5 * MUON_MASS:
            more = max(proton + SEPARATION_ENERGY - excitation, 0.0)  # at the neutrino's expense
            record.balance[_NEUTRINOS] -= more
            excitation += more - proton
            push_named(record, _PROTON, proton, x, y, z, isotropic(rng), t, _TRACK, g4_id, _CAPTURE)
    if excitation > GAMMA_ENERGY:
        excitation -= GAMMA_ENERGY
        push_named(record, 22, GAMMA_ENERGY, x, y, z, isotropic(rng), t, _SHOWER, g4_id, _CAPTURE)
    record.balance[_NUCLEAR] += excitation
