"""Fluctuations of the energy loss: the most probable loss of a muon in front of one wire."""

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import landau

from data_gen.physics.argon import ELECTRON_MASS, EXCITATION_ENERGY, IONISATION_PREFACTOR, MUON_MASS
from data_gen.physics.ionisation import density_effect
from data_gen.validation.check import Check
from data_gen.validation.figures import OURS, REFERENCE, drawing, label
from data_gen.validation.particle_gun import shoot
from data_gen.validation.study import Effort, Section, Study, batches, generator

SOURCE = "PDG, Passage of particles through matter, eq. 34.12 (Landau; H. Bichsel, RMP 60 (1988) 663)"
MUON_ENERGY = 4000.0
THICKNESS = 0.479
"""Pitch of the collection wires, in cm."""
_SLABS = 400
_BATCH = 10
_LANDAU_MODE = -0.42931
"""Where scipy.stats.landau has its maximum; its unit is pi / 2 of Landau's xi."""


def study(effort: Effort, seed: int) -> Study:
    """Losses of 4 GeV muons in slabs as thick as the wire pitch."""
    tasks = [partial(slab_losses, count, seed, n) for n, count in enumerate(batches(effort.losses, _BATCH))]
    return Study(tuple(tasks), conclude)


def landau_width(energy: float, mass: float, length: float) -> float:
    """Landau's xi in MeV, for a particle of charge 1 over ``length`` cm."""
    gamma = 1.0 + energy / mass
    return 0.5 * IONISATION_PREFACTOR / (1.0 - 1.0 / gamma**2) * length


def most_probable_loss(energy: float, mass: float, length: float) -> float:
    """Most probable loss in MeV of a particle of charge 1 over ``length`` cm, thin for it.

    xi [ln(2 m c^2 (beta gamma)^2 / I) + ln(xi / I) + 0.2 - beta^2 - delta] (PDG eq. 34.12).
    """
    gamma = 1.0 + energy / mass
    beta_gamma2 = gamma**2 - 1.0
    width = landau_width(energy, mass, length)
    logarithm = math.log(2.0 * ELECTRON_MASS * beta_gamma2 / EXCITATION_ENERGY) + math.log(
        width / EXCITATION_ENERGY
    )
    return width * (logarithm + 0.2 - (1.0 - 1.0 / gamma**2) - density_effect(math.sqrt(beta_gamma2)))


def slab_losses(count: int, seed: int, number: int) -> NDArray[np.float64]:
    """(count x 400,) deposits in MeV between planes across the muon's path, whoever made them."""
    rng = generator(seed, "ionisation", number)
    edges = np.linspace(0.0, _SLABS * THICKNESS, _SLABS + 1)
    losses = []
    for _ in range(count):
        steps = shoot(-13, MUON_ENERGY, rng, position=(0.0, 0.0, -5.0)).steps
        losses.append(shared_out(steps["z"], steps["length"] * (steps["g4_id"] == 0), steps["energy"], edges))
    return np.concatenate(losses)


def shared_out(
    middle: NDArray[np.float64],
    extent: NDArray[np.float64],
    amount: NDArray[np.float64],
    edges: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum amounts that are spread evenly over stretches into bins.

    Args:
        middle: (N,) middles of the stretches.
        extent: (N,) their lengths, shorter than a bin; 0 for a point.
        amount: (N,) what is spread.
        edges: (B + 1,) of equal bins.

    Returns:
        (B,) sums.
    """
    width = edges[1] - edges[0]
    low, high = (middle - 0.5 * extent - edges[0]) / width, (middle + 0.5 * extent - edges[0]) / width
    first, last = np.floor(low).astype(int), np.floor(high).astype(int)
    beyond = np.where(last > first, (high - last) / np.maximum(high - low, 1e-12), 0.0)
    sums = np.zeros(len(edges) - 1)
    for bins, share in ((first, 1.0 - beyond), (last, beyond)):
        inside = (bins >= 0) & (bins < len(sums))
        np.add.at(sums, bins[inside], (amount * share)[inside])
    return sums


def peak(
    values: NDArray[np.float64], bins: int, window: tuple[float, float], rng: np.random.Generator
) -> tuple[float, float]:
    """Most probable value and its statistical uncertainty.

    The maximum of a cubic through the logarithm of the histogram within an eighth of its peak; the
    uncertainty from 40 histograms whose counts are drawn anew (Poisson bootstrap).

    Args:
        values: a sample with one peak.
        bins: of the histogram.
        window: lowest and highest value of the histogram.
        rng: for the bootstrap.
    """
    counts, edges = np.histogram(values, bins, window)
    centres = 0.5 * (edges[1:] + edges[:-1])

    def maximum(heights: NDArray[Any]) -> float:
        top = centres[heights.argmax()]
        near = (np.abs(centres - top) < 0.125 * top) & (heights > 0)
        cubic = np.polyfit(centres[near] - top, np.log(heights[near]), 3, w=np.sqrt(heights[near]))
        fine = np.linspace(-0.125 * top, 0.125 * top, 2001)
        return float(top + fine[np.polyval(cubic, fine).argmax()])

    return maximum(counts), float(np.std([maximum(rng.poisson(counts)) for _ in range(40)]))


def conclude(results: list[NDArray[np.float64]]) -> Section:
    """Compare the most probable loss with the formula."""
    losses = np.concatenate(results) / THICKNESS
    expected = most_probable_loss(MUON_ENERGY, MUON_MASS, THICKNESS) / THICKNESS
    value, error = peak(losses, 56, (1.2, 2.6), np.random.default_rng(0))
    check = Check(
        f"Most probable loss of a 4 GeV muon over {THICKNESS} cm, {len(losses):,} pitches",
        value,
        "MeV/cm",
        uncertainty=error,
        reference=expected,
        source=SOURCE,
        tolerance=0.04,
        note="Landau's theory takes atomic electrons as free: a thin layer of bound ones has a wider peak.",
    )
    message = "The simulated losses peak where the formula of Landau and Bichsel says."
    with drawing("landau", message) as canvas:
        axes = canvas.axes[0]
        axes.hist(
            losses, 90, (1.0, 4.0), density=True, color=OURS, alpha=0.35, label="simulated muons, 4 GeV"
        )
        scale = 0.5 * math.pi * landau_width(MUON_ENERGY, MUON_MASS, THICKNESS) / THICKNESS
        x = np.linspace(1.0, 4.0, 400)
        inside = np.mean((losses > 1.0) & (losses < 4.0))
        curve = landau.pdf((x - expected) / scale + _LANDAU_MODE) / scale
        axes.plot(x, curve / inside, color=REFERENCE, label="Landau, most probable value of the PDG")
        axes.axvline(value, color=OURS, ls="--", lw=1.0)
        label(axes, f"energy deposited over {THICKNESS} cm, per length (MeV/cm)", "probability (cm/MeV)")
    text = (
        "Muons of 4 GeV cross planes one wire pitch apart; what is deposited between two planes counts, "
        "delta rays with it. Those that run along with the muon are a second minimum-ionising particle: "
        "hence the excess over Landau's curve near twice the peak.",
    )
    return Section("Energy loss in front of one wire", text, (check,), (canvas.plot,))
