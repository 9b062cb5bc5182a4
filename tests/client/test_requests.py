"""What is asked for hits, and that every hit gets its own answer back."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from client.engine import Answer
from client.requests import BATCH_SIZE, Asked, answers, of_image, of_patches, of_plane
from lartpc.adc_scale import ADC_SCALES
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.patches.plane_hits import HITS_PER_CUT, PlaneHits
from lartpc.served.contract import (
    CLASS_OUTPUT,
    HIT_INPUT,
    IMAGE_INPUT,
    INPUT_NAME,
    MICHEL_OUTPUT,
    PATCH,
    PLANE,
    PLANE_ZS,
    Contract,
)
from lartpc.served.parity import Outputs, Request
from tests.helpers.small_events import make_event, write

SCALE = ADC_SCALES["2021"]


def by_pixel(request: Request) -> Answer:
    """The hit's own pixel as the answer, in patches and in planes."""
    if INPUT_NAME in request:
        own = request[INPUT_NAME][:, 24, 24, 0]
    else:
        wire, pixel = request[HIT_INPUT].T
        own = request[IMAGE_INPUT][wire, pixel]
    outputs = {CLASS_OUTPUT: np.repeat(own[:, None], 3, 1), MICHEL_OUTPUT: own[:, None]}
    return Answer(outputs, "here", "d" * 64)


def outputs_of(asked: Iterable[Asked]) -> list[Outputs]:
    return [outputs for outputs, _ in answers(by_pixel, asked)]


def test_hits_of_a_pixel_are_asked_once_and_each_gets_its_answer() -> None:
    random = np.random.default_rng(1)
    image = random.uniform(-1, 1, (30, 40)).astype(np.float32)
    hits = random.integers(0, (30, 40), (20_000, 2))
    asked = of_image(image, hits, PLANE, None)
    sent = np.concatenate([request[HIT_INPUT] for request in asked.requests])
    assert len(sent) == len(np.unique(hits, axis=0))
    (found,) = outputs_of([asked])
    np.testing.assert_array_equal(found[MICHEL_OUTPUT][:, 0], image[hits[:, 0], hits[:, 1]])


@pytest.mark.parametrize("most", [1, 700])
def test_requests_of_a_plane_hold_no_more_hits_than_allowed(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.requests.MOST_HITS", most)
    image = np.arange(1500, dtype=np.float32).reshape(30, 50) / 1500
    hits = np.argwhere(image >= 0)[::-1]
    asked = of_image(image, hits, PLANE, None)
    assert asked.count == -(-1500 // most)
    (found,) = outputs_of([asked])
    np.testing.assert_array_equal(found[MICHEL_OUTPUT][:, 0], image[hits[:, 0], hits[:, 1]])


@pytest.mark.parametrize("contract", [PATCH, PLANE])
def test_planes_of_an_event_are_asked_together_and_answered_apart(
    contract: Contract, planes: list[PlaneHits]
) -> None:
    expected = [outputs_of([of_plane(plane, PATCH, SCALE, None)])[0] for plane in planes]
    found = outputs_of(of_plane(plane, contract, SCALE, None) for plane in planes)
    assert [len(answer[MICHEL_OUTPUT]) for answer in found] == [len(plane.hits) for plane in planes]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours[MICHEL_OUTPUT], theirs[MICHEL_OUTPUT])


@pytest.mark.parametrize("hits", [0, 1, BATCH_SIZE, HITS_PER_CUT, HITS_PER_CUT + BATCH_SIZE + 1])
def test_the_number_of_requests_is_known_beforehand(hits: int, planes: list[PlaneHits]) -> None:
    asked = of_plane(some(planes[1], hits), PATCH, SCALE, None)
    assert asked.count == len(list(asked.requests))


def test_what_has_no_hits_is_answered_by_no_rows_in_its_place() -> None:
    def asked() -> Iterator[Asked]:
        for number in (0, 0, 3, 0, 300, 0):
            yield of_patches(np.full((number, 48, 48, 1), number, np.float32))

    found = outputs_of(asked())
    assert [len(answer[MICHEL_OUTPUT]) for answer in found] == [0, 0, 3, 0, 300, 0]
    assert (found[4][MICHEL_OUTPUT] == 300).all()
    assert outputs_of([]) == []


def some(plane: PlaneHits, number: int) -> PlaneHits:
    """A plane with so many of its hits, repeated where it has fewer."""
    rows = np.resize(np.arange(len(plane.hits)), number)
    return replace(plane, hits=plane.hits[rows], is_hit=plane.is_hit[rows], number=plane.number[rows])


@pytest.fixture(scope="module")
def planes(tmp_path_factory: pytest.TempPathFactory) -> list[PlaneHits]:
    """Of events in two drift volumes: every other plane, and the last event, has no hits."""
    path = write(tmp_path_factory.mktemp("volumes") / "e.h5", [make_event(number) for number in range(4)])
    with EventFile(path) as events:
        return [plane for index in range(4) for plane in PlaneHits.of_event(events, index)]


def test_a_plane_that_runs_cannot_name_is_refused() -> None:
    with pytest.raises(UserError, match="too long for zero-suppressed runs, which count to 65535"):
        of_image(np.zeros((1, 70_000), np.float32), np.array([[0, 69_000]]), PLANE_ZS, 0.1)


@pytest.mark.parametrize(
    ("image", "hits"),
    [
        (np.zeros((4, 4)), np.array([[np.nan, 1.0]])),
        (np.zeros((4, 4)), np.array([[0.5, 1.0]])),
        (np.zeros((4, 4)), np.array([[True, False]])),
        (np.zeros((4, 4), complex), np.array([[1, 1]])),
        (np.array([["a", "b"]]), np.array([[0, 1]])),
    ],
)
def test_places_are_whole_numbers_and_pixels_real_ones(image: np.ndarray, hits: np.ndarray) -> None:
    with pytest.raises(UserError, match="the model takes real numbers and whole ones"):
        of_image(image, hits, PLANE, None)


def test_lists_and_the_largest_pixel_in_double_precision_are_taken() -> None:
    image = np.full((4, 4), np.nextafter(15.0, 16.0))
    (found,) = outputs_of([of_image(image.tolist(), [[1, 2]], PLANE, None)])
    assert found[MICHEL_OUTPUT].tolist() == [[15.0]]
