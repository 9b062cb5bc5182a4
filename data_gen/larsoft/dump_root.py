"""Dumps of planes as ROOT histograms: TH2F ..._raw and ..._deposit, TH2I ..._pdg, in directory ``datadump``.

PointIdTrainingData_module.cc fills them with wires along x and drift along y, in bins of width 1 whose
lower edges are wire and drift pixel: a plane that was cropped says where it lay.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_gen.larsoft.dump_planes import DumpedPlane, PlaneKey
from data_gen.larsoft.dump_scale import Where
from lartpc.errors import UserError

DIRECTORY = "datadump"
KINDS = ("_raw", "_deposit", "_pdg")

_OPEN_FILES = 16  # at most, while events are read

Opened = Callable[[Path], Any]


def find_root(sources: list[Path]) -> tuple[dict[PlaneKey, partial[DumpedPlane]], list[Path]]:
    """Find the triples of histograms.

    Args:
        sources: ROOT files, or folders of them.

    Returns:
        How to read each plane; all files.

    Raises:
        UserError: a file is missing or no ROOT file, has no directory ``datadump`` or an incomplete triple
            in it, or a plane comes twice.
    """
    files = [path for source in sources for path in _root_files(source)]
    opened: Opened = lru_cache(maxsize=_OPEN_FILES)(_directory)
    found: dict[PlaneKey, partial[DumpedPlane]] = {}
    for path in files:
        names = set(opened(path).keys(recursive=False, cycle=False))
        stems = sorted({name.removesuffix(kind) for name in names for kind in KINDS if name.endswith(kind)})
        if not stems:
            raise UserError(f"{path}:{DIRECTORY} holds no histogram ..._raw")
        for stem in stems:
            key = PlaneKey.parse(stem, f"{path}:{DIRECTORY}/{stem}")
            missing = [stem + kind for kind in KINDS if stem + kind not in names]
            if missing:
                raise UserError(f"{path}:{DIRECTORY} has no {missing[0]}")
            if key in found:
                before = found[key].args[0]
                raise UserError(
                    f"{path}:{DIRECTORY}/{stem} holds the same plane of the same event as {before}"
                )
            found[key] = partial(read_root, path, opened, stem)
    return found, files


def _root_files(source: Path) -> list[Path]:
    if source.is_dir():
        files = sorted(source.glob("*.root"))
        if not files:
            raise UserError(f"folder {source} holds no .root file")
        return files
    if not source.is_file():
        raise UserError(f"no file {source}")
    return [source]


def _directory(path: Path) -> Any:
    import uproot

    try:
        file = uproot.open(path)
        names = file.keys(recursive=False, cycle=False)
        whole = file.file.fEND <= path.stat().st_size
        directory = file[DIRECTORY] if DIRECTORY in names else None
    except Exception as error:  # uproot has no common class for what a damaged file raises
        raise UserError(f"{path} is no readable ROOT file ({type(error).__name__})") from error
    if not whole:
        raise UserError(f"{path} is truncated: its header promises {file.file.fEND} bytes")
    if directory is None:
        raise UserError(f"{path} has no directory {DIRECTORY}; it has {', '.join(names) or 'nothing'}")
    return directory


def read_root(path: Path, opened: Opened, stem: str) -> DumpedPlane:
    """Read one plane.

    Args:
        path: the file.
        opened: gives the directory ``datadump`` of it.
        stem: name of the histograms without ``_raw``, ``_deposit`` and ``_pdg``.

    Raises:
        UserError: a histogram is damaged, no TH2, not in bins of width 1, or unlike the first.
    """
    tables, places, origins = [], [], []
    for kind in KINDS:
        where = f"{path}:{DIRECTORY}/{stem}{kind}"
        values, origin = _histogram(opened(path), stem + kind, where)
        tables.append(values)
        origins.append((*origin, *values.shape))
        places.append(_where(where, origin))
        if origins[-1] != origins[0]:
            raise UserError(f"{where} covers other wires or drift pixels than {stem}_raw")
    adc, deposit, pdg = tables
    if not np.issubdtype(pdg.dtype, np.integer):
        raise UserError(f"{path}:{DIRECTORY}/{stem}_pdg is no TH2I")
    wire, column = origins[0][:2]
    return DumpedPlane(
        f"{path}:{DIRECTORY}/{stem}_raw",
        adc,
        deposit,
        pdg.astype(np.int64),
        (places[0], places[1], places[2]),
        wire,
        column,
    )


def _histogram(directory: Any, name: str, where: str) -> tuple[NDArray, tuple[int, int]]:
    try:
        histogram = directory[name]
        kind = histogram.classname
        if not kind.startswith("TH2"):
            raise UserError(f"{where} is a {kind}, no TH2")
        values = histogram.values()
        edges = [histogram.axis(axis).edges() for axis in (0, 1)]
    except UserError:
        raise
    except Exception as error:  # as above
        raise UserError(f"{where} is damaged ({type(error).__name__})") from error
    if values.size == 0:
        raise UserError(f"{where} is empty")
    for edge in edges:
        if edge[0] < 0 or edge[0] % 1 or not np.array_equal(edge, edge[0] + np.arange(len(edge))):
            raise UserError(f"{where}: its bins are not wires and drift pixels of width 1")
    return values, (int(edges[0][0]), int(edges[1][0]))


def _where(histogram: str, origin: tuple[int, int]) -> Where:
    return lambda index: f"{histogram}, wire {origin[0] + index[0]}, drift {origin[1] + index[1]}"
