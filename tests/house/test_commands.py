"""The commands: one table in code, which README and the modules keep, and a help that teaches."""

import os
import re
import subprocess
import sys

import pytest

from lartpc.commands import COMMANDS
from tests.helpers.paths import ROOT

ROOMS = ("lartpc", "data_gen", "training", "export", "serving", "client")
SCRIPTS = ("export.engines.plan_builder", "export.engines.engine_builder", "serving.bound_server")
"""Run by their path, by an interpreter that has nothing of this project."""

STARTED = ("serving.on_demand",)
"""Started by a client, and typed by nobody."""

HEAVY = {"torch", "numba", "onnxruntime", "matplotlib"}


def test_the_readmes_table_lists_every_command_in_order() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `python -m ([\w.]+)[^|]*\| (.*) \|$", readme, re.MULTILINE)
    assert rows == list(COMMANDS.items())


def test_every_module_that_runs_is_a_command() -> None:
    running = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert running == {*COMMANDS, *SCRIPTS, *STARTED}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_without_heavy_imports(command: str) -> None:
    code = (
        f"import sys, {command} as command\n"
        "try: command.main(['--help'])\n"
        "except SystemExit as stop: assert stop.code in (0, None)\n"
        f"assert not {HEAVY!r} & set(sys.modules), 'heavy import'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "usage: python -m " + command in done.stdout


ON_A_GPU, DEMONSTRATION = "benchmarks.gpu_check", "benchmarks.stack_demo"
BENCHMARKS = sorted(
    f"benchmarks.{path.stem}"
    for path in (ROOT / "benchmarks").glob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    and f"benchmarks.{path.stem}" not in (ON_A_GPU, DEMONSTRATION)
)


def test_benchmarks_teach_and_refuse_as_commands_do() -> None:
    """All in one process, which imports what is heavy once."""
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    benchmark = importlib.import_module(name)\n"
        "    assert benchmark.main(['--roundz=1']) == 2, name\n"
        "    try: benchmark.main(['--help'])\n"
        "    except SystemExit as end: assert not end.code, name\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *BENCHMARKS], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("--rounds ROUNDS") >= len(BENCHMARKS) > 5
    assert done.stderr.count("--roundz") >= len(BENCHMARKS)
    assert "Traceback" not in done.stderr


def test_the_check_of_a_gpu_says_that_there_is_none() -> None:
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", ON_A_GPU]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=hidden)
    assert done.returncode == 2, done.stderr
    assert "finds no GPU of NVIDIA" in done.stderr and "Traceback" not in done.stderr


def test_make_bench_runs_every_benchmark() -> None:
    bench = re.search(r"^bench:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert bench is not None
    assert sorted(re.findall(r"benchmarks\.\w+", bench[1])) == BENCHMARKS
