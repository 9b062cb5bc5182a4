"""A laboratory's server: systemd takes the units, a real Triton what the Apptainer recipe starts it with."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from benchmarks.gpu_server import served_parity, triton
from client import connect
from export.graph.triton_release import RELEASE
from export.repository.config import model_config
from export.variants import VARIANTS, ServedModel
from lartpc.errors import CheckError
from lartpc.served.contract import INPUT_SHAPE
from lartpc.served.model_config import Visibility
from serving import environment
from tests.helpers.paths import ROOT
from tests.helpers.published_repository import MODEL, add

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


def test_tritons_unit_shuts_out_no_gpu_and_needs_no_setuid() -> None:
    """Of systemd below 253 ProtectClock lists one device, and every other is shut out then."""
    lines = (ROOT / "sites/systemd/emtrkmichel-triton.service").read_text(encoding="utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    assert not {"ProtectClock", "PrivateDevices", "DeviceAllow", "DevicePolicy"} & set(settings)
    assert settings["NoNewPrivileges"] == "yes" and " --userns " in settings["ExecStart"]


def test_units_recipe_and_configuration_agree() -> None:
    settings = (ROOT / "sites/systemd/emtrkmichel.conf").read_text(encoding="utf-8")
    named = set(re.findall(r"^(\w+)=", settings, re.MULTILINE))
    units = "".join(unit.read_text(encoding="utf-8") for unit in UNITS)
    assert set(re.findall(r"\$\{(\w+)\}", units)) <= named
    assert set(re.findall(r"\$\{(\w+):=", sections()["runscript"])) - {"MODELS"} <= named


def test_the_recipe_is_of_the_release_that_graphs_are_made_for() -> None:
    assert f"From: {RELEASE.container}" in sections()["header"].splitlines()


@pytest.fixture
def stock(tmp_path: Path, server_environment: None) -> tuple[tuple[str, ...], dict[str, str]]:
    """Options and variables by which the embedded server stands in for a tritonserver of the machine."""
    found, programs = environment.find(), tmp_path / "programs"
    programs.mkdir()
    (programs / "tritonserver").write_text(f'#!/bin/sh\nexec {found.server} "$@"\n', encoding="utf-8")
    (programs / "tritonserver").chmod(0o755)
    variables = found.variables()
    path = f"{programs}:{variables['PATH']}"
    return (f"--backend-directory={found.backends}",), {**variables, "PATH": path}


def test_a_real_triton_takes_what_the_recipe_starts_it_with(
    tmp_path: Path, stock: tuple[tuple[str, ...], dict[str, str]]
) -> None:
    add(tmp_path / "models", 1, MODEL)
    with triton(tmp_path / "models", *stock) as url, connect(f"grpc://{url}/{MODEL}") as classifier:
        assert len(classifier.classify_patches(np.zeros((3, *INPUT_SHAPE), np.float32))) == 3
        with pytest.raises(InferenceServerException, match="restricted|denied|unavailable"):
            InferenceServerClient(url).get_log_settings()


def test_the_check_of_a_gpu_asks_triton_for_the_golden_hits(
    tmp_path: Path, stock: tuple[tuple[str, ...], dict[str, str]]
) -> None:
    models = tmp_path / "models"
    add(models, 1, MODEL)
    figures, faults = served_parity(models, *stock)
    assert not faults and [figure.unit for figure in figures] == ["s"]
    add(tmp_path / "others", 2, MODEL)
    shutil.copy(tmp_path / "others" / MODEL / "2" / "model.onnx", models / MODEL / "1" / "model.onnx")
    figures, faults = served_parity(models, *stock)
    assert len(faults) == 1 and "error: " in faults[0]


def test_a_triton_that_does_not_start_says_why(
    tmp_path: Path, stock: tuple[tuple[str, ...], dict[str, str]]
) -> None:
    add(tmp_path / "models", 1, MODEL)
    options, variables = stock
    with (
        pytest.raises(CheckError, match="Triton ended with exit code 1"),
        triton(tmp_path / "models", (*options, "--no-such-option"), variables),
    ):
        pass


def test_models_for_gpus_have_an_instance_on_every_gpu() -> None:
    """An empty list of GPUs is all of them (model_config.proto, ModelInstanceGroup.gpus)."""
    of_gpus = [variant for variant in VARIANTS if variant.gpu]
    assert of_gpus
    for variant in of_gpus:
        config = model_config(ServedModel.named(variant, "compact"), [], Visibility(visible=1))
        (group,) = config.instance_group
        assert (group.kind, group.count, list(group.gpus)) == (group.KIND_GPU, 1, [])
