"""The command line of a training: its help, its recipe, and a run that is finished."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.helpers.trainings import tiny
from training.fit import HELP, main
from training.run.command_line import FitCLI


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recipe(capsys: pytest.CaptureFixture[str], *args: str) -> dict:
    with pytest.raises(SystemExit) as ended:
        main([*args, "--print-config"])
    assert ended.value.code == 0
    return yaml.safe_load(capsys.readouterr().out)


def options_of(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][\w.-]*[a-z]", text))


def test_the_help_names_options_that_exist_and_all_of_network_and_data(
    capsys: pytest.CaptureFixture[str],
) -> None:
    short = HELP.read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        FitCLI(["--help"])
    whole = options_of(capsys.readouterr().out)
    named = options_of(short) | {f"--data.augmentation{name}" for name in re.findall(r" (\.[a-z-]+)", short)}
    assert named - whole == {"--help-all"}
    own = {option for option in whole if re.match(r"--(model|data|generate)\.(?!.*help$)", option)}
    assert own - named <= {"--data.augmentation"}
    assert all(len(line) <= 110 for line in short.splitlines()) and len(short.splitlines()) < 70


@pytest.mark.parametrize("how", [["-c", "own.yaml"], ["-c=own.yaml"], ["--config", "own.yaml"]])
def test_a_recipe_of_ones_own_is_not_laid_over_the_default_one(
    workplace: Path, how: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("own.yaml").write_text("name: own\ndata: {path: own.h5}\n", encoding="utf-8")
    own = recipe(capsys, *how)
    assert own["name"] == "own" and not own["trainer"]["callbacks"]
    assert own["data"]["augmentation"]["noise"] == 0.0
    assert recipe(capsys)["data"]["augmentation"]["noise"] > 0.0


def test_a_recipe_goes_by_its_name(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert recipe(capsys, "--config", "compact")["model"]["network"] == "compact"
    assert recipe(capsys, "--config=quick")["name"] == "quick"
    assert main(["--config", "fast"]) == 2
    assert "no file fast; give the path of one, or a name: compact, default, full" in capsys.readouterr().err


def test_a_finished_run_says_so_and_stays(
    workplace: Path, run_folder: Path, events_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(run_folder, "runs/a run"))
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
    assert main([f"--config={run}/config.yaml", f"--ckpt-path={run}/last.ckpt"]) == 0
    said = capsys.readouterr().out
    assert "nothing is left to train: runs/a run/last.ckpt has its 2 epochs" in said
    assert f"--checkpoint 'runs/a run/calibrated.ckpt' --data {events_file}" in said
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir()} == before


def test_a_quiet_training_writes_nothing(
    workplace: Path, events_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = [one for one in tiny(events_file, "--trainer.max-epochs=1") if "progress_bar" not in one]
    assert main([*options, "--quiet"]) == 0
    assert capfd.readouterr().out == ""
    assert Path("runs/quick/calibrated.ckpt").is_file()
