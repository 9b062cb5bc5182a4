"""Pictures of events: panels, closer look, legend, and several drift volumes in one."""

import numpy as np
import pytest

from data_gen.display import DPI, drift_volumes, main
from data_gen.pictures.plane_picture import (
    DETECTOR_INCHES,
    HEAD_INCHES,
    MARGIN_INCHES,
    TALLEST_INCHES,
    arrange,
    plane_picture,
)
from data_gen.pictures.volume_panels import in_rows, is_stack
from lartpc.adc_scale import StoredPixels
from lartpc.detector import DRIFT_PIXELS, plane
from lartpc.drawing.plane import ZOOM_WIRES, busiest, charge_norm, whole_plane
from lartpc.event_file import EventFile
from lartpc.patches.cut import drift_pixel
from lartpc.patches.plane_hits import PlaneHits
from lartpc.served.contract import PATCH_SIZE, Label
from tests.helpers.small_events import BARE, MICHEL_RICH, four_events, make_event, stacked_patches, write


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return four_events(tmp_path_factory.mktemp("events"))


@pytest.fixture(scope="module")
def stack():
    return stacked_patches()


def texts_of(legend):
    return [text.get_text() for text in legend.get_texts()]


def legend_texts(figure):
    return [texts_of(axis.get_legend()) for axis in figure.axes if axis.get_legend()]


def titles(figure):
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def kinds_of(drawn, volumes):
    """What a legend says of some drift volumes."""
    hits = drawn.hits[drawn.is_hit & np.isin(drawn.hits["tpc"], volumes)]
    plain = hits[hits["michel"] == 0]
    track, shower, none = (
        f"{name}  {np.count_nonzero(plain['label'] == label)}"
        for name, label in (("track", Label.TRACK), ("shower", Label.SHOWER), ("none", Label.NONE))
    )
    return [track, shower, f"Michel  {hits['michel'].sum()}", none]


@pytest.mark.parametrize("volumes", [[0], [0, 1]])
def test_one_legend_counts_hits_and_empty_pixels_of_the_drawn_volumes(path, volumes):
    with EventFile(path) as events:
        drawn = PlaneHits.read(events, MICHEL_RICH, "W", empty_pixels=True)
    figure = plane_picture(drawn, volumes, truth=True)
    legends = legend_texts(figure) if len(volumes) == 1 else [texts_of(figure.subfigs[0].legends[0])]
    assert legends == [[*kinds_of(drawn, volumes), "empty pixel  4"]]
    figure.draw_without_rendering()


def test_the_closer_look_is_at_the_michel_electron_or_else_at_the_busiest_place(path):
    with EventFile(path) as events:
        with_michel, without, bare = (
            PlaneHits.read(events, index, "W", empty_pixels=True) for index in (MICHEL_RICH, 0, BARE)
        )
    figure = plane_picture(with_michel, [0], truth=True)
    assert titles(figure) == ["densest Michel electron"]
    closer = next(axis for axis in figure.axes if axis.get_title())
    left, right = closer.get_xlim()
    assert right - left == pytest.approx(ZOOM_WIRES)
    assert (left + right) / 2 == pytest.approx(44, abs=0.5)
    assert titles(plane_picture(without, [0], truth=True)) == ["busiest place"]
    assert titles(plane_picture(bare, [0], truth=True)) == ["highest charge"]


def test_lengths_are_true_to_scale(path):
    with EventFile(path) as events:
        drawn = PlaneHits.read(events, 0, "W")
    axis = plane_picture(drawn, [0], truth=True).axes[-1]
    assert axis.get_aspect() == pytest.approx(0.1565 / 0.4792)


def test_up_to_six_volumes_share_a_picture(tmp_path, capsys):
    event = make_event(0, volumes=9)
    event.images["W"][:, 3, 3] = 5
    event.images["W"][1] = 0
    path = write(tmp_path / "events.h5", [event])
    with EventFile(path) as events:
        of_plane = PlaneHits.read(events, 0, "W")
    assert drift_volumes(of_plane, None) == ([0, 2, 3, 4, 5, 6], 2)
    assert drift_volumes(of_plane, 8) == ([8], 0)
    panels_and_colour_scale = plane_picture(of_plane, [0, 2, 3, 4, 5, 6], truth=False).axes
    assert len(panels_and_colour_scale) == 6 + 1
    assert main([str(path), "--out", str(tmp_path / "event.png")]) == 0
    assert "2 more drift volumes" in capsys.readouterr().out


def corners(figure):
    """Number of a drift volume -> left and lower edge of its panels, in shares of the picture."""
    figure.draw_without_rendering()
    places = {place.get_suptitle().split()[2]: place.bbox for place in figure.subfigs[1].subfigs}
    inside = figure.transFigure.inverted()
    return {name: tuple(box.transformed(inside).p0.round(2)) for name, box in places.items()}


@pytest.mark.parametrize(("truth", "pairs_share"), [(False, 0), (True, 1)])
def test_the_whole_detector_fits_a_screen_and_its_volumes_lie_in_pairs(tmp_path, truth, pairs_share):
    """The two sides of the cathode above one another, or with the truth, which is wider, side by side."""
    event = make_event(0, volumes=6)
    event.images["W"] = np.ones((6, plane("W").wires, DRIFT_PIXELS), np.float16)
    with EventFile(write(tmp_path / "events.h5", [event])) as events:
        figure = plane_picture(PlaneHits.read(events, 0, "W"), list(range(6)), truth)
    width, height = figure.get_size_inches() * DPI
    assert width <= 2900 and height <= 2000
    places = corners(figure)
    assert sorted(places) == list("012345")
    for first, second in (("0", "1"), ("2", "3"), ("4", "5")):
        assert places[first][pairs_share] == places[second][pairs_share]
        assert places[first] != places[second]
    labels = {axis.get_xlabel() for axis in figure.axes}
    assert {"wire", "mean deconvolved charge [10³ e⁻ / tick]"} <= labels


@pytest.mark.parametrize("volumes", [2, 3, 5, 6])
@pytest.mark.parametrize("shapes", [[0.49], [1.14], [2.5], [0.4, 0.4, 0.5], [2.5, 2.5, 0.5]])
def test_a_grid_of_volumes_keeps_its_bounds(volumes, shapes):
    rows, columns, height = arrange(volumes, np.array(shapes))
    assert rows * columns in (volumes, volumes + 1) and min(rows, columns) <= 2
    assert 1.0 < height <= TALLEST_INCHES
    width = columns * (sum(shapes) * height + MARGIN_INCHES * len(shapes))
    total = rows * (height + MARGIN_INCHES) + HEAD_INCHES
    assert width <= DETECTOR_INCHES[0] + 1e-9 and total <= DETECTOR_INCHES[1] + 1e-9


def test_stacked_patches_are_laid_out_in_rows(stack, tmp_path):
    path = write(tmp_path / "events.h5", [stack], StoredPixels(calibrated=True))
    with EventFile(path) as events:
        drawn = PlaneHits.read(events, 0, "W")
    assert is_stack(drawn)
    laid_out = in_rows(drawn)
    assert laid_out.image[0].shape == (3 * PATCH_SIZE, 2 * PATCH_SIZE)
    pixel = drift_pixel(laid_out.hits["local_time"])
    assert laid_out.image[0][laid_out.hits["local_wire"], pixel].tolist() == [1, 2, 3, 4, 5]
    plane_picture(drawn, [0], truth=True).draw_without_rendering()
    for options in (["--truth"], ["--gallery", "--each=3"]):
        assert main([str(path), *options, "--out", str(tmp_path / "picture.png")]) == 0


def test_the_colour_scale_saturates_on_a_thousandth_of_the_signal():
    image = np.zeros((50, 1000))
    image[:20] = np.random.default_rng(1).exponential(5.0, (20, 1000))
    highest = charge_norm(image).vmax
    assert np.mean(image[image > 0] > highest) == pytest.approx(1e-3, rel=0.1)


def test_the_busiest_place_is_of_what_is_wanted():
    wire = np.array([10.0, 11.0, 12.0, 300.0, 301.0, 400.0])
    time = np.array([100.0, 101.0, 102.0, 900.0, 901.0, 100.0])
    assert busiest(wire, time, np.zeros(6, bool)) == (11.0, 101.0)
    assert busiest(wire, time, wire >= 300) == (300.5, 900.5)
    assert busiest(wire[:1], time[:1], np.ones(1, bool)) == (10.0, 100.0)


@pytest.mark.parametrize("wire", [-5.0, 0.0, 40.0, 99.0])
@pytest.mark.parametrize("wires", [30, 100])
def test_the_closer_look_stays_inside_the_plane(wire, wires):
    plane = whole_plane(wires, DRIFT_PIXELS)
    closer = plane.around(wire, 2800.0)
    assert closer.wires == min(wires, ZOOM_WIRES)
    assert plane.left <= closer.left
    assert closer.left + closer.wires <= plane.left + plane.wires
    assert closer.low + closer.us == pytest.approx(plane.low + plane.us)
