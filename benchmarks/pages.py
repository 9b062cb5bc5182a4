"""Pages of benchmarks: HTML that needs no other file, in one form."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """A page.

    Args:
        template: its file within this folder, which extends ``pages.html``.
        values: that it shows.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def as_png(figure: "Figure") -> str:
    """A picture as a URL that holds it."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
