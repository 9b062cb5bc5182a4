"""Dumps of planes as text: three files a plane, .raw, .deposit and .pdg, one wire a line.

Written by larrecodnn's PointIdTrainingData_module.cc, which separates the values by spaces and ends each
line with one.
"""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_gen.larsoft.dump_planes import DumpedPlane, PlaneKey
from data_gen.larsoft.dump_scale import Where
from lartpc.errors import UserError

SUFFIXES = (".raw", ".deposit", ".pdg")


def find_text(sources: list[Path]) -> tuple[dict[PlaneKey, partial[DumpedPlane]], list[Path]]:
    """Find the triples of files.

    Args:
        sources: folders, or .raw files.

    Returns:
        How to read each plane; all files.

    Raises:
        UserError: a source is neither, a file of a triple is missing, a name is no dump's, or a plane comes
            twice.
    """
    found: dict[PlaneKey, Path] = {}
    for raw in [path for source in sources for path in _raw_files(source)]:
        key = PlaneKey.parse(raw.stem, str(raw))
        if key in found:
            raise UserError(f"{raw} holds the same plane of the same event as {found[key]}; name one of them")
        found[key] = raw
        for suffix in SUFFIXES:
            if not raw.with_suffix(suffix).is_file():
                raise UserError(f"{raw} has no {raw.stem}{suffix} beside it")
    files = [raw.with_suffix(suffix) for raw in found.values() for suffix in SUFFIXES]
    return {key: partial(read_text, raw) for key, raw in found.items()}, files


def _raw_files(source: Path) -> list[Path]:
    if source.is_dir():
        stems = sorted({path.with_suffix("") for path in source.iterdir() if path.suffix in SUFFIXES})
        if not stems:
            raise UserError(f"folder {source} holds no .raw file")
        return [stem.with_suffix(".raw") for stem in stems]
    if source.suffix != ".raw":
        raise UserError(f"{source} is neither a folder nor a .raw file")
    return [source]


def read_text(raw: Path) -> DumpedPlane:
    """Read one plane.

    Args:
        raw: its .raw file; the others lie beside it.

    Raises:
        UserError: a file is empty, ragged, of another shape than the first, or holds what is no number.
    """
    paths = [raw.with_suffix(suffix) for suffix in SUFFIXES]
    adc, deposit = (_table(path, np.float64) for path in paths[:2])
    pdg = _table(paths[2], np.int64)
    for path, table in zip(paths[1:], (deposit, pdg), strict=True):
        if table.shape != adc.shape:
            raise UserError(
                f"{path} holds {table.shape[0]} wires x {table.shape[1]} columns and {raw.name} "
                f"{adc.shape[0]} x {adc.shape[1]}"
            )
    of_raw, of_deposit, of_pdg = map(_where, paths)
    return DumpedPlane(str(raw), adc, deposit, pdg, (of_raw, of_deposit, of_pdg))


def _table(path: Path, dtype: type) -> NDArray:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no readable text file: {error}") from error
    if not lines:
        raise UserError(f"{path} is empty")
    try:
        table: NDArray = np.loadtxt(lines, dtype, comments=None, ndmin=2)
    except ValueError as error:
        raise UserError(_fault(path, lines, dtype)) from error
    if len(table) != len(lines):
        raise UserError(_fault(path, lines, dtype))
    return table


def _fault(path: Path, lines: list[str], dtype: type) -> str:
    """The first line that is unlike the others, in words."""
    columns = len(lines[0].split())
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) != columns or not words:
            return f"{path}, line {number}: {len(words)} values, not {columns} as on the first line"
        for column, word in enumerate(words, start=1):
            try:
                dtype(word)
            except (ValueError, OverflowError):
                kind = "whole number" if dtype is np.int64 else "number"
                return f"{path}, line {number}, value {column}: {word[:20]!r} is no {kind}"
    return f"{path} cannot be read as a table of numbers"


def _where(path: Path) -> Where:
    return lambda index: f"{path}, line {index[0] + 1}, value {index[1] + 1}"
