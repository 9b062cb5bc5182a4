"""Augmentation: what it changes, what it leaves, and that it follows from seed, epoch and hit alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lartpc.adc_scale import adc_scale
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.patches.cut import HALF
from training.data.augmentation import Augmentation, hit_keys
from training.data.dataset import PatchDataset

SCALE = adc_scale("2021")
HITS = np.arange(400)
EVERYTHING = Augmentation(flip_drift=True, flip_wires=True, charge=0.1, noise=0.1, dead_wires=0.02)


@pytest.fixture(scope="module")
def dataset(events_file: Path) -> PatchDataset:
    with EventFile(events_file) as events:
        return PatchDataset(events, np.array([0, 2]), SCALE, empty_pixels=True, clipped=False)


def varied(
    dataset: PatchDataset, augmentation: Augmentation, hits: NDArray = HITS, seed: int = 1, epoch: int = 0
) -> NDArray[np.float32]:
    keys = hit_keys(dataset, hits, np.zeros_like(hits), seed, epoch)
    return augmentation.patches(dataset, hits, SCALE, keys)


def test_nothing_changes_nothing(dataset: PatchDataset) -> None:
    assert np.array_equal(varied(dataset, Augmentation()), dataset.patches(HITS))


def test_a_hit_is_varied_alike_in_any_batch(dataset: PatchDataset, events_file: Path) -> None:
    expected = varied(dataset, EVERYTHING)
    order = np.random.default_rng(1).permutation(HITS)[:50]
    assert np.array_equal(varied(dataset, EVERYTHING, order), expected[order])
    with EventFile(events_file) as events:
        alone = PatchDataset(events, np.array([2]), SCALE, empty_pixels=True, clipped=False)
    of_alone = np.flatnonzero(dataset.event == 2)[:50]
    assert np.array_equal(varied(alone, EVERYTHING, HITS[:50]), varied(dataset, EVERYTHING, of_alone))


def test_seed_epoch_and_copy_vary_it(dataset: PatchDataset) -> None:
    first = varied(dataset, EVERYTHING)
    assert not np.array_equal(first, varied(dataset, EVERYTHING, epoch=1))
    assert not np.array_equal(first, varied(dataset, EVERYTHING, seed=2))
    again = EVERYTHING.patches(dataset, HITS, SCALE, hit_keys(dataset, HITS, np.ones_like(HITS), 1, 0))
    assert not np.array_equal(first, again)


@pytest.mark.parametrize(("option", "axis"), [("flip_drift", 2), ("flip_wires", 1)])
def test_half_of_the_patches_are_mirrored_about_the_hit(
    dataset: PatchDataset, option: str, axis: int
) -> None:
    plain, flipped = dataset.patches(HITS), varied(dataset, Augmentation(**{option: True}))
    same = (flipped == plain).all(axis=(1, 2, 3))
    first = [slice(None)] * 4
    first[axis] = slice(1, None)  # the farthest line before the hit has none behind it to change with
    mirrored = (flipped[tuple(first)] == np.flip(plain[tuple(first)], axis)).all(axis=(1, 2, 3))
    assert (same | mirrored).all()
    assert 150 < np.count_nonzero(mirrored & ~same) < 250
    assert np.array_equal(flipped[:, HALF, HALF], plain[:, HALF, HALF])


def test_what_lies_behind_a_patch_is_seen_where_it_is_mirrored(dataset: PatchDataset) -> None:
    """Its first line holds the 24th pixel behind the hit, which an unmirrored patch does not reach."""
    everything = np.ones(len(HITS), bool)
    mirrored = dataset.mirrored_patches(HITS, ~everything, everything)
    beyond = dataset.canvas[dataset.row[HITS] + HALF, dataset.pixel[HITS] + 2 * HALF]
    assert beyond.any()
    assert np.array_equal(mirrored[:, HALF, 0, 0], beyond)


def test_charge_is_scaled_before_the_window_clips(dataset: PatchDataset) -> None:
    lowest, highest = SCALE.adc_min * SCALE.gain, SCALE.adc_max * SCALE.gain
    plain, scaled = dataset.patches(HITS), varied(dataset, Augmentation(charge=0.2))
    assert plain.max() > highest
    factor = [
        np.median(of_scaled[of_plain > 0.5] / of_plain[of_plain > 0.5])
        for of_plain, of_scaled in zip(plain, scaled, strict=True)
        if 0.5 < of_plain.max() < highest / 1.2
    ]
    assert 0.8 <= min(factor) < 0.85 and 1.15 < max(factor) <= 1.2
    assert scaled.min() >= lowest and scaled.max() == highest
    saturated = plain > highest / 0.8
    assert saturated.any() and np.all(scaled[saturated] == highest)


def test_noise_has_its_width_and_keeps_the_zeros(dataset: PatchDataset) -> None:
    plain, noisy = dataset.patches(HITS), varied(dataset, Augmentation(noise=0.1))
    assert np.array_equal(noisy == 0.0, plain == 0.0)
    inside = (plain != 0.0) & (np.abs(plain) < 4.0)
    added = (noisy - plain)[inside]
    error = 0.1 / np.sqrt(len(added))
    assert abs(added.mean()) < 4 * error
    assert abs(added.std() - 0.1) < 4 * error
    assert abs(np.corrcoef(added[:-1], added[1:])[0, 1]) < 4 / np.sqrt(len(added))


def test_dead_wires_are_whole_and_never_the_hits_own(dataset: PatchDataset) -> None:
    plain, dead = dataset.patches(HITS), varied(dataset, Augmentation(dead_wires=0.3))
    changed = (plain != dead).any(axis=(2, 3))
    assert np.all(dead[changed] == 0.0)
    assert not changed[:, HALF].any()
    lit = (plain != 0.0).any(axis=(2, 3))
    lit[:, HALF] = False
    assert abs(changed[lit].mean() - 0.3) < 0.03


def test_mirrored_patches_at_the_last_wire_and_pixel_are_whole(dataset: PatchDataset) -> None:
    last = object.__new__(PatchDataset)
    rows, pixels = (length - 2 * HALF - 1 for length in dataset.canvas.shape)
    ends = {"row": np.full_like(dataset.row, rows), "pixel": np.full_like(dataset.pixel, pixels)}
    last.__dict__.update(dataset.__dict__, **ends)
    assert varied(last, Augmentation(flip_drift=True, flip_wires=True)).shape == (400, 48, 48, 1)


@pytest.mark.parametrize("wrong", [{"charge": 1.0}, {"noise": -0.1}, {"dead_wires": float("nan")}])
def test_what_makes_no_sense_is_refused(wrong: dict) -> None:
    option = next(iter(wrong)).replace("_", "-")
    with pytest.raises(UserError, match=f"--data.augmentation.{option}"):
        replace(EVERYTHING, **wrong)
