"""The scale of served scores: shown, demanded, never mixed."""

from pathlib import Path

import pytest

from client.classify import main as classify
from client.parity import main as parity
from serving.triton import TritonServer
from tests.helpers.served_repository import model_config, write_config, write_model


@pytest.fixture(scope="module")
def scales(tmp_path_factory: pytest.TempPathFactory, server_environment: Path) -> Path:
    """A repository with a model of each scale, and one that does not say it."""
    folder = tmp_path_factory.mktemp("scales")
    for name, scale in (("of_cuts", "upstream"), ("of_nature", "natural"), ("older", None)):
        model = write_model(folder, name)
        config = model_config(model, (1,))
        if scale is not None:
            config.parameters["v1.score_scale"].string_value = scale
        write_config(model, config)
    return folder


def test_scales_are_shown_and_demanded_and_not_mixed(
    scales: Path, events_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TritonServer(scales) as server:
        asked = ["--url", server.grpc, f"--repository={scales}"]
        assert parity([*asked, "--model=of_cuts", "--require-score-scale=upstream"]) == 0
        assert "upstream" in capsys.readouterr().out
        for model, said in (("of_nature", "natural"), ("older", "unstated")):
            assert parity([*asked, f"--model={model}", "--require-score-scale=upstream"]) == 1
            captured = capsys.readouterr()
            assert f"{said} scores answered, --require-score-scale wants upstream" in captured.err
            assert said in captured.out
        asked = [str(events_file), f"--picture={tmp_path / 'picture.png'}"]
        older, of_nature = (f"--model=grpc://{server.grpc}/{name}" for name in ("older", "of_nature"))
        assert classify([*asked, older, "--require-score-scale=natural"]) == 1
        assert "unstated scores answered, --require-score-scale wants natural" in capsys.readouterr().err
        assert not (tmp_path / "picture.png").exists()
        assert classify([*asked, of_nature]) == 0
        assert "on the natural score scale" in capsys.readouterr().out
        assert parity([*asked, "--require-score-scale=other"]) == 2
        capsys.readouterr()


def test_models_of_two_scales_beside_each_other_fail(
    scales: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("of_cuts", "of_nature", "older"):
        config = model_config(scales / name, (1,))
        said = {"of_cuts": "upstream", "of_nature": "natural"}.get(name)
        if said:
            config.parameters["v1.score_scale"].string_value = said
        write_config(scales / name, config)
    assert parity(["--local", f"--repository={scales}"]) == 1
    assert "natural and upstream scores are served beside each other" in capsys.readouterr().err
