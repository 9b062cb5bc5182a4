"""Cosmic muons at the surface: flux, spectrum, zenith angle.

D. Reyna, A simple parameterization of the cosmic-ray muon momentum spectra at the surface as a
function of zenith angle, hep-ph/0604145: I(p, theta) = cos^3(theta) I_V(p cos(theta)), with I_V a
fit of Bugaev's form to vertical data. It follows that I integrated over p goes as cos^2(theta) and that
zeta = p cos(theta) does not depend on theta. The fit starts at 1 GeV/c; it is used from 0.2 GeV/c on.
"""

import numpy as np
from numpy.typing import NDArray

POSITIVE_SHARE = 1.27 / 2.27
"""mu+ among cosmic muons: charge ratio 1.27 (PDG, Cosmic rays)."""
LARGEST_MOMENTUM = 1e7
"""In MeV/c."""

_ZETA = np.geomspace(0.2, 2000.0, 2001)
_POWERS = (0.2455, 1.288, -0.2555, 0.0209)


def vertical_intensity(zeta: NDArray[np.float64]) -> NDArray[np.float64]:
    """I_V in 1/(cm^2 s sr GeV) at ``zeta`` = p cos(theta), in GeV/c."""
    logarithm = np.log10(zeta)
    exponent = sum(power * logarithm**n for n, power in enumerate(_POWERS))
    return 0.00253 * zeta**-exponent


_INTENSITY = vertical_intensity(_ZETA)
_CUMULATIVE = np.concatenate([[0.0], np.cumsum(0.5 * (_INTENSITY[1:] + _INTENSITY[:-1]) * np.diff(_ZETA))])

OMNIDIRECTIONAL_FLUX = float(2.0 * np.pi / 3.0 * _CUMULATIVE[-1])
"""Muons per cm^2 and s through a sphere's cross-section: I integrated over p and the upper hemisphere."""


def cosmic_directions(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count, 3) unit vectors, downwards, with intensity cos^2(theta)."""
    cosine = (1.0 - rng.random(count)) ** (1.0 / 3.0)
    azimuth = 2.0 * np.pi * rng.random(count)
    sine = np.sqrt(1.0 - cosine**2)
    return np.stack([sine * np.cos(azimuth), -cosine, sine * np.sin(azimuth)], axis=1)


def cosmic_momenta(directions: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """(N,) momenta in MeV/c of muons with these directions."""
    zeta = np.interp(rng.random(len(directions)) * _CUMULATIVE[-1], _CUMULATIVE, _ZETA)
    return np.minimum(1e3 * zeta / -directions[:, 1], LARGEST_MOMENTUM)


def cosmic_charges(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(count,) PDG codes, -13 for mu+ and 13 for mu-."""
    return np.where(rng.random(count) < POSITIVE_SHARE, -13, 13)
