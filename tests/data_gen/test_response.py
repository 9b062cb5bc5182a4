"""The detector's answer: charge, noise, regions of interest, hits, labels; steps from any source."""

import numpy as np
import pytest

from data_gen.configuration import Configuration, Labels, Response
from data_gen.physics.steps import STEP_DTYPE, Deposit
from data_gen.response.drift import drift
from data_gen.response.empty_pixels import draw_empty_pixels
from data_gen.response.hits import find_hits, label
from data_gen.response.readout import dead_channels, respond
from data_gen.response.regions import drop_weak_regions, keep_regions
from data_gen.response.waveforms import (
    ADC_TICKS_PER_KE,
    COHERENT_CHANNELS,
    FILTER_TICKS,
    TRUTH_DTYPE,
    add_charge,
    coherent_noise,
    electronics_response,
    noise,
    noise_rms,
    pixels,
)
from data_gen.simulate import simulate
from lartpc.adc_scale import adc_scale, network_units
from lartpc.detector import (
    ACTIVE_CM,
    DETECTORS,
    DRIFT_SPEED,
    PIXEL_TICKS,
    PLANES,
    READOUT_TICKS,
    TRIGGER_TICK,
    plane,
)
from lartpc.errors import UserError
from lartpc.served.contract import Label

U, W = plane("U"), plane("W")
VOLUME = DETECTORS["drift-volume"].volumes[0]


def line_of_steps(x: float = 180.0, y: float = 300.0, deposit: Deposit = Deposit.TRACK) -> np.ndarray:
    """A minimum-ionising particle along the beam: 2.1 MeV/cm at one drift distance, at the trigger."""
    z = np.arange(20.0, 200.0, 0.05)
    steps = np.zeros(len(z), STEP_DTYPE)
    steps["x"], steps["y"], steps["z"] = x, y, z
    steps["energy"], steps["length"], steps["deposit"] = 2.1 * 0.05, 0.05, deposit
    return steps


def quiet() -> Configuration:
    return Configuration(response=Response(raw_noise=0.05))


@pytest.fixture(scope="module")
def event():
    return simulate(Configuration(), seed=5, number=0, planes=("U", "V", "W"))


def test_noise_rms_is_what_the_filter_makes_of_white_noise():
    """Against the straightforward way: filter white noise of 2.5 ADC in the full spectrum."""
    rng = np.random.default_rng(1)
    raw = 2.5 * rng.standard_normal((60, READOUT_TICKS))
    megahertz = np.fft.rfftfreq(READOUT_TICKS, 0.5)
    gain = np.exp(-0.5 * (megahertz / 0.12) ** 2) / electronics_response(megahertz) / ADC_TICKS_PER_KE
    direct = np.fft.irfft(np.fft.rfft(raw) * gain, axis=1).std()
    drawn = noise(480, 2.5, rng)
    assert drawn.shape == (480, READOUT_TICKS) and drawn.dtype == np.float32
    assert drawn.std() == pytest.approx(noise_rms(2.5), rel=0.01)
    assert direct == pytest.approx(noise_rms(2.5), rel=0.01)
    assert noise_rms(2.5) == pytest.approx(0.0257, abs=1e-4)
    assert abs(drawn.mean()) < 1e-3


def test_electronics_response_to_an_impulse():
    """The LArASIC with 2.2 us of shaping: a pulse of peak 1 has an area of 2.79 us."""
    step = 0.05
    megahertz = np.fft.rfftfreq(4096, step)
    pulse = np.fft.irfft(electronics_response(megahertz)) / step
    assert 1.0 / pulse.max() == pytest.approx(2.79, rel=0.01)
    assert pulse.argmax() * step == pytest.approx(2.58, abs=0.1)
    assert electronics_response(np.zeros(1))[0] == pytest.approx(1.0)


def test_charge_of_a_minimum_ionising_particle():
    """About 30 thousand electrons a collection wire, at the tick where they arrive."""
    steps = line_of_steps()
    waveforms = np.zeros((W.wires, READOUT_TICKS), np.float32)
    truth = add_charge(drift(steps, VOLUME, Response()), W, waveforms)
    charge = waveforms[60:400].sum(axis=1)
    born = 1e-3 * 2.1 * 0.4792 / 23.6e-6 * 0.703  # 30.0 thousand electrons escape recombination
    assert charge == pytest.approx(born * np.exp(-180.0 / DRIFT_SPEED / 35_000.0), rel=1e-3)
    peak = waveforms[100].argmax()
    assert peak == pytest.approx(TRIGGER_TICK + 180.0 / DRIFT_SPEED / 0.5, abs=1.0)
    inside = truth["energy"][(truth["wire"] >= 60) & (truth["wire"] < 400)].sum()
    assert inside == pytest.approx(340 * 0.4792 * 2.1, rel=0.01)


def test_diffusion_widens_pulses_with_the_drift():
    near = drift(line_of_steps(x=1.0), VOLUME, Response())
    far = drift(line_of_steps(x=350.0), VOLUME, Response())
    assert far.width[0] == pytest.approx(np.sqrt(2.0 * 8.8 * 350.0 / DRIFT_SPEED * 1e-6))  # cm
    assert far.spread[0] == pytest.approx(np.sqrt(2.0 * 4.0 * 350.0 / DRIFT_SPEED * 1e-6) / DRIFT_SPEED / 0.5)
    assert near.width[0] < 0.1 * far.width[0]
    assert far.charge[0] / near.charge[0] == pytest.approx(np.exp(-349.0 / DRIFT_SPEED / 35_000.0))


@pytest.mark.parametrize("wires", PLANES, ids=lambda wires: wires.name)
def test_the_active_volume_projects_onto_the_wires(wires):
    corners = np.zeros(8, STEP_DTYPE)
    grid = np.array(np.meshgrid([1.0, 300.0], [0.0, ACTIVE_CM[1]], [0.0, ACTIVE_CM[2]])).reshape(3, 8)
    corners["x"], corners["y"], corners["z"] = grid
    corners["energy"] = corners["length"] = 1.0
    position = drift(corners, VOLUME, Response()).wire_position(wires)
    assert position.min() == pytest.approx(0.0, abs=1e-9)
    assert wires.wires - 15 < position.max() < wires.wires


def test_planes_disagree_on_height_alone_as_their_angles_say():
    low, high = line_of_steps(y=100.0), line_of_steps(y=200.0)
    shift = {
        wires.name: (
            drift(high, VOLUME, Response()).wire_position(wires)
            - drift(low, VOLUME, Response()).wire_position(wires)
        )[0]
        for wires in PLANES
    }
    assert shift["W"] == pytest.approx(0.0)
    assert shift["U"] == pytest.approx(-100.0 * np.sin(np.radians(35.7)) / 0.4669)
    assert shift["V"] == pytest.approx(-shift["U"])


def test_deposits_outside_or_out_of_time_leave_nothing():
    outside = line_of_steps(y=-1.0)
    late = line_of_steps()
    late["t"] = 10_000.0
    for steps in (outside, late, np.zeros(0, STEP_DTYPE)):
        images, hits, _ = respond(steps, quiet(), ("W",), np.random.default_rng(1))
        assert np.sum(hits["label"] != Label.NONE) == 0
        assert images["W"].shape == (1, W.wires, READOUT_TICKS // PIXEL_TICKS)


def test_regions_of_interest():
    waveforms = np.full((1, 40), 0.5, np.float32)
    waveforms[0, [10, 12, 30]] = 2.0
    keep_regions(waveforms, 1.0, 3)
    kept = np.flatnonzero(waveforms[0])
    assert list(kept) == [*range(7, 16), *range(27, 34)]
    edge = np.full((1, 10), 0.5, np.float32)
    edge[0, [0, 9]] = 2.0
    keep_regions(edge, 1.0, 2)
    assert list(np.flatnonzero(edge[0])) == [0, 1, 2, 7, 8, 9]
    everywhere = np.full((1, 10), 5.0, np.float32)
    keep_regions(everywhere, 1.0, 2)
    assert np.all(everywhere == 5.0)


def test_pixels_are_means_of_six_ticks():
    waveforms = np.zeros((2, READOUT_TICKS), np.float32)
    waveforms[1, 6:12] = [0, 6, 0, 0, 0, 6]
    assert pixels(waveforms).shape == (2, 1000)
    assert pixels(waveforms)[1, :3].tolist() == [0.0, 2.0, 0.0]


def test_a_track_makes_one_hit_a_wire():
    _, hits, _ = respond(line_of_steps(), quiet(), ("W",), np.random.default_rng(1))
    track = hits[hits["label"] == Label.TRACK]
    inner = track[(track["local_wire"] >= 60) & (track["local_wire"] < 400)]
    assert np.array_equal(inner["local_wire"], np.arange(60, 400))
    assert inner["integral"] == pytest.approx(30.0, rel=0.05)
    assert inner["energy_track"] == pytest.approx(0.4792 * 2.1, rel=0.06)
    assert np.all(inner["rms"] > 0.8 * FILTER_TICKS)
    assert inner["local_time"] == pytest.approx(TRIGGER_TICK + 360.0 / DRIFT_SPEED, abs=1.0)
    assert np.all(inner["g4_id"] == 0)


def pulses(*peaks: tuple[float, float]) -> np.ndarray:
    """A waveform of Gaussian pulses (height in ke/tick, tick) of 3 ticks, 0 where they have ended."""
    ticks = np.arange(READOUT_TICKS)
    waveform = sum(height * np.exp(-0.5 * ((ticks - tick) / 3.0) ** 2) for height, tick in peaks)
    return np.where(waveform > 1e-3, waveform, 0.0).astype(np.float32)


def found(*waveforms: np.ndarray) -> np.ndarray:
    """Hits above 0.6 ke/tick of waveforms on wires from 5 on."""
    plane = np.zeros((W.wires, READOUT_TICKS), np.float32)
    plane[5 : 5 + len(waveforms)] = waveforms
    return find_hits(plane, np.zeros(0, TRUTH_DTYPE), W, 0.6, Labels())


def test_every_peak_above_the_threshold_is_a_hit():
    hits = found(pulses((4.0, 100), (2.0, 112.4)), pulses((0.59, 100)), pulses((3.0, 5998)))
    assert hits["local_wire"].tolist() == [5, 5, 7]
    assert hits["local_time"][:2] == pytest.approx([100.0, 112.4], abs=0.3)
    assert hits["amplitude"][:2] == pytest.approx([4.0, 2.0], rel=0.02)
    assert np.all(hits["label"] == Label.NONE) and np.all(hits["g4_id"] == -1)


def test_a_peak_below_the_threshold_parts_two_pulses():
    beside = [(4.0, 100), (0.5, 112), (4.0, 124)]
    assert found(pulses(*beside))["local_time"] == pytest.approx([100.0, 124.0], abs=0.5)


def test_a_pulse_of_more_than_four_peaks_is_cut_into_slices_of_ten_ticks():
    """A train too long to be fitted (MaxMultiHit, LongPulseWidth of gaushit)."""
    four = found(pulses(*((2.0, 100 + 12 * k) for k in range(4))))
    assert len(four) == 4
    seven = found(pulses(*((2.0, 100 + 12 * k) for k in range(7))))
    assert 9 <= len(seven) <= 10
    assert np.diff(seven["local_time"]) == pytest.approx(10.0, abs=1.0)
    assert seven["integral"].sum() == pytest.approx(7 * 2.0 * 3.0 * np.sqrt(2 * np.pi), rel=0.02)
    longest = found(pulses(*((2.0, 100 + 12 * k) for k in range(60))))
    assert len(longest) == 25


def test_a_flat_pulse_is_one_hit():
    """Without a minimum gaushit sees one candidate, however long."""
    flat = np.zeros(READOUT_TICKS, np.float32)
    flat[200:290] = 2.0
    assert found(flat)["integral"].tolist() == [180.0]


def test_weak_regions_are_dropped_unless_a_strong_one_touches_them():
    waveforms = np.zeros((7, READOUT_TICKS), np.float32)
    waveforms[0] = pulses((0.7, 100))
    waveforms[2] = pulses((0.8, 100))  # strong by its peak
    waveforms[3] = pulses((0.7, 104))  # touches it
    waveforms[4] = pulses((0.7, 106))  # touches a weak one alone
    waveforms[5, 300:320] = 0.4  # strong by its mean
    waveforms[6, 330:340] = 0.3  # beside it, not at the same ticks
    before = waveforms.copy()
    drop_weak_regions(waveforms, 0.75, 0.375, 0.077)
    kept = [waveforms[k].max() > 0 for k in range(7)]
    assert kept == [False, False, True, True, False, True, False]
    assert all(np.array_equal(waveforms[k], before[k]) for k in (2, 3, 5))
    drop_weak_regions(before, 0.0, 0.375, 0.077)
    assert before[0].max() > 0 and before[4].max() > 0


@pytest.mark.parametrize(
    ("track", "shower", "michel", "expected", "is_michel"),
    [
        (0.0, 0.0, 0.0, Label.NONE, 0),
        (0.019, 0.0, 0.0, Label.NONE, 0),
        (0.0, 0.0, 0.019, Label.NONE, 0),
        (0.021, 0.0, 0.0, Label.TRACK, 0),
        (1.0, 0.9, 0.0, Label.TRACK, 0),
        (1.0, 1.1, 0.0, Label.SHOWER, 0),
        (1.0, 0.0, 1.1, Label.SHOWER, 1),
        (1.0, 0.0, 0.9, Label.TRACK, 0),
        (0.0, 1.0, 0.9, Label.SHOWER, 0),
        (1.0, 0.6, 0.7, Label.SHOWER, 1),
    ],
)
def test_label_rule(track, shower, michel, expected, is_michel):
    labels, flags = label(np.array([[track, shower, michel]]), Labels())
    assert (labels[0], flags[0]) == (expected, is_michel)


def test_labels_follow_the_steps_kind():
    for deposit, expected, michel in (
        (Deposit.TRACK, Label.TRACK, 0),
        (Deposit.SHOWER, Label.SHOWER, 0),
        (Deposit.MICHEL, Label.SHOWER, 1),
    ):
        _, hits, _ = respond(line_of_steps(deposit=deposit), quiet(), ("W",), np.random.default_rng(1))
        bright = hits[hits["amplitude"] > 1.0]
        assert np.all(bright["label"] == expected) and np.all(bright["michel"] == michel)


def test_noise_alone_makes_no_hit_at_the_experiments_threshold_and_few_none_at_a_low_one():
    nothing = np.zeros(0, STEP_DTYPE)
    images, hits, _ = respond(nothing, Configuration(), ("W",), np.random.default_rng(2))
    assert len(hits) == 0 and not images["W"].any()
    low = Response(region_threshold=4.2, region_peak=0.0, hit_threshold=0.108)
    images, hits, _ = respond(nothing, Configuration(response=low), ("W",), np.random.default_rng(2))
    assert 0 < len(hits) < 100
    assert np.all(hits["label"] == Label.NONE)
    assert np.mean(images["W"] != 0) < 0.01


def test_every_hit_lies_in_its_plane_on_a_pixel_with_signal(event):
    assert {"U", "V", "W"} == set(event.images)
    assert np.array_equal(event.hits["hit_id"], np.arange(len(event.hits)))
    for wires in PLANES:
        hits = event.hits[event.hits["local_plane"] == wires.index]
        image = event.images[wires.name]
        assert image.shape == (1, wires.wires, READOUT_TICKS // PIXEL_TICKS) and image.dtype == np.float16
        assert len(hits) > 500
        assert hits["local_wire"].max() < wires.wires
        assert hits["local_time"].min() >= 0 and hits["local_time"].max() < READOUT_TICKS
        assert np.all(image[0, hits["local_wire"], (hits["local_time"] / PIXEL_TICKS).astype(int)] != 0)
        assert np.isfinite(image).all()
        energy = hits["energy_track"] + hits["energy_shower"] + hits["energy_michel"]
        assert np.array_equal(hits["label"] == Label.NONE, energy < np.float32(0.02))
        assert np.array_equal(hits["g4_id"] < 0, hits["label"] == Label.NONE)
        assert hits["g4_id"].max() < len(event.particles)


def test_images_are_mostly_exact_zeros(event):
    assert 0.8 < np.mean(event.images["W"] == 0) < 0.99


def test_tracks_fill_the_network_scale_without_saturating(event):
    """In the 2021 era a minimum-ionising particle is a few network units; few pixels reach 15."""
    hits = event.hits[(event.hits["local_plane"] == W.index) & (event.hits["label"] == Label.TRACK)]
    units = network_units(event.images["W"][0], "W", adc_scale("2021"))
    values = units[hits["local_wire"], (hits["local_time"] / PIXEL_TICKS).astype(int)]
    assert 1.0 < np.median(values) < 8.0
    assert np.mean(values >= 15.0) < 0.1


def test_a_channel_reads_its_wire_and_the_continuation():
    """An induction wire wraps around the APA: what one wire sees, the image shows on both."""
    assert U.channel_of_wire.max() == U.channels - 1 and W.channel_of_wire.tolist() == list(range(480))
    steps = line_of_steps(y=10.0)  # low down, on wires from 740 on
    images, hits, _ = respond(steps, quiet(), ("U",), np.random.default_rng(1))
    wires = np.unique(hits["local_wire"][hits["label"] == Label.TRACK])
    assert wires.min() < 800 < wires.max()
    assert np.array_equal(wires, np.arange(wires.min(), wires.max() + 1))
    assert np.array_equal(images["U"][0, 800:], images["U"][0, :348])


def on_wire(wire: int, y: float, energy: float) -> np.ndarray:
    """One deposit at the middle of an induction wire, at the height y."""
    step = np.zeros(1, STEP_DTYPE)
    across = (wire + 0.5) * U.pitch - (ACTIVE_CM[1] - y) * np.sin(U.angle)
    step["x"], step["y"], step["z"] = 180.0, y, across / np.cos(U.angle)
    step["energy"], step["length"] = energy, 0.5 * energy
    return step


def test_deposits_on_one_channel_add_up_and_the_larger_names_the_wire():
    steps = np.concatenate([on_wire(40, 560.0, 1.0), on_wire(840, 30.0, 3.0)])
    _, hits, _ = respond(steps, quiet(), ("U",), np.random.default_rng(1))
    main = hits[hits["label"] == Label.TRACK]
    assert main["local_wire"][main["amplitude"].argmax()] == 840
    assert main["energy_track"].max() > 3.0  # transverse diffusion takes some to the next wires


def test_the_other_drift_side_is_the_same_volume_turned_about():
    low, high = DETECTORS["protodune-sp"].volumes[2:4]
    steps = line_of_steps()
    steps["z"] += low.z
    turned = steps.copy()
    turned["x"] = high.wires_x - steps["x"]
    turned["z"] = 2.0 * low.z + ACTIVE_CM[2] - steps["z"]
    here, there = drift(steps, low, Response()), drift(turned, high, Response())
    assert there.tick == pytest.approx(here.tick)
    assert there.wire_position(U) == pytest.approx(here.wire_position(U))
    assert len(drift(steps, high, Response()).tick) == 0


def test_six_drift_volumes_share_the_argon():
    detector = DETECTORS["protodune-sp"]
    rng = np.random.default_rng(3)
    steps = np.zeros(2000, STEP_DTYPE)
    for axis, extent in zip("xyz", detector.size, strict=True):
        steps[axis] = extent * rng.random(len(steps))
    steps["energy"] = steps["length"] = 1.0
    assert sum(len(drift(steps, volume, Response()).tick) for volume in detector.volumes) == len(steps)
    configuration = Configuration(detector="protodune-sp", response=Response(raw_noise=0.05))
    images, hits, empty = respond(steps[:200], configuration, ("W",), rng)
    assert images["W"].shape == (6, 480, 1000)
    assert set(hits["tpc"]) == set(range(6))
    assert all(images["W"][tpc].any() for tpc in range(6))


def test_dead_channels_give_nothing_in_any_event():
    configuration = Configuration(response=Response(dead_channels=0.1))
    dead = dead_channels(W, 0, configuration.response)
    assert 20 < len(dead) < 80
    for seed in (1, 2):
        images, hits, _ = respond(line_of_steps(), configuration, ("W",), np.random.default_rng(seed))
        assert not images["W"][0, dead].any()
        assert not np.isin(hits["local_wire"], dead).any()
    assert not np.array_equal(dead, dead_channels(W, 1, configuration.response))
    assert len(dead_channels(W, 0, Response())) == 0


def test_variations_of_the_detector_do_what_they_say():
    steps = line_of_steps()
    nominal = drift(steps, VOLUME, Response())
    assert drift(steps, VOLUME, Response(gain=0.9)).charge == pytest.approx(0.9 * nominal.charge)
    assert np.all(drift(steps, VOLUME, Response(lifetime_us=5000.0)).charge < 0.85 * nominal.charge)
    assert np.all(drift(steps, VOLUME, Response(box_b=0.3)).charge < 0.95 * nominal.charge)
    slow = drift(steps, VOLUME, Response(drift_speed=0.9 * DRIFT_SPEED))
    assert slow.tick - TRIGGER_TICK == pytest.approx((nominal.tick - TRIGGER_TICK) / 0.9)


def test_coherent_noise_is_common_to_32_channels():
    waveforms = coherent_noise(100, 2.5, np.random.default_rng(1))
    assert waveforms.shape == (100, READOUT_TICKS)
    assert np.array_equal(waveforms[0], waveforms[COHERENT_CHANNELS - 1])
    assert abs(np.corrcoef(waveforms[0], waveforms[COHERENT_CHANNELS])[0, 1]) < 0.2
    assert waveforms.std() == pytest.approx(noise_rms(2.5), rel=0.05)


@pytest.mark.parametrize(
    "wrong", [{"gain": 0.0}, {"lifetime_us": -1.0}, {"dead_channels": 1.5}, {"raw_noise": float("nan")}]
)
def test_a_response_out_of_range_is_refused(wrong):
    with pytest.raises(UserError, match=f"--response.{next(iter(wrong)).replace('_', '-')} "):
        Response(**wrong)


def test_empty_pixels_lie_near_signal_and_on_none(event):
    assert len(event.empty) == 3 * Labels().empty_pixels
    for wires in PLANES:
        image = event.images[wires.name][0] != 0
        of_plane = event.empty[event.empty["local_plane"] == wires.index]
        assert len(np.unique(of_plane)) > 0.9 * len(of_plane)
        pixels_of = (of_plane["local_time"] / PIXEL_TICKS).astype(int)
        for wire, pixel in zip(of_plane["local_wire"].astype(int), pixels_of, strict=True):
            assert not image[max(0, wire - 2) : wire + 3, max(0, pixel - 2) : pixel + 3].any()
            assert image[max(0, wire - 24) : wire + 24, max(0, pixel - 24) : pixel + 24].sum() > 6


def test_without_signal_there_are_no_empty_pixels():
    assert len(draw_empty_pixels(np.zeros((480, 1000), "f2"), 5, 0, 2, np.random.default_rng(1))) == 0
    full = np.ones((480, 1000), "f2")
    assert len(draw_empty_pixels(full, 5, 0, 2, np.random.default_rng(1))) == 0
