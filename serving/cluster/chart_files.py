"""The files of the chart that are made from code, and written by ``python -m serving.manifests --renew``."""

from lartpc.files import write_text
from serving.cluster.envoy_template import envoy_files
from serving.cluster.rendering import CHART
from serving.cluster.value_docs import page, schema
from serving.monitoring.dashboard import dashboard


def chart_files() -> dict[str, str]:
    """Path inside of the chart -> content, of each."""
    envoy = {f"files/{name}": text for name, text in envoy_files().items()}
    return {**envoy, "files/dashboard.json": dashboard(), "values.schema.json": schema(), "README.md": page()}


def stale() -> list[str]:
    """Those that are not what the code makes, by their paths."""
    return [name for name, text in chart_files().items() if _content(name) != text]


def renew() -> list[str]:
    """Write those; their paths."""
    names = stale()
    for name in names:
        path = CHART / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, chart_files()[name])
    return names


def _content(name: str) -> str | None:
    path = CHART / name
    return path.read_text(encoding="utf-8") if path.is_file() else None
