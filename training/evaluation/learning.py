"""The log of a training, read from its folder."""

import csv
from pathlib import Path

Curves = dict[str, tuple[list[float], list[float]]]
"""Quantity -> steps and values."""


def learning_curves(run: Path) -> Curves:
    """What ``metrics.csv`` of a run holds, and the earlier logs of a training that was resumed.

    A value that a resumed training logged again counts as it was logged last.
    """
    values: dict[str, dict[float, float]] = {}
    earlier = sorted(run.glob("metrics.until-*.csv"))
    for path in [*earlier, run / "metrics.csv"]:
        if not path.is_file():
            continue
        with path.open() as file:
            for row in csv.DictReader(file):
                step = row.get("step")
                for name, value in row.items():
                    if name not in ("step", "epoch") and value and step:
                        values.setdefault(name, {})[float(step)] = float(value)
    return {name: (sorted(of), [of[step] for step in sorted(of)]) for name, of in values.items()}
