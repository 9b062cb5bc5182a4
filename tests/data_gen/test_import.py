"""Importing LArSoft's dumps: patches come out as they went in, labels and selection as upstream, faults."""

from pathlib import Path

import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.recfunctions import rename_fields

from data_gen.import_larsoft import import_dumps, main
from data_gen.larsoft.dump_labels import KEPT_ALWAYS, THINNED, Selection, choose, labels
from data_gen.larsoft.dump_numpy import ROW_DTYPE
from data_gen.larsoft.dump_planes import DumpedPlane, in_drift_pixels
from data_gen.larsoft.dump_scale import DumpScale
from lartpc.adc_scale import StoredPixels, adc_scale, network_units
from lartpc.detector import plane
from lartpc.errors import UserError
from lartpc.event_file import EventFile, split_of
from lartpc.served.contract import PATCH_SIZE, Label
from tests.helpers.dumps import table
from training.data.dataset import PatchDataset

STEM = "raw_event_{event}_run_7_subrun_1_tpc_{tpc}_view_2"
HALF = PATCH_SIZE // 2
EVERYTHING = Selection(keep=1.0)
ERA = adc_scale("2021")
TABLES = ("raw", "deposit", "pdg")
Plane = dict[str, np.ndarray]


def dumped_plane(seed: int = 0, shape: tuple[int, int] = (480, 1000), step: float = 1 / 64) -> Plane:
    """A track, a muon with a Michel electron at its end, a shower, a vertex; pixels in steps of ``step``."""
    random = np.random.default_rng(seed)
    raw, deposit = np.zeros(shape), np.zeros(shape)
    pdg = np.zeros(shape, np.int64)
    for first, code in ((60, 211), (120, 13), (180, 0x4000 | 11)):
        wire = np.arange(60, 120)
        pdg[wire, first + wire // 4] = code
    pdg[120:130, 160] = 0x2000 | 11
    pdg[70, 60 + 70 // 4] |= 0x40000
    signal = pdg > 0
    raw[signal] = random.integers(1, 10 / step, signal.sum()) * step
    deposit[signal] = random.uniform(2e-5, 1e-3, signal.sum()).round(9)
    return {"raw": raw, "deposit": deposit, "pdg": pdg}


def write_text(folder: Path, tables: Plane, event: int = 3, tpc: int = 1) -> Path:
    """Three files, each value followed by a space as LArSoft writes it; the .raw file."""
    folder.mkdir(exist_ok=True)
    stem = STEM.format(event=event, tpc=tpc)
    for kind in TABLES:
        lines = ("".join(f"{value:g} " for value in row) for row in tables[kind])
        if kind == "pdg":
            lines = ("".join(f"{value} " for value in row) for row in tables[kind])
        (folder / f"{stem}.{kind}").write_text("\n".join(lines) + "\n")
    return folder / f"{stem}.raw"


def th2(values: np.ndarray, dtype: str, wire: int = 0, drift: int = 0) -> object:
    """A TH2 with wires along x and drift along y, in bins of width 1."""
    identify = uproot.writing.identify
    bins = np.zeros((values.shape[0] + 2, values.shape[1] + 2), dtype)
    bins[1:-1, 1:-1] = values
    axes = [
        identify.to_TAxis(name, "", size, first, first + size)
        for name, size, first in zip(("xaxis", "yaxis"), values.shape, (wire, drift), strict=True)
    ]
    flat = bins.T.reshape(-1).copy()
    return identify.to_TH2x("", "", flat, values.size, 0, 0, 0, 0, 0, 0, 0, np.zeros(0), *axes)


def write_root(path: Path, planes: dict[str, Plane], wire: int = 0, drift: int = 0) -> Path:
    with uproot.recreate(path) as file:
        for stem, tables in planes.items():
            for kind, values in tables.items():
                dtype = ">i4" if kind == "pdg" else ">f4"
                file[f"datadump/{stem}_{kind}"] = th2(values, dtype, wire, drift)
    return path


def pixels_of(rows: np.ndarray) -> np.ndarray:
    return np.stack([rows[f"x{i}"] for i in range(PATCH_SIZE**2)], axis=1).reshape(-1, PATCH_SIZE, PATCH_SIZE)


def imported(tmp_path: Path, *args: object) -> Path:
    out = tmp_path / "out.h5"
    assert main([*map(str, args), "--out", str(out)]) == 0
    return out


def patches_of(path: Path, empty: bool = False) -> tuple[np.ndarray, PatchDataset]:
    with EventFile(path) as events:
        dataset = PatchDataset(events, np.arange(len(events)), ERA, empty_pixels=empty)
    return dataset.patches(slice(None))[..., 0], dataset


def patch(image: np.ndarray, wire: int, pixel: int) -> np.ndarray:
    return image[wire - HALF : wire + HALF, pixel - HALF : pixel + HALF]


# ---------------------------------------------------------------- planes


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


# ---------------------------------------------------------------- labels and selection


def test_label_rule():
    deposit = np.array([1.9e-5, 2e-5, 1e-3, 1e-3, 1e-3, 1e-3])
    pdg = np.array([11, 11, 13 | 0x8000, 11 | 0x2000, 211 | 0x2000, 11 | 0x2000 | 0x40000])
    label, michel = labels(deposit, pdg)
    none, shower, track = Label.NONE, Label.SHOWER, Label.TRACK
    assert label.tolist() == [none, shower, track, shower, track, shower]
    assert michel.tolist() == [0, 0, 0, 1, 0, 1]


def chosen(tables: Plane, selection: Selection):
    random = np.random.default_rng(1)
    return choose(tables["raw"] > 0, tables["deposit"], tables["pdg"], selection, random)


def test_michel_near_stop_and_vertex_pixels_are_always_kept():
    tables = dumped_plane()
    picked = chosen(tables, Selection(keep=1e-9))
    code = tables["pdg"][tuple(picked.hits.T)]
    assert np.count_nonzero(code & 0x2000) == 10 and np.count_nonzero(code >> 16) == 1
    muon = picked.hits[code == 13]
    assert len(muon) > 0 and set(picked.sample) == {KEPT_ALWAYS}
    for wire, pixel in muon:
        inner = tables["pdg"][wire - 22 : wire + 22, pixel - 22 : pixel + 22]
        assert np.count_nonzero(inner & 0x2000) > 2


def test_edge_and_invisible_pixels_are_no_hits():
    ones = np.ones((60, 70))
    tables = {"raw": ones.copy(), "deposit": ones, "pdg": np.full(ones.shape, 211)}
    tables["raw"][30, 30] = 0.0
    hits = chosen(tables, EVERYTHING).hits
    assert hits.min(axis=0).tolist() == [24, 24] and hits.max(axis=0).tolist() == [36, 46]
    assert [30, 30] not in hits.tolist() and len(hits) == 13 * 23 - 1


@pytest.mark.parametrize(("pixels", "found"), [(6, False), (7, True)])
def test_empty_pixels_lie_near_signal_but_not_beside_it(pixels, found):
    tables = {kind: np.zeros((60, 60)) for kind in TABLES} | {"pdg": np.zeros((60, 60), np.int64)}
    wires = np.arange(30, 30 + pixels)
    tables["raw"][wires, 30], tables["deposit"][wires, 30], tables["pdg"][wires, 30] = 1.0, 1.0, 13
    empty = chosen(tables, Selection(keep=1.0, empty=10.0)).empty
    assert bool(len(empty)) == found
    for wire, pixel in empty:
        assert not tables["deposit"][wire - 2 : wire + 3, pixel - 2 : pixel + 3].any()
        assert np.count_nonzero(patch(tables["deposit"], wire, pixel)) == 7


def test_share_of_empty_pixels():
    tables = dumped_plane()
    for share in (0.0, 0.1, 1.0):
        picked = chosen(tables, Selection(keep=1.0, empty=share))
        assert len(picked.empty) == round(share * len(picked.hits))
        assert len(np.unique(picked.empty, axis=0)) == len(picked.empty)


# ---------------------------------------------------------------- patches


def test_a_table_of_patches_comes_out_as_it_went_in(tmp_path):
    """Over files and volumes, in events of many and few patches, of two planes."""
    rows = [table(150), table(70, 1, evt=15), table(10, 2, evt=15, plane=0), table(30, 3, tpc=5)]
    np.save(tmp_path / "dump0.npy", np.concatenate(rows[:2]))
    np.save(tmp_path / "dump1.npy", np.concatenate(rows[2:]))
    out = imported(
        tmp_path, tmp_path / "dump0.npy", tmp_path / "dump1.npy", "--format=numpy", "--adc-scale=2021"
    )
    with EventFile(out) as events:
        assert events.event_ids.tolist() == [[7, 0, 3], [7, 0, 15]]
        assert events.planes == ("U", "W") and events.image(0, "W").shape == (3, 3072, 48)
        assert events.samples["name"].tolist() == [b"as dumped"]
        assert events.hits(0)["tpc"].max() == 2
    patches, dataset = patches_of(out, empty=True)
    source = np.concatenate(rows)
    assert len(patches) == len(source)
    assert sorted(map(bytes, patches)) == sorted(map(bytes, pixels_of(source)))
    by_pixels = {bytes(pixels): row for pixels, row in zip(pixels_of(source), source, strict=True)}
    for cut, label, michel in zip(patches, dataset.label, dataset.michel, strict=True):
        row = by_pixels[bytes(cut)]
        expected = Label.TRACK if row["y0"] else Label.SHOWER if row["y1"] else Label.NONE
        assert (label, michel) == (expected, row["y2"])


def test_the_header_that_c2numpy_writes_is_read(tmp_path):
    """It promises 50,000 rows, overwritten in the end: blanks follow the number, no newline the header."""
    header = f"{{'descr': {ROW_DTYPE.descr}, 'fortran_order': False, 'shape': (4    ,), }}"
    header += " " * (-(len(header) + 10) % 16)
    head = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    (tmp_path / "dump0.npy").write_bytes(head + table(4).tobytes())
    with EventFile(
        imported(tmp_path, tmp_path / "dump0.npy", "--format=numpy", "--adc-scale=2021")
    ) as events:
        assert len(events.hits(0)) == 3 and len(events.empty_pixels(0)) == 1


def test_patches_labelled_none_are_no_hits(tmp_path):
    np.save(tmp_path / "dump.npy", table(20))
    with EventFile(imported(tmp_path, tmp_path, "--format=numpy", "--adc-scale=2021")) as events:
        assert len(events.hits(0)) == 15 and len(events.empty_pixels(0)) == 5
        assert Label.NONE not in events.hits(0)["label"]
        assert set(events.empty_pixels(0)["local_time"]) == {147.0}


def test_a_large_event_becomes_several_of_one_number(tmp_path, monkeypatch):
    monkeypatch.setattr("data_gen.larsoft.dump_numpy.PATCHES_PER_EVENT", 64)
    np.save(tmp_path / "dump.npy", table(130))
    out = imported(tmp_path, tmp_path / "dump.npy", "--format", "numpy", "--adc-scale", "2021")
    with EventFile(out) as events:
        assert events.event_ids.tolist() == [[7, 0, 3]] * 3
        assert set(events.splits) == {split_of(3)}
    assert len(patches_of(out, empty=True)[0]) == 130


def test_the_lifetime_correction_is_that_of_the_patch(tmp_path):
    """Uncalibrated pixels are stored so that the later correction is that of the patch's own drift."""
    rows = table(1, tck=900)
    np.save(tmp_path / "dump.npy", rows)
    args = ("--format", "numpy", "--adc-scale=-50,150,-5,15")
    patches, _ = patches_of(imported(tmp_path, tmp_path / "dump.npy", *args))
    image = np.zeros((PATCH_SIZE, 1000), np.float32)
    image[:, 900 - HALF : 900 + HALF] = pixels_of(rows)[0] * 10.0
    expected = network_units(image, "W", ERA)[:, 900 - HALF : 900 + HALF]
    assert np.abs(patches[0] - expected).max() < 15 * 2**-11


def write_npy(folder: Path, patches: int, seed: int = 0, view: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rows = table(patches, seed)
    x = pixels_of(rows)
    y = np.stack([rows[f"y{i}"] for i in range(4)], axis=1).astype(np.int32)
    folder.mkdir(exist_ok=True)
    np.save(folder / f"db_view_{view}_x.npy", x)
    np.save(folder / f"db_view_{view}_y.npy", y)
    return x, y


def test_prepared_arrays_become_pseudo_events(tmp_path, capsys):
    x, y = write_npy(tmp_path / "a", 1100)
    write_npy(tmp_path / "b", 30, 1, view=1)
    out = imported(tmp_path, tmp_path / "a", tmp_path / "b", "--format", "npy", "--adc-scale", "2021")
    said = capsys.readouterr().out
    assert "the dump names no events" in said and "no event is in the validation split" in said
    with EventFile(out) as events:
        assert events.event_ids.tolist() == [[0, 2, 0], [0, 2, 1], [0, 1, 2]]
        assert events.provenance.data["pseudo_events"]
        counts = [len(events.hits(i)) + len(events.empty_pixels(i)) for i in range(3)]
    assert counts == [1024, 76, 30]
    patches, dataset = patches_of(out)
    of_w = dataset.event < 2
    assert np.array_equal(patches[of_w], x[y[:, 3] == 0])
    assert np.array_equal(dataset.label[of_w] == Label.SHOWER, y[y[:, 3] == 0][:, 1] == 1)


# ---------------------------------------------------------------- scale


@given(st.sampled_from(["2021", "2020", "0,30,0,1", "-20,100,-1,5,calibrated"]), st.floats(0, 1))
def test_scales_undo_larsofts_map(name, fraction):
    scale = DumpScale.parse(name)
    adc = scale.lowest + fraction * (scale.highest - scale.lowest)
    out = scale.out_lowest + scale.gain * (adc - scale.lowest)
    assert scale.adc(np.array([out]), str)[0] == pytest.approx(adc, abs=2e-5 * (scale.highest - scale.lowest))
    zero = np.array([scale.out_lowest - scale.gain * scale.lowest])
    assert scale.adc(np.round(zero, 6), str)[0] == 0.0


def test_scales_say_what_was_done_to_the_pixels():
    assert DumpScale.parse("deconvolved").stored() == StoredPixels()
    assert DumpScale.parse("2020").stored() == StoredPixels(True, -50.0, 150.0)
    assert DumpScale.parse("-10,30,0,1").stored() == StoredPixels(False, -10.0, 30.0)
    narrow = DumpScale.parse("0,30,0,1")
    with pytest.raises(UserError, match=r"clipped to \[0, 30\] ADC.*--accept-clipped"):
        narrow.stored()
    assert narrow.stored(accept_clipped=True) == StoredPixels(False, -10.0, 30.0)


def test_a_clipped_dump_is_imported_where_accepted(tmp_path, capsys):
    rows = table(8)
    for i in range(PATCH_SIZE**2):
        rows[f"x{i}"] = np.clip(rows[f"x{i}"], 0, 15) / 15
    np.save(tmp_path / "dump.npy", rows)
    args = [
        str(tmp_path / "dump.npy"),
        "--format",
        "numpy",
        "--adc-scale",
        "0,30,0,1",
        f"--out={tmp_path}/o.h5",
    ]
    assert main(args) == 2 and "clipped to [0, 30]" in capsys.readouterr().err
    assert main([*args, "--accept-clipped"]) == 0
    with EventFile(tmp_path / "o.h5") as events:
        assert events.provenance.data["accepted_clipped"]
        assert events.stored == StoredPixels(False, -10.0, 30.0)
        assert PatchDataset(events, np.array([0]), ERA).patches(slice(None)).max() <= 15.0


# ---------------------------------------------------------------- faults


def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], *args: object) -> str:
    """The one line with which an import ends; nothing is written."""
    out = tmp_path / "refused" / "out.h5"
    assert main([*map(str, args), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert not out.exists() and not (out.parent.exists() and list(out.parent.iterdir()))
    return error


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--adc-scale=2021"], "--format is missing"),
        (["--format=csv"], "--format csv: expected"),
        (["--format=text"], "--adc-scale is missing"),
        (["--format=text", "--adc-scale=2019"], "--adc-scale 2019 is not deconvolved, 2021, 2020 or"),
        (["--format=text", "--adc-scale=1,2,3"], "--adc-scale 1,2,3 is not"),
        (["--format=text", "--adc-scale=5,30,0,1"], "the ADC window must hold 0"),
        (["--format=text", "--adc-scale=0,0,0,1"], "the ADC window is empty"),
        (["--format=text", "--adc-scale=0,nan,0,1"], "the ADC window must hold 0"),
        (["--format=text", "--adc-scale=-10,30,5,5"], "OUTMIN lie below OUTMAX"),
        (["--format=text", "--adc-scale=2021", "--keep=0"], "--keep 0 must lie in (0, 1]"),
        (["--format=text", "--adc-scale=2021", "--keep=nan"], "--keep nan"),
        (["--format=text", "--adc-scale=2021", "--empty=-1"], "--empty -1 must lie"),
        (["--format=text", "--adc-scale=2021", "--seed=-1"], "--seed -1"),
        (["--format=text", "--adc-scale=2021", "--ticks-per-column=2"], "--ticks-per-column 2"),
        (["--format=text", "--adc-scale=2021", "--ticks-per-column=1"], "name --adc-scale deconvolved"),
        (["gone", "--format=text", "--adc-scale=2021"], "no file or folder gone"),
    ],
)
def test_wrong_requests(args, message, tmp_path, capsys):
    raw = write_text(tmp_path / "text", dumped_plane(shape=(200, 250)))
    assert message in refused(tmp_path, capsys, raw, *args)


def test_out_is_no_folder(tmp_path, capsys):
    assert main([str(tmp_path), "--format=text", "--adc-scale=2021", f"--out={tmp_path}"]) == 2
    assert "is a folder" in capsys.readouterr().err


def change(path: Path, line: int, value: int, word: str | None) -> None:
    """Set a value of a text dump, or take it away."""
    lines = [row.split() for row in path.read_text(encoding="utf-8").splitlines()]
    lines[line - 1][value - 1 : value] = [] if word is None else [word]
    path.write_text("\n".join(map(" ".join, lines)) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "word", "message"),
    [
        ("raw", "x7", ".raw, line 3, value 5: 'x7' is no number"),
        ("raw", "nan", ".raw, line 3, value 5: nan is no finite number"),
        ("raw", "inf", ".raw, line 3, value 5: inf is no finite number"),
        ("raw", "15.5", ".raw, line 3, value 5: 15.5 lies outside [-5, 15] of --adc-scale 2021"),
        ("raw", None, ".raw, line 3: 249 values, not 250"),
        ("deposit", "nan", ".deposit, line 3, value 5: nan is no deposit"),
        ("deposit", "-1", ".deposit, line 3, value 5: -1 is no deposit"),
        ("deposit", None, ".deposit, line 3: 249 values, not 250"),
        ("pdg", "1.5", ".pdg, line 3, value 5: '1.5' is no whole number"),
        ("pdg", "1e300", ".pdg, line 3, value 5: '1e300' is no whole number"),
        ("pdg", "9" * 30, "is no whole number"),
    ],
)
def test_damaged_text_files_are_named_with_the_line(kind, word, message, tmp_path, capsys):
    raw = write_text(tmp_path / "text", dumped_plane(shape=(200, 250)))
    change(raw.with_suffix(f".{kind}"), 3, 5, word)
    assert message in refused(tmp_path, capsys, tmp_path / "text", "--format=text", "--adc-scale=2021")


def _unlink(suffix: str):
    return lambda raw: raw.with_suffix(suffix).unlink()


def _blank_line(raw: Path) -> None:
    lines = raw.read_text(encoding="utf-8").splitlines()
    raw.write_text("\n".join([*lines[:9], "", *lines[9:]]), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_unlink(".deposit"), "has no raw_event_3_run_7_subrun_1_tpc_1_view_2.deposit beside it"),
        (_unlink(".pdg"), "view_2.pdg beside it"),
        (_unlink(".raw"), "view_2.raw beside it"),
        (lambda raw: raw.write_text(""), "view_2.raw is empty"),
        (lambda raw: raw.write_bytes(b"\xff\x00" * 9), "is no readable text file"),
        (_blank_line, "view_2.raw, line 10: 0 values, not 250"),
        (
            lambda raw: raw.with_suffix(".pdg").write_text("0 0\n" * 4),
            "view_2.pdg holds 4 wires x 2 columns and raw_event_3_run_7_subrun_1_tpc_1_view_2.raw 200 x 250",
        ),
        (lambda raw: raw.rename(raw.with_name("event.raw")), "is not called raw_event_E_run_R"),
    ],
)
def test_incomplete_text_dumps(damage, message, tmp_path, capsys):
    raw = write_text(tmp_path / "text", dumped_plane(shape=(200, 250)))
    damage(raw)
    if "is not called" in message:
        raw.with_suffix(".pdg").unlink()
    assert message in refused(tmp_path, capsys, tmp_path / "text", "--format=text", "--adc-scale=2021")


def test_odd_text_sources(tmp_path, capsys):
    raw = write_text(tmp_path / "text", dumped_plane(shape=(200, 250)))
    options = ("--format=text", "--adc-scale=2021")
    assert "same plane of the same event" in refused(tmp_path, capsys, raw, tmp_path / "text", *options)
    assert "neither a folder nor a .raw" in refused(tmp_path, capsys, raw.with_suffix(".pdg"), *options)
    (tmp_path / "void").mkdir()
    assert "holds no .raw file" in refused(tmp_path, capsys, tmp_path / "void", *options)
    wide = write_text(tmp_path / "wide", {kind: np.zeros((2, 1200), int) for kind in TABLES})
    assert "1200 columns are more than the 1000 of a readout; name --ticks-per-column 1" in refused(
        tmp_path, capsys, wide, *options
    )
    tall = write_text(tmp_path / "tall", {kind: np.zeros((481, 50), int) for kind in TABLES})
    assert "481 wires x 50 pixels do not fit plane W" in refused(tmp_path, capsys, tall, *options)
    dark = write_text(tmp_path / "dark", {kind: np.zeros((60, 60), int) for kind in TABLES})
    assert "none of the 1 events has a hit" in refused(tmp_path, capsys, dark, *options)
    for name, problem in (("tpc_256_view_2", "beyond the event file"), ("tpc_1_view_3", "view 3 is none of")):
        odd = tmp_path / f"raw_event_3_run_7_subrun_1_{name}.raw"
        odd.write_text("0\n")
        assert problem in refused(tmp_path, capsys, odd, *options)


def test_damaged_root_files(tmp_path, capsys):
    stem, options = STEM.format(event=3, tpc=1), ("--format=root", "--adc-scale=2021")
    small = {kind: values[:60, :60] for kind, values in dumped_plane().items()}

    def of(name: str, planes: dict[str, Plane]) -> str:
        return refused(tmp_path, capsys, write_root(tmp_path / name, planes), *options)

    incomplete = {kind: small[kind] for kind in ("raw", "pdg")}
    assert f"datadump has no {stem}_deposit" in of("a.root", {stem: incomplete})
    assert "covers other wires" in of("b.root", {stem: small | {"pdg": small["pdg"][:-1]}})
    assert "is not called raw_event" in of("c.root", {"event": small})
    bad = small["raw"].copy()
    bad[12, 34] = np.nan
    assert f"{stem}_raw, wire 12, drift 34: nan is no finite number" in of(
        "d.root", {stem: small | {"raw": bad}}
    )
    write_root(tmp_path / "e.root", {stem: small})
    with uproot.update(tmp_path / "e.root") as file:
        file["elsewhere/x"] = th2(small["raw"], ">f4")
    assert "same plane of the same event" in refused(
        tmp_path, capsys, tmp_path / "e.root", tmp_path / "e.root", *options
    )
    with uproot.recreate(tmp_path / "f.root") as file:
        file["elsewhere/x"] = th2(small["raw"], ">f4")
    assert "has no directory datadump; it has elsewhere" in refused(
        tmp_path, capsys, tmp_path / "f.root", *options
    )
    with uproot.recreate(tmp_path / "g.root") as file:
        for kind in TABLES:
            file[f"datadump/{stem}_{kind}"] = (np.ones(3), np.arange(4.0))
    assert "is a TH1D, no TH2" in refused(tmp_path, capsys, tmp_path / "g.root", *options)
    with uproot.recreate(tmp_path / "h.root") as file:
        for kind in TABLES:
            file[f"datadump/{stem}_{kind}"] = (np.ones((3, 2)), np.array([0, 2, 4, 6.0]), np.arange(3.0))
    assert "not wires and drift pixels of width 1" in refused(tmp_path, capsys, tmp_path / "h.root", *options)
    for name, content in (("i.root", b""), ("j.root", b"text\n" * 99)):
        (tmp_path / name).write_bytes(content)
        assert "is no readable ROOT file" in refused(tmp_path, capsys, tmp_path / name, *options)
    (tmp_path / "void").mkdir()
    assert "holds no .root file" in refused(tmp_path, capsys, tmp_path / "void", *options)


def test_damaged_bytes_of_a_root_file_end_in_one_line(tmp_path, capsys):
    path = write_root(tmp_path / "dump.root", {STEM.format(event=3, tpc=1): dumped_plane(shape=(200, 250))})
    whole = path.read_bytes()
    for part in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(part * len(whole))])
        error = refused(tmp_path, capsys, path, "--format=root", "--adc-scale=2021")
        assert "is truncated" in error or "is no readable ROOT file" in error
    random = np.random.default_rng(3)
    for place in random.integers(0, len(whole), 30):
        path.write_bytes(whole[:place] + random.bytes(4) + whole[place + 4 :])
        code = main([str(path), "--format=root", "--adc-scale=2021", f"--out={tmp_path}/out.h5"])
        assert (code, capsys.readouterr().err.count("\n")) in ((0, 0), (2, 1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda rows: rename_fields(rows, {"evt": "event"}), "column evt is missing, not uint32"),
        (lambda rows: rows[["run", "subrun", "evt"]].copy(), "column tpc is missing"),
        (
            lambda rows: rows.astype([(n, "<f8") for n in ROW_DTYPE.names]),
            "column run is float64, not uint32",
        ),
        (lambda rows: rows[:0], "dump.npy is empty"),
        (lambda rows: np.zeros(3), "column run is missing"),
    ],
)
def test_tables_of_another_form(damage, message, tmp_path, capsys):
    np.save(tmp_path / "dump.npy", damage(table(3)))
    assert message in refused(tmp_path, capsys, tmp_path / "dump.npy", "--format=numpy", "--adc-scale=2021")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("y0", 1, "dump.npy, row 2: label [1, 1, 1, 0] is none of track, em, michel, none"),
        ("y1", 2, "row 2: label [0, 2, 1, 0]"),
        ("plane", 3, "row 2: its plane is none of"),
        ("evt", 2**31, "row 2: its run, subrun or event is beyond"),
        ("x50", np.nan, "row 2, wire 1, drift pixel 2 of the patch: nan is no finite number"),
        ("x50", -5.5, "row 2, wire 1, drift pixel 2 of the patch: -5.5 lies outside [-5, 15]"),
    ],
)
def test_rows_that_cannot_be(column, value, message, tmp_path, capsys):
    rows = table(4)
    rows[column][2] = value
    np.save(tmp_path / "dump.npy", rows)
    assert message in refused(tmp_path, capsys, tmp_path / "dump.npy", "--format=numpy", "--adc-scale=2021")


def test_damaged_numpy_files(tmp_path, capsys):
    options = ("--format=numpy", "--adc-scale=2021")
    path = tmp_path / "dump.npy"
    np.save(path, table(4))
    whole = path.read_bytes()
    (tmp_path / "again.npy").write_bytes(whole)
    assert "the same patch comes twice" in refused(tmp_path, capsys, path, tmp_path / "again.npy", *options)
    assert "the same file comes twice" in refused(tmp_path, capsys, path, path, *options)
    for content in (whole[:-100], whole[:50], b"", b"text"):
        path.write_bytes(content)
        assert "is no whole .npy file" in refused(tmp_path, capsys, path, *options)
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    assert "without pickled objects" in refused(tmp_path, capsys, path, *options)
    with path.open("wb") as file:
        np.savez(file, rows=np.zeros(3))
    assert "is an archive" in refused(tmp_path, capsys, path, *options)
    (tmp_path / "void").mkdir()
    assert "holds no *.npy" in refused(tmp_path, capsys, tmp_path / "void", *options)


def test_damaged_prepared_arrays(tmp_path, capsys):
    options = ("--format=npy", "--adc-scale=2021")
    x, y = write_npy(tmp_path / "a", 8)
    (x_path, y_path) = (tmp_path / "a" / f"db_view_2_{name}.npy" for name in "xy")

    def of() -> str:
        return refused(tmp_path, capsys, tmp_path / "a", *options)

    write_npy(tmp_path / "b", 8)
    assert "db_view_2_x.npy is a copy of db_view_2_x.npy" in refused(
        tmp_path, capsys, tmp_path / "a", tmp_path / "b", *options
    )
    np.save(y_path, y[:-1])
    assert "db_view_2_y.npy holds int32 (7, 4), not int32 (8, 4)" in of()
    np.save(y_path, y.astype(float))
    assert "db_view_2_y.npy holds float64" in of()
    np.save(y_path, np.ones_like(y))
    assert "db_view_2_x.npy, row 0: label [1, 1, 1, 1]" in of()
    np.save(y_path, y)
    np.save(x_path, x[:, :, :40])
    assert "holds float32 (8, 48, 40), not float32 (N, 48, 48)" in of()
    x[5, 1, 2] = 99.0
    np.save(x_path, x)
    assert "db_view_2_x.npy, row 5, wire 1, drift pixel 2 of the patch: 99 lies outside" in of()
    y_path.unlink()
    assert "has no db_view_2_y.npy beside it" in of()
    x_path.rename(tmp_path / "a" / "db_view_4_x.npy")
    assert "view 4 is none of" in of()
    assert "is not called db_view_V_x.npy" in refused(
        tmp_path, capsys, tmp_path / "b" / "db_view_2_y.npy", *options
    )


def test_many_sources_are_recorded_by_one_digest(tmp_path, monkeypatch):
    monkeypatch.setattr("data_gen.import_larsoft._SOURCES_NAMED", 2)
    raw = write_text(tmp_path / "text", dumped_plane(shape=(200, 250)))
    with EventFile(imported(tmp_path, raw, "--format=text", "--adc-scale=2021")) as events:
        sources = events.provenance.data["sources"]
    assert list(sources) == ["3 files"] and len(sources["3 files"]) == 64


def test_the_command_says_what_it_wrote_and_what_to_do_next(tmp_path, capsys):
    for event in (0, 3, 5):
        write_text(tmp_path / "text", dumped_plane(event, (200, 250)), event)
    out = imported(tmp_path, tmp_path / "text", "--format=text", "--adc-scale=2021")
    said = capsys.readouterr().out
    assert f"{out}" in said and "3 events" in said and "Michel" in said and "empty pixels" in said
    assert "train 1, validation 1, test 1" in said and "no event is in" not in said
    assert f"next: python -m training.fit --data.path {out}" in said


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
