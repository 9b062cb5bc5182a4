"""Muons: range by integration of the stopping power, range of simulated muons, minimum ionisation."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from data_gen.physics.argon import DENSITY, MUON_MASS
from data_gen.physics.ionisation import heavy_stopping_power
from data_gen.physics.ranges import range_of_energy
from data_gen.validation.check import Check
from data_gen.validation.figures import OURS, REFERENCE, drawing, label
from data_gen.validation.particle_gun import shoot
from data_gen.validation.study import Effort, Section, Study, batches, generator

SOURCE = "PDG, Muons in liquid argon (Groom, Mokhov, Striganov, ADNDT 78 (2001) 183)"
MUON_RANGES = {
    10.0: 0.9833, 14.0: 1.786, 20.0: 3.321, 30.0: 6.598, 40.0: 10.58, 80.0: 30.84, 100.0: 42.50, 140.0: 67.32,
    200.0: 106.3, 300.0: 172.5, 400.0: 238.5, 800.0: 493.4, 1000.0: 616.3, 1400.0: 855.2, 2000.0: 1202.0,
    3000.0: 1758.0, 4000.0: 2297.0, 8000.0: 4359.0, 10_000.0: 5354.0,
}  # fmt: skip
"""Kinetic energy of a muon in MeV -> CSDA range in liquid argon in g/cm^2 (:data:`SOURCE`)."""
MINIMUM_LOSS = 2.105
"""Smallest mean loss of a muon, in MeV/cm: 1.508 MeV cm^2/g (:data:`SOURCE`)."""

ENERGIES = (100.0, 400.0, 1000.0, 4000.0)
_BATCH = 50


def tolerance(energy: float) -> float:
    """Half a percent below 2 GeV; one above, where the approximate spectra of radiated energy enter."""
    return 0.005 if energy < 2000.0 else 0.01


def study(effort: Effort, seed: int) -> Study:
    """Mean ranges of simulated muons beside the table."""
    tasks = [
        partial(path_lengths, energy, count, seed, number)
        for energy in ENERGIES
        for number, count in enumerate(batches(effort.muons, _BATCH))
    ]
    return Study(tuple(tasks), conclude)


def path_lengths(energy: float, count: int, seed: int, number: int) -> tuple[float, NDArray[np.float64]]:
    """Kinetic energy in MeV and (count,) path lengths in cm of muons from start to stop."""
    rng = generator(seed, f"ranges {energy:g}", number)
    return energy, np.array([shoot(-13, energy, rng).own_steps["length"].sum() for _ in range(count)])


def conclude(results: list[tuple[float, NDArray[np.float64]]]) -> Section:
    """Compare the table with the integral and with the simulated muons."""
    lengths = {
        energy: np.concatenate([found for of_energy, found in results if of_energy == energy])
        for energy in dict.fromkeys(energy for energy, _ in results)
    }
    integrated = [
        Check(
            f"Muon range, {energy:g} MeV, integrated stopping power",
            float(range_of_energy(energy)) * DENSITY,
            "g/cm²",
            reference=MUON_RANGES[energy],
            source=SOURCE,
            tolerance=tolerance(energy),
        )
        for energy in ENERGIES
    ]
    means = {energy: float(found.mean()) * DENSITY for energy, found in lengths.items()}
    errors = {energy: float(found.std() / len(found) ** 0.5) * DENSITY for energy, found in lengths.items()}
    simulated = [
        Check(
            f"Muon range, {energy:g} MeV, mean of {len(lengths[energy])} simulated muons",
            mean,
            "g/cm²",
            uncertainty=errors[energy],
            reference=MUON_RANGES[energy],
            source=SOURCE,
            tolerance=tolerance(energy),
        )
        for energy, mean in means.items()
    ]
    losses = [heavy_stopping_power(energy, MUON_MASS, 1e9) for energy in range(100, 1000, 2)]
    minimum = Check(
        "Smallest mean loss of a muon",
        min(losses),
        "MeV/cm",
        reference=MINIMUM_LOSS,
        source=SOURCE,
        tolerance=0.005,
    )

    table = np.array(list(MUON_RANGES.items())).T
    message = "From 30 MeV to 3 GeV the range of muons follows the table to half a percent."
    with drawing("ranges", message) as canvas:
        axes = canvas.axes[0]
        ratio = range_of_energy(table[0]) * DENSITY / table[1]
        axes.axhspan(-0.5, 0.5, color=REFERENCE, alpha=0.08, lw=0)
        axes.axhline(0.0, color=REFERENCE, label="PDG table")
        axes.plot(
            table[0], 100.0 * (ratio - 1.0), "o-", ms=3.5, color=OURS, label="integrated stopping power"
        )
        reference = np.array([MUON_RANGES[energy] for energy in means])
        deviation = 100.0 * (np.array(list(means.values())) / reference - 1.0)
        axes.errorbar(
            list(means),
            deviation,
            100.0 * np.array(list(errors.values())) / reference,
            fmt="s",
            ms=5,
            color="black",
            label="simulated muons, mean path",
        )
        axes.set_xscale("log")
        label(axes, "kinetic energy of the muon (MeV)", "range over table, less 1 (%)", ylim=(-2, 3))
    text = (
        "The range in the continuous-slowing-down approximation, and the mean path of muons that the "
        "transport follows step by step, delta rays and fluctuations included. The integral takes the "
        "last MeV as one step, 0.2 mm too long: 3 % of the range at 10 MeV, nothing at higher energies.",
    )
    return Section(
        "Muons: range and mean energy loss", text, (*integrated, *simulated, minimum), (canvas.plot,)
    )
