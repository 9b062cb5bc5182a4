"""A model under a name of a site's own choice: what it is stands in its configuration."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client import connect
from export.check import main as check
from export.larsoft.clients import PointIdAlgSonicTriton, PointIdAlgTriton
from export.larsoft.service import ServerService
from export.publish import main as publish
from export.registry import main as registry
from export.store.target import open_store
from export.variants import ServedModel
from lartpc.served.contract import INPUT_SHAPE, OUTPUT_NAMES
from lartpc.served.manifest import MODEL_FILE
from lartpc.served.model_config import CONFIG_FILE
from serving.follow import Follower
from serving.triton import TritonServer
from tests.helpers.published_repository import add, version_of, write
from tests.helpers.served_repository import answer, read_config

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


MODELS = ("emtrkmichel_fp32", "emtrkmichel_compact_fp32")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Two networks of two versions each, the second of which is visible."""
    target = tmp_path / "published"
    for number, model in enumerate(MODELS):
        for version in (1, 2):
            add(target, 2 * number + version, model, number=version)
    return target


def answer_of(folder: Path, model: str, version: int) -> np.ndarray:
    outputs = answer(folder / model / str(version) / MODEL_FILE, PATCHES)
    return np.hstack([outputs[name] for name in OUTPUT_NAMES])


PATCHES = np.random.default_rng(8).normal(0, 3, (5, *INPUT_SHAPE)).clip(-5, 14).astype(np.float32)


def test_an_alias_answers_for_what_it_points_at(
    published: Path, server_environment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert registry(["alias", str(published), ALIAS, MODELS[0]]) == 0
    assert f"{ALIAS} points at {MODELS[0]}" in capsys.readouterr().out
    with TritonServer(published) as server:
        follower = Follower(server)
        with ServerService(f"grpc://{server.grpc}") as service:

            def answered() -> np.ndarray:
                heads = [
                    make(service, ALIAS).run(PATCHES) for make in (PointIdAlgTriton, PointIdAlgSonicTriton)
                ]
                np.testing.assert_array_equal(*heads)
                return heads[0]

            np.testing.assert_allclose(answered(), answer_of(published, MODELS[0], 2), atol=1e-6)
            assert check([f"grpc://{server.grpc}", "--contract=larsoft", "--model", ALIAS]) == 0
            for command, version in ((["promote", MODELS[0], "1"], 1), (["rollback", MODELS[0]], 2)):
                assert registry([command[0], str(published), *command[1:]]) == 0
                assert follower.look() == [MODELS[0]]
                np.testing.assert_allclose(answered(), answer_of(published, MODELS[0], version), atol=1e-6)
            assert registry(["alias", str(published), ALIAS, MODELS[1]]) == 0
            assert follower.look() == [ALIAS]
            np.testing.assert_allclose(answered(), answer_of(published, MODELS[1], 2), atol=1e-6)
        with connect(f"grpc://{server.grpc}/{ALIAS}") as classifier:
            assert (classifier.model.name, classifier.model.version) == (MODELS[1], 2)
            scores = classifier.classify_patches(PATCHES)
            np.testing.assert_allclose(scores.track, answer_of(published, MODELS[1], 2)[:, 0], atol=1e-6)


def test_it_is_checked_on_files_too(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert registry(["alias", str(published), ALIAS, MODELS[0]]) == 0
    assert check([str(published), "--contract=larsoft", f"--model={ALIAS}", "--adc-era=2021"]) == 0
    assert check([str(published), "--contract=larsoft", f"--model={ALIAS}", "--adc-era=2020"]) == 1
    assert f"{ALIAS}: version 2 is of ADC era 2021, not 2020" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_the_registry_knows_it(
    kind: str, published: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(published)
    if kind == "s3":
        target = request.getfixturevalue("bucket")
        assert publish([str(published), target]) == 0
    assert registry(["alias", target, ALIAS, MODELS[0]]) == 0
    assert registry(["alias", target, ALIAS, MODELS[0]]) == 0
    assert f"{ALIAS} points already at {MODELS[0]}" in capsys.readouterr().out
    assert registry(["list", target]) == 0
    assert f"points at {MODELS[0]}" in capsys.readouterr().out.replace("\n", "")
    assert registry(["verify", target]) == 0
    store = open_store(target)
    content, token = store.read(f"{ALIAS}/{CONFIG_FILE}") or (b"", None)
    store.replace(f"{ALIAS}/{CONFIG_FILE}", content.replace(b"8192", b"256"), token)
    assert registry(["verify", target]) == 1
    assert f"write it anew: python -m export.registry alias {target} {ALIAS}" in capsys.readouterr().err
    assert registry(["unalias", target, ALIAS]) == 0
    assert ALIAS not in store.names()
    assert registry(["verify", target]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["alias", ALIAS, "emtrkmichel_int8"], "has no model 'emtrkmichel_int8'"),
        (["alias", MODELS[0], MODELS[1]], "is a model already; give the alias another name"),
        (["alias", "a/b", MODELS[0]], "is no name of a model"),
        (["unalias", ALIAS], "is no alias; there are none"),
    ],
)
def test_a_wrong_alias_is_told(
    arguments: list[str], message: str, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *given = arguments
    assert registry([command, str(published), *given]) == 2
    assert message in capsys.readouterr().err


def test_an_alias_of_what_is_not_served_here_is_left_out(published: Path, server_environment: None) -> None:
    assert registry(["alias", str(published), ALIAS, MODELS[0]]) == 0
    shutil.rmtree(published / MODELS[0])
    with TritonServer(published) as server:
        assert server.left_out == {ALIAS: f"it points at {MODELS[0]}, which is not there"}


@pytest.mark.parametrize("damage", ["emptied", "removed", "rubbish"])
def test_a_damaged_alias_is_told_and_written_anew(
    damage: str, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_alias = ["alias", str(published), ALIAS, MODELS[0]]
    assert registry(write_alias) == 0
    config = published / ALIAS / CONFIG_FILE
    if damage == "removed":
        config.unlink()
    else:
        config.write_text("" if damage == "emptied" else 'alias_of { "')
    assert registry(["verify", str(published)]) == 1
    assert "write the alias anew" in capsys.readouterr().err
    assert registry(write_alias) == 0 and registry(["verify", str(published)]) == 0
    config.write_text("")
    assert registry(["unalias", str(published), ALIAS]) == 0 and not (published / ALIAS).exists()


def test_an_alias_whose_model_is_gone_is_told(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert registry(["alias", str(published), ALIAS, MODELS[0]]) == 0
    shutil.rmtree(published / MODELS[0])
    assert registry(["verify", str(published)]) == 1
    assert f"{ALIAS} points at what is not there" in capsys.readouterr().err
    assert check([str(published), "--contract=larsoft", f"--model={ALIAS}"]) == 1
    assert f"it points at {MODELS[0]}, which is not there" in capsys.readouterr().err


def test_an_alias_is_none_of_another_alias_or_of_odd_letters(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert registry(["alias", str(published), ALIAS, MODELS[0]]) == 0
    assert registry(["alias", str(published), "other", ALIAS]) == 2
    assert f"{ALIAS} is an alias itself; point at {MODELS[0]}" in capsys.readouterr().err
    for name in ("my cnn", "$(touch x)", ".hid"):
        assert registry(["alias", str(published), name, MODELS[0]]) == 2
        assert "is no name of a model" in capsys.readouterr().err
    assert registry(["promote", str(published), ALIAS, "1"]) == 2
    assert f"{ALIAS} is an alias; name the model that it points at, {MODELS[0]}" in capsys.readouterr().err


def test_it_answers_in_this_process_too(published: Path) -> None:
    assert registry(["alias", str(published), ALIAS, MODELS[1]]) == 0
    with connect(f"onnx:{published / ALIAS}") as classifier:
        assert (classifier.model.name, classifier.model.version) == (MODELS[1], 2)


def test_an_alias_goes_with_its_model_and_comes_again(
    published: Path, server_environment: None, tmp_path: Path
) -> None:
    assert registry(["alias", str(published), ALIAS, MODELS[0]]) == 0
    with TritonServer(published) as server:
        follower = Follower(server)
        (published / MODELS[0]).rename(tmp_path / "away")
        for _ in range(3):
            follower.look()
        assert set(server.versions()) == {MODELS[1]} and follower.heal() == []
        (tmp_path / "away").rename(published / MODELS[0])
        assert sorted(follower.look()) == sorted([ALIAS, MODELS[0]])
