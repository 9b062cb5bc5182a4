"""Dumps as LArSoft's PointIdTrainingData writes them: planes as text or ROOT, tables of patches, arrays."""

from pathlib import Path

import numpy as np
import uproot

from data_gen.larsoft.dump_numpy import ROW_DTYPE
from lartpc.served.contract import PATCH_SIZE

STEM = "raw_event_{event}_run_7_subrun_1_tpc_{tpc}_view_2"
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


def table(patches: int, seed: int = 0, **columns: int) -> np.ndarray:
    """Rows of PointIdTrainingData's table: classes in turn, pixels in [-5, 15] that float16 holds."""
    random = np.random.default_rng(seed)
    rows = np.zeros(patches, ROW_DTYPE)
    rows["run"], rows["evt"], rows["plane"] = 7, 3, 2
    rows["wire"] = np.arange(patches) % 400 + 30
    rows["tck"] = np.arange(patches) // 400 + 30
    for name, value in columns.items():
        rows[name] = value
    kind = np.arange(patches) % 4
    rows["y0"], rows["y1"], rows["y2"], rows["y3"] = (
        kind == 0,
        (kind == 1) | (kind == 2),
        kind == 2,
        kind == 3,
    )
    for i in range(PATCH_SIZE**2):
        rows[f"x{i}"] = random.integers(-640, 1920, patches) / 128
    return rows


def pixels_of(rows: np.ndarray) -> np.ndarray:
    return np.stack([rows[f"x{i}"] for i in range(PATCH_SIZE**2)], axis=1).reshape(-1, PATCH_SIZE, PATCH_SIZE)


def write_npy(folder: Path, patches: int, seed: int = 0, view: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rows = table(patches, seed)
    x = pixels_of(rows)
    y = np.stack([rows[f"y{i}"] for i in range(4)], axis=1).astype(np.int32)
    folder.mkdir(exist_ok=True)
    np.save(folder / f"db_view_{view}_x.npy", x)
    np.save(folder / f"db_view_{view}_y.npy", y)
    return x, y
