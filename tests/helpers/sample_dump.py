"""The sample dump of docs/sample_dump: three planes as PointIdTrainingData writes them, drawn by lot."""

from pathlib import Path

import numpy as np

from tests.helpers.dumps import Plane, write_text
from tests.helpers.paths import ROOT

SAMPLE = ROOT / "docs" / "sample_dump"
EVENTS = (1, 3, 5)
"""One that trains, one that validates, one that is held out."""
SHAPE = (110, 120)
"""Wires and drift pixels: hits lie 24 from the border."""

ELECTRON, MUON, PION = 11, 13, 211
MICHEL, PRIMARY_MUON, VERTEX = 0x2000, 0x8000, 0x40000
MEV_PER_CM, PITCH_CM = 2.1, 0.48
UNITS_PER_MEV = 2.5
"""Network units of era 2021 at the peak of a pulse: 2 for a muon's pixel."""


def write_sample(folder: Path = SAMPLE) -> None:
    """Write the planes of all events; after a change to them, from the root of the repository:

    python -c 'from tests.helpers.sample_dump import write_sample; write_sample()'
    """
    for event in EVENTS:
        write_text(folder, sample_plane(event), event)


def sample_plane(seed: int, shape: tuple[int, int] = SHAPE) -> Plane:
    """A muon that crosses, two that stop and decay, a pion and a shower from one vertex."""
    random = np.random.default_rng(seed)
    stops = random.uniform((40, 40), (70, 75), (2, 2))
    vertex = random.uniform((25, 80), (35, 90))
    steps = [
        track(random, (0, random.uniform(10, 40)), random.uniform(-0.1, 0.5), 200, MUON | PRIMARY_MUON),
        *(track(random, stop, random.uniform(3.5, 4.3), 100, MUON) for stop in stops),
        *(track(random, stop, random.uniform(0.5, 1.5), 35, ELECTRON | MICHEL) for stop in stops),
        track(random, vertex, random.uniform(-0.6, 0.0), 60, PION),
        shower(random, vertex, random.uniform(0.1, 0.4)),
    ]
    wire, drift, mev, code = np.concatenate(steps, axis=1)
    place = np.floor([wire, drift]).astype(int)
    inside = ((place >= 0) & (place < np.array(shape)[:, None])).all(axis=0)
    order = np.argsort(mev[inside], kind="stable")  # so that the largest deposit gives a pixel its code
    at = tuple(place[:, inside][:, order])
    deposit, charge, pdg = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int64)
    np.maximum.at(deposit, at, mev[inside][order] / 1000.0)
    np.add.at(charge, at, mev[inside][order])
    pdg[at] = code[inside][order]
    pdg[tuple(np.floor(vertex).astype(int))] |= VERTEX
    pulse = 0.6 * charge
    pulse[:, 1:] += 0.2 * charge[:, :-1]
    pulse[:, :-1] += 0.2 * charge[:, 1:]
    raw = UNITS_PER_MEV * pulse + np.where(pulse > 0, random.uniform(-0.2, 0.2, shape), 0.0)
    return {"raw": np.clip(raw, -5.0, 15.0).round(2) + 0.0, "deposit": deposit.round(7), "pdg": pdg}


def track(random: np.random.Generator, start: object, angle: float, length: float, code: int) -> np.ndarray:
    """(4, steps) wire, drift pixel, MeV, code of steps of half a wire pitch in a straight line."""
    along = np.arange(0.0, length, 0.5)
    mev = 0.5 * MEV_PER_CM * PITCH_CM * (0.8 + random.exponential(0.2, len(along)))
    wire, drift = np.asarray(start, float)[:, None] + along * [[np.cos(angle)], [np.sin(angle)]]
    return np.stack([wire, drift, mev, np.full(len(along), float(code))])


def shower(random: np.random.Generator, start: object, angle: float) -> np.ndarray:
    """(4, steps) of an electron shower: 3 cells of depth to the mean, ever wider."""
    steps = 350
    depth = random.gamma(2.0, 14.0, steps)
    aside = random.normal(0.0, 0.5 + 0.12 * depth)
    direction = np.array([[np.cos(angle)], [np.sin(angle)]])
    place = np.asarray(start, float)[:, None] + depth * direction + aside * direction[::-1] * [[-1.0], [1.0]]
    return np.stack([*place, random.exponential(0.5, steps), np.full(steps, float(ELECTRON))])
