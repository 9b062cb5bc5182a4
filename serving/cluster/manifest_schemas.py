"""Manifests against the schemas of their owners, offline.

Those of Kubernetes come with the package kubernetes-validate, which refuses fields that are not known. Those
of KEDA, Prometheus' operator and External Secrets are written here from their owners' definitions
(``schemas/``), each with its release; they know no field that the chart does not use.
"""

from functools import cache
from pathlib import Path
from typing import Any

from lartpc.errors import UserError
from lartpc.yaml_text import load
from serving.cluster.rendering import Manifest

SCHEMAS = Path(__file__).parent / "schemas"
OLDEST, NEWEST = "1.30", "1.37"
"""Releases of Kubernetes that manifests are held to: the chart's oldest, and the newest with schemas here."""


def faults(manifest: Manifest, kubernetes: str = NEWEST) -> list[str]:
    """What is wrong with a manifest, a line each.

    Args:
        manifest: rendered.
        kubernetes: release that it is held to.

    Raises:
        UserError: kubernetes-validate is not installed, or does not know the release.
    """
    what = f"{manifest['kind']} {manifest['metadata']['name']}"
    own = own_schemas().get((manifest["apiVersion"], manifest["kind"]))
    found = _own_faults(manifest, own) if own else _kubernetes_faults(manifest, kubernetes)
    return [f"{what}: {fault}" for fault in found]


@cache
def own_schemas() -> dict[tuple[str, str], dict[str, Any]]:
    """Version and kind -> the schema that is written here of its ``spec``."""
    found = {}
    for path in sorted(SCHEMAS.glob("*.yaml")):
        schema = load(path.read_text(encoding="utf-8"))
        found[schema["apiVersion"], schema["kind"]] = {**schema["spec"], "$defs": schema["$defs"]}
    return found


def _own_faults(manifest: Manifest, schema: dict[str, Any]) -> list[str]:
    from jsonschema import Draft202012Validator

    if "spec" not in manifest:
        return ["it has no spec"]
    errors = Draft202012Validator(schema).iter_errors(manifest["spec"])
    return [_fault(["spec", *error.path], error.message) for error in errors]


def _kubernetes_faults(manifest: Manifest, kubernetes: str) -> list[str]:
    try:
        import kubernetes_validate
        from kubernetes_validate.utils import VersionNotSupportedError
    except ImportError as error:
        raise UserError("kubernetes-validate is not installed; pip install 'emtrkmichel[chart]'") from error
    try:
        kubernetes_validate.validate(manifest, kubernetes, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [_fault(error.path, error.message)]
    except kubernetes_validate.SchemaNotFoundError:
        return [f"Kubernetes {kubernetes} has no {manifest['apiVersion']} {manifest['kind']}"]
    except (VersionNotSupportedError, IndexError) as error:  # newer than all there are, or older
        raise UserError(
            f"there are no schemas of Kubernetes {kubernetes}; write one like {NEWEST}"
        ) from error
    return []


def _fault(path: Any, message: str) -> str:
    return f"{'.'.join(map(str, path))}: {message}"[:500]
