"""The scale of exported scores: stated, chosen, and one in a repository."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from export.check import main as check
from export.publish import main as publish
from export.triton import main as export
from lartpc.served.contract import MICHEL_OUTPUT
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import GOLDEN_FILE, Manifest
from tests.helpers.paths import QUICK_GATES
from training.calibrate import calibrate

MODEL = "emtrkmichel_compact_fp32"


@pytest.fixture(scope="module")
def calibrated(run_folder: Path, events_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that is calibrated on the seven training events, with its gate file."""
    folder = Path(shutil.copytree(run_folder, tmp_path_factory.mktemp("scale") / "run"))
    return calibrate([folder / "best.ckpt"], events_file, split="train")


def exported(checkpoint: Path, repository: Path, *options: str) -> int:
    return export(
        [
            f"--checkpoint={checkpoint}",
            f"--repository={repository}",
            "--precision=fp32",
            QUICK_GATES,
            *options,
        ]
    )


@pytest.mark.long
def test_the_scale_is_stated_and_changes_scores_and_digest(
    calibrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifests = {}
    for scale, options in (("upstream", []), ("natural", ["--score-scale=natural"])):
        repository = tmp_path / scale
        assert exported(calibrated, repository, *options) == 0
        assert f"scores of {scale} scale" in capsys.readouterr().out
        assert check([str(repository)]) == 0
        manifests[scale] = Manifest.read(repository / MODEL / "1")
        assert manifests[scale].score_scale == scale
        config = (repository / MODEL / "config.pbtxt").read_text()
        assert f'key: "v1.score_scale"\n  value {{\n    string_value: "{scale}"' in config
        assert exported(calibrated, repository, *options) == 0
        assert "is unchanged; nothing written" in capsys.readouterr().out
    assert manifests["upstream"].digest != manifests["natural"].digest
    scores = [
        GoldenHits.read(tmp_path / scale / MODEL / "1" / GOLDEN_FILE).outputs[MICHEL_OUTPUT]
        for scale in ("upstream", "natural")
    ]
    order = [np.argsort(values[:, 0], kind="stable") for values in scores]
    assert np.mean(order[0] == order[1]) > 0.9
    assert scores[1].mean() < 0.7 * scores[0].mean()


@pytest.mark.long
def test_a_repository_holds_one_scale(
    calibrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unstated = calibrated.with_name("best.ckpt")
    assert exported(unstated, tmp_path) == 0
    assert Manifest.read(tmp_path / MODEL / "1").score_scale is None
    assert exported(calibrated, tmp_path) == 0
    assert exported(calibrated, tmp_path, "--score-scale=natural") == 2
    assert (
        "version 2 with upstream scores; natural ones would change what cuts mean" in capsys.readouterr().err
    )
    assert exported(unstated, tmp_path, "--score-scale=upstream") == 2
    assert "is not calibrated to the upstream score scale; give a calibrated.ckpt" in capsys.readouterr().err


@pytest.mark.long
def test_scales_are_not_published_beside_each_other(
    calibrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream, natural, target = (tmp_path / name for name in ("upstream", "natural", "target"))
    assert exported(calibrated, upstream) == 0
    assert exported(calibrated, natural, "--score-scale=natural", "--precision=fp16") == 0
    assert publish([str(upstream), str(target), "--trial"]) == 0
    capsys.readouterr()
    assert publish([str(natural), str(target)]) == 1
    said = capsys.readouterr().err
    assert "natural: emtrkmichel_compact_fp16, emtrkmichel_compact_fp16_gpu; upstream: emtrkmichel" in said
    shutil.copytree(natural / "emtrkmichel_compact_fp16", upstream / "emtrkmichel_compact_fp16")
    assert check([str(upstream)]) == 1
    assert (
        "(natural: emtrkmichel_compact_fp16; upstream: emtrkmichel_compact_fp32)" in capsys.readouterr().err
    )
