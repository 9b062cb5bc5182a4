"""Transport of muons, pions, protons, electrons, positrons and photons through liquid argon.

A primary and all that it makes is followed until it stops, leaves the box or is absorbed; every
energy deposit becomes a step (:mod:`data_gen.steps`). Flight times are neglected (10 ns against
0.5 us a tick), decay times are not.

Secondaries of an electromagnetic shower carry the g4_id of the particle that started it, as in LArSoft
when shower daughters are not kept.
"""

import math

import numpy as np
from numpy.typing import NDArray

from data_gen.argon import (
    BOUND_MUON_DECAY_FRACTION,
    BOUND_MUON_LIFETIME,
    ELECTRON_MASS,
    MUON_LIFETIME,
    MUON_MASS,
    PION_MASS,
    PION_MUON_ENERGY,
    PROTON_MASS,
)
from data_gen.bremsstrahlung import emission_cosine, photon_energy, photon_rate, soft_loss
from data_gen.compiled import compiled
from data_gen.decays import annihilation, annihilation_rate, michel_energy
from data_gen.directions import Direction, isotropic, rotate, scatter
from data_gen.hadrons import ELASTIC_LENGTH, elastic_cosine, inelastic_rate, interact
from data_gen.ionisation import (
    DELTA_CUT,
    electron_delta_energy,
    electron_delta_rate,
    electron_range,
    electron_stopping_power,
    heavy_delta_energy,
    heavy_delta_rate,
    heavy_stopping_power,
    largest_transfer,
    recoil_cosine,
    step_loss,
)
from data_gen.photons import (
    compton,
    compton_rate,
    pair_fraction,
    pair_rate,
    photoelectric_rate,
    photoelectron_cosine,
)
from data_gen.record import Balance, Process, Record, deposit, push, push_named
from data_gen.steps import Deposit

LONGEST_STEP = 0.1
"""In cm: a fifth of the wire pitch, 1.3 ticks of drift."""
LARGEST_LOSS = 0.1
"""Largest share of its energy that a particle loses in a step."""
ELECTRON_STOP = 0.15
"""Electrons below this energy (range 0.2 mm) deposit on the spot."""
PHOTON_STOP = 0.01
"""Photons below this energy (absorption length 0.1 mm) deposit on the spot."""
HEAVY_STOP = 1.0
"""Muons and hadrons below this kinetic energy (range below 0.1 mm) stop on the spot."""

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
        record: the :class:`data_gen.record.Record` to take from and to fill.
        low: (3,) lower corner of the box of argon, in cm.
        high: (3,) upper corner.
        delta_ray_shower: delta rays of tracks from this kinetic energy on, in MeV, are showers.
        rng: numpy Generator.
    """
    while record.counts[1] > 0 and record.balance[_FULL] == 0.0:
        record.counts[1] -= 1
        pdg = record.stack[record.counts[1]].pdg
        if pdg == 22:
            _follow_photon(record, low, high, rng)
        elif pdg == 11 or pdg == -11:
            _follow_electron(record, low, high, rng)
        else:
            _follow_heavy(record, low, high, delta_ray_shower, rng)


@compiled
def _outside(x: float, y: float, z: float, low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    return x < low[0] or x > high[0] or y < low[1] or y > high[1] or z < low[2] or z > high[2]


@compiled
def _end(record: Record, g4_id: int, named: int, x: float, y: float, z: float) -> None:
    if named:
        origin = record.particles[g4_id]
        origin.end_x = x
        origin.end_y = y
        origin.end_z = z


@compiled
def _electron(
    record: Record,
    pdg: int,
    energy: float,
    x: float,
    y: float,
    z: float,
    direction: Direction,
    t: float,
    kind: int,
    g4_id: int,
) -> None:
    """Push an electron or positron of a shower, or let a slow electron deposit at once."""
    if energy > ELECTRON_STOP or pdg == -11:
        push(record, pdg, energy, x, y, z, direction, t, kind, g4_id, 0)
    elif energy > 0.0:
        deposit(record, x, y, z, t, energy, electron_range(max(energy, 1e-2)), kind, g4_id)


@compiled
def _follow_photon(
    record: Record, low: NDArray[np.float64], high: NDArray[np.float64], rng: np.random.Generator
) -> None:
    state = record.stack[record.counts[1]]
    energy = state.energy
    x, y, z = state.x, state.y, state.z
    direction = (state.ux, state.uy, state.uz)
    t, kind, g4_id, named = state.t, state.deposit, state.g4_id, state.named
    while True:
        if energy < PHOTON_STOP:
            deposit(record, x, y, z, t, energy, electron_range(1e-2), kind, g4_id)
            break
        pair = pair_rate(energy)
        scattering = compton_rate(energy)
        rate = pair + scattering + photoelectric_rate(energy)
        path = -math.log(1.0 - rng.random()) / rate
        x += direction[0] * path
        y += direction[1] * path
        z += direction[2] * path
        if _outside(x, y, z, low, high):
            record.balance[_ESCAPED] += energy
            break
        which = rng.random() * rate
        phi = 2.0 * math.pi * rng.random()
        if which < pair:
            total = pair_fraction(energy, rng) * energy
            record.balance[_RELEASED] -= 2.0 * ELECTRON_MASS
            one = rotate(direction[0], direction[1], direction[2], emission_cosine(total, rng), phi)
            other = emission_cosine(energy - total, rng)
            two = rotate(direction[0], direction[1], direction[2], other, phi + math.pi)
            electron = max(total - ELECTRON_MASS, 0.0)
            positron = max(energy - total - ELECTRON_MASS, 0.0)
            _electron(record, 11, electron, x, y, z, one, t, kind, g4_id)
            _electron(record, -11, positron, x, y, z, two, t, kind, g4_id)
            break
        if which < pair + scattering:
            left, cosine = compton(energy, rng)
            recoil = energy - left
            if recoil > ELECTRON_STOP:
                momentum = math.sqrt(recoil * (recoil + 2.0 * ELECTRON_MASS))
                turn = min(1.0, max(-1.0, (energy - left * cosine) / momentum))
                out = rotate(direction[0], direction[1], direction[2], turn, phi + math.pi)
                _electron(record, 11, recoil, x, y, z, out, t, kind, g4_id)
            else:
                _electron(record, 11, recoil, x, y, z, direction, t, kind, g4_id)
            direction = rotate(direction[0], direction[1], direction[2], cosine, phi)
            energy = left
        else:
            # the K-shell vacancy fills within micrometres: its 3 keV count with the electron
            turn = photoelectron_cosine(energy, rng)
            out = rotate(direction[0], direction[1], direction[2], turn, phi)
            _electron(record, 11, energy, x, y, z, out, t, kind, g4_id)
            break
    _end(record, g4_id, named, x, y, z)


@compiled
def _annihilate(
    record: Record,
    energy: float,
    x: float,
    y: float,
    z: float,
    direction: Direction,
    t: float,
    kind: int,
    g4_id: int,
    rng: np.random.Generator,
) -> None:
    """Push the two photons of a positron's annihilation with an electron at rest."""
    record.balance[_RELEASED] += 2.0 * ELECTRON_MASS
    if energy <= 0.0:
        one = isotropic(rng)
        two = (-one[0], -one[1], -one[2])
        push(record, 22, ELECTRON_MASS, x, y, z, one, t, kind, g4_id, 0)
        push(record, 22, ELECTRON_MASS, x, y, z, two, t, kind, g4_id, 0)
        return
    first, cosine = annihilation(energy, rng)
    second = energy + 2.0 * ELECTRON_MASS - first
    momentum = math.sqrt(energy * (energy + 2.0 * ELECTRON_MASS))
    other = min(1.0, max(-1.0, (momentum - first * cosine) / second))
    phi = 2.0 * math.pi * rng.random()
    one = rotate(direction[0], direction[1], direction[2], cosine, phi)
    two = rotate(direction[0], direction[1], direction[2], other, phi + math.pi)
    push(record, 22, first, x, y, z, one, t, kind, g4_id, 0)
    push(record, 22, second, x, y, z, two, t, kind, g4_id, 0)


@compiled
def _follow_electron(
    record: Record, low: NDArray[np.float64], high: NDArray[np.float64], rng: np.random.Generator
) -> None:
    state = record.stack[record.counts[1]]
    energy = state.energy
    positron = state.pdg == -11
    x, y, z = state.x, state.y, state.z
    direction = (state.ux, state.uy, state.uz)
    t, kind, g4_id, named = state.t, state.deposit, state.g4_id, state.named
    while True:
        if energy < ELECTRON_STOP:
            if energy > 0.0:
                deposit(record, x, y, z, t, energy, electron_range(max(energy, 1e-2)), kind, g4_id)
            if positron:
                _annihilate(record, 0.0, x, y, z, direction, t, kind, g4_id, rng)
            break
        gamma = 1.0 + energy / ELECTRON_MASS
        beta2 = 1.0 - 1.0 / (gamma * gamma)
        loss = electron_stopping_power(energy, positron, DELTA_CUT) + soft_loss(energy)
        knock = electron_delta_rate(energy, positron)
        radiate = photon_rate(energy)
        annihilate = annihilation_rate(energy) if positron else 0.0
        rate = knock + radiate + annihilate
        step = min(LONGEST_STEP, LARGEST_LOSS * energy / loss)
        path = -math.log(1.0 - rng.random()) / rate
        interacts = path < step
        step = min(step, path)
        largest = energy if positron else 0.5 * energy
        lost = min(energy, step_loss(loss * step, beta2, largest, step, rng))
        half = 0.5 * step
        middle = (x + direction[0] * half, y + direction[1] * half, z + direction[2] * half)
        deposit(record, middle[0], middle[1], middle[2], t, lost, step, kind, g4_id)
        x += direction[0] * step
        y += direction[1] * step
        z += direction[2] * step
        if _outside(x, y, z, low, high):
            record.balance[_ESCAPED] += energy - lost
            break
        momentum = math.sqrt(energy * (energy + 2.0 * ELECTRON_MASS))
        energy -= lost
        direction = scatter(direction[0], direction[1], direction[2], step, momentum, math.sqrt(beta2), rng)
        if not interacts or energy < 2.0 * DELTA_CUT:
            continue
        which = rng.random() * rate
        if which < knock:
            transfer = electron_delta_energy(energy, positron, rng)
            phi = 2.0 * math.pi * rng.random()
            cosine = recoil_cosine(energy, ELECTRON_MASS, transfer)
            out = rotate(direction[0], direction[1], direction[2], cosine, phi)
            cosine = recoil_cosine(energy, ELECTRON_MASS, energy - transfer)
            direction = rotate(direction[0], direction[1], direction[2], cosine, phi + math.pi)
            energy -= transfer
            _electron(record, 11, transfer, x, y, z, out, t, kind, g4_id)
        elif which < knock + radiate:
            photon = photon_energy(energy, rng)
            cosine = emission_cosine(energy + ELECTRON_MASS, rng)
            out = rotate(direction[0], direction[1], direction[2], cosine, 2.0 * math.pi * rng.random())
            energy -= photon
            # a photon leaves the track, so what it makes is never the track's own
            of_photon = _SHOWER if kind == _TRACK else kind
            push(record, 22, photon, x, y, z, out, t, of_photon, g4_id, 0)
        else:
            _annihilate(record, energy, x, y, z, direction, t, kind, g4_id, rng)
            break
    _end(record, g4_id, named, x, y, z)


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
    mass = MUON_MASS
    hadron = False
    if pdg != 13 and pdg != -13:
        hadron = True
        mass = PROTON_MASS if pdg == 2212 else PION_MASS
    elastic = 1.0 / ELASTIC_LENGTH if hadron else 0.0
    inelastic = inelastic_rate(pdg) if hadron else 0.0
    while True:
        if energy < HEAVY_STOP:
            if energy > 0.0:
                length = energy / heavy_stopping_power(HEAVY_STOP, mass, DELTA_CUT)
                deposit(record, x, y, z, t, energy, length, kind, g4_id)
            _decay_at_rest(record, pdg, x, y, z, t, g4_id, rng)
            break
        gamma = 1.0 + energy / mass
        beta2 = 1.0 - 1.0 / (gamma * gamma)
        loss = heavy_stopping_power(energy, mass, DELTA_CUT)
        knock = heavy_delta_rate(energy, mass)
        rate = knock + elastic + inelastic
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
        if _outside(x, y, z, low, high):
            record.balance[_ESCAPED] += energy - lost
            break
        momentum = math.sqrt(energy * (energy + 2.0 * mass))
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
                _electron(record, 11, transfer, x, y, z, out, t, kind, g4_id)
        elif which < knock + elastic:
            cosine = elastic_cosine(momentum, rng)
            direction = rotate(direction[0], direction[1], direction[2], cosine, 2.0 * math.pi * rng.random())
        else:
            interact(record, pdg, energy, x, y, z, direction, t, g4_id, rng)
            break
    _end(record, g4_id, named, x, y, z)


@compiled
def _decay_at_rest(
    record: Record, pdg: int, x: float, y: float, z: float, t: float, g4_id: int, rng: np.random.Generator
) -> None:
    """A stopped mu+ decays; a mu- decays or is captured; pi+ decays to mu+; pi- and protons just stop."""
    if pdg == 211:
        record.balance[_RELEASED] += PION_MASS - MUON_MASS
        record.balance[_NEUTRINOS] += PION_MASS - MUON_MASS - PION_MUON_ENERGY
        out = isotropic(rng)
        push_named(record, -13, PION_MUON_ENERGY, x, y, z, out, t, _TRACK, g4_id, _DECAY)
        return
    if pdg != 13 and pdg != -13:
        return
    if pdg == 13 and rng.random() > BOUND_MUON_DECAY_FRACTION:
        return
    lifetime = BOUND_MUON_LIFETIME if pdg == 13 else MUON_LIFETIME
    later = t - math.log(1.0 - rng.random()) * lifetime
    energy = michel_energy(rng)
    record.balance[_RELEASED] += MUON_MASS - ELECTRON_MASS
    record.balance[_NEUTRINOS] += MUON_MASS - ELECTRON_MASS - energy
    electron = 11 if pdg == 13 else -11
    push_named(record, electron, energy, x, y, z, isotropic(rng), later, _MICHEL, g4_id, _DECAY)
