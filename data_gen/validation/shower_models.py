"""Parameterisations of electromagnetic showers in liquid argon to compare with."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from data_gen.physics.argon import CRITICAL_ENERGY, RADIATION_LENGTH, A, Z

PDG = "PDG, Passage of particles through matter, eq. 34.36 (EGS4, 1 to 100 GeV): ln(E / Ec) - 0.5"
GFLASH = "G. Grindhammer, S. Peters, hep-ex/0001020 (GFLASH; fits to GEANT3, 0.4 to 400 GeV)"

_GFLASH_CRITICAL = 2.66 * (19.55 * Z / A) ** 1.1
"""Critical energy in MeV that GFLASH's fits are in terms of: 29.1."""
_GFLASH_MOLIERE = 21.2 * RADIATION_LENGTH / _GFLASH_CRITICAL
"""And the unit of its radii, in cm: 10.2."""


def pdg_maximum(energy: float) -> float:
    """Depth of the maximum in radiation lengths, for an electron of ``energy`` MeV (:data:`PDG`)."""
    return float(np.log(energy / CRITICAL_ENERGY) - 0.5)


def gflash_shape(energy: float) -> tuple[float, float]:
    """Depth of the maximum in radiation lengths, and a of the gamma function (:data:`GFLASH`)."""
    logarithm = np.log(energy / _GFLASH_CRITICAL)
    return float(logarithm - 0.858), float(0.21 + (0.492 + 2.38 / Z) * logarithm)


def gflash_contained(energy: float, radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the energy within ``radii`` cm of the axis (:data:`GFLASH`, eqs. for homogeneous media).

    A core and a tail, each of the form 2 r R^2 / (r^2 + R^2)^2, with radii and shares that depend on the
    depth in units of that of the maximum, averaged over the longitudinal profile.
    """
    top, a = gflash_shape(energy)
    depth = np.linspace(0.01, 40.0, 4000)
    weight = gamma.pdf(depth, a, scale=top / (a - 1.0))
    tau, log_gev = depth / top, np.log(1e-3 * energy)
    core = 0.0251 + 0.00319 * log_gev + (0.1162 - 0.000381 * Z) * tau
    k4 = 0.3585 + 0.0421 * log_gev
    tail = (0.659 - 0.00309 * Z) * (np.exp(-2.59 * (tau - 0.645)) + np.exp(k4 * (tau - 0.645)))
    exponent = (0.401 + 0.00187 * Z - tau) / (1.313 - 0.0686 * log_gev)
    share = np.clip((2.632 - 0.00094 * Z) * np.exp(exponent - np.exp(exponent)), 0.0, 1.0)
    r2 = (radii[:, None] / _GFLASH_MOLIERE) ** 2
    contained = share * r2 / (r2 + core**2) + (1.0 - share) * r2 / (r2 + tail**2)
    return contained @ weight / weight.sum()
