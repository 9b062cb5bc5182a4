"""Damaged tables of patches and arrays: one line that names the row."""

import numpy as np
import pytest
from numpy.lib.recfunctions import rename_fields

from data_gen.larsoft.dump_numpy import ROW_DTYPE
from tests.helpers.dumps import (
    table,
    write_npy,
)
from tests.helpers.imports import refused


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
