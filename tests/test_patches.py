"""Patches and network units, against a plain reading of LArSoft's definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lartpc.adc_scale import CALIBRATION, adc_scale, network_units
from lartpc.errors import UserError
from lartpc.patches import cut_patches, drift_pixel, pad_plane

IMAGE = np.random.default_rng(1).normal(size=(60, 100)).astype("f4")


@given(st.integers(0, 59), st.integers(0, 99))
def test_patch_is_wires_w_minus_24_to_w_plus_23(wire: int, pixel: int) -> None:
    patch = cut_patches(pad_plane(IMAGE), np.array([wire]), np.array([pixel]))[0]
    for row, column in ((0, 0), (24, 24), (47, 47), (0, 47), (10, 30)):
        w, d = wire - 24 + row, pixel - 24 + column
        inside = 0 <= w < 60 and 0 <= d < 100
        assert patch[row, column] == (IMAGE[w, d] if inside else 0)


@pytest.mark.parametrize(("wire", "pixel"), [(-1, 5), (60, 5), (5, 100), (5, -1)])
def test_hit_off_its_plane_is_refused(wire: int, pixel: int) -> None:
    with pytest.raises(IndexError, match="hit 1 .*outside"):
        cut_patches(pad_plane(IMAGE), np.array([3, wire]), np.array([3, pixel]))


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
