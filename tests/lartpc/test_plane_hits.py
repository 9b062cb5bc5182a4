"""From an event file to patches: what is damaged on the way is told before anything is taken for charge."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from lartpc.adc_scale import ADC_SCALES
from lartpc.errors import UserError
from lartpc.event import EMPTY_DTYPE, HIT_DTYPE, PARTICLE_DTYPE, Event
from lartpc.event_file import EventFile, EventWriter
from lartpc.patches.cut import drift_pixel
from lartpc.patches.plane_hits import PlaneHits
from lartpc.provenance import Provenance
from lartpc.served.contract import Label

SCALE = ADC_SCALES["2021"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two events of a plane of 60 wires with three hits and two empty pixels in the second of two volumes."""
    file = tmp_path / "events.h5"
    with EventWriter(file, Provenance()) as writer:
        for number in range(2):
            image = np.zeros((2, 60, 100), np.float16)
            hits, empty = np.zeros(3, HIT_DTYPE), np.zeros(2, EMPTY_DTYPE)
            for table in (hits, empty):
                table["tpc"], table["local_plane"] = 1, 2
                table["local_wire"], table["local_time"] = 30, 300.0
            image[1, 30, 50] = 5
            writer.append(Event((1, 1, number), {"W": image}, hits, np.zeros(0, PARTICLE_DTYPE), empty))
    return file


def test_empty_pixels_follow_the_hits_as_hits_of_none(path: Path) -> None:
    with EventFile(path) as events:
        of_plane = PlaneHits.read(events, 1, "W", empty_pixels=True)
    assert of_plane.is_hit.tolist() == [True] * 3 + [False] * 2
    assert of_plane.number.tolist() == [0, 1, 2, 3, 4]
    assert (of_plane.hits["label"][3:] == Label.NONE).all()
    (patches,) = of_plane.patches(SCALE)
    assert patches.shape == (5, 48, 48, 1) and (patches[:, 24, 24, 0] > 0).all()


@pytest.mark.parametrize("clipped", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_not_finite_is_no_charge(path: Path, value: float, clipped: bool) -> None:
    with h5py.File(path, "r+") as file:
        file["plane_images/W"][1, 1, 5, 5] = value
    with EventFile(path) as events:
        of_plane = PlaneHits.read(events, 1, "W")
        with pytest.raises(UserError, match="event 1, plane W: its image holds NaN or infinity"):
            of_plane.canvas(SCALE, clipped)


@pytest.mark.parametrize("tick", [1e30, -1e30, np.inf, np.nan, 3e38])
@pytest.mark.filterwarnings("error")
def test_a_tick_far_away_is_outside_without_a_warning(path: Path, tick: float) -> None:
    assert not 0 <= drift_pixel(np.array([tick], np.float32))[0] < 1000
    with h5py.File(path, "r+") as file:
        file["hit_table/local_time"][4] = tick
    with EventFile(path) as events, pytest.raises(UserError, match="lies outside its plane"):
        PlaneHits.read(events, 1, "W").canvas(SCALE)


def replace(file: h5py.File, name: str, data: np.ndarray) -> None:
    del file[name]
    file[name] = data


def bomb(file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
    """Declare an array of any size, which costs no disk."""
    del file[name]
    file.create_dataset(name, shape, "f2", chunks=(1, 1, 1000, 1000), fillvalue=0)


def link_in_a_loop(file: h5py.File, name: str) -> None:
    del file[name]
    file[name] = h5py.SoftLink(f"/{name}")


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: replace(file, "event_table/hits", np.array([3, 9], "i4")),
        lambda file: replace(file, "event_table/hits", np.array([-3, 9], "i4")),
        lambda file: replace(file, "event_table/hits", np.array([6], "i4")),
        lambda file: replace(file, "hit_table/label", np.zeros(2, "u1")),
        lambda file: replace(file, "plane_images/W", np.zeros((1, 2, 60, 100), "f2")),
        lambda file: replace(file, "plane_images/W", np.zeros((2, 60, 100), "f2")),
        lambda file: file.move("plane_images/W", "plane_images/Q"),
        lambda file: file.move("plane_images/W", "elsewhere"),
        lambda file: (file.move("plane_images/W", "elsewhere"), file.create_group("plane_images/W")),
        lambda file: file.move("hit_table/rms", "elsewhere"),
        lambda file: replace(file, "plane_images/W", np.full((2, 2, 60, 100), b"x")),
        lambda file: bomb(file, "plane_images/W", (2, 1, 100_000, 100_000)),
        lambda file: replace(file, "event_table/split", np.array([0, 7], "u1")),
        lambda file: replace(file, "event_table/split", np.zeros(1, "u1")),
        lambda file: replace(file, "sample_table/natural", np.array([np.nan])),
        lambda file: replace(file, "sample_table/generated", np.array([-1.0])),
        lambda file: file.attrs.modify("provenance", "[" * 20_000),
        lambda file: file.attrs.modify("provenance", "{}" * 2),
        lambda file: link_in_a_loop(file, "hit_table/rms"),
        lambda file: file.move("plane_images/W", "plane_images/<script>"),
    ],
    ids=range(20),
)
def test_a_file_whose_tables_do_not_fit_is_damaged(path: Path, damage: Callable[[h5py.File], object]) -> None:
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(UserError, match="is damaged: .*; generate it anew"):
        EventFile(path)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("label", 3, "a hit of event 1 has the label 3; 0 to 2 are known"),
        ("local_plane", 3, "a hit of event 1 has the local_plane 3; 0 to 2 are known"),
        ("michel", 2, "a hit of event 1 has the michel 2; 0 to 1 are known"),
        ("tpc", 2, "a hit lies in drift volume 2 of 2"),
    ],
)
def test_a_hit_of_what_there_is_not_is_told(path: Path, column: str, value: int, said: str) -> None:
    with h5py.File(path, "r+") as file:
        file[f"hit_table/{column}"][4] = value
    with EventFile(path) as events, pytest.raises(UserError, match=said):
        PlaneHits.read(events, 1, "W")
