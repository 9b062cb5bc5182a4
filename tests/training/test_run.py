"""A run's folder: killed, on a full disk, with another logger, stopped early."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from lartpc.errors import UserError
from lartpc.provenance import Provenance
from tests.helpers.limits import largest_file
from tests.helpers.paths import ROOT
from tests.helpers.trainings import tiny, weights
from tests.helpers.waiting import wait_until
from training.fit import main
from training.network.checkpoint import load_checkpoint
from training.run.run_folder import WholeCheckpoints, hold_run


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "training.fit", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_killed_in_an_epoch_it_goes_on_as_if_nothing_had_been(workplace: Path, events_file: Path) -> None:
    longer = ["--data.patches-per-epoch=1280", "--data.augmentation.noise=0.05"]
    assert main(tiny(events_file, "--name=whole", *longer)) == 0
    process = start(*tiny(events_file, "--name=killed", *longer))
    last = Path("runs/killed/last.ckpt")
    try:
        wait_until(lambda: last.exists() or process.poll() is not None)
        assert process.poll() is None
        time.sleep(0.3)
    finally:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert torch.load(last, weights_only=True)["epoch"] == 0
    assert main(["--config=runs/killed/config.yaml", f"--ckpt-path={last}"]) == 0
    whole, resumed = weights(Path("runs/whole/last.ckpt")), weights(last)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "training.run.module"]


@pytest.mark.long
def test_going_on_with_other_threads_is_told(
    workplace: Path, events_file: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    threads = torch.get_num_threads()
    assert main(tiny(events_file, "--name=other", "--model.optimizer=sgd", "--trainer.max-epochs=1")) == 0
    begun = load_checkpoint(Path("runs/other/last.ckpt")).provenance.training["computed_on"]
    assert [machine["threads"] for machine in begun] == [threads]
    go_on = ["--config=runs/other/config.yaml", "--ckpt-path=runs/other/last.ckpt"]
    assert main([*go_on, "--trainer.max-epochs=2"]) == 0
    assert not told(caplog)
    torch.set_num_threads(threads + 1)
    try:
        assert main([*go_on, "--trainer.max-epochs=3"]) == 0
    finally:
        torch.set_num_threads(threads)
    (message,) = told(caplog)
    assert f"threads {threads}, now {threads + 1}" in message and "not be exactly those" in message
    machines = load_checkpoint(Path("runs/other/last.ckpt")).provenance.training["computed_on"]
    assert [machine["threads"] for machine in machines] == [threads, threads + 1]
    assert {machine["precision"] for machine in machines} <= {"bf16-mixed", "32-true"}


def test_killed_while_it_writes_a_checkpoint_the_old_one_stays(workplace: Path) -> None:
    code = (
        "import pathlib, signal, os, torch\n"
        "from training.run.run_folder import WholeCheckpoints, hold_run\n"
        "WholeCheckpoints().save_checkpoint({'number': 1}, 'last.ckpt')\n"
        "pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "WholeCheckpoints().save_checkpoint({'number': 2}, 'last.ckpt')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == -signal.SIGKILL
    assert torch.load("last.ckpt", weights_only=True) == {"number": 1}
    WholeCheckpoints().save_checkpoint({"number": 3}, "last.ckpt")
    assert torch.load("last.ckpt", weights_only=True) == {"number": 3}


@pytest.mark.long
def test_a_full_disk_is_told_and_the_last_good_checkpoint_stays(workplace: Path, events_file: Path) -> None:
    assert main(tiny(events_file, "--name=full", "--model.optimizer=sgd", "--trainer.max-epochs=1")) == 0
    kept = {name: Path(f"runs/full/{name}").read_bytes() for name in ("best.ckpt", "last.ckpt")}
    command = largest_file(
        400_000, "training.fit", "--config=runs/full/config.yaml", "--ckpt-path=runs/full/last.ckpt",
        "--trainer.max-epochs=2",
    )  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert again.returncode == 2
    error = again.stderr.strip().splitlines()[-1]
    assert error.startswith("error: cannot write ") and "ckpt: File too large; free the space" in error
    assert "Traceback" not in again.stderr
    assert {name: Path(f"runs/full/{name}").read_bytes() for name in kept} == kept
    assert not list(Path("runs/full").glob("*.part"))


def test_a_checkpoint_that_cannot_be_written_is_named(workplace: Path) -> None:
    Path("runs").touch()
    with pytest.raises(UserError, match="cannot write runs/x/last.ckpt"):
        WholeCheckpoints().save_checkpoint({}, Path("runs/x/last.ckpt"))


def test_another_logger_by_a_line_of_yaml(workplace: Path, events_file: Path) -> None:
    documented = re.search(
        r"logger: (\{.*TensorBoardLogger.*\})", (ROOT / "docs/training.md").read_text("utf-8")
    )
    assert documented is not None
    assert main(tiny(events_file, "--name=mine", f"--trainer.logger={documented[1]}")) == 0
    assert list(Path("logs").rglob("events.out.tfevents.*"))
    assert {path.name for path in Path("runs/mine").iterdir()} == {
        "best.ckpt", "calibrated.ckpt", "last.ckpt", "gate.h5", "config.yaml"
    }  # fmt: skip


def test_no_logger_at_all(workplace: Path, events_file: Path) -> None:
    assert main(tiny(events_file, "--name=silent", "--trainer.logger=false")) == 0
    assert Path("runs/silent/best.ckpt").is_file()


def test_early_stop_ends_what_no_longer_gains(workplace: Path, events_file: Path) -> None:
    stop = (
        "[{class_path: EarlyStopping, init_args: "
        "{monitor: val_score, mode: max, patience: 1, min_delta: 1.0}}]"
    )
    assert (
        main(tiny(events_file, "--name=early", "--trainer.max-epochs=9", f"--trainer.callbacks={stop}")) == 0
    )
    assert torch.load("runs/early/last.ckpt", weights_only=True)["epoch"] == 1


@pytest.mark.long
def test_two_trainings_of_one_name_at_once_have_a_folder_each(workplace: Path, events_file: Path) -> None:
    seeds = (1, 9)
    processes = [start(*tiny(events_file, "--name=race", f"--seed-everything={seed}")) for seed in seeds]
    assert [process.wait() for process in processes] == [0, 0]
    assert sorted(path.name for path in Path("runs").iterdir()) == ["race", "race-2"]
    found = set()
    for run in Path("runs").iterdir():
        seed = yaml.safe_load((run / "config.yaml").read_text())["seed_everything"]
        for name in ("best.ckpt", "last.ckpt"):
            stored = Provenance.from_json(torch.load(run / name, weights_only=True)["provenance"])
            assert stored.training["seed"] == seed
        found.add(seed)
    assert found == set(seeds)


def test_a_run_that_is_trained_is_not_gone_on_with_by_another(
    workplace: Path, events_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tiny(events_file, "--name=held")) == 0
    held = hold_run("held", Path("runs/held/last.ckpt"))
    capsys.readouterr()
    assert main(["--config=runs/held/config.yaml", "--ckpt-path=runs/held/last.ckpt"]) == 2
    assert "another training writes into runs/held; wait for its end" in capsys.readouterr().err
    held.let_go()
    hold_run("held", Path("runs/held/last.ckpt")).let_go()
    assert Path("runs/held/best.ckpt").exists()


@pytest.mark.parametrize(
    "fault", ["--data.path=none.h5", "--model.network=none", "--trainer.accelerator=none"]
)
def test_a_training_that_does_not_begin_leaves_no_folder(
    workplace: Path, events_file: Path, fault: str
) -> None:
    assert main(tiny(events_file, "--name=nothing", fault)) == 2
    assert not Path("runs/nothing").exists()


def test_a_job_that_is_started_again_goes_on(
    workplace: Path, events_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Saved by Lightning on SIGUSR1; SLURM then starts the same command again, and counts."""
    command = tiny(events_file, "--name=job", "--data.patches-per-epoch=1280")
    process = start(*command)
    run = Path("runs/job")
    try:
        wait_until(lambda: (run / "last.ckpt").exists() or process.poll() is not None)
    finally:
        process.kill()
        process.wait()
    shutil.copy(run / "last.ckpt", run / "hpc_ckpt_1.ckpt")
    assert main(command) == 2
    assert "--config runs/job/config.yaml --ckpt-path runs/job/hpc_ckpt_1.ckpt" in capsys.readouterr().err
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert main(command) == 0
    assert "going on with runs/job/hpc_ckpt_1.ckpt" in capsys.readouterr().out
    assert [path.name for path in Path("runs").iterdir()] == ["job"]
    assert not (run / "hpc_ckpt_1.ckpt").exists()


def test_what_lightning_makes_of_slurm_is_one_line(
    workplace: Path, events_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert main(tiny(events_file, "--name=slurm")) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: Lightning refuses: You set `--ntasks=4`") and "\n" not in said


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/tmp/a"])
def test_a_name_that_leads_elsewhere_is_refused(
    workplace: Path, events_file: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(workplace.parent.iterdir())
    assert main(tiny(events_file, f"--name={name}")) == 2
    assert "is not a plain folder name" in capsys.readouterr().err
    assert list(workplace.iterdir()) == [] and sorted(workplace.parent.iterdir()) == before


@pytest.mark.timeout(120)
@pytest.mark.parametrize("trap", ["file", "link to nothing"])
def test_runs_that_is_no_folder_is_one_line(
    workplace: Path, events_file: Path, trap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("runs").touch() if trap == "file" else Path("runs").symlink_to("nowhere")
    assert main(tiny(events_file, "--name=any")) == 2
    assert "cannot make runs/any" in capsys.readouterr().err
