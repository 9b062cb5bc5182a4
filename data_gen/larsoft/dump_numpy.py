"""Dumps of patches as numpy files: PointIdTrainingData's table, and upstream's prepared arrays.

Files are mapped, not read: a dump may be larger than the memory. Pickled objects are refused.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_gen.larsoft.dump_npy import mapped
from data_gen.larsoft.dump_patches import PATCHES_PER_EVENT, Patches
from lartpc.detector import PLANES
from lartpc.errors import UserError
from lartpc.served.contract import PATCH_SIZE

HEAD = [
    ("run", "<u4"),
    ("subrun", "<u4"),
    ("evt", "<u4"),
    ("tpc", "u1"),
    ("plane", "u1"),
    ("wire", "<u2"),
    ("tck", "<u2"),
    ("y0", "u1"),
    ("y1", "u1"),
    ("y2", "u1"),
    ("y3", "u1"),
]
ROW_DTYPE = np.dtype([*HEAD, *((f"x{i}", "<f4") for i in range(PATCH_SIZE**2))])
"""A row of the table that c2numpy writes (PointIdTrainingData_module.cc); x: wire by wire of the patch."""

PSEUDO_EVENT = 1024
"""Patches taken for one event where the dump names none."""

_PACKED_DTYPE = np.dtype([*HEAD, ("x", "<f4", (PATCH_SIZE, PATCH_SIZE))])
_IDENTITY = ("run", "subrun", "evt", "plane", "tpc", "wire", "tck")
_ROWS_AT_A_TIME = 8192
_NAME_OF_X = re.compile(r"db_view_(\d)_x\.npy")

Track = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""Iterates as it is told and shows what for and how far of how many."""


def untracked(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
    """Show nothing."""
    return items


class NumpyTable:
    """Tables of patches with run, subrun and event; an event's patches may lie in several files.

    Args:
        sources: .npy files, or folders of them.
        track: shows the reading of the tables' heads.

    Raises:
        UserError: a file is missing, damaged, pickled or of other columns; a row names no plane; a patch
            comes twice.
    """

    def __init__(self, sources: list[Path], track: Track = untracked) -> None:
        self.files = npy_files(sources, "*.npy")
        self._tables = [_table(path) for path in self.files]
        heads = [
            np.array(table[first : first + _ROWS_AT_A_TIME][[name for name, _ in HEAD]], np.dtype(HEAD))
            for table in track(self._tables, "reading tables", len(self._tables))
            for first in range(0, len(table), _ROWS_AT_A_TIME)
        ]
        head = np.concatenate(heads)
        lengths = [len(table) for table in self._tables]
        file = np.repeat(np.arange(len(lengths)), lengths)
        row = np.concatenate([np.arange(length) for length in lengths])
        order = np.lexsort([head[name] for name in reversed(_IDENTITY)])
        self._head, self._file, self._row = head[order], file[order], row[order]
        self._check()
        self.planes = tuple(sorted(PLANES[index].name for index in np.unique(self._head["plane"])))
        same = np.ones(len(self._head), bool)
        same[1:] = False
        for name in ("run", "subrun", "evt"):
            same[1:] |= np.diff(self._head[name].astype(np.int64)) != 0
        firsts = [*np.flatnonzero(same).tolist(), len(self._head)]
        self._blocks = [
            (start, min(start + PATCHES_PER_EVENT, stop))
            for first, stop in zip(firsts[:-1], firsts[1:], strict=True)
            for start in range(first, stop, PATCHES_PER_EVENT)
        ]

    def _check(self) -> None:
        head = self._head
        twice = np.ones(len(head) - 1, bool)
        for name in _IDENTITY:
            twice &= head[name][1:] == head[name][:-1]
        for bad, problem in (
            (head["plane"] >= len(PLANES), "its plane is none of 0 (U), 1 (V), 2 (W)"),
            (
                np.max([head[name] for name in ("run", "subrun", "evt")], axis=0) > np.iinfo(np.int32).max,
                "its run, subrun or event is beyond the event file's columns",
            ),
            (np.append(False, twice), "the same patch comes twice; name each file once"),
        ):
            if bad.any():
                raise UserError(f"{self._where(int(np.argmax(bad)))}: {problem}")

    def _where(self, position: int) -> str:
        return f"{self.files[self._file[position]]}, row {self._row[position]}"

    def __len__(self) -> int:
        return len(self._blocks)

    def __iter__(self) -> Iterator[Patches]:
        for first, stop in self._blocks:
            head = self._head[first:stop]
            pixels = np.empty((stop - first, PATCH_SIZE, PATCH_SIZE), np.float32)
            for file in np.unique(self._file[first:stop]):
                at = self._file[first:stop] == file
                pixels[at] = self._tables[file]["x"][self._row[first:stop][at]]
            run, subrun, event = (int(head[name][0]) for name in ("run", "subrun", "evt"))
            targets = np.stack([head[name] for name in ("y0", "y1", "y2", "y3")], axis=1)

            def where(index: tuple[int, ...], first: int = first) -> str:
                pixel = f", wire {index[1]}, drift pixel {index[2]} of the patch" if len(index) > 1 else ""
                return self._where(first + index[0]) + pixel

            place = head["plane"], head["tck"], where, head["tpc"], head["wire"]
            yield Patches((run, subrun, event), pixels, targets, *place)


class NpyArrays:
    """Pairs ``db_view_V_x.npy`` and ``db_view_V_y.npy``, which name no event.

    Consecutive patches of one pair are taken for an event: run 0, subrun V, events 0, 1, ...

    Args:
        sources: the files ..._x.npy, or folders of them.

    Raises:
        UserError: a file is missing, damaged, pickled or of another shape or type.
    """

    def __init__(self, sources: list[Path]) -> None:
        self._pairs = [_pair(path) for path in npy_files(sources, "db_view_*_x.npy")]
        self.files = [path for _, x_path, _, y_path, _ in self._pairs for path in (x_path, y_path)]
        self.planes = tuple(sorted({PLANES[view].name for view, *_ in self._pairs}))

    def __len__(self) -> int:
        return sum(-(-len(x) // PSEUDO_EVENT) for _, _, x, _, _ in self._pairs)

    def __iter__(self) -> Iterator[Patches]:
        event = 0
        for view, x_path, x, _, y in self._pairs:
            for first in range(0, len(x), PSEUDO_EVENT):
                pixels = np.array(x[first : first + PSEUDO_EVENT])

                def where(index: tuple[int, ...], path: Path = x_path, first: int = first) -> str:
                    pixel = (
                        f", wire {index[1]}, drift pixel {index[2]} of the patch" if len(index) > 1 else ""
                    )
                    return f"{path}, row {first + index[0]}" + pixel

                views = np.full(len(pixels), view)
                targets = np.array(y[first : first + PSEUDO_EVENT])
                yield Patches((0, view, event), pixels, targets, views, None, where)
                event += 1


def npy_files(sources: list[Path], pattern: str) -> list[Path]:
    """The sources' files.

    Args:
        sources: files, or folders of files like the pattern.
        pattern: of their names.

    Raises:
        UserError: a source does not exist or is an empty folder, or a file comes twice.
    """
    files: list[Path] = []
    for source in sources:
        of_source = sorted(source.glob(pattern)) if source.is_dir() else [source]
        if not of_source:
            raise UserError(f"folder {source} holds no {pattern}")
        files += of_source
    if len({path.resolve() for path in files}) < len(files):
        raise UserError("the same file comes twice; name each file once")
    return files


def _table(path: Path) -> NDArray[np.void]:
    table = mapped(path)
    if table.dtype != ROW_DTYPE or table.ndim != 1:
        columns, expected = (
            {name: str(dtype[name]) for name in dtype.names or ()} for dtype in (table.dtype, ROW_DTYPE)
        )
        names = (name for name in [*expected, *columns] if columns.get(name) != expected.get(name))
        wrong = next(names, "order")
        raise UserError(
            f"{path} is no table of PointIdTrainingData: column {wrong} is {columns.get(wrong, 'missing')}, "
            f"not {expected.get(wrong, 'expected')}"
        )
    return table.view(_PACKED_DTYPE)


def _pair(path: Path) -> tuple[int, Path, NDArray, Path, NDArray]:
    match = _NAME_OF_X.fullmatch(path.name)
    if match is None:
        raise UserError(f"{path} is not called db_view_V_x.npy")
    view = int(match[1])
    if view >= len(PLANES):
        raise UserError(f"{path}: view {view} is none of 0 (U), 1 (V), 2 (W)")
    y_path = path.with_name(f"db_view_{view}_y.npy")
    if not y_path.is_file():
        raise UserError(f"{path} has no {y_path.name} beside it")
    x, y = mapped(path), mapped(y_path)
    if x.dtype.kind != "f" or x.shape[1:] != (PATCH_SIZE, PATCH_SIZE):
        raise UserError(f"{path} holds {x.dtype} {x.shape}, not float32 (N, {PATCH_SIZE}, {PATCH_SIZE})")
    if y.dtype.kind not in "iu" or y.shape != (len(x), 4):
        raise UserError(f"{y_path} holds {y.dtype} {y.shape}, not int32 ({len(x)}, 4)")
    return view, path, x, y_path, y
