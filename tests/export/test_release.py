"""What CI runs on a tag: make publish, from a checkpoint to a bucket; and the workflows that call it."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from export.publish import main as publish
from export.registry import main as registry
from export.store.target import open_store
from export.triton import main as export
from export.variants import VARIANTS
from lartpc.served.names import served_name
from tests.helpers.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.long
def test_make_publish_takes_a_checkpoint_to_a_bucket(
    checkpoint: Path, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The training of seconds passes gates of its own, as loose as the quick ones, which are not published.

    A fresh runner then finds its version there.
    """
    gates = tmp_path / "tiny.yaml"
    quick = (ROOT / "export" / "gate" / "gates_quick.yaml").read_text()
    gates.write_text(quick.replace("publishable: false", "publishable: true"))
    command = [
        "make", "--silent", "publish", f"CHECKPOINT={checkpoint}", f"TARGET={bucket}", f"GATES={gates}",
        f"REPOSITORY={tmp_path / 'models'}", f"SUMMARY={tmp_path / 'release.md'}", "REQUESTS=patch",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    of_patches = [variant for variant in VARIANTS if not variant.contract.of_planes]
    names = sorted(served_name(variant.suffix, "compact") for variant in of_patches)
    assert open_store(bucket).names() == names
    assert registry(["verify", bucket]) == 0
    rows = (tmp_path / "release.md").read_text().splitlines()
    assert len([row for row in rows if row.startswith("| emtrkmichel_")]) == len(of_patches)
    fresh = [f"--checkpoint={checkpoint}", f"--repository={tmp_path / 'fresh'}", f"--gates={gates}"]
    assert export([*fresh, "--precision=fp32", f"--published={bucket}"]) == 0
    assert "version 1 was published already; fetched" in capsys.readouterr().out
    assert publish([str(tmp_path / "fresh"), bucket, f"--gates={gates}"]) == 0
    assert " 0 files, 0.0 MB sent; config.pbtxt stays as it is" in capsys.readouterr().out


def test_make_publish_says_what_it_needs() -> None:
    done = subprocess.run(["make", "--silent", "publish"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "CHECKPOINT=" in done.stderr and "TARGET=" in done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_pin_their_actions_and_call_targets_that_exist(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for step in steps:
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
        for line in re.findall(r"^make ([^A-Z$]+)", step.get("run", "")):
            assert set(line.split()) <= targets
    assert "secrets." not in path.read_text(encoding="utf-8")


def test_there_are_workflows() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "publish"]
