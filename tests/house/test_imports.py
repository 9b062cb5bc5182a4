"""What commands load: a published version is checked, sent and promoted without PyTorch."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import QUICK_GATES, ROOT
from tests.helpers.published_repository import add

HEAVY = ("torch", "pytorch_lightning", "torchmetrics", "brevitas", "data_gen", "training")
LOADED = (
    "import sys, importlib\n"
    "code = importlib.import_module(sys.argv[1]).main(sys.argv[2:])\n"
    "print('loaded', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    "sys.exit(code)\n"
)


def loaded_by(module: str, *arguments: str) -> set[str]:
    """Top-level packages that a command has loaded when it has done its work."""
    command = [sys.executable, "-c", LOADED, module, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("imports") / "source"
    add(root, 1)
    return root


def test_checking_publishing_and_promoting_load_no_torch(source: Path) -> None:
    target = str(source.parent / "published")
    for command in (
        ("export.check", str(source)),
        ("export.publish", str(source), target),
        ("export.registry", "verify", target),
    ):
        loaded = loaded_by(*command)
        assert "onnxruntime" in loaded or command[0] == "export.registry"
        assert not loaded & set(HEAVY), command


def test_an_export_loads_no_lightning(checkpoint: Path, repository: Path) -> None:
    arguments = (f"--checkpoint={checkpoint}", f"--repository={repository}", QUICK_GATES)
    loaded = loaded_by("export.triton", *arguments)
    assert "torch" in loaded
    assert "pytorch_lightning" not in loaded
