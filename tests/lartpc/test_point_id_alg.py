"""PointIdAlg's patches, against those of the C++ functions.

``point_id_alg.h5`` holds what larreco's DataProviderAlg and larrecodnn's IPointIdAlg, at the commits that
it names, gave when they were compiled with stand-ins for art and geometry (g++ 12, -O2, x86-64): waveforms,
hits, patches.
"""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lartpc.adc_scale import ADC_SCALES
from lartpc.errors import UserError
from lartpc.patches.point_id_alg import PointIdPlane, PointIdSettings

FIXTURE = Path(__file__).with_name("point_id_alg.h5")

with h5py.File(FIXTURE) as _file:
    CASES = json.loads(_file.attrs["cases"])


def content(name: str) -> Any:
    with h5py.File(FIXTURE) as file:
        return file[name][()]


def plane_of(case: dict[str, Any], **changes: Any) -> PointIdPlane:
    settings = {name: value for name, value in case.items() if name != "plane"}
    waveforms = (content("adc_in_eighths") / 8).astype(np.float32)
    return PointIdPlane(waveforms, case["plane"], PointIdSettings(**{**settings, **changes}))


def test_a_thousand_patches_of_both_eras() -> None:
    assert content("patches").shape == (len(CASES), 100, 48, 48)
    for era in ADC_SCALES:
        settings = PointIdSettings.of_era(era)
        same = [
            case
            for case in CASES
            if (case["adc_min"], case["full_view"]) == (settings.adc_min, settings.full_view)
        ]
        assert len(same) >= 2


@pytest.mark.parametrize("number", range(len(CASES)))
def test_every_pixel_is_that_of_the_c_plus_plus(number: int) -> None:
    plane = plane_of(CASES[number])
    wire, tick = content("hits")[number].T
    patches = plane.patches(wire.astype(int), tick)
    assert patches.dtype == np.float32
    np.testing.assert_array_equal(patches.view(np.uint32), content("patches")[number].view(np.uint32))
    np.testing.assert_array_equal(plane.is_fiducial(wire.astype(int), tick), content("fiducial")[number])


def test_centred_patches_differ_near_tick_0_alone() -> None:
    number = next(index for index, case in enumerate(CASES) if not case["full_view"])
    wire, tick = content("hits")[number].T
    centred = plane_of(CASES[number], off_centre=False).patches(wire.astype(int), tick)
    as_upstream = content("patches")[number]
    differs = (centred != as_upstream).any(axis=(1, 2))
    assert differs.any() and not differs[tick >= 144].any()
    late = np.flatnonzero(differs)[0]
    empty = int(-(-(144 - int(tick[late])) // 6))
    np.testing.assert_array_equal(centred[late][:, : empty - 1], 0)


def test_a_second_hit_in_a_pixel_has_the_same_patch() -> None:
    plane = plane_of(CASES[0])
    first, second = plane.patches(np.array([30, 30]), np.array([600.0, 601.5]))
    np.testing.assert_array_equal(first, second)


def test_no_hits_have_no_patches() -> None:
    for full_view in (True, False):
        plane = plane_of(CASES[0], full_view=full_view)
        assert plane.patches(np.empty(0, int), np.empty(0)).shape == (0, 48, 48)


def test_an_era_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="no ADC scale is called '2019'"):
        PointIdSettings.of_era("2019")
