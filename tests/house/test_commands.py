"""The commands: one table in code, which README and the modules keep, and a help that teaches."""

import re
import subprocess
import sys

import pytest

from lartpc.command import COMMANDS
from tests.helpers.paths import ROOT

ROOMS = ("lartpc", "data_gen", "training", "export", "serving", "client")
SCRIPTS = ("export.engines.plan_builder", "export.engines.engine_builder")
"""Run by their path, by an interpreter that has nothing of this project."""

HEAVY = {"torch", "numba", "onnxruntime", "matplotlib"}


def test_the_readmes_table_lists_every_command_in_order() -> None:
    rows = re.findall(
        r"^\| `python -m ([\w.]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert tuple(rows) == COMMANDS


def test_every_module_that_runs_is_a_command() -> None:
    running = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert running == {*COMMANDS, *SCRIPTS}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_without_heavy_imports(command: str) -> None:
    """Training builds its options from Lightning's own, and loads it."""
    heavy = set() if command == "training.fit" else HEAVY
    code = (
        f"import sys, {command} as command\n"
        "try: command.main(['--help'])\n"
        "except SystemExit as stop: assert stop.code in (0, None)\n"
        f"assert not {heavy!r} & set(sys.modules), 'heavy import'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "usage: python -m " + command in done.stdout
