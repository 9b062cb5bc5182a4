"""Energy conservation: what was deposited or is known to have gone, against what was there."""

from functools import partial

import numpy as np

from data_gen.configuration import Configuration, Sources
from data_gen.physics.record import Balance
from data_gen.simulate import transport
from data_gen.sources.mixture import primaries
from data_gen.sources.primary import isotropic_directions
from data_gen.validation.check import Check
from data_gen.validation.particle_gun import Shot, shoot
from data_gen.validation.study import Effort, Section, Study, generator
from lartpc.detector import ACTIVE_CM

PRIMARIES = {
    "e-": 11, "e+": -11, "photon": 22, "mu-": 13, "mu+": -13, "pi+": 211, "pi-": -211, "K+": 321, "K-": -321,
    "proton": 2212,
}  # fmt: skip
"""Every kind of primary -> PDG code."""
_MIDDLE = (0.5 * ACTIVE_CM[0], 0.5 * ACTIVE_CM[1], 0.5 * ACTIVE_CM[2])
_ENERGIES = (30.0, 300.0, 3000.0)


def study(effort: Effort, seed: int) -> Study:
    """Primaries of every kind from the middle of the active argon, many of which leave it."""
    tasks = [partial(worst_balance, name, effort.balanced, seed) for name in PRIMARIES]
    return Study((*tasks, partial(worst_decay, effort.balanced, seed)), conclude)


def worst_balance(name: str, count: int, seed: int) -> tuple[str, int, float]:
    """Name, number of primaries, and that share of energy accounted for that is furthest from 1."""
    rng = generator(seed, f"conservation {name}")
    shares = []
    for energy in np.repeat(_ENERGIES, count):
        x, y, z = isotropic_directions(1, rng)[0]
        shot = shoot(PRIMARIES[name], float(energy), rng, Configuration(), _MIDDLE, (x, y, z))
        shares.append(shot.accounted / (energy + shot.balance[Balance.RELEASED]))
    return name, len(shares), max(shares, key=lambda share: abs(share - 1.0))


def worst_decay(events: int, seed: int) -> tuple[str, int, float]:
    """The same for what radioactive decays set free, of the rates that an event has."""
    rng = generator(seed, "conservation decays")
    sources = Sources(cosmic_muons=0.0, stopping_muons=0.0, showers=0.0, beam=0.0)
    drawn = [each for _ in range(events) for each in primaries(Configuration(sources=sources), rng)]
    shares = []
    for each in drawn:
        record = transport([each], Configuration(), rng)
        shot = Shot(record.steps[: record.counts[0]], record.particles[: record.counts[2]], record.balance)
        shares.append(shot.accounted / (each.energy + shot.balance[Balance.RELEASED]))
    return "radioactive decays", len(shares), max(shares, key=lambda share: abs(share - 1.0))


def conclude(results: list[tuple[str, int, float]]) -> Section:
    """One check for each kind of primary."""
    checks = tuple(
        Check(
            f"Energy accounted for, {name}: worst of {count}",
            share,
            "",
            reference=1.0,
            source="energy conservation",
            tolerance=1e-9,
        )
        for name, count, share in results
    )
    text = (
        "Deposits + escaped + neutrinos + kept by nuclei, over kinetic energy + rest mass set free, for "
        f"primaries of {', '.join(f'{energy:g}' for energy in _ENERGIES)} MeV in random directions, and "
        "for radioactive decays.",
    )
    return Section("Energy conservation", text, checks)
