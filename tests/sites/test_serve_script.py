"""What the script of servers asks of SLURM; tests/sites/test_slurm.py has it on a real one."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

ABOUT = (
    "JobId=7 JobName=serve TimeLimit=1-00:00:00 EndTime=2026-01-02T00:00:00 CPUs/Task=16 "
    "{memory} Features=(null) Command=/site/own.sbatch /shared/servers.yaml --servers 2 WorkDir=/site"
)
PROGRAMS = {
    "scontrol": 'echo "$ABOUT"',
    "sbatch": 'printf "%s\\n" "$@" >asked',
    "python": "sleep 0.5; kill -USR1 $PPID; while [ ! -e asked ]; do sleep 0.05; done; sleep 0.5; exit 3",
}
OF_JOB = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "serve",
    "SLURM_JOB_PARTITION": "batch",
    "SLURM_CPUS_PER_TASK": "16",
}


@pytest.mark.parametrize(
    ("memory", "option"), [("MinMemoryNode=16G", "--mem=16G"), ("MinMemoryCPU=2G", "--mem-per-cpu=2G")]
)
def test_the_next_job_is_of_the_same_size(memory: str, option: str, tmp_path: Path) -> None:
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(f"PATH={programs}:$PATH\n", encoding="utf-8")
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    arguments = ["/shared/servers.yaml", "--servers", "2"]
    done = subprocess.run(
        ["/bin/bash", str(ROOT / "sites" / "slurm" / "serve.sbatch"), *arguments],
        env={**os.environ, **OF_JOB, "ABOUT": ABOUT.format(memory=memory)},
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 3, "of the servers"
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    wanted = ["--job-name=serve", "--partition=batch", "--time=1-00:00:00", "--cpus-per-task=16", option]
    assert asked == [*wanted, "/site/own.sbatch", *arguments]
