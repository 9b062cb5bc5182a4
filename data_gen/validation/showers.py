"""Electromagnetic showers: where they peak and how wide they are."""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from scipy.stats import gamma

from data_gen.physics.argon import MOLIERE_RADIUS, RADIATION_LENGTH
from data_gen.physics.steps import Deposit
from data_gen.validation.check import Check
from data_gen.validation.figures import FAINT, OURS, REFERENCE, SECOND, THIRD, drawing, label
from data_gen.validation.particle_gun import shoot
from data_gen.validation.shower_models import GFLASH, PDG, gflash_contained, gflash_shape, pdg_maximum
from data_gen.validation.study import Effort, Plot, Section, Study, batches, generator

FIT_FROM = 2.0
"""Radiation lengths that the fit leaves out at the start, as the PDG's fits did."""
_DEPTHS = np.arange(0.0, 40.01, 0.25)
_RADII = np.concatenate([np.arange(0.0, 100.1, 0.5), [1e9]])
STRICT_FROM = {PDG: 10_000, GFLASH: 3000}
"""MeV from which on the depth of the maximum is held to 5 % of each parameterisation."""
_BATCH = 10
_COLOURS = (FAINT, SECOND, THIRD, OURS)

LATERAL = (
    "That a cylinder of one Molière radius, 9.04 cm, holds 90 % of a shower is a rule of heavy absorbers. "
    "GFLASH's fits to GEANT3 put 89 % within one Molière radius of lead at 10 GeV, 83 % in iron, and 81 % "
    "(72 % at 0.5 GeV) in argon. The Molière radius stands for the scattering of electrons at the "
    "critical energy; photons of 2 to 10 MeV, which argon absorbs worst (their free path is 18 to 29 cm, "
    "two to three Molière radii), carry energy further out, and here every deposit counts, wherever it is."
)


def study(effort: Effort, seed: int) -> Study:
    """Showers of electrons; the most expensive ones first."""
    tasks = [
        partial(profiles, energy, count, seed, number)
        for energy, showers in sorted(effort.showers.items(), reverse=True)
        for number, count in enumerate(batches(showers, _BATCH))
    ]
    return Study(tuple(tasks), conclude)


def profiles(
    energy: int, count: int, seed: int, number: int
) -> tuple[int, NDArray[np.float32], NDArray[np.float32]]:
    """Energy in MeV; for each shower MeV in quarters of a radiation length of depth and half cm of radius."""
    rng = generator(seed, f"showers {energy}", number)
    along, across = [], []
    for _ in range(count):
        steps = shoot(11, float(energy), rng, deposit=Deposit.SHOWER).steps
        along.append(np.histogram(steps["z"] / RADIATION_LENGTH, _DEPTHS, weights=steps["energy"])[0])
        radius = np.hypot(steps["x"], steps["y"])
        across.append(np.histogram(radius, _RADII, weights=steps["energy"])[0])
    return energy, np.array(along, np.float32), np.array(across, np.float32)


def fit_maximum(profile: NDArray[np.float64], energy: float) -> tuple[float, float]:
    """Depth of the maximum, (a - 1) / b, and a of E b (b t)^(a-1) exp(-b t) / Gamma(a), fitted beyond 2.

    Depths t are in radiation lengths; the energy E is the electron's, not fitted.

    Args:
        profile: (160,) mean MeV in each quarter of a radiation length.
        energy: of the electron, in MeV.
    """
    depth = 0.5 * (_DEPTHS[1:] + _DEPTHS[:-1])
    inside = depth > FIT_FROM
    guess = pdg_maximum(energy), 4.0

    def shape(t: NDArray[np.float64], top: float, a: float) -> NDArray[np.float64]:
        return gamma.pdf(t, a, scale=top / (a - 1.0))

    density = profile / np.diff(_DEPTHS) / energy
    (top, a), _ = curve_fit(shape, depth[inside], density[inside], guess, bounds=((0.1, 1.05), (20.0, 30.0)))
    return float(top), float(a)


def conclude(results: list[tuple[int, NDArray[np.float32], NDArray[np.float32]]]) -> Section:
    """Fit the mean profiles; contain the energy."""
    energies = sorted({energy for energy, *_ in results})
    along = {e: np.concatenate([rows for of, rows, _ in results if of == e]) for e in energies}
    across = {e: np.concatenate([rows for of, _, rows in results if of == e]) for e in energies}
    rng = np.random.default_rng(0)
    fits = {}
    errors = {}
    for energy, showers in along.items():
        fits[energy] = fit_maximum(showers.mean(axis=0), energy)
        again = rng.integers(0, len(showers), (20, len(showers)))  # bootstrap
        errors[energy] = float(np.std([fit_maximum(showers[i].mean(axis=0), energy)[0] for i in again]))
    checks = [
        *_maximum_checks({energy: len(showers) for energy, showers in along.items()}, fits, errors),
        *_lateral_checks(across),
    ]
    plots = (_longitudinal_plot(along, fits), _lateral_plot(across))
    text = (
        "Electrons in endless argon. The mean profile beyond two radiation lengths is fitted with the "
        "PDG's gamma function, all of whose fits left the first two out (the function is too flat at its "
        "start). The two parameterisations lie a quarter of a radiation length apart, which is 6 % of the "
        "depth at 3 GeV and more than the tolerance: no simulation can be within 5 % of both there with room "
        "to spare. Unweighted fits, with the energy fixed or free and from 0 to 3 radiation lengths on, all "
        "put the maximum of 3 GeV showers 5 to 7 % before the PDG's and within 1.5 % of GFLASH's, which "
        "knows the medium. So GFLASH decides from 3 GeV on, the PDG's formula from 10 GeV on.",
        LATERAL,
    )
    return Section("Electromagnetic showers", text, tuple(checks), plots)


def _maximum_checks(
    count: dict[int, int], fits: dict[int, tuple[float, float]], errors: dict[int, float]
) -> list[Check]:
    """The depth of the maximum by energy, against both parameterisations."""
    rough = "The parameterisation is rough below 3 GeV."
    apart = (
        "Not within 5 %: at 3 GeV GFLASH's fit for argon itself lies 5.9 % before this formula, whose "
        "coefficients have one digit. GFLASH decides."
    )
    checks = []
    for name, source, expected in (
        ("the PDG", PDG, pdg_maximum),
        ("GFLASH", GFLASH, lambda energy: gflash_shape(energy)[0]),
    ):
        for energy, (top, _) in fits.items():
            strict = energy >= STRICT_FROM[source]
            checks.append(
                Check(
                    f"Maximum of {count[energy]:,} showers of {energy / 1000:g} GeV, against {name}",
                    top,
                    "X₀",
                    uncertainty=errors[energy],
                    reference=expected(energy),
                    source=source,
                    tolerance=0.05 if strict else None,
                    note="" if strict else apart if energy >= STRICT_FROM[GFLASH] else rough,
                )
            )
    return checks


def _lateral_checks(across: dict[int, NDArray[np.float32]]) -> list[Check]:
    """Share within the Moliere radius, and the radius that holds 90 %."""

    def contained(rows: NDArray[np.float32]) -> tuple[float, float]:
        curve = np.cumsum(rows.sum(axis=0, dtype=float)) / rows.sum(dtype=float)
        share = 100.0 * np.interp(MOLIERE_RADIUS, _RADII[1:], curve)
        return float(share), float(np.interp(0.9, curve, _RADII[1:]))

    checks = []
    for column, (name, unit, rule) in enumerate(
        (
            (f"Energy within {MOLIERE_RADIUS} cm of the axis", "%", 90.0),
            ("Radius that holds 90 %", "cm", MOLIERE_RADIUS),
        )
    ):
        for energy, showers in across.items():
            parts = [contained(part)[column] for part in np.array_split(showers, 10)]
            checks.append(
                Check(
                    f"{name}, {energy / 1000:g} GeV",
                    contained(showers)[column],
                    unit,
                    uncertainty=float(np.std(parts) / np.sqrt(10.0)),
                    reference=rule,
                    source="PDG, Passage of particles through matter: 90 % within one Molière radius",
                    note="A rule of heavy absorbers: see the text.",
                )
            )
    return checks


def _longitudinal_plot(along: dict[int, NDArray[np.float32]], fits: dict[int, tuple[float, float]]) -> Plot:
    message = (
        "Beyond two radiation lengths the mean shower is a gamma function, and its maximum moves with the "
        "logarithm of the energy."
    )
    depth = 0.5 * (_DEPTHS[1:] + _DEPTHS[:-1])
    with drawing("shower", message, panels=2) as canvas:
        profiles_axes, top_axes = canvas.axes
        for colour, (energy, showers) in zip(_COLOURS, along.items(), strict=False):
            profile = showers.mean(axis=0, dtype=float) / np.diff(_DEPTHS) / energy
            profiles_axes.plot(
                depth, 100.0 * profile, ".", ms=3, color=colour, label=f"{energy / 1000:g} GeV"
            )
            top, a = fits[energy]
            beyond = np.linspace(FIT_FROM, 25.0, 200)
            profiles_axes.plot(
                beyond, 100.0 * gamma.pdf(beyond, a, scale=top / (a - 1.0)), color=colour, lw=1.2
            )
        profiles_axes.axvspan(0.0, FIT_FROM, color="#e4e7eb", alpha=0.6, lw=0)
        label(profiles_axes, "depth (radiation lengths)", "energy per radiation length (%)", xlim=(0, 20))
        energies = np.geomspace(300.0, 2e4, 60)
        top_axes.plot(
            energies / 1000.0, [pdg_maximum(e) for e in energies], color=REFERENCE, label="PDG (EGS4)"
        )
        top_axes.plot(
            energies / 1000.0,
            [gflash_shape(e)[0] for e in energies],
            "--",
            color=SECOND,
            label="GFLASH (GEANT3)",
        )
        top_axes.plot(
            np.array(list(fits)) / 1000.0,
            [top for top, _ in fits.values()],
            "o",
            color=OURS,
            label="simulated showers",
        )
        top_axes.set_xscale("log")
        label(top_axes, "energy of the electron (GeV)", "depth of maximum (radiation lengths)")
    return canvas.plot


def _lateral_plot(across: dict[int, NDArray[np.float32]]) -> Plot:
    message = "Showers in argon are wider than the rule of 90 % says; above 3 GeV nearly as wide as GFLASH's."
    radii = np.linspace(0.5, 60.0, 200)
    with drawing("shower-width", message) as canvas:
        axes = canvas.axes[0]
        for colour, (energy, showers) in zip(_COLOURS, across.items(), strict=False):
            curve = np.cumsum(showers.sum(axis=0, dtype=float)) / showers.sum(dtype=float)
            axes.plot(_RADII[1:-1], 100.0 * curve[:-1], color=colour, label=f"{energy / 1000:g} GeV")
            axes.plot(radii, 100.0 * gflash_contained(energy, radii), "--", lw=1.0, color=colour)
        axes.plot(MOLIERE_RADIUS, 90.0, "*", ms=11, color=REFERENCE, label="90 % in a Molière radius")
        axes.plot([], [], "--", lw=1.0, color="black", label="GFLASH (GEANT3)")
        label(axes, "distance from the axis (cm)", "energy within (%)", xlim=(0, 60), ylim=(0, 100))
    return canvas.plot
