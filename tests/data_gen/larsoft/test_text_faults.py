"""Damaged dumps of text: one line that names file and place."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.dumps import (
    TABLES,
    dumped_plane,
    write_text,
)
from tests.helpers.imports import refused


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
