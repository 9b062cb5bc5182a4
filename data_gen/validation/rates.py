"""How often things happen: radioactive decays, cosmic muons and their angles."""

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from data_gen.configuration import Configuration, Sources
from data_gen.physics.argon import MUON_MASS
from data_gen.physics.nuclides import ACTIVITY
from data_gen.sources.cosmics import cosmic_directions, cosmic_momenta, vertical_intensity
from data_gen.sources.mixture import primaries, sample_table
from data_gen.sources.primary import Primary, Sample
from data_gen.sources.radioactivity import argon39_energies
from data_gen.validation.check import Check
from data_gen.validation.figures import OURS, REFERENCE, drawing, label
from data_gen.validation.study import Effort, Plot, Section, Study, batches, generator
from lartpc.detector import ACTIVE_CM, DRIFT_SPEED, READOUT_TICKS, TICK_US

DECAYS = {"39Ar": 1, "42Ar": 2, "85Kr": 1, "222Rn": 4}
"""Source -> decays with its activity: argon-42 with potassium-42; radon-222 with polonium-218, lead-214 and
bismuth-214 (polonium-214 follows that within the event)."""
NUMBER = "activity × 1.396 g/cm³ × active volume × (3 ms + longest drift time)"
ENSDF = "ENSDF (National Nuclear Data Center)"
COSMIC = "PDG, Cosmic rays: about 1 muon per cm² and minute through a horizontal detector"
VERTICAL = "PDG, Cosmic rays: integral intensity of vertical muons at sea level"
ZENITH = "PDG, Cosmic rays: intensity as cos² of the zenith angle"
EXPOSURE = np.prod(ACTIVE_CM) * 1.396e-3 * 1e-6 * (READOUT_TICKS * TICK_US + ACTIVE_CM[0] / DRIFT_SPEED)
"""Active argon in kg times seconds in which a decay can be seen: computed here, apart from the generator."""

_QUIET = Sources(cosmic_muons=0.0, stopping_muons=0.0, showers=0.0, beam=0.0, activities={})
_BATCH = 200
_LEAST_ACTIVITY = 0.1

Counted = tuple[str, int, NDArray[np.float64]]
"""What was counted, the number of events, and what was found."""


def study(effort: Effort, seed: int) -> Study:
    """Draw the primaries of events."""
    parts = batches(effort.sources, _BATCH)
    decays = [
        partial(decay_count, name, count, seed, n)
        for name in DECAYS
        for n, count in enumerate(batches(max(effort.sources // 5, 1), _BATCH))
    ]
    mixed = [
        partial(sample_counts, count, seed, n) for n, count in enumerate(batches(effort.sources // 4, _BATCH))
    ]
    return Study(
        (*decays, *(partial(muons, count, seed, n) for n, count in enumerate(parts)), *mixed), conclude
    )


def _drawn(sources: Sources, count: int, rng: np.random.Generator) -> list[Primary]:
    configuration = Configuration(sources=sources)
    return [primary for _ in range(count) for primary in primaries(configuration, rng)]


def decay_count(name: str, count: int, seed: int, number: int) -> Counted:
    """``name``, number of events, decays in the active argon: the points where radiation starts."""
    activity = _strong(name)
    rng = generator(seed, f"rates {name}", number)
    drawn = _drawn(replace(_QUIET, activities={name: activity}), count, rng)
    points = {
        tuple(primary.position)
        for primary in drawn
        if np.all((primary.position >= 0.0) & (primary.position <= ACTIVE_CM))
    }
    return name, count, np.array([float(len(points))])


def _strong(name: str) -> float:
    """Activity in Bq/kg at which a source is counted: its own, raised so that there is enough to count."""
    return max(ACTIVITY[name], _LEAST_ACTIVITY)


def muons(count: int, seed: int, number: int) -> Counted:
    """``muons``, number of events, and (N,) cosine of the zenith angle of those through the argon's top."""
    rng = generator(seed, "rates muons", number)
    drawn = _drawn(replace(_QUIET, cosmic_muons=1.0, stopping_muons=1.0), count, rng)
    start = np.array([primary.position for primary in drawn])
    direction = np.array([primary.direction for primary in drawn])
    path = (start[:, 1] - ACTIVE_CM[1]) / -direction[:, 1]
    x, z = (start[:, axis] + path * direction[:, axis] for axis in (0, 2))
    through = (path >= 0.0) & (x > 0.0) & (x < ACTIVE_CM[0]) & (z > 0.0) & (z < ACTIVE_CM[2])
    return "muons", count, -direction[through, 1]


def sample_counts(count: int, seed: int, number: int) -> Counted:
    """``samples``, number of events, and (6,) primaries by sample in events of the default mixture.

    Radioactivity is counted above, decay by decay.
    """
    rng = generator(seed, "rates samples", number)
    drawn = _drawn(replace(Sources(), activities={}), count, rng)
    return "samples", count, np.bincount([each.sample for each in drawn], minlength=len(Sample)).astype(float)


def conclude(results: list[Counted]) -> Section:
    """Compare what was drawn with what was asked for, and that with nature."""
    cosines = np.concatenate([found for kind, _, found in results if kind == "muons"])
    checks = (*_decay_checks(results), *_cosmic_checks(results, cosines), *_sample_checks(results))
    text = (
        "Primaries of events, counted as they are drawn. Those rates that have four standard deviations "
        "and no other tolerance are pure counting.",
    )
    return Section("Rates: radioactivity, cosmic muons, samples", text, checks, (_plot(cosines),))


def _decay_checks(results: list[Counted]) -> list[Check]:
    checks = []
    for name in DECAYS:
        activity = _strong(name)
        events = sum(count for kind, count, _ in results if kind == name)
        decays = float(np.sum([found for kind, _, found in results if kind == name]))
        expected = activity * DECAYS[name] * float(EXPOSURE) * events
        checks.append(
            Check(
                f"Decays, {name}, {activity:g} Bq/kg, in {events:,} events",
                decays,
                "",
                uncertainty=float(np.sqrt(expected)),
                reference=expected,
                source=f"{NUMBER} × {DECAYS[name]}",
                tolerance=0.0,
                sigmas=4.0,
            )
        )
    energies = 1e3 * argon39_energies(200_000, np.random.default_rng(0))
    error = float(energies.std() / np.sqrt(len(energies)))
    checks.append(
        Check(
            "Argon-39, mean energy of the electron",
            float(energies.mean()),
            "keV",
            uncertainty=error,
            reference=218.8,
            source=ENSDF,
            tolerance=0.01,
        )
    )
    return checks


def _cosmic_checks(results: list[Counted], cosines: NDArray[np.float64]) -> list[Check]:
    events = sum(count for kind, count, _ in results if kind == "muons")
    minutes = events * (READOUT_TICKS * TICK_US + ACTIVE_CM[0] / DRIFT_SPEED) * 1e-6 / 60.0
    area = ACTIVE_CM[0] * ACTIVE_CM[2]
    flux = len(cosines) / minutes / area
    mean, error = float(cosines.mean()), float(cosines.std() / np.sqrt(len(cosines)))
    exponent = (3.0 * mean - 2.0) / (1.0 - mean)
    rng = np.random.default_rng(0)
    directions = cosmic_directions(200_000, rng)
    energies = 1e-3 * (np.hypot(cosmic_momenta(directions, rng), MUON_MASS) - MUON_MASS)
    weights = -directions[:, 1]
    momenta = np.geomspace(1.0, 2000.0, 5001)
    intensity = 1e4 * float(np.trapezoid(vertical_intensity(momenta), momenta))
    return [
        Check(
            "Cosmic muons through the top of the active argon",
            flux,
            "1/(cm² min)",
            uncertainty=flux / np.sqrt(len(cosines)),
            reference=1.0,
            source=COSMIC,
            tolerance=0.2,
            note="The reference has one digit, and is for momenta above 1 GeV/c; the generator "
            "starts at 0.2 GeV/c.",
        ),
        Check(
            "Exponent of cos(zenith angle)",
            exponent,
            "",
            uncertainty=error / (1.0 - mean) ** 2,
            reference=2.0,
            source=ZENITH,
            tolerance=0.05,
            note="From the mean cosine m through a horizontal plane: (3 m - 2) / (1 - m).",
        ),
        Check(
            "Vertical muons above 1 GeV/c",
            intensity,
            "1/(m² s sr)",
            reference=70.0,
            source=VERTICAL,
            tolerance=0.15,
            note="Recent measurements tend to lie 10 to 15 % lower (PDG).",
        ),
        Check(
            "Mean energy of cosmic muons through a horizontal plane",
            float(np.average(energies, weights=weights)),
            "GeV",
            reference=4.0,
            source="PDG, Cosmic rays: the mean energy at the ground is about 4 GeV",
            note="The reference is rounded; inclined muons, whose spectrum goes with p cos, raise the mean.",
        ),
    ]


def _sample_checks(results: list[Counted]) -> list[Check]:
    events = sum(count for kind, count, _ in results if kind == "samples")
    counts = np.sum([found for kind, _, found in results if kind == "samples"], axis=0)
    generated = sample_table(Configuration())["generated"]
    samples = (Sample.COSMIC_MUONS, Sample.STOPPING_MUONS, Sample.SHOWERS, Sample.BEAM)
    return [
        Check(
            f"Primaries of sample {sample.name.lower().replace('_', ' ')} in {events:,} events",
            float(counts[sample]),
            "",
            uncertainty=float(np.sqrt(generated[sample] * events)),
            reference=float(generated[sample] * events),
            source="the file's sample table × events",
            tolerance=0.0,
            sigmas=4.0,
        )
        for sample in samples
    ]


def _plot(cosines: NDArray[np.float64]) -> Plot:
    message = (
        "Cosmic muons arrive as the square of the cosine of their zenith angle; argon-39 has its "
        "forbidden beta spectrum."
    )
    with drawing("rates", message, panels=2) as canvas:
        axes = canvas.axes[0]
        axes.hist(
            cosines,
            40,
            (0, 1),
            density=True,
            color=OURS,
            alpha=0.4,
            label="drawn, through a horizontal plane",
        )
        x = np.linspace(0.0, 1.0, 100)
        axes.plot(x, 4.0 * x**3, color=REFERENCE, label="cos² × cos, normalised")
        label(axes, "cosine of the zenith angle", "probability")
        axes = canvas.axes[1]
        energies = 1e3 * argon39_energies(200_000, np.random.default_rng(0))
        axes.hist(energies, 60, (0, 600), density=True, color=OURS, alpha=0.4, label="argon-39, drawn")
        axes.axvline(218.8, color=REFERENCE, label="mean of ENSDF, 218.8 keV")
        axes.axvline(float(energies.mean()), color=OURS, ls="--", label=f"mean, {energies.mean():.1f} keV")
        label(axes, "kinetic energy of the electron (keV)", "probability (1/keV)")
    return canvas.plot
