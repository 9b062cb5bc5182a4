"""Patches and network units, against a plain reading of LArSoft's definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lartpc.adc_scale import CALIBRATION, adc_scale, network_units
from lartpc.errors import UserError
from lartpc.event import HIT_DTYPE
from lartpc.patches.cut import cut_patches, drift_pixel, locate_hits, pad_planes

IMAGE = np.random.default_rng(1).normal(size=(60, 100)).astype("f4")


@given(st.integers(0, 59), st.integers(0, 99))
def test_patch_is_wires_w_minus_24_to_w_plus_23(wire: int, pixel: int) -> None:
    patch = cut_patches(pad_planes(IMAGE[None]), np.array([wire]), np.array([pixel]))[0, :, :, 0]
    for row, column in ((0, 0), (24, 24), (47, 47), (0, 47), (10, 30)):
        w, d = wire - 24 + row, pixel - 24 + column
        inside = 0 <= w < 60 and 0 <= d < 100
        assert patch[row, column] == (IMAGE[w, d] if inside else 0)


def hits_at(*places: tuple[int, int, float]) -> np.ndarray:
    hits = np.zeros(len(places), HIT_DTYPE)
    hits["hit_id"] = np.arange(len(places))
    hits["tpc"], hits["local_wire"], hits["local_time"] = zip(*places, strict=True)
    return hits


def test_drift_volumes_do_not_see_each_other() -> None:
    row, pixel = locate_hits(hits_at((0, 59, 30), (1, 0, 30)), (2, 60, 100), "x")
    patches = cut_patches(pad_planes(np.stack([np.ones_like(IMAGE), IMAGE])), row, pixel)
    assert set(patches[0, 25:].ravel()) == {0}
    assert patches[1, 24, 24, 0] == IMAGE[0, 5]
    assert set(patches[1, :24].ravel()) == {0}


@pytest.mark.parametrize(
    "place", [(1, 5, 5.0), (0, 60, 5.0), (0, 5, 600.0), (0, 5, -10.0), (0, 5, np.nan), (0, 5, np.inf)]
)
def test_hit_off_its_plane_is_refused(place: tuple[int, int, float]) -> None:
    with pytest.raises(UserError, match="event 7: hit 1 at .* lies outside its plane of 60 wires"):
        locate_hits(hits_at((0, 3, 3.0), place), (1, 60, 100), "event 7")


def test_drift_pixel_truncates() -> None:
    assert drift_pixel(np.array([0.0, 5.99, 6.0, 5999.0])).tolist() == [0, 0, 1, 999]


@pytest.mark.parametrize("era", ["2021", "2020"])
def test_network_units_stay_within_minus_5_and_15(era: str) -> None:
    pixels = np.linspace(-1000, 1000, 1000)
    units = network_units(pixels, "W", adc_scale(era))
    assert (units.min(), units.max()) == (-5, 15)
    assert network_units(np.zeros(1000), "W", adc_scale(era)).tolist() == [0] * 1000


def test_eras_differ_five_times_below_the_clip() -> None:
    pixels = np.full(1000, 3.0)
    ratio = network_units(pixels, "U", adc_scale("2021")) / network_units(pixels, "U", adc_scale("2020"))
    assert np.allclose(ratio, 5)


def test_calibration_and_lifetime() -> None:
    pixels = np.full(1000, 1.0)
    units = network_units(pixels, "W", adc_scale("2021"), lifetime_us=3000.0)
    assert CALIBRATION["W"] == pytest.approx(1.3636, abs=1e-4)
    trigger = 500 / 6 - 0.5  # pixel whose centre is at the trigger
    assert np.interp(trigger, np.arange(1000), units) == pytest.approx(0.5 * 1.3636, rel=1e-4)
    assert units[999] / units[399] == pytest.approx(np.exp(600 * 3.0 / 3000), rel=1e-5)


def test_unknown_era() -> None:
    with pytest.raises(UserError, match="'1999'; there are 2021, 2020"):
        adc_scale("1999")
