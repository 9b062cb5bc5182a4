"""A model under a name of a site's own choice: what it is stands in its configuration."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from export.check import main as check
from export.publish import main as publish
from export.registry import main as registry
from export.variants import ServedModel
from lartpc.served.model_config import CONFIG_FILE
from serving.triton import TritonServer
from tests.helpers.published_repository import version_of, write
from tests.helpers.served_repository import read_config

ALIAS = "mycnn"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two versions of a model called as PointIdAlgTriton's configurations call it."""
    for seed in (1, 2):
        version = version_of(seed, "emtrkmichel_compact_fp16")
        served = ServedModel(ALIAS, version.served.facts, version.served.variant)
        write(tmp_path / "source", replace(version, served=served), seed)
    return tmp_path / "source"


def test_it_is_checked_published_promoted_and_served(
    source: Path, tmp_path: Path, server_environment: None
) -> None:
    target = tmp_path / "published"
    assert check([str(source)]) == 0
    assert publish([str(source), str(target), "--profile=cpu"]) == 0
    parameters = read_config(target / ALIAS).parameters
    facts = {name: parameters[name].string_value for name in ("network", "contract", "precision")}
    assert facts == {"network": "compact", "contract": "patch", "precision": "fp16"}
    assert registry(["verify", str(target)]) == 0
    with TritonServer(target) as server:
        assert server.versions() == {ALIAS: [2]}


def test_models_of_others_beside_it_are_passed_over(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "published"
    assert publish([str(source), str(target)]) == 0
    (target / "emtrkmichel_fp32").mkdir()
    (target / "emtrkmichel_fp32" / CONFIG_FILE).write_text('name: "emtrkmichel_fp32" backend: "python"')
    assert registry(["verify", str(target)]) == 0
    assert "1 versions of 1 models" in capsys.readouterr().out
    assert registry(["list", str(target), "--model=emtrkmichel_fp32"]) == 2
    assert "has no model 'emtrkmichel_fp32'; it has mycnn" in capsys.readouterr().err


def test_a_configuration_under_another_folders_name_is_found(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(source / ALIAS, source / "copied")
    assert check([str(source)]) == 1
    assert "manifest.json is of mycnn version" in capsys.readouterr().err


def test_a_variant_that_no_export_makes_is_told(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = source / ALIAS / CONFIG_FILE
    path.write_text(path.read_text().replace('backend: "onnxruntime"', 'backend: "openvino"'))
    assert check([str(source)]) == 1
    assert (
        "serves patch requests in precision fp16 with backend 'openvino' on any machine"
        in capsys.readouterr().err
    )


def test_a_fact_that_is_missing_is_found(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = source / ALIAS / CONFIG_FILE
    path.write_text(path.read_text().replace('key: "network"', 'key: "other"'))
    assert check([str(source)]) == 1
    assert "config.pbtxt is not what an export writes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"fp16"', '"fp32"'), "the manifest of version 1 that it is of 'compact' and 'fp16'"),
        (
            ("data_type: TYPE_FP32", "data_type: 99"),
            "found main_input type 99 [48, 48, 1]",
        ),
    ],
)
def test_a_configuration_that_contradicts_its_versions_is_found(
    source: Path, change: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = source / ALIAS / CONFIG_FILE
    path.write_text(path.read_text().replace(*change))
    assert check([str(source)]) == 1
    assert message in capsys.readouterr().err
