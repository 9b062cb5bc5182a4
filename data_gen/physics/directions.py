"""Directions: rotation, isotropy, and the scattering of charged particles by nuclei.

Multiple scattering is Moliere's screened Rutherford cross-section, in two classes: collisions
above an angle are drawn one by one, those below it add up to a Gaussian. Unlike Highland's formula,
whose logarithm does not add over steps (100 steps of 0.01 X0 scatter 19 % less than one of 1 X0),
the result does not depend on the length of the step.
"""

import math

import numpy as np

from data_gen.compiled import compiled
from data_gen.physics.argon import ATOMS, ELECTRON_MASS, ELECTRON_RADIUS, FINE_STRUCTURE, Z

Direction = tuple[float, float, float]
"""A unit vector."""

_CHI_C2 = 4.0 * math.pi * ATOMS * Z * (Z + 1) * (ELECTRON_RADIUS * ELECTRON_MASS) ** 2
"""chi_c^2 = this * length / (p beta)^2, with (Z + 1) for the atomic electrons (H. A. Bethe, Phys. Rev. 89
(1953) 1256)."""
_SCREENING_MOMENTUM = ELECTRON_MASS * FINE_STRUCTURE * Z ** (1.0 / 3.0) / 0.885
"""hbar over the Thomas-Fermi radius, in MeV/c."""


@compiled
def rotate(ux: float, uy: float, uz: float, cosine: float, phi: float) -> Direction:
    """Turn the unit vector (ux, uy, uz) by a polar angle, given as its cosine, at the azimuth ``phi``."""
    sine = math.sqrt(max(0.0, 1.0 - cosine * cosine))
    a = sine * math.cos(phi)
    b = sine * math.sin(phi)
    across = math.sqrt(ux * ux + uy * uy)
    if across < 1e-8:
        sign = 1.0 if uz > 0.0 else -1.0
        return a, b * sign, cosine * sign
    x = ux * cosine + (ux * uz * a - uy * b) / across
    y = uy * cosine + (uy * uz * a + ux * b) / across
    z = uz * cosine - a * across
    norm = 1.0 / math.sqrt(x * x + y * y + z * z)
    return x * norm, y * norm, z * norm


@compiled
def isotropic(rng: np.random.Generator) -> Direction:
    """A unit vector without preferred direction."""
    cosine = 2.0 * rng.random() - 1.0
    return rotate(0.0, 0.0, 1.0, cosine, 2.0 * math.pi * rng.random())


@compiled
def scatter(
    ux: float, uy: float, uz: float, length: float, momentum: float, beta: float, rng: np.random.Generator
) -> Direction:
    """Direction after ``length`` cm of argon, for a particle of charge 1.

    Screening angle chi_a^2 = chi_0^2 (1.13 + 3.76 (alpha Z / beta)^2) (G. Moliere, Z. Naturforsch.
    2a (1947) 133). The angle between the classes is chi_c, so the mean number of collisions that
    are drawn one by one is at most 1 a step.
    """
    chi_c2 = _CHI_C2 * length / (momentum * beta) ** 2
    ratio = FINE_STRUCTURE * Z / beta
    chi_a2 = (_SCREENING_MOMENTUM / momentum) ** 2 * (1.13 + 3.76 * ratio * ratio)
    cut2 = min(chi_c2, 1.0)
    # chi_c^2 times the integral of theta^2 / (theta^2 + chi_a^2)^2 d(theta^2) up to the cut
    soft2 = chi_c2 * (math.log1p(cut2 / chi_a2) - cut2 / (cut2 + chi_a2))
    cosine = 1.0 + soft2 * math.log(1.0 - rng.random()) * 0.5
    ux, uy, uz = rotate(ux, uy, uz, max(cosine, -1.0), 2.0 * math.pi * rng.random())
    low = 1.0 / (cut2 + chi_a2)
    high = 1.0 / (4.0 + chi_a2)
    for _ in range(rng.poisson(chi_c2 * (low - high))):
        angle2 = 1.0 / (high + (low - high) * rng.random()) - chi_a2  # 2 (1 - cos theta)
        ux, uy, uz = rotate(ux, uy, uz, 1.0 - 0.5 * angle2, 2.0 * math.pi * rng.random())
    return ux, uy, uz
