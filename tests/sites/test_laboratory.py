"""A laboratory's server: systemd takes the units, a real Triton what the Apptainer recipe starts it with."""

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from client import connect
from export.graph.triton_release import RELEASE
from export.repository.config import model_config
from export.variants import VARIANTS, ServedModel
from lartpc.errors import UserError
from lartpc.served.contract import INPUT_SHAPE
from lartpc.served.model_config import Visibility
from serving import environment
from serving.ports import LOOPBACK, free_ports
from tests.helpers.paths import ROOT
from tests.helpers.published_repository import MODEL, add
from tests.helpers.waiting import wait_until

RECIPE = ROOT / "sites" / "apptainer" / "triton.def"
UNITS = sorted((ROOT / "sites" / "systemd").glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze here: apt-get install systemd")

EXPOSURE = {"emtrkmichel-fetch": 20, "emtrkmichel-triton": 45}
"""Tenths that systemd-analyze gives at most: 0 is closed, 100 open."""


def sections() -> dict[str, str]:
    """Of the recipe, by their names."""
    parts = re.split(r"^%(\w+)\n", RECIPE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"header": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def analyze(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(ANALYZE), *arguments], capture_output=True, text=True)


@pytest.fixture
def installed(tmp_path: Path) -> list[Path]:
    """The units, with programs that are here."""
    found = []
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        programs = ("/opt/emtrkmichel/.venv/bin/emtrkmichel", "/usr/bin/apptainer")
        text = re.sub("|".join(programs), "/bin/true", text).replace("User=emtrkmichel", "User=daemon")
        text = re.sub(r"file://\S+", "man:true(1)", text)
        found.append(tmp_path / unit.name)
        found[-1].write_text(text, encoding="utf-8")
    return found


@needs_systemd
def test_systemd_takes_the_units(installed: list[Path]) -> None:
    done = analyze("verify", "--man=no", *map(str, installed))
    assert done.returncode == 0 and not done.stderr, done.stderr


@needs_systemd
def test_systemd_would_tell_what_it_does_not_take(installed: list[Path]) -> None:
    text = installed[0].read_text(encoding="utf-8").replace("Restart=", "Restrat=")
    installed[0].write_text(text, encoding="utf-8")
    assert "Restrat" in analyze("verify", "--man=no", str(installed[0])).stderr


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_a_unit_may_do_little(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE[unit.stem]}", str(unit))
    assert done.returncode == 0, done.stdout[-400:]


def test_units_recipe_and_configuration_agree() -> None:
    settings = (ROOT / "sites/systemd/emtrkmichel.conf").read_text(encoding="utf-8")
    named = set(re.findall(r"^(\w+)=", settings, re.MULTILINE))
    units = "".join(unit.read_text(encoding="utf-8") for unit in UNITS)
    assert set(re.findall(r"\$\{(\w+)\}", units)) <= named
    assert set(re.findall(r"\$\{(\w+):=", sections()["runscript"])) - {"MODELS"} <= named


def test_the_recipe_is_of_the_release_that_graphs_are_made_for() -> None:
    assert f"From: {RELEASE.container}" in sections()["header"].splitlines()


def test_a_real_triton_takes_what_the_recipe_starts_it_with(tmp_path: Path, server_environment: None) -> None:
    add(tmp_path / "models", 1, MODEL)
    script, programs = tmp_path / "runscript", tmp_path / "programs"
    programs.mkdir()
    found, ports = environment.find(), free_ports()
    (programs / "tritonserver").write_text(f'#!/bin/sh\nexec {found.server} "$@"\n')
    (programs / "tritonserver").chmod(0o755)
    script.write_text(sections()["runscript"], encoding="utf-8")
    variables = found.variables()
    given = {"MODELS": f"{tmp_path}/models", "GRPC_PORT": f"{ports.grpc}", "HTTP_PORT": f"{ports.http}"}
    path = {"PATH": f"{programs}:{variables['PATH']}", "METRICS_PORT": f"{ports.metrics}"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", str(script), f"--backend-directory={found.backends}"],
            env={**variables, **given, **path}, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        url = f"grpc://{LOOPBACK}:{ports.grpc}/{MODEL}"
        wait_until(lambda: process.poll() is not None or _answers(url), pause=0.2)
        assert process.poll() is None, (tmp_path / "log").read_text(errors="replace")[-2000:]
        process.terminate()
        assert process.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        with connect(url, give_up_s=0.0) as classifier:
            return len(classifier.classify_patches(np.zeros((3, *INPUT_SHAPE), np.float32))) == 3
    except UserError:
        return False


def test_models_for_gpus_have_an_instance_on_every_gpu() -> None:
    """An empty list of GPUs is all of them (model_config.proto, ModelInstanceGroup.gpus)."""
    of_gpus = [variant for variant in VARIANTS if variant.gpu]
    assert of_gpus
    for variant in of_gpus:
        config = model_config(ServedModel.named(variant, "compact"), [], Visibility(visible=1))
        (group,) = config.instance_group
        assert (group.kind, group.count, list(group.gpus)) == (group.KIND_GPU, 1, [])
