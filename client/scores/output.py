"""The file of scores that a client writes: where it lies, in which format, and what it says of itself."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.scores.parts import Parts, Version
from client.scores.sources import Sources
from lartpc.errors import UserError
from lartpc.files import check_target, whole_file
from lartpc.provenance import version as software
from lartpc.score_file import HIT_SCORE_DTYPE, Append, written_scores

OUTPUT_DTYPE = np.dtype([*HIT_SCORE_DTYPE.descr, ("model", "u1")])
"""A row: what every score file has, and the row of ``model_table`` that answered the hit."""

VERSION_DTYPE = np.dtype(
    [("model", "S128"), ("version", "i4"), ("digest", "S64"), ("adc_era", "S32"), ("score_scale", "S32")]
)
"""A row of ``model_table``: the fields of client.scores.parts.Version."""

ROWS_AT_ONCE = 65536
"""Hits in memory while the parts are joined."""

Writer = Callable[
    [Path, np.dtype, Mapping[str, Any], Mapping[str, NDArray[np.void]]], AbstractContextManager[Append]
]


def output_file(out: Path | None, events: Path) -> Path:
    """The file of the scores: the one that the user names, else one beside the events.

    Args:
        out: as ``--out`` gives it.
        events: event file, or folder of event files. Of data/quick.h5 the scores are data/quick-scores.h5, of
            the folder data/large they are data/large-scores.h5.

    Raises:
        UserError: the name has another suffix, is that of the events, or nothing can be written there.
    """
    if out is None:
        whole = events.resolve()
        folder, name = (whole.parent, whole.name) if events.is_dir() else (events.parent, events.stem)
        if folder.is_dir() and not os.access(folder, os.W_OK):
            raise UserError(f"folder {folder} cannot be written; name the file of the scores with --out")
        return folder / f"{name}-scores.h5"
    if out.suffix.lower() not in WRITERS:
        raise UserError(
            f"--out {out}: scores end in {' or '.join(WRITERS)}; a picture is drawn by --picture FILE"
        )
    check_target(out, "--out")
    if out.exists() and events.exists() and out.samefile(events):
        raise UserError(f"--out {out} is the event file itself; name another")
    if events.is_dir() and out.suffix.lower() == ".h5" and out.resolve().parent == events.resolve():
        raise UserError(f"--out {out} lies among the event files; name a place beside their folder")
    return out


def write_output(out: Path, sources: Sources, parts: Parts) -> int:
    """Join the parts of all files, in the order of their events; memory is that of one part.

    Returns:
        The number of hits.

    Raises:
        UserError: the place is full or cannot be written, or a file is damaged.
    """
    data, samples = sources.as_one()
    versions = list(dict.fromkeys(part.version for file in sources.files for part in parts.of(file)))
    table = np.array([tuple(asdict(each).values()) for each in versions], VERSION_DTYPE)
    latest = asdict(versions[-1]) if versions else {}
    attributes = {
        **{name if name in OWN_NAMES else f"model_{name}": value for name, value in latest.items()},
        "data": json.dumps(data, sort_keys=True),
        "data_digest": data.get("digest", ""),
        "software": software(),
    }
    tables = {"sample_table": samples, "model_table": table}
    hits = 0
    with WRITERS[out.suffix.lower()](out, OUTPUT_DTYPE, attributes, tables) as append:
        for rows in in_blocks(_joined(sources, parts, versions)):
            append(rows)
            hits += len(rows)
    return hits


OWN_NAMES = ("model", "adc_era", "score_scale")
"""Fields of a version that an attribute is called by as they are; the others have ``model_`` before them."""


def _joined(sources: Sources, parts: Parts, versions: list[Version]) -> Iterator[NDArray[np.void]]:
    first = 0
    for file in sources.files:
        for part in parts.of(file):
            answered = part.rows()
            rows = np.zeros(len(answered), OUTPUT_DTYPE)
            for name in HIT_SCORE_DTYPE.names or ():
                rows[name] = answered[name]
            rows["index"] += first
            rows["model"] = versions.index(part.version)
            yield rows
        first += len(file.hit_counts)


def in_blocks(pieces: Iterable[NDArray[np.void]], size: int = ROWS_AT_ONCE) -> Iterator[NDArray[np.void]]:
    """The same rows in blocks of one size, the last one excepted: the file does not depend on the pieces."""
    held: list[NDArray[np.void]] = []
    for piece in pieces:
        held.append(piece)
        if sum(map(len, held)) >= size:
            rows = np.concatenate(held)
            whole = len(rows) // size * size
            yield from np.split(rows[:whole], whole // size)
            held = [rows[whole:]]
    if rest := sum(map(len, held)):
        yield np.concatenate(held)[:rest]


@contextmanager
def written_tree(
    path: Path, dtype: np.dtype, attributes: Mapping[str, Any], tables: Mapping[str, NDArray[np.void]]
) -> Iterator[Append]:
    """As lartpc.score_file.written_scores, as ROOT: a TTree ``hits``, a branch a column.

    The attributes and the columns of the tables are JSON in the TObjString ``about``.
    """
    import uproot

    columns = {
        table: {name: rows[name].astype("U" if rows.dtype[name].kind == "S" else rows.dtype[name]).tolist()
                for name in rows.dtype.names or ()}
        for table, rows in tables.items()
    }  # fmt: skip
    with whole_file(path) as part, part.open("w+b") as disk, uproot.recreate(disk) as file:
        tree = file.mktree("hits", {name: dtype[name] for name in dtype.names or ()})
        yield lambda rows: tree.extend({name: rows[name] for name in dtype.names or ()})
        file["about"] = json.dumps({**attributes, **columns}, sort_keys=True)


WRITERS: dict[str, Writer] = {".h5": written_scores, ".root": written_tree}
"""Suffix of a file of scores -> what writes it."""
