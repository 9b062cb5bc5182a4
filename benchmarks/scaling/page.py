"""The page of the paper's figures."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.scaling.curve import KNEE, Curve
from benchmarks.scaling.figures import saturated, time_against_clients
from benchmarks.scaling.tables import Row


def render(curves: list[Curve], rows: list[tuple[Row, float, float]], facts: dict[str, Any]) -> str:
    """One HTML page that needs no other file."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        curves=curves,
        rows=rows,
        facts=facts,
        knee=KNEE,
        time_against_clients=time_against_clients,
        saturated=saturated,
    )
