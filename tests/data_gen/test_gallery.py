"""Galleries: patches of each class, drawn by lot."""

import pytest

from data_gen.display import main
from data_gen.pictures.patch_gallery import EMPTY, draw_lots, patches_at, places
from lartpc.adc_scale import ADC_SCALES, CALIBRATION, StoredPixels
from lartpc.drawing.plane import MICHEL
from lartpc.event_file import EventFile
from lartpc.patches.cut import HALF
from lartpc.served.contract import Label
from tests.helpers.small_events import four_events, stacked_patches, write


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return four_events(tmp_path_factory.mktemp("events"))


@pytest.fixture(scope="module")
def stack():
    return stacked_patches()


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


def test_pixels_clipped_to_less_than_the_era_are_refused(stack, tmp_path, capsys):
    path = write(tmp_path / "events.h5", [stack], StoredPixels(calibrated=True, lowest=-10.0, highest=30.0))
    out = tmp_path / "gallery.png"
    assert main([str(path), "--gallery", "--era=2020", "--out", str(out)]) == 2
    assert "name another era" in capsys.readouterr().err
    assert not out.exists()
