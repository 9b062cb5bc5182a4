"""Following photons, electrons and positrons: electromagnetic showers.

The secondaries of a shower carry the g4_id of the particle that started it, as in LArSoft when shower
daughters are not kept. What a photon makes is a shower's, never the track's or the Michel electron's that
radiated it: LArSoft, too, calls Michel what the electron itself ionises, and not the dots that its photons
leave around (larrecodnn, PointIdAlg.cxx, TrainingDataAlg::setEventData: deposits of negative track id).
"""

import math

import numpy as np
from numpy.typing import NDArray

from data_gen.compiled import compiled
from data_gen.physics.argon import ELECTRON_MASS
from data_gen.physics.bremsstrahlung import emission_cosine, photon_energy, photon_rate, soft_loss
from data_gen.physics.decays import annihilation, annihilation_rate
from data_gen.physics.directions import Direction, isotropic, rotate, scatter
from data_gen.physics.ionisation import (
    DELTA_CUT,
    electron_delta_energy,
    electron_delta_rate,
    electron_range,
    electron_stopping_power,
    recoil_cosine,
    step_loss,
)
from data_gen.physics.photons import (
    compton,
    compton_rate,
    pair_fraction,
    pair_rate,
    photoelectric_rate,
    photoelectron_cosine,
)
from data_gen.physics.record import Balance, Record, deposit, finish, outside, push
from data_gen.physics.steps import Deposit

LONGEST_STEP = 0.1
"""In cm: a fifth of the wire pitch, 1.3 ticks of drift."""
LARGEST_LOSS = 0.1
"""Largest share of its energy that a particle loses in a step."""
ELECTRON_STOP = 0.15
"""Electrons below this energy (range 0.2 mm) deposit on the spot."""
PHOTON_STOP = 0.01
"""Photons below this energy (absorption length 0.1 mm) deposit on the spot."""

_ESCAPED = int(Balance.ESCAPED)
_RELEASED = int(Balance.RELEASED)
_SHOWER = int(Deposit.SHOWER)


@compiled
def push_electron(
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
def follow_photon(
    record: Record, low: NDArray[np.float64], high: NDArray[np.float64], rng: np.random.Generator
) -> None:
    """Follow the photon on top of the stack (already taken off) until it is absorbed or leaves."""
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
        if outside(x, y, z, low, high):
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
            push_electron(record, 11, electron, x, y, z, one, t, kind, g4_id)
            push_electron(record, -11, positron, x, y, z, two, t, kind, g4_id)
            break
        if which < pair + scattering:
            left, cosine = compton(energy, rng)
            recoil = energy - left
            if recoil > ELECTRON_STOP:
                momentum = math.sqrt(recoil * (recoil + 2.0 * ELECTRON_MASS))
                turn = min(1.0, max(-1.0, (energy - left * cosine) / momentum))
                out = rotate(direction[0], direction[1], direction[2], turn, phi + math.pi)
                push_electron(record, 11, recoil, x, y, z, out, t, kind, g4_id)
            else:
                push_electron(record, 11, recoil, x, y, z, direction, t, kind, g4_id)
            direction = rotate(direction[0], direction[1], direction[2], cosine, phi)
            energy = left
        else:
            # the K-shell vacancy fills within micrometres: its 3 keV count with the electron
            turn = photoelectron_cosine(energy, rng)
            out = rotate(direction[0], direction[1], direction[2], turn, phi)
            push_electron(record, 11, energy, x, y, z, out, t, kind, g4_id)
            break
    finish(record, g4_id, named, x, y, z)


@compiled
def _annihilate(
    record: Record,
    energy: float,
    x: float,
    y: float,
    z: float,
    direction: Direction,
    t: float,
    g4_id: int,
    rng: np.random.Generator,
) -> None:
    """Push the two photons of a positron's annihilation with an electron at rest."""
    record.balance[_RELEASED] += 2.0 * ELECTRON_MASS
    if energy <= 0.0:
        one = isotropic(rng)
        two = (-one[0], -one[1], -one[2])
        push(record, 22, ELECTRON_MASS, x, y, z, one, t, _SHOWER, g4_id, 0)
        push(record, 22, ELECTRON_MASS, x, y, z, two, t, _SHOWER, g4_id, 0)
        return
    first, cosine = annihilation(energy, rng)
    second = energy + 2.0 * ELECTRON_MASS - first
    momentum = math.sqrt(energy * (energy + 2.0 * ELECTRON_MASS))
    other = min(1.0, max(-1.0, (momentum - first * cosine) / second))
    phi = 2.0 * math.pi * rng.random()
    one = rotate(direction[0], direction[1], direction[2], cosine, phi)
    two = rotate(direction[0], direction[1], direction[2], other, phi + math.pi)
    push(record, 22, first, x, y, z, one, t, _SHOWER, g4_id, 0)
    push(record, 22, second, x, y, z, two, t, _SHOWER, g4_id, 0)


@compiled
def follow_electron(
    record: Record, low: NDArray[np.float64], high: NDArray[np.float64], rng: np.random.Generator
) -> None:
    """Follow the electron or positron on top of the stack (already taken off) until it stops or leaves."""
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
                _annihilate(record, 0.0, x, y, z, direction, t, g4_id, rng)
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
        if outside(x, y, z, low, high):
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
            push_electron(record, 11, transfer, x, y, z, out, t, kind, g4_id)
        elif which < knock + radiate:
            photon = photon_energy(energy, rng)
            cosine = emission_cosine(energy + ELECTRON_MASS, rng)
            out = rotate(direction[0], direction[1], direction[2], cosine, 2.0 * math.pi * rng.random())
            energy -= photon
            push(record, 22, photon, x, y, z, out, t, _SHOWER, g4_id, 0)
        else:
            _annihilate(record, energy, x, y, z, direction, t, g4_id, rng)
            break
    finish(record, g4_id, named, x, y, z)
