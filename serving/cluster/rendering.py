"""The chart's manifests for the values of a site, rendered by Helm's own code, without a cluster."""

import json
import re
from pathlib import Path
from typing import Any

from lartpc.errors import UserError
from lartpc.packaged import packaged
from lartpc.yaml_text import load

Manifest = dict[str, Any]
Values = dict[str, Any]

CHART = Path(__file__).parents[1] / "chart"
VALUES = CHART / "values"
"""Values of kinds of sites, each of which goes by its name."""


def read_values(name: str | Path) -> Values:
    """Values of a file, or of one that comes along by its name.

    Raises:
        UserError: there is no such file, or it holds no values.
    """
    from yaml import YAMLError

    file = packaged(name, VALUES)
    try:
        values = load(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, YAMLError) as error:
        raise UserError(f"cannot read the values {file}: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UserError(f"{file} holds no values; write lines of NAME: VALUE, as in {CHART / 'values.yaml'}")
    return values


def render(values: Values, name: str = "hits", namespace: str = "default") -> list[Manifest]:
    """Every manifest of a release.

    Args:
        values: that differ from the chart's own.
        name: of the release.
        namespace: that it is for.

    Raises:
        UserError: name or namespace is empty; Helm is not installed, or refuses the values, with its reason.
    """
    import yaml

    if not (name and namespace):
        raise UserError("a release has a name and a namespace; give both, or leave the options out")
    try:
        from helm_python import Chart, HelmError
    except ImportError as error:
        raise UserError("Helm is not installed; pip install 'emtrkmichel[chart]'") from error
    try:
        with Chart.load(CHART) as loaded:
            loaded.validate_schema(values)
            texts = loaded.render(values, name=name, namespace=namespace)
    except HelmError as error:
        raise UserError(f"the chart does not take these values: {_reason(str(error))}") from error
    return [
        manifest
        for path in sorted(texts)
        for manifest in yaml.safe_load_all(texts[path])
        if manifest is not None and not path.endswith(".tpl")
    ]


def find(manifests: list[Manifest], kind: str, name: str = "") -> Manifest:
    """The manifest of a kind whose name ends so.

    Raises:
        UserError: there is none.
    """
    for manifest in manifests:
        if manifest["kind"] == kind and manifest["metadata"]["name"].endswith(name):
            return manifest
    raise UserError(f"these values make no {kind} {name}")


def envoy_configuration(manifests: list[Manifest]) -> Any:
    """What the balancers of a release read."""
    return json.loads(find(manifests, "ConfigMap", "-balancer")["data"]["envoy.json"])


def _reason(message: str) -> str:
    """Helm's message in a line, without the path inside of the chart that a user has not written."""
    line = " ".join(message.split())
    empty = "; null takes away what the chart has: leave the line out" if "missing propert" in line else ""
    return re.sub(r"^execution error at \(\S+\): ", "", line) + empty
