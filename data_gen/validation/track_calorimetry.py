"""Energy loss against residual range of stopping muons and protons, from the hits of the collection plane."""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from data_gen.configuration import Configuration, Labels, Response
from data_gen.physics.argon import DENSITY, MUON_MASS, PROTON_MASS
from data_gen.physics.ionisation import heavy_stopping_power
from data_gen.physics.ranges import energy_of_range
from data_gen.physics.record import Process, Record
from data_gen.physics.steps import Deposit
from data_gen.response.drift import IONISATION_ENERGY
from data_gen.response.readout import respond
from data_gen.simulate import transport
from data_gen.sources.primary import Primary
from data_gen.validation.check import Check
from data_gen.validation.figures import FAINT, OURS, REFERENCE, SECOND, drawing, label
from data_gen.validation.ionisation import SOURCE as LANDAU_BICHSEL
from data_gen.validation.ionisation import most_probable_loss, peak
from data_gen.validation.ranges import MUON_RANGES
from data_gen.validation.study import Effort, Plot, Section, Study, batches, generator
from lartpc.detector import TICK_US, TRIGGER_TICK, plane

PSTAR = "NIST PSTAR, protons in argon, derivative of the CSDA range"
PROTON_RANGES = {
    10.0: 0.1887, 15.0: 0.3823, 20.0: 0.6335, 30.0: 1.296, 40.0: 2.159, 80.0: 7.375, 100.0: 10.92,
    150.0: 22.15, 200.0: 36.27, 250.0: 52.82, 300.0: 71.44, 350.0: 91.84, 400.0: 113.8,
}  # fmt: skip
"""Kinetic energy of a proton in MeV -> CSDA range in argon in g/cm^2 (NIST PSTAR, as larreco's
TrackMomentumCalculator has it)."""

MUON, PROTON = -13, 2212
_MASS = {MUON: MUON_MASS, PROTON: PROTON_MASS}
_ENERGY = {MUON: 400.0, PROTON: 250.0}
_PLACES = (40.0, 110.0, 180.0, 250.0, 320.0)
_MUON_BINS = np.array([4.0, 6, 8, 11, 15, 20, 26, 34, 44, 56, 70, 86, 104, 124, 146])
_PROTON_BINS = np.array([1.5, 2.5, 4.0, 6.0, 8.0, 11.0, 14.0, 18.0, 22.0, 27.0, 32.0])
_CONFIGURATION = Configuration(labels=Labels(delta_ray_shower=0.0))
_LONGEST_PATH = 0.8
"""In cm, in front of a wire: beyond it the track is too steep, or turned back."""
_BATCH = 4


def study(effort: Effort, seed: int) -> Study:
    """Events of five stopping tracks each."""
    tasks = [
        partial(track_points, pdg, count, seed, number)
        for pdg in (MUON, PROTON)
        for number, count in enumerate(batches(effort.tracks, _BATCH))
    ]
    return Study(tuple(tasks), conclude)


def track_points(pdg: int, events: int, seed: int, number: int) -> tuple[int, NDArray[np.float64]]:
    """PDG code; (N, 3) residual range in cm, path in front of the wire in cm, dE/dx from hits in MeV/cm."""
    rng = generator(seed, f"track calorimetry {pdg}", number)
    points = [np.zeros((0, 3))]
    for _ in range(events):
        start = [_primary(pdg, x, rng) for x in _PLACES]
        record = transport(start, _CONFIGURATION, rng)
        _, hits, _ = respond(record.steps[: record.counts[0]], _CONFIGURATION, ("W",), rng)
        owner = _owners(record)
        hits = hits[hits["g4_id"] >= 0]
        for track in np.flatnonzero(record.particles["parent_id"][: record.counts[2]] < 0):
            if stopped(record, int(track)):
                points.append(_points(record, int(track), hits[owner[hits["g4_id"]] == track]))
    return pdg, np.concatenate(points)


def _primary(pdg: int, x: float, rng: np.random.Generator) -> Primary:
    """A particle across the wires, at most 9 degrees from them along the drift and 23 degrees in height."""
    direction = np.array([np.tan(rng.uniform(-0.15, 0.15)), np.tan(rng.uniform(-0.4, 0.4)), 1.0])
    position = np.array([x + rng.uniform(-10.0, 10.0), rng.uniform(200.0, 400.0), rng.uniform(5.0, 25.0)])
    return Primary(pdg, _ENERGY[pdg], position, direction / np.linalg.norm(direction), 0.0, Deposit.TRACK)


def _owners(record: Record) -> NDArray[np.int64]:
    """(P,) particle that each counts with: for delta rays the parent, for they share its hits."""
    owner = np.arange(record.counts[2])
    for row in range(record.counts[2]):
        if record.particles["process"][row] == Process.DELTA:
            owner[row] = owner[record.particles["parent_id"][row]]
    return owner


def own_steps(record: Record, track: int) -> NDArray[np.void]:
    """Steps of a particle itself: in :data:`_CONFIGURATION` every delta ray has an id of its own."""
    steps = record.steps[: record.counts[0]]
    return steps[(steps["g4_id"] == track) & (steps["deposit"] == Deposit.TRACK)]


def stopped(record: Record, track: int) -> bool:
    """Whether a track came to rest: it and its delta rays took all of its energy."""
    particles = record.particles[: record.counts[2]]
    rays = (particles["parent_id"] == track) & (particles["process"] == Process.DELTA)
    lost = own_steps(record, track)["energy"].sum() + particles["energy"][rays].sum()
    return bool(lost > 0.98 * particles["energy"][track])


def _points(record: Record, track: int, hits: NDArray[np.void]) -> NDArray[np.float64]:
    """(N, 3) of one track; the path is the true one, as if the track's direction were known without error."""
    pitch, response = plane("W").pitch, Response()
    own = own_steps(record, track)
    path, z = np.cumsum(own["length"]), np.maximum.accumulate(own["z"])
    path -= 0.5 * own["length"]
    wires = np.arange(int(z[0] / pitch) + 1, int(z[-1] / pitch))
    enter, leave = np.interp(wires * pitch, z, path), np.interp((wires + 1) * pitch, z, path)
    drift_us = (hits["local_time"] - TRIGGER_TICK) * TICK_US
    charge = np.bincount(hits["local_wire"], hits["integral"] * np.exp(drift_us / response.lifetime_us), 480)
    residual, length = path[-1] - 0.5 * (enter + leave), leave - enter
    good = (charge[wires] > 0.0) & (length < _LONGEST_PATH) & (residual > length)
    loss = energy_loss(charge[wires][good] / length[good], response)
    return np.stack([residual[good], length[good], loss], axis=1)


def energy_loss(charge: NDArray[np.float64], response: Response) -> NDArray[np.float64]:
    """dE/dx in MeV/cm from thousands of electrons per cm: the modified box model turned around."""
    beta = response.box_b / (DENSITY * response.field)
    return (np.exp(beta * 1e3 * IONISATION_ENERGY * charge) - response.box_a) / beta


def kinetic_energy(residual: NDArray[np.float64], mass: float) -> NDArray[np.float64]:
    """MeV of a particle of charge 1 that has ``residual`` cm to go: at equal velocity range goes as mass."""
    return energy_of_range(residual * MUON_MASS / mass) * mass / MUON_MASS


def table_loss(table: dict[float, float], residual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean dE/dx in MeV/cm at residual ranges in cm: derivative of a table of ranges (energy -> g/cm^2)."""
    energies, ranges = np.array(list(table.items())).T
    spline = CubicSpline(np.log(ranges / DENSITY), np.log(energies))
    logarithm = np.log(residual)
    return np.exp(spline(logarithm)) / residual * spline(logarithm, 1)


def conclude(results: list[tuple[int, NDArray[np.float64]]]) -> Section:
    """Peaks of muons and medians of protons, beside the curves."""
    points = {pdg: np.concatenate([rows for of, rows in results if of == pdg]) for pdg in (MUON, PROTON)}
    rng = np.random.default_rng(0)
    muon_rows = []
    for low, high in zip(_MUON_BINS[:-1], _MUON_BINS[1:], strict=True):
        residual, length, loss = points[MUON][(points[MUON][:, 0] >= low) & (points[MUON][:, 0] < high)].T
        energy = float(kinetic_energy(np.array(residual.mean()), MUON_MASS))
        expected = most_probable_loss(energy, MUON_MASS, float(length.mean())) / length.mean()
        centre = np.median(loss)
        found, error = peak(loss, 30, (0.6 * centre, 1.9 * centre), rng)
        muon_rows.append((residual.mean(), found, error, expected))
    muons = np.array(muon_rows)
    far = points[MUON][:, 0] > 100.0
    length = points[MUON][far, 1].mean()
    energy = float(kinetic_energy(np.array(points[MUON][far, 0].mean()), MUON_MASS))
    expected = most_probable_loss(energy, MUON_MASS, length) / length
    found, error = peak(points[MUON][far, 2], 40, (1.1, 3.0), rng)
    protons = points[PROTON][(points[PROTON][:, 0] > 5.0) & (points[PROTON][:, 0] < 25.0)]
    ratios = protons[:, 2] / table_loss(PROTON_RANGES, protons[:, 0])
    checks = (
        Check(
            "Stopping muons, 1 to 1.5 m before the end: most probable dE/dx from hits",
            found,
            "MeV/cm",
            uncertainty=error,
            reference=float(expected),
            source=LANDAU_BICHSEL,
            tolerance=0.04,
        ),
        Check(
            "Stopping muons, 4 cm to 1.5 m: most probable dE/dx over formula, mean of bins",
            float(np.mean(muons[:, 1] / muons[:, 3])),
            "",
            uncertainty=float(np.mean(muons[:, 2] / muons[:, 3]) / len(muons) ** 0.5),
            reference=1.0,
            source=LANDAU_BICHSEL,
            tolerance=0.04,
        ),
        Check(
            "Stopping protons, 5 to 25 cm before the end: median of dE/dx from hits over table",
            float(np.median(ratios)),
            "",
            uncertainty=float(1.2533 * ratios.std() / len(ratios) ** 0.5),
            reference=1.0,
            source=PSTAR,
            tolerance=0.04,
        ),
    )
    text = (
        "Muons of 400 MeV and protons of 250 MeV that stop, five an event, noise and thresholds as in "
        "data. Charge of a wire's hits over the true path in front of it, corrected for the electron "
        "lifetime and turned into dE/dx by the inverse of the modified box model at the wire's mean "
        "charge density.",
        "The peak of muons lies some percent above Landau's for one pitch, as it must: charge spreads "
        "across the wires as it drifts, so that a wire sees more than its pitch of the track, and the "
        "most probable loss per length grows with the length (G. Putnam, D. Schmitz, JINST 17 (2022) "
        "P10044).",
    )
    return Section("Calorimetry of stopping tracks", text, checks, (_plot(points, muons),))


def _plot(points: dict[int, NDArray[np.float64]], muons: NDArray[np.float64]) -> Plot:
    message = (
        "Stopping muons and protons, from hits alone, lie on the curves by which experiments tell them apart."
    )
    with drawing("dedx", message, height=4.0) as canvas:
        axes = canvas.axes[0]
        residual = np.geomspace(1.0, 160.0, 200)
        cloud = np.concatenate([rows[:6000] for rows in points.values()])
        axes.plot(cloud[:, 0], cloud[:, 2], ".", ms=1.2, alpha=0.25, color=FAINT, rasterized=True)
        for pdg, colour, name in ((MUON, OURS, "muons"), (PROTON, SECOND, "protons")):
            energies = kinetic_energy(residual, _MASS[pdg])
            curve = [heavy_stopping_power(float(each), _MASS[pdg], 1e9) for each in energies]
            axes.plot(residual, curve, color=colour, lw=1.0, label=f"{name}: Bethe, mean")
        likely = [
            most_probable_loss(float(e), MUON_MASS, 0.49) / 0.49 for e in kinetic_energy(residual, MUON_MASS)
        ]
        axes.plot(residual, likely, "--", color=OURS, lw=1.0, label="muons: Landau, most probable")
        axes.errorbar(
            muons[:, 0],
            muons[:, 1],
            muons[:, 2],
            fmt="o",
            ms=4,
            color=OURS,
            label="muons: hits, most probable",
        )
        middle, medians = [], []
        for low, high in zip(_PROTON_BINS[:-1], _PROTON_BINS[1:], strict=True):
            rows = points[PROTON][(points[PROTON][:, 0] >= low) & (points[PROTON][:, 0] < high)]
            if len(rows) > 10:
                middle.append(rows[:, 0].mean())
                medians.append(np.median(rows[:, 2]))
        axes.plot(middle, medians, "s", ms=4, color=SECOND, label="protons: hits, median")
        for table, marker, name in (
            (MUON_RANGES, "x", "muons: PDG table"),
            (PROTON_RANGES, "+", "protons: NIST PSTAR"),
        ):
            at = np.array([each / DENSITY for each in table.values() if 1.5 < each / DENSITY < 160.0])
            axes.plot(at, table_loss(table, at), marker, ms=7, color=REFERENCE, label=name, zorder=5)
        axes.set(xscale="log", ylim=(0, 22), xlim=(1, 160))
        label(axes, "residual range (cm)", "dE/dx (MeV/cm)")
    return canvas.plot
