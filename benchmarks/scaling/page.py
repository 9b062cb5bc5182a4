"""The page of the paper's figures."""

from typing import Any

from benchmarks import pages
from benchmarks.scaling.curve import KNEE, Curve
from benchmarks.scaling.figures import saturated, time_against_clients
from benchmarks.scaling.tables import Row


def render(curves: list[Curve], rows: list[tuple[Row, float, float]], facts: dict[str, Any]) -> str:
    """One HTML page that needs no other file."""
    return pages.render(
        "scaling/page.html",
        curves=curves,
        rows=rows,
        facts=facts,
        knee=KNEE,
        time_against_clients=time_against_clients,
        saturated=saturated,
    )
