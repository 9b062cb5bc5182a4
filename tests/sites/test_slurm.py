"""The batch scripts on a real SLURM: a cluster of two nodes on this machine."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from client import connect
from data_gen.generate import main as generate
from lartpc.served.contract import INPUT_SHAPE
from tests.helpers.paths import ROOT
from tests.helpers.published_repository import add
from tests.helpers.slurm_cluster import SlurmCluster, missing, slurm_cluster
from tests.helpers.trainings import tiny, trained_in, weights
from tests.helpers.waiting import wait_until

MODEL = "emtrkmichel_fp32"
SCRIPTS = ROOT / "sites" / "slurm"
LACKING = missing()
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(LACKING), reason=f"no {', '.join(LACKING)}: apt-get install slurm-wlm munge"),
]


@pytest.fixture(scope="module")
def slurm() -> Iterator[SlurmCluster]:
    with (
        tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as folder,
        slurm_cluster(Path(folder)) as its,
    ):
        yield its


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder, as the scripts take it for granted."""
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def log_of(job: str) -> str:
    return "".join(path.read_text(errors="replace") for path in Path().glob(f"*-{job}.log"))


PLAIN = ["--trainer.precision=32-true", "--model.optimizer=sgd", "--model.learning-rate=0.05"]
"""Without what makes much of the rounding of a sum: AdamW divides small gradients by themselves."""

SHORT = ["--data.batch-size=64", "--data.patches-per-epoch=256", "--trainer.max-epochs=2"]
ON_PROCESSORS = ["--cpus-per-task=1", "--gpus-per-node=0"]


@pytest.fixture(scope="module")
def alone(events_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights that one process learns."""
    return weights(trained_in(tmp_path_factory.mktemp("alone"), events_file, *SHORT, *PLAIN) / "last.ckpt")


@pytest.mark.parametrize(("nodes", "tasks"), [(2, 1), (1, 2)])
def test_two_tasks_train_as_one_process_does(
    nodes: int,
    tasks: int,
    slurm: SlurmCluster,
    place: Path,
    events_file: Path,
    alone: dict[str, torch.Tensor],
) -> None:
    layout = [f"--nodes={nodes}", f"--ntasks-per-node={tasks}", "--time=10", *ON_PROCESSORS]
    arguments = tiny(events_file, *SHORT, *PLAIN, "--trainer.accelerator=cpu")
    job = slurm.submit(SCRIPTS / "train.sbatch", *layout, arguments=arguments)
    assert slurm.wait(job) == "COMPLETED", log_of(job)
    begun = torch.load("runs/quick/last.ckpt", weights_only=True)
    assert begun["global_step"] == 8
    assert '"processes": 2' in begun["provenance"]
    assert max(float((alone[name] - begun["state_dict"][name]).abs().max()) for name in alone) < 1e-5


def test_a_training_whose_time_ends_is_saved_and_goes_on_when_it_is_started_again(
    slurm: SlurmCluster, place: Path, events_file: Path
) -> None:
    options = ["--data.patches-per-epoch=1024", "--trainer.max-epochs=6", "--trainer.accelerator=cpu"]
    layout = ["--nodes=1", "--ntasks-per-node=2", "--time=10", *ON_PROCESSORS]
    job = slurm.submit(SCRIPTS / "train.sbatch", *layout, arguments=tiny(events_file, *PLAIN, *options))
    wait_until(Path("runs/quick/last.ckpt").exists)
    slurm.run("scancel", "--signal=USR1", job)  # as SLURM does before the time ends: to the tasks
    wait_until(lambda: slurm.about(job)["Restarts"] == "1" and slurm.state(job) == "PENDING", pause=0.2)
    slurm.run("scontrol", "update", f"JobId={job}", "StartTime=now")
    assert slurm.wait(job) == "COMPLETED", log_of(job)
    assert "the job was started again: going on with runs/quick/hpc_ckpt_1.ckpt" in log_of(job)
    begun = torch.load("runs/quick/last.ckpt", weights_only=True)
    assert begun["epoch"] == 5


LIGHT = [
    "--sources.cosmic_muons=0.1",
    "--sources.stopping_muons=0.6",
    "--sources.showers=0.5",
    "--sources.beam=0.2",
]
EVENTS = ["--events=90", "--events-per-file=3", "--seed=4", "--planes=W", *LIGHT]


def test_workers_that_slurm_starts_write_the_same_bytes_also_where_a_job_is_lost(
    slurm: SlurmCluster, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(slurm.environment, "DASK_JOBQUEUE__SLURM__INTERFACE", "lo")
    arguments = [*EVENTS, "--out=big", "--workers=2"]
    job = slurm.submit(SCRIPTS / "generate.sbatch", "--time=10", arguments=arguments)
    wait_until(lambda: list(Path("big").glob("*.h5")), pause=0.1)
    first = slurm.jobs("--name=dask-worker")
    slurm.run("scancel", first[0])
    wait_until(lambda: set(slurm.jobs("--name=dask-worker")) - set(first) or not slurm.jobs(), pause=0.1)
    assert slurm.jobs(f"--jobs={job}"), "the generation had ended before"
    assert slurm.wait(job) == "COMPLETED", log_of(job)
    assert "90 events" in log_of(job)
    assert generate([*EVENTS, "--out=here", "--workers=2"]) == 0
    here, there = (
        {file.name: file.read_bytes() for file in Path(name).iterdir()} for name in ("here", "big")
    )
    assert here == there and len(there) == 30
    wait_until(lambda: not slurm.jobs(), pause=0.2)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DASK_JOBQUEUE__SLURM__QUEUE", "nowhere", "SLURM refuses a job of workers .*invalid partition"),
        ("PATH", "/nowhere", "there is no sbatch here"),
    ],
)
def test_what_slurm_refuses_is_one_line(
    variable: str, value: str, message: str, slurm: SlurmCluster, place: Path
) -> None:
    environment = {**slurm.environment, variable: value}
    command = [
        sys.executable,
        "-m",
        "data_gen.generate",
        *EVENTS,
        "--out=out",
        "--scheduler=slurm",
        "--workers=1",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and re.search(message, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("out").exists() or not list(Path("out").iterdir())


def test_servers_are_found_by_a_file_and_relieved_before_their_time_ends(
    slurm: SlurmCluster, place: Path, server_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(place / "models", 1, MODEL)
    monkeypatch.setitem(slurm.environment, "LARTPC_SERVER", str(ROOT / ".server"))
    small = ["--cpus-per-task=2", "--mem=1G", "--time=4", "--signal=B:USR1@200"]
    arguments = ["servers.yaml", "--repository=models", f"--model={MODEL}"]
    first = slurm.submit(SCRIPTS / "serve.sbatch", *small, arguments=arguments)
    wait_until(lambda: Path("servers.yaml").exists() or slurm.state(first) == "FAILED", pause=0.2)
    assert slurm.state(first) == "RUNNING", log_of(first)
    patches = np.zeros((3, *INPUT_SHAPE), np.float32)
    found: list[str] = []
    with connect("servers.yaml", give_up_s=60.0) as classifier:
        begun = Path("servers.yaml").read_text(encoding="utf-8")

        def relieved() -> bool:
            found.extend(classifier.classify_patches(patches).answered)
            return slurm.state(first) != "RUNNING"

        wait_until(relieved, pause=0.1)
        assert slurm.wait(first) == "COMPLETED", log_of(first)
        assert "Relieved: servers.yaml names other servers" in log_of(first)
        assert Path("servers.yaml").read_text(encoding="utf-8") != begun
        found.extend(classifier.classify_patches(patches).answered)
        assert len(set(found)) == 2
        assert found[0].split()[0] in begun and found[-1].split()[0] not in begun
    (second,) = slurm.jobs("--name=emtrkmichel-serve")
    about = slurm.about(second)
    assert (about["TimeLimit"], about["CPUs/Task"], about["MinMemoryNode"]) == ("00:04:00", "2", "1G")
    slurm.run("scancel", second)
    assert slurm.wait(second) == "CANCELLED", log_of(second)
    assert "Stopped." in log_of(second)
    assert not Path("servers.yaml").exists()
    assert not list(place.glob(".servers-*")), "keys are left"
