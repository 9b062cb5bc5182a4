"""Planes: patches come out as they went in, hits say what the pixel holds, the same from text and ROOT."""

from pathlib import Path

import numpy as np
import pytest

from data_gen.import_larsoft import import_dumps, main
from data_gen.larsoft.dump_labels import KEPT_ALWAYS, THINNED, Selection
from data_gen.larsoft.dump_planes import DumpedPlane, in_drift_pixels
from data_gen.larsoft.dump_scale import DumpScale
from lartpc.adc_scale import StoredPixels, network_units
from lartpc.detector import plane
from lartpc.event_file import EventFile, split_of
from lartpc.served.contract import Label
from tests.helpers.dumps import (
    STEM,
    TABLES,
    dumped_plane,
    write_root,
    write_text,
)
from tests.helpers.imports import ERA, HALF, imported, patch
from training.data.dataset import PatchDataset

EVERYTHING = Selection(keep=1.0)


@pytest.fixture(scope="module")
def planes_imported(tmp_path_factory) -> dict[str, Path]:
    """The same two events, one with two drift volumes, as text and as ROOT."""
    folder = tmp_path_factory.mktemp("planes")
    stems = {}
    for event, tpc in ((3, 1), (3, 5), (4, 1)):
        write_text(folder / "text", dumped_plane(event + tpc), event, tpc)
        stems[STEM.format(event=event, tpc=tpc)] = dumped_plane(event + tpc)
    sources = {"text": folder / "text", "root": write_root(folder / "dump.root", stems)}
    paths = {}
    for form, source in sources.items():
        paths[form] = folder / f"{form}.h5"
        args = [str(source), "--format", form, "--adc-scale", "2021", "--keep", "0.5"]
        assert main([*args, "--out", str(paths[form])]) == 0
    return paths


@pytest.mark.parametrize("form", ["text", "root"])
def test_patches_are_those_of_the_dumped_plane(planes_imported, form):
    with EventFile(planes_imported[form]) as events:
        assert events.event_ids.tolist() == [[7, 1, 3], [7, 1, 4]]
        assert events.splits.tolist() == [split_of(3), split_of(4)]
        assert events.stored == StoredPixels(True, -10.0, 30.0)
        hits = events.hits(0)
        assert set(hits["tpc"]) == {1, 5} and set(hits["local_plane"]) == {2}
        for tpc in (1, 5):
            units = network_units(events.image(0, "W")[tpc], "W", ERA, stored=events.stored)
            assert np.abs(units - dumped_plane(3 + tpc)["raw"]).max() < 1e-4
        patches = PatchDataset(events, np.array([0]), ERA).patches(slice(None))[..., 0]
        for hit, cut in zip(hits, patches, strict=True):
            source = dumped_plane(3 + int(hit["tpc"]))["raw"]
            expected = patch(source, int(hit["local_wire"]), int(hit["local_time"]) // 6)
            assert np.abs(cut - expected).max() < 1e-4


def test_text_and_root_give_the_same_events(planes_imported):
    with EventFile(planes_imported["text"]) as text, EventFile(planes_imported["root"]) as root:
        for index in range(2):
            assert np.array_equal(text.image(index, "W"), root.image(index, "W"))
            for field in ("tpc", "local_wire", "local_time", "label", "michel", "sample"):
                assert np.array_equal(text.hits(index)[field], root.hits(index)[field])
            assert np.array_equal(text.empty_pixels(index), root.empty_pixels(index))


def test_hits_say_what_the_pixel_holds(planes_imported):
    with EventFile(planes_imported["text"]) as events:
        hits = events.hits(1)
    truth = dumped_plane(5)
    at = hits["local_wire"].astype(int), hits["local_time"].astype(int) // 6
    assert np.all(hits["local_time"] % 6 == 3.0)
    energy = sum(hits[f"energy_{kind}"] for kind in ("track", "shower", "michel"))
    assert np.allclose(energy, truth["deposit"][at] * 1000.0, rtol=1e-5)
    code = truth["pdg"][at]
    assert np.array_equal(hits["label"] == Label.SHOWER, code & 0xFFF == 11)
    assert np.array_equal(hits["michel"] == 1, code & 0xF000 == 0x2000)
    assert np.all(hits["energy_michel"][hits["michel"] == 1] > 0)
    assert np.all(hits["energy_shower"][hits["michel"] == 1] == 0)
    assert np.allclose(hits["amplitude"], truth["raw"][at] / ERA.gain)
    assert np.allclose(hits["integral"], 6 * hits["amplitude"])


def test_kept_share_and_natural_weights(planes_imported):
    """Half of the thinned pixels are kept and count twice: the weights add up to what there was."""
    with EventFile(planes_imported["text"]) as events:
        hits = events.hits(0)
        weights = events.natural_weights(hits)
        assert events.samples["name"].tolist() == [b"kept always", b"thinned"]
    assert set(weights[hits["sample"] == THINNED]) == {2.0}
    assert set(weights[hits["sample"] == KEPT_ALWAYS]) == {1.0}
    assert hits["michel"].sum() == 20
    there = sum(np.count_nonzero(dumped_plane(3 + tpc)["pdg"]) for tpc in (1, 5))
    assert abs(weights.sum() - there) < 4 * np.sqrt(there)


def test_the_choice_depends_on_seed_and_plane_alone(tmp_path, planes_imported):
    alone = write_text(tmp_path / "one", dumped_plane(5), event=4, tpc=1)
    again = imported(tmp_path, alone, "--format", "text", "--adc-scale", "2021", "--keep", "0.5")
    with EventFile(again) as one, EventFile(planes_imported["text"]) as both:
        assert np.array_equal(one.hits(0), both.hits(1))
    other = imported(
        tmp_path, alone, "--format", "text", "--adc-scale", "2021", "--keep", "0.5", "--seed", "2"
    )
    with EventFile(other) as one, EventFile(planes_imported["text"]) as both:
        assert not np.array_equal(one.hits(0), both.hits(1))


def test_provenance_names_the_dump_and_no_folder(planes_imported):
    with EventFile(planes_imported["root"]) as events:
        data = events.provenance.data
    assert data["generator"] == "larsoft-import" and data["format"] == "root"
    assert data["adc_scale"] == "2021" and data["keep"] == 0.5 and data["seed"] == 1
    assert list(data["sources"]) == ["dump.root"] and len(data["sources"]["dump.root"]) == 64
    assert not data["accepted_clipped"] and not data["pseudo_events"]
    assert str(planes_imported["root"].parent) not in events.provenance.to_json()


def test_a_cropped_root_plane_lies_where_it_was(tmp_path):
    whole = dumped_plane()
    cropped = {kind: values[40:200, 20:250] for kind, values in whole.items()}
    path = write_root(tmp_path / "crop.root", {STEM.format(event=1, tpc=0): cropped}, wire=40, drift=20)
    out = tmp_path / "out.h5"
    import_dumps([path], "root", DumpScale.parse("2021"), out, EVERYTHING)
    with EventFile(out) as events:
        units = network_units(events.image(0, "W")[0], "W", ERA, stored=events.stored)
        hits = events.hits(0)
    assert np.abs(units - whole["raw"]).max() < 1e-4
    assert hits["local_wire"].min() >= 40 + HALF
    assert np.all(whole["pdg"][hits["local_wire"], hits["local_time"].astype(int) // 6] > 0)


def test_planes_of_ticks_are_averaged(tmp_path):
    ticks = np.zeros((100, 900))
    ticks[50, 300:306] = [0.0, 30.0, 60.0, 90.0, 30.0, 0.0]
    deposit, pdg = np.zeros_like(ticks), np.zeros(ticks.shape, int)
    deposit[50, 301:304] = [3e-5, 9e-5, 4e-5]
    pdg[50, 301:304] = [211 | 0x20000, 11, 13 | 0x8000]
    raw = write_text(tmp_path / "t", {"raw": ticks, "deposit": deposit, "pdg": pdg})
    args = (raw, "--format", "text", "--adc-scale", "deconvolved", "--ticks-per-column", "1")
    with EventFile(imported(tmp_path, *args)) as events:
        assert events.image(0, "W")[1, 50, 50] == 35.0 and events.stored == StoredPixels()
        (hit,) = events.hits(0)
    assert hit["local_time"] == 303.0 and hit["label"] == Label.SHOWER and hit["sample"] == KEPT_ALWAYS
    assert hit["energy_shower"] == pytest.approx(0.09)


def test_ticks_beside_whole_pixels_are_left_out():
    values = np.arange(20.0)[None]
    nowhere = (str,) * 3
    dumped = DumpedPlane("x", values, values, np.zeros((1, 20), np.int64), nowhere, first_column=4)
    pixels = in_drift_pixels(dumped, 1)
    assert pixels.first_column == 1
    assert pixels.raw.tolist() == [[4.5, 10.5, 16.5]] and pixels.deposit.tolist() == [[7.0, 13.0, 19.0]]


def test_a_plane_without_a_dump_is_empty(tmp_path):
    raw = write_text(tmp_path / "text", dumped_plane(shape=(200, 250)))
    other = write_text(tmp_path / "u", dumped_plane(shape=(200, 250)), event=4)
    for suffix in TABLES:
        path = other.with_suffix(f".{suffix}")
        path.rename(path.with_name(path.name.replace("view_2", "view_0")))
    out = imported(tmp_path, raw, tmp_path / "u", "--format=text", "--adc-scale=2021")
    with EventFile(out) as events:
        assert events.planes == ("U", "W")
        assert events.image(0, "U").shape == (2, plane("U").wires, 1000) and not events.image(0, "U").any()
        assert events.image(1, "U").any() and not events.image(1, "W").any()
