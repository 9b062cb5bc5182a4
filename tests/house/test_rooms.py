"""Every room of every package is one: tracked by git, seen by the linters, brought by an installation."""

import subprocess
from pathlib import Path

from setuptools import find_packages

from tests.helpers.paths import ROOT

PACKAGES = ("lartpc", "data_gen", "training", "export", "serving", "client")
SCRIPTS_OF_THE_SERVER = "serving/backends"


def rooms() -> set[str]:
    """Folders with Python files in the packages, as they lie on the disk."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    folders = {str(path.parent.relative_to(ROOT)) for path in files}
    return {folder for folder in folders if not folder.startswith(SCRIPTS_OF_THE_SERVER)}


def test_an_installation_brings_every_room() -> None:
    found = find_packages(str(ROOT), include=[f"{package}*" for package in PACKAGES])
    assert {name.replace(".", "/") for name in found} == rooms()


def test_git_ignores_no_room_and_tracks_every_file() -> None:
    files = [
        str(path.relative_to(ROOT))
        for package in (*PACKAGES, "tests", "benchmarks")
        for path in (ROOT / package).rglob("*.py")
    ]
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        input="\n".join(files), cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert asked.returncode == 1, f"ignored: {asked.stdout}"
    assert all(Path(ROOT, room, "__init__.py").is_file() for room in rooms())
