"""Transport of muons, pions, kaons, protons, alphas, electrons, positrons and photons through liquid argon.

A primary and all that it makes is followed until it stops, leaves the box or is absorbed; every
energy deposit becomes a step (:mod:`data_gen.physics.steps`). Flight times are neglected (10 ns against
0.5 us a tick), decay times are not.
"""

import math

import numpy as np
from numpy.typing import NDArray

from data_gen.compiled import compiled
from data_gen.physics.argon import (
    BOUND_MUON_DECAY_FRACTION,
    BOUND_MUON_LIFETIME,
    ELECTRON_MASS,
    KAON_DECAY_LENGTH,
    MUON_LIFETIME,
    MUON_MASS,
    PION_DECAY_LENGTH,
)
from data_gen.physics.captures import capture_kaon, capture_muon, capture_pion
from data_gen.physics.decays import decay_pion, michel_energy
from data_gen.physics.directions import isotropic, rotate, scatter
from data_gen.physics.hadrons import ELASTIC_LENGTH, elastic_cosine, hadron_mass, inelastic_rate, interact
from data_gen.physics.ionisation import (
    DELTA_CUT,
    alpha_range,
    heavy_delta_energy,
    heavy_delta_rate,
    heavy_stopping_power,
    largest_transfer,
    recoil_cosine,
    step_loss,
)
from data_gen.physics.kaons import decay_kaon
from data_gen.physics.muon_radiation import pair_energy, photon_energy, radiate, radiation
from data_gen.physics.record import Balance, Process, Record, deposit, finish, outside, push_named
from data_gen.physics.showers import LARGEST_LOSS, LONGEST_STEP, follow_electron, follow_photon, push_electron
from data_gen.physics.steps import Deposit

HEAVY_STOP = 1.0
"""Muons and hadrons below this kinetic energy (range below 0.1 mm) stop on the spot."""

_ALPHA = 1000020040
_ESCAPED = int(Balance.ESCAPED)
_NEUTRINOS = int(Balance.NEUTRINOS)
_RELEASED = int(Balance.RELEASED)
_FULL = int(Balance.FULL)
_TRACK = int(Deposit.TRACK)
_SHOWER = int(Deposit.SHOWER)
_MICHEL = int(Deposit.MICHEL)
_DECAY = int(Process.DECAY)
_DELTA = int(Process.DELTA)


@compiled
def follow_all(
    record: Record,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    delta_ray_shower: float,
    rng: np.random.Generator,
) -> None:
    """Follow every particle on the stack and all that it makes.

    Args:
        record: the :class:`data_gen.physics.record.Record` to take from and to fill.
        low: (3,) lower corner of the box of argon, in cm.
        high: (3,) upper corner.
        delta_ray_shower: delta rays of tracks from this kinetic energy on, in MeV, are showers.
        rng: numpy Generator.
    """
    while record.counts[1] > 0 and record.balance[_FULL] == 0.0:
        record.counts[1] -= 1
        pdg = record.stack[record.counts[1]].pdg
        if pdg == 22:
            follow_photon(record, low, high, rng)
        elif pdg == 11 or pdg == -11:
            follow_electron(record, low, high, rng)
        elif pdg == _ALPHA:
            _stop_alpha(record)
        else:
            _follow_heavy(record, low, high, delta_ray_shower, rng)


@compiled
def _stop_alpha(record: Record) -> None:
    """An alpha particle deposits on the spot, over its range."""
    state = record.stack[record.counts[1]]
    x, y, z = state.x, state.y, state.z
    length = alpha_range(state.energy)
    g4_id, named = state.g4_id, state.named
    deposit(record, x, y, z, state.t, state.energy, length, state.deposit, g4_id)
    finish(record, g4_id, named, x, y, z)


@compiled
def _follow_heavy(
    record: Record,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    delta_ray_shower: float,
    rng: np.random.Generator,
) -> None:
    state = record.stack[record.counts[1]]
    pdg = state.pdg
    energy = state.energy
    x, y, z = state.x, state.y, state.z
    direction = (state.ux, state.uy, state.uz)
    t, kind, g4_id, named = state.t, state.deposit, state.g4_id, state.named
    muon = pdg == 13 or pdg == -13
    mass = MUON_MASS if muon else hadron_mass(pdg)
    elastic = 0.0 if muon else 1.0 / ELASTIC_LENGTH
    inelastic = 0.0 if muon else inelastic_rate(pdg)
    decay_length = 0.0
    if abs(pdg) == 211:
        decay_length = PION_DECAY_LENGTH
    elif abs(pdg) == 321:
        decay_length = KAON_DECAY_LENGTH
    radiated, photons, pairs, decay = 0.0, 0.0, 0.0, 0.0
    while True:
        if energy < HEAVY_STOP:
            if energy > 0.0:
                length = energy / heavy_stopping_power(HEAVY_STOP, mass, DELTA_CUT)
                deposit(record, x, y, z, t, energy, length, kind, g4_id)
            _end_at_rest(record, pdg, x, y, z, t, g4_id, rng)
            break
        gamma = 1.0 + energy / mass
        beta2 = 1.0 - 1.0 / (gamma * gamma)
        momentum = math.sqrt(energy * (energy + 2.0 * mass))
        loss = heavy_stopping_power(energy, mass, DELTA_CUT)
        if muon:
            radiated, photons, pairs = radiation(energy)
            loss += radiated
        elif decay_length > 0.0:
            decay = mass / (momentum * decay_length)
        knock = heavy_delta_rate(energy, mass)
        rate = knock + elastic + inelastic + decay + photons + pairs
        step = min(LONGEST_STEP, LARGEST_LOSS * energy / loss)
        interacts = False
        if rate > 0.0:
            path = -math.log(1.0 - rng.random()) / rate
            interacts = path < step
            step = min(step, path)
        mean = loss * step
        if mean > 0.01 * energy:
            mean = heavy_stopping_power(energy - 0.5 * mean, mass, DELTA_CUT) * step
        lost = min(energy, step_loss(mean, beta2, largest_transfer(energy, mass), step, rng))
        half = 0.5 * step
        middle = (x + direction[0] * half, y + direction[1] * half, z + direction[2] * half)
        deposit(record, middle[0], middle[1], middle[2], t, lost, step, kind, g4_id)
        x += direction[0] * step
        y += direction[1] * step
        z += direction[2] * step
        if outside(x, y, z, low, high):
            record.balance[_ESCAPED] += energy - lost
            break
        energy -= lost
        direction = scatter(direction[0], direction[1], direction[2], step, momentum, math.sqrt(beta2), rng)
        if not interacts or energy < HEAVY_STOP:
            continue
        which = rng.random() * rate
        if which < knock:
            if largest_transfer(energy, mass) <= DELTA_CUT:
                continue
            transfer = heavy_delta_energy(energy, mass, rng)
            cosine = recoil_cosine(energy, mass, transfer)
            out = rotate(direction[0], direction[1], direction[2], cosine, 2.0 * math.pi * rng.random())
            energy -= transfer
            if transfer >= delta_ray_shower and kind == _TRACK:
                push_named(record, 11, transfer, x, y, z, out, t, _SHOWER, g4_id, _DELTA)
            else:
                push_electron(record, 11, transfer, x, y, z, out, t, kind, g4_id)
        elif which < knock + elastic:
            cosine = elastic_cosine(momentum, rng)
            direction = rotate(direction[0], direction[1], direction[2], cosine, 2.0 * math.pi * rng.random())
        elif which < knock + elastic + inelastic:
            interact(record, pdg, energy, x, y, z, direction, t, g4_id, rng)
            break
        elif which < knock + elastic + inelastic + decay:
            if abs(pdg) == 211:
                decay_pion(record, pdg, energy, x, y, z, direction, t, g4_id, rng)
            else:
                decay_kaon(record, pdg, energy, x, y, z, direction, t, g4_id, rng)
            break
        else:
            pair = which >= rate - pairs
            transfer = pair_energy(energy, rng) if pair else photon_energy(energy, rng)
            separate = transfer >= delta_ray_shower and kind == _TRACK
            radiate(record, transfer, pair, separate, gamma, x, y, z, direction, t, kind, g4_id, rng)
            energy -= transfer
    finish(record, g4_id, named, x, y, z)


@compiled
def _end_at_rest(
    record: Record, pdg: int, x: float, y: float, z: float, t: float, g4_id: int, rng: np.random.Generator
) -> None:
    """What has stopped decays or is captured by the nucleus; protons just stop."""
    still = (0.0, 0.0, 1.0)
    if pdg == 211:
        decay_pion(record, pdg, 0.0, x, y, z, still, t, g4_id, rng)
    elif pdg == -211:
        capture_pion(record, x, y, z, t, g4_id, rng)
    elif pdg == 321:
        decay_kaon(record, pdg, 0.0, x, y, z, still, t, g4_id, rng)
    elif pdg == -321:
        capture_kaon(record, x, y, z, t, g4_id, rng)
    elif pdg == 13 or pdg == -13:
        lifetime = BOUND_MUON_LIFETIME if pdg == 13 else MUON_LIFETIME
        later = t - math.log(1.0 - rng.random()) * lifetime
        if pdg == 13 and rng.random() > BOUND_MUON_DECAY_FRACTION:
            capture_muon(record, x, y, z, later, g4_id, rng)
            return
        energy = michel_energy(rng)
        record.balance[_RELEASED] += MUON_MASS - ELECTRON_MASS
        record.balance[_NEUTRINOS] += MUON_MASS - ELECTRON_MASS - energy
        code = 11 if pdg == 13 else -11
        push_named(record, code, energy, x, y, z, isotropic(rng), later, _MICHEL, g4_id, _DECAY)
