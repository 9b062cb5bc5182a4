"""Tables of patches and prepared arrays come out as they went in."""

import numpy as np

from data_gen.larsoft.dump_numpy import ROW_DTYPE
from lartpc.adc_scale import network_units
from lartpc.event_file import EventFile, split_of
from lartpc.served.contract import PATCH_SIZE, Label
from tests.helpers.dumps import (
    pixels_of,
    table,
    write_npy,
)
from tests.helpers.imports import ERA, HALF, imported, patches_of


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
