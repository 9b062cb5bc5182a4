"""python -m data_gen.display: pictures of events and galleries of patches."""

import numpy as np
import pytest

from data_gen.display import drift_volumes, main
from data_gen.pictures.patch_gallery import EMPTY, draw_lots, patches_at, places
from data_gen.pictures.plane_picture import in_rows, is_stack, plane_picture
from lartpc.adc_scale import ADC_SCALES, CALIBRATION, StoredPixels
from lartpc.detector import DRIFT_PIXELS, PIXEL_TICKS, READOUT_TICKS
from lartpc.drawing.plane import MICHEL, ZOOM_WIRES, busiest, charge_norm, whole_plane
from lartpc.event import EMPTY_DTYPE, HIT_DTYPE, PARTICLE_DTYPE, Event
from lartpc.event_file import EventFile, EventWriter
from lartpc.patches.cut import HALF, drift_pixel
from lartpc.patches.plane_hits import PlaneHits
from lartpc.provenance import Provenance
from lartpc.served.contract import PATCH_SIZE, Label

WIRES = 100
MICHEL_RICH = 2
BARE = 3
"""An event with charge and no hits."""


def make_event(number, volumes=2, planes=("V", "W"), hits=80):
    """Hits at random in two drift volumes, charge 1 + hit number at each; Michel hits near wire 40."""
    rng = np.random.default_rng(number)
    images = {name: np.zeros((volumes, WIRES, DRIFT_PIXELS), np.float16) for name in planes}
    table = np.zeros(hits, HIT_DTYPE)
    table["hit_id"] = np.arange(hits)
    table["tpc"] = np.arange(hits) % min(volumes, 2)
    table["local_plane"] = 2 if planes[-1] == "W" else 1
    table["local_wire"] = rng.choice(WIRES, hits, replace=hits > WIRES)
    table["local_time"] = rng.uniform(0, READOUT_TICKS, hits)
    table["label"] = np.arange(hits) // 2 % 3
    if number == MICHEL_RICH:
        table["michel"][:10], table["label"][:10] = 1, Label.SHOWER
        table["local_wire"][:10], table["local_time"][:10] = np.arange(40, 50), 3000
    empty = np.zeros(4, EMPTY_DTYPE)
    empty["local_plane"], empty["local_wire"], empty["local_time"] = 2, [0, 20, 50, 99], 1500
    images[planes[-1]][table["tpc"], table["local_wire"], drift_pixel(table["local_time"])] = 1 + np.arange(
        hits
    )
    if number == BARE:
        table, empty = table[:0], empty[:0]
    return Event((1, 2, number), images, table, np.zeros(0, PARTICLE_DTYPE), empty)


AS_SIMULATED = StoredPixels()


def write(path, events, stored=AS_SIMULATED):
    with EventWriter(path, Provenance(), stored=stored) as writer:
        for event in events:
            writer.append(event)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("events") / "events.h5", [make_event(number) for number in range(4)])


@pytest.fixture(scope="module")
def stack():
    """Five patches in a stack, whose middle pixels hold 1 to 5; a hit in each."""
    image = np.zeros((1, 5 * PATCH_SIZE, PATCH_SIZE), np.float16)
    hits = np.zeros(5, HIT_DTYPE)
    hits["local_plane"], hits["local_time"] = 2, HALF * PIXEL_TICKS + 3
    hits["local_wire"] = np.arange(5) * PATCH_SIZE + HALF
    image[0, hits["local_wire"], HALF] = 1 + np.arange(5)
    return Event((9, 0, 0), {"W": image}, hits, np.zeros(0, PARTICLE_DTYPE))


def legend_texts(figure):
    legends = [axis.get_legend() for axis in figure.axes if axis.get_legend()]
    return [[text.get_text() for text in legend.get_texts()] for legend in legends]


def titles(figure):
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def test_the_event_with_the_most_michel_hits_is_drawn(path, tmp_path, capsys):
    out = tmp_path / "new" / "event.png"
    assert main([str(path), "--truth", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    text = capsys.readouterr().out
    assert f"event {MICHEL_RICH} (10), 0 (0)" in text
    assert "80 hits (24 track, 22 shower, 10 Michel, 24 none)" in text
    assert "next: python -m data_gen.display" in text


def test_without_michel_hits_the_event_with_the_most_hits_is_drawn(tmp_path, capsys):
    path = write(tmp_path / "events.h5", [make_event(0, hits=10), make_event(1, hits=20)])
    assert main([str(path), "--out", str(tmp_path / "event.png")]) == 0
    assert "event 1, plane W" in capsys.readouterr().out


def test_the_legend_counts_hits_and_empty_pixels_of_its_volume(path):
    with EventFile(path) as events:
        drawn = PlaneHits.read(events, MICHEL_RICH, "W", empty_pixels=True)
    figure = plane_picture(drawn, [0, 1], truth=True)
    first, second = legend_texts(figure)
    hits = drawn.hits[drawn.is_hit & (drawn.hits["tpc"] == 0)]
    plain = hits[hits["michel"] == 0]
    expected = [
        f"{name}  {np.count_nonzero(plain['label'] == label)}"
        for name, label in (("track", Label.TRACK), ("shower", Label.SHOWER), ("none", Label.NONE))
    ]
    assert first == [*expected[:2], "Michel  5", expected[2], "empty pixel  4"]
    assert "empty pixel  4" not in second
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


@pytest.mark.parametrize("options", [[], ["--truth"], ["--truth", "--plane=V"]])
def test_an_event_without_hits_is_drawn_all_the_same(path, tmp_path, options, capsys):
    out = tmp_path / "event.png"
    assert main([str(path), f"--event={BARE}", "--out", str(out), *options]) == 0
    assert out.exists()
    assert "0 hits" in capsys.readouterr().out


def test_volumes_have_a_row_each_up_to_six(tmp_path, capsys):
    event = make_event(0, volumes=9)
    event.images["W"][:, 3, 3] = 5
    event.images["W"][1] = 0
    path = write(tmp_path / "events.h5", [event])
    with EventFile(path) as events:
        of_plane = PlaneHits.read(events, 0, "W")
    assert drift_volumes(of_plane, None) == ([0, 2, 3, 4, 5, 6], 2)
    assert drift_volumes(of_plane, 8) == ([8], 0)
    assert len(plane_picture(of_plane, [0, 2, 3, 4, 5, 6], truth=False).axes) == 6
    assert main([str(path), "--out", str(tmp_path / "event.png")]) == 0
    assert "2 more drift volumes" in capsys.readouterr().out


def test_a_file_without_collection_plane_shows_its_first(tmp_path, capsys):
    path = write(tmp_path / "events.h5", [make_event(0, planes=("U", "V"))])
    assert main([str(path), "--out", str(tmp_path / "event.png")]) == 0
    assert "plane U" in capsys.readouterr().out


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


def test_the_gallery_is_drawn_by_lot(path, tmp_path, capsys):
    pictures = []
    for seed in (1, 1, 2):
        out = tmp_path / "gallery.png"
        assert main([str(path), "--gallery", "--each=3", f"--seed={seed}", "--out", str(out)]) == 0
        pictures.append(out.read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]
    assert "left out" not in capsys.readouterr().out


def test_the_gallery_holds_the_patches_of_each_class(path):
    scale = ADC_SCALES["2020"]
    with EventFile(path) as events:
        found = places(events, "W")
        chosen = draw_lots(found, 5, seed=1)
        patches = patches_at(events, "W", scale, chosen)
        tables = [events.hits(index) for index in range(len(events))]
    assert {kind: len(rows) for kind, rows in patches.items()} == dict.fromkeys((0, 1, 2, MICHEL, EMPTY), 5)
    assert len(found[MICHEL]) == 10
    assert len(found[EMPTY]) == 3 * 4
    for kind in (Label.TRACK, Label.SHOWER, Label.NONE, MICHEL):
        for (index, row), patch in zip(chosen[kind], patches[kind], strict=True):
            hit = tables[index][row]
            assert (MICHEL if hit["michel"] else hit["label"]) == kind
            expected = (1 + hit["hit_id"]) * CALIBRATION["W"] * scale.gain
            assert patch[HALF, HALF] == pytest.approx(expected, rel=0.1)
    assert (patches[EMPTY][:, HALF, HALF] == 0).all()


def test_a_class_that_is_not_there_is_named(stack, tmp_path, capsys):
    path = write(tmp_path / "events.h5", [stack])
    out = tmp_path / "gallery.png"
    assert main([str(path), "--gallery", "--out", str(out)]) == 0
    assert out.exists()
    text = capsys.readouterr().out
    for name in ("shower", "Michel", "none", "empty pixel"):
        assert f"no {name} in plane W" in text
    assert "no track" not in text


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--event=4"], "has events 0 to 3, no event 4"),
        (["--event=-1"], "no event -1"),
        (["--plane=X"], "has the planes V, W, no plane 'X'"),
        (["--volume=2"], "has drift volumes 0 to 1, no volume 2"),
        (["--volume=-1"], "no volume -1"),
        (["--gallery", "--event=1"], "leave out --event"),
        (["--gallery", "--truth"], "leave out --event"),
        (["--gallery", "--each=0"], "--each 0 must be 1 to 40"),
        (["--gallery", "--seed=-1"], "--seed -1 must be 0 or more"),
        (["--gallery", "--era=1999"], "no ADC scale is called '1999'"),
        (["--gallery", "--plane=U"], "no plane 'U'"),
        (["--out=/proc/event.png"], "cannot write /proc/event.png"),
    ],
)
def test_wrong_requests_are_exit_code_2(path, tmp_path, options, reason, capsys):
    out = [] if options[0].startswith("--out") else ["--out", str(tmp_path / "picture.png")]
    assert main([str(path), *out, *options]) == 2
    assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_files_with_nothing_to_draw_are_exit_code_2(tmp_path, capsys):
    bare = write(tmp_path / "bare.h5", [make_event(BARE)])
    for arguments, reason in (
        ([str(tmp_path / "none.h5")], "python -m data_gen.generate"),
        ([str(write(tmp_path / "no_events.h5", []))], "has no events"),
        ([str(bare), "--gallery"], "neither hits nor empty pixels in plane W"),
    ):
        assert main([*arguments, "--out", str(tmp_path / "picture.png")]) == 2
        assert reason in capsys.readouterr().err
    assert not (tmp_path / "picture.png").exists()


def test_pixels_clipped_to_less_than_the_era_are_refused(stack, tmp_path, capsys):
    path = write(tmp_path / "events.h5", [stack], StoredPixels(calibrated=True, lowest=-10.0, highest=30.0))
    out = tmp_path / "gallery.png"
    assert main([str(path), "--gallery", "--era=2020", "--out", str(out)]) == 2
    assert "name another era" in capsys.readouterr().err
    assert not out.exists()


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
