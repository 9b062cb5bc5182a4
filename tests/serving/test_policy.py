"""The rendered chart under the rules of checkov, which has an environment of its own (make chart-check)."""

import subprocess
from pathlib import Path

import pytest
import yaml

from serving.cluster import rendering
from serving.cluster.rendering import VALUES, find, read_values, render
from tests.helpers.paths import ROOT

CHECKOV = ROOT / ".checkov/bin/checkov"
POLICY = Path(rendering.__file__).parent / "checkov.yaml"

pytestmark = pytest.mark.skipif(
    not CHECKOV.exists(), reason="checkov is not installed; make chart-check does"
)


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(CHECKOV), "--config-file", str(POLICY), "--directory", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def test_every_site_keeps_to_the_policy_and_a_broken_manifest_does_not(tmp_path: Path) -> None:
    for path in sorted(VALUES.glob("*.yaml")):
        found = render(read_values(path), namespace="reconstruction")
        (tmp_path / path.name).write_text(yaml.safe_dump_all(found))
    done = checked(tmp_path)
    assert done.returncode == 0, done.stdout
    deployment = find(found, "Deployment", "-triton")
    deployment["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    (tmp_path / path.name).write_text(yaml.safe_dump(deployment))
    done = checked(tmp_path)
    assert done.returncode == 1 and "CKV_K8S_16" in done.stdout
