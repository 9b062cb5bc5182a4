"""How a benchmark shows and keeps its figures."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from lartpc.files import write_text
from lartpc.provenance import git_commit, package_versions
from lartpc.terminal import say, show

RESULTS = Path("benchmarks/results")


class Figure(NamedTuple):
    """One measured figure; ``goal`` is what we want of it, empty where it only informs."""

    name: str
    value: float
    unit: str
    goal: str = ""


def record(title: str, name: str, figures: list[Figure]) -> None:
    """Print the figures as a table and keep them in benchmarks/results/NAME.json."""
    from rich.table import Table

    load = os.getloadavg()[0]
    table = Table(
        "figure", "value", "unit", "goal", title=f"{title} (load {load:.1f}, {os.cpu_count()} cores)"
    )
    for figure in figures:
        table.add_row(figure.name, _readable(figure.value), figure.unit, figure.goal)
    show(table)
    path = RESULTS / f"{name}.json"
    content = {
        "figures": [figure._asdict() for figure in figures],
        "load": load,
        "cores": os.cpu_count(),
        "git_commit": git_commit(),
        "packages": package_versions(),
    }
    write_text(path, json.dumps(content, indent=2) + "\n")
    say(f"wrote {path}")


def _readable(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
