"""The generator's electromagnetic kernels in aluminium, in a process of their own.

    python tests/data_gen/aluminium.py PDG ENERGY COUNT RADII DEPTHS OUT

Pencil beam into a half-space (z > 0); writes the mean energy deposited by a primary, in MeV, in rings (RADII,
comma-separated edges in cm) and slices (DEPTHS) to OUT (.npy). NUMBA_CACHE_DIR must name a folder of its own:
the cache of the argon kernels does not tell the medium.
"""

import math
import sys

import numpy as np

from data_gen.physics import argon as medium

Z, A, DENSITY = 13, 26.9815385, 2.699
medium.Z = Z
medium.A = A
medium.DENSITY = DENSITY
medium.ATOMS = DENSITY * medium.AVOGADRO / A
medium.ELECTRONS = medium.ATOMS * Z
medium.IONISATION_PREFACTOR = medium.BETHE_K * Z / A * DENSITY
# PDG, Atomic and Nuclear Properties of Materials
medium.EXCITATION_ENERGY = 166.0e-6
medium.RADIATION_LENGTH = 24.01 / DENSITY
medium.DENSITY_EFFECT_C = 4.2395
medium.DENSITY_EFFECT_A = 0.08024
medium.DENSITY_EFFECT_K = 3.6345
medium.DENSITY_EFFECT_X0 = 0.1708
medium.DENSITY_EFFECT_X1 = 3.0127
medium.K_SHELL_ENERGY = 1.5596e-3
# NIST XCOM; the photoelectric coefficients fit it within 3 %
medium.PAIR_PRODUCTION = np.array(
    [
        (1.25, 3.127e-05, 0.0),
        (1.5, 1.707e-04, 0.0),
        (2.0, 6.745e-04, 0.0),
        (3.0, 1.918e-03, 1.170e-05),
        (4.0, 3.102e-03, 4.781e-05),
        (5.0, 4.153e-03, 9.523e-05),
        (6.0, 5.098e-03, 1.463e-04),
        (8.0, 6.694e-03, 2.466e-04),
        (10.0, 7.999e-03, 3.393e-04),
        (15.0, 1.043e-02, 5.319e-04),
        (20.0, 1.218e-02, 6.823e-04),
        (30.0, 1.463e-02, 9.053e-04),
        (40.0, 1.634e-02, 1.066e-03),
        (50.0, 1.761e-02, 1.191e-03),
        (60.0, 1.862e-02, 1.292e-03),
        (100.0, 2.121e-02, 1.561e-03),
    ]
)
medium.PHOTOELECTRIC = np.array(
    [
        (20.0, -5.397, -26.43, 2.841e4, -2.075e4),
        (100.0, 0.4833, -130.3, 2.648e4, 1.532e4),
        (500.0, 0.02537, -10.9, 1.51e4, 4.191e5),
        (math.inf, 0.008562, 10.41, 4924.0, 2.322e6),
    ]
)


def main(pdg: int, energy: float, count: int, radii: list[float], depths: list[float], out: str) -> None:
    """Follow ``count`` primaries and write the mean deposits."""
    from data_gen.physics.record import new_record, push_named
    from data_gen.physics.transport import follow_all

    rng = np.random.default_rng(1)
    record = new_record(1 << 18)
    low, high = np.array([-1e4, -1e4, -1e-6]), np.full(3, 1e4)
    total = np.zeros((len(radii) - 1, len(depths) - 1))
    for _ in range(count):
        record.counts[:] = 0
        push_named(record, pdg, energy, 0.0, 0.0, 0.0, (0.0, 0.0, 1.0), 0.0, 1, -1, 0)
        follow_all(record, low, high, 3.0, rng)
        steps = record.steps[: record.counts[0]]
        radius = np.hypot(steps["x"], steps["y"])
        total += np.histogram2d(radius, steps["z"], [radii, depths], weights=steps["energy"])[0]
    np.save(out, total / count)


if __name__ == "__main__":
    pdg, energy, count, radii, depths, out = sys.argv[1:]
    edges = ([float(edge) for edge in text.split(",")] for text in (radii, depths))
    main(int(pdg), float(energy), int(count), *edges, out)
