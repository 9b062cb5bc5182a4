"""The workflows: every step's shell runs, calls targets that exist, and actions are pinned by commit."""

import re
from pathlib import Path

import boto3
import pytest

from tests.helpers.paths import ROOT
from tests.helpers.workflows import FOLDER, Runner, filled, value_of, workflow

WORKFLOWS = ["ci", "publish"]
SHIPPED = ROOT / "training/shipped/compact/model_card.md"


def test_there_are_these() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yml")) == WORKFLOWS


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_commit_and_there_is_no_secret(name: str) -> None:
    text = (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    uses = re.findall(r"uses: (.*)", text)
    assert uses and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in uses)
    assert workflow(name)["permissions"] == {"contents": "read"}
    assert "secrets." not in text


def test_ci_does_what_a_clean_machine_must_pass(tmp_path: Path) -> None:
    clean = re.findall(r"(?m)^ *(make .*)", (ROOT / ".ci/run").read_text(encoding="utf-8"))
    assert Runner(tmp_path).run("ci", "test") == [line for line in clean if line != "make try"]


def test_ci_installs_slurm_and_runs_the_scripts(tmp_path: Path) -> None:
    update, install, make = Runner(tmp_path).run("ci", "slurm")
    assert update == "apt-get update" and make == "make slurm-test"
    assert {"slurmctld", "slurmd", "slurm-client", "munge"} <= set(install.split())


def test_a_tag_publishes_the_weights_that_come_along(tmp_path: Path) -> None:
    runner = Runner(tmp_path, {"vars.MODEL_TARGET": "s3://bucket/models"})
    install, publish = runner.run("publish", "publish")
    assert install == "make install trt-check"
    wanted = "make publish CHECKPOINT=shipped:compact TARGET=s3://bucket/models PUBLISH_OPTIONS="
    assert publish == f"{wanted} SUMMARY=release.md"
    assert runner.summary.read_text() == "| what was published |\n" + SHIPPED.read_text()


def test_a_named_run_is_fetched_and_can_be_tried(tmp_path: Path, bucket: str) -> None:
    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    for file in ("calibrated.ckpt", "gate.h5", "model_card.md"):
        boto3.client("s3").put_object(Bucket=name, Key=f"{prefix}/run/{file}", Body=file.encode())
    context = {"inputs.checkpoint": f"{bucket}/run", "inputs.dry_run": True, "vars.MODEL_TARGET": bucket}
    runner = Runner(tmp_path, context)
    (_, publish) = runner.run("publish", "publish")
    assert publish.startswith(f"make publish CHECKPOINT=runs/release/calibrated.ckpt TARGET={bucket} ")
    assert "PUBLISH_OPTIONS=--dry-run" in publish
    assert (tmp_path / "runs/release/gate.h5").read_text() == "gate.h5"
    assert runner.summary.read_text() == "model_card.md"


def test_a_step_that_fails_fails(tmp_path: Path) -> None:
    runner = Runner(
        tmp_path, {"inputs.checkpoint": "s3://nowhere/run", "vars.MODEL_TARGET": "s3://bucket/models"}
    )
    with pytest.raises(AssertionError, match="aws s3 cp"):
        runner.run("publish", "publish")


def test_expressions_are_filled_in_as_on_github() -> None:
    context = {"inputs.a": "x", "inputs.on": True}
    assert filled(
        "${{ inputs.a != '' && 'given' || 'none' }}, ${{ inputs.b != '' && 'given' || 'none' }}", context
    ) == ("given, none")
    assert value_of("inputs.on && '--dry-run' || ''", context) == "--dry-run"
    assert value_of("inputs.a == 'it''s'", context) is False
    with pytest.raises(AssertionError, match="fromJSON"):
        value_of("fromJSON(inputs.a)", context)
