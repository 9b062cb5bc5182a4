"""Damaged ROOT files: one line that names the histogram."""

import numpy as np
import uproot

from data_gen.import_larsoft import main
from tests.helpers.dumps import (
    STEM,
    TABLES,
    Plane,
    dumped_plane,
    th2,
    write_root,
)
from tests.helpers.imports import refused


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
