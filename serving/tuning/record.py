"""What a search for settings found: tables for a reader, and the file that export and registry take."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from lartpc.errors import UserError
from lartpc.files import check_target, write_text
from lartpc.provenance import processor, version
from lartpc.served.tuning import Tuning, read_tunings
from serving.environment import ServerEnvironment
from serving.repository import RepositoryModel
from serving.sizing.perf_analyzer import RELEASE, Row
from serving.tuning.candidates import Terms
from serving.tuning.search import Search, Trial

if TYPE_CHECKING:
    from rich.table import Table

HEADS = ("hits/s", "50 %, ms", "99 %, ms", "queue, ms")
SERVER_PACKAGES = ("nvidia-pytriton", "onnxruntime")


def check_out(path: Path) -> None:
    """Refuse a place for the file of settings before anything is measured.

    Raises:
        UserError: its folder is not there or cannot be written, or a file is there that holds no settings.
    """
    if not path.parent.is_dir():
        raise UserError(f"--out {path}: there is no folder {path.parent}; make it, or name another")
    check_target(path, "--out")
    if path.exists():
        read_tunings(path)


def write_settings(path: Path, model: str, chosen: Tuning, measured: Mapping[str, Any]) -> None:
    """Write the settings of a model beside those of others that the file has already.

    Args:
        path: of the file.
        model: its name.
        chosen: its settings.
        measured: how they were found, which readers of the settings pass over.
    """
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    content.setdefault("models", {})[model] = chosen.settings()
    content.setdefault("measured", {})[model] = measured
    write_text(path, json.dumps(content, indent=2) + "\n")


def record_of(
    model: RepositoryModel, environment: ServerEnvironment, terms: Terms, search: Search
) -> dict[str, Any]:
    """How settings were found: machine, what was asked, versions, and all that was measured."""
    installed = {found.name: found.version for found in distributions(path=[str(environment.packages)])}
    return {
        "machine": {"processor": processor(), "cores": terms.cores},
        "asked": {
            "clients": terms.clients,
            "batch": terms.batch,
            "rounds": terms.rounds,
            "p99_ms": terms.bound_ms if terms.bounded else None,
        },
        "versions": {
            "model": list(model.versions),
            "command": version(),
            "perf_analyzer": RELEASE,
            **{name: installed[name] for name in SERVER_PACKAGES if name in installed},
        },
        "tried": [_plain(trial) for trial in search.trials],
        "last": None if search.last is None else _plain(search.last),
    }


def trials_table(title: str, start: Sequence[Row], trials: Sequence[Trial]) -> "Table":
    """A line for each setting that was tried."""
    from rich.table import Table

    table = Table("tried", *HEADS, "of the best so far", "rounds", "taken", title=title)
    table.add_row("default", *_medians(start), "", f"{len(start)}", "")
    for trial in trials:
        if trial.fault:
            table.add_row(trial.candidate.words, "not measured", "", "", "", "", "0", "no")
        else:
            table.add_row(trial.candidate.words, *_medians(trial.rows), f"{median(trial.gains):.2f}",
                          f"{len(trial.rows)}", "yes" if trial.taken else "no")  # fmt: skip
    return table


def last_table(last: Trial) -> "Table":
    """The default beside what was found, measured again."""
    from rich.table import Table

    table = Table("in turns, median", *HEADS, "of the default", title=f"{len(last.rows)} rounds")
    table.add_row("default", *_medians(last.beside), "")
    least, most = min(last.gains), max(last.gains)
    table.add_row("tuned", *_medians(last.rows), f"{median(last.gains):.2f} [{least:.2f}, {most:.2f}]")
    return table


def _medians(rows: Sequence[Row]) -> list[str]:
    hits = f"{median(row.hits_a_second for row in rows):,.0f}"
    return [hits, *(f"{median(getattr(row, name) for row in rows):,.1f}"
                    for name in ("p50_ms", "p99_ms", "queue_ms"))]  # fmt: skip


def _plain(trial: Trial) -> dict[str, Any]:
    return {
        "words": trial.candidate.words,
        "settings": trial.candidate.tuning.settings(),
        "rows": [asdict(row) for row in trial.rows],
        "beside": [asdict(row) for row in trial.beside],
        "taken": trial.taken,
        "fault": trial.fault,
    }
