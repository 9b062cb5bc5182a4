"""Showers against ompmc, an independent Monte Carlo of EGSnrc's lineage, in aluminium (it has no argon)."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.paths import ROOT

ompmc = pytest.importorskip("ompmc")

RADII = np.array([0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 30.0, 100.0])
DEPTHS = np.array([0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 100.0])


def oracle(pdg: int, energy: float, count: int) -> np.ndarray:
    """(rings, slices) mean energy deposited in MeV, by ompmc."""
    folder = ompmc.data_path()
    deposits, *_ = ompmc.calc_radial(
        ompmc.CylinderGeometry(r_bounds=RADII, z_bounds=DEPTHS, material="AL521ICRU"),
        ompmc.PencilBeamSource(),
        ompmc.Spectrum.monoenergetic(energy),
        n_histories=count,
        charge=-1 if pdg == 11 else 0,
        output_dose=False,
        physics=ompmc.Physics(
            pegs_file=str(folder / "pegs4" / "521icru.pegs4dat"), n_split=1, global_ecut=0.611
        ),
    )
    deposits = np.asarray(deposits)
    return deposits if deposits.shape[0] == len(RADII) - 1 else deposits.T


def ours(pdg: int, energy: float, count: int, folder: Path) -> np.ndarray:
    """The same by the generator's kernels, built for aluminium."""
    out = folder / "deposits.npy"
    edges = [",".join(map(str, bounds)) for bounds in (RADII, DEPTHS)]
    command = [
        sys.executable,
        "tests/data_gen/aluminium.py",
        str(pdg),
        str(energy),
        str(count),
        *edges,
        str(out),
    ]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder.parent / "aluminium"), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return np.load(out)


@pytest.mark.parametrize(("pdg", "energy"), [(11, 50.0), (22, 50.0), (11, 10.0), (22, 5.0)])
def test_showers_agree_in_depth_and_breadth(pdg, energy, tmp_path):
    reference, mine = oracle(pdg, energy, 20_000), ours(pdg, energy, 6_000, tmp_path)
    assert mine.sum() == pytest.approx(reference.sum(), rel=0.01)
    for axis, edges in ((1, RADII), (0, DEPTHS)):
        shares = [profile.sum(axis) / profile.sum() for profile in (reference, mine)]
        inside = [np.cumsum(share) for share in shares]
        assert inside[1] == pytest.approx(inside[0], abs=0.02)
        centres = 0.5 * (edges[1:] + edges[:-1])
        assert shares[1] @ centres == pytest.approx(shares[0] @ centres, rel=0.04)
