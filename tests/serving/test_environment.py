"""The embedded server's environment and its backend."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lartpc.errors import UserError
from serving import environment

BACKEND = environment.BACKENDS / "onnxruntime" / "model.py"


def test_an_environment_that_is_up_to_date_is_left_alone(server_environment, capsys):
    assert environment.make() is False
    assert environment.main([]) == 0
    assert "Up to date" in capsys.readouterr().out


def test_its_files_are_copies_not_links(server_environment):
    files = list((environment.find().backends / "python").glob("*triton*"))
    assert len(files) == 3
    assert not any(file.is_symlink() for file in files)


def test_a_missing_environment_names_the_command_that_makes_it(monkeypatch, tmp_path):
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path))
    with pytest.raises(UserError, match=r"make it with: python -m serving\.environment"):
        environment.find()


def test_an_environment_that_cannot_be_made_leaves_nothing(monkeypatch, tmp_path):
    lock = tmp_path / "broken.lock"
    lock.write_text("./no-such-package\n")
    monkeypatch.setattr(environment, "LOCK", lock)
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path / "server"))
    with pytest.raises(UserError, match="cannot make the embedded server's environment"):
        environment.make()
    assert list((tmp_path / "server").iterdir()) == []


def test_another_lock_file_asks_for_another_environment(monkeypatch, tmp_path, server_environment):
    lock = tmp_path / "newer.lock"
    lock.write_text(environment.LOCK.read_text() + "# newer\n")
    monkeypatch.setattr(environment, "LOCK", lock)
    with pytest.raises(UserError, match="has no environment"):
        environment.find()


def test_an_edited_backend_takes_effect_at_the_next_start(monkeypatch, server_environment, tmp_path):
    whole = environment.find().folder
    copy = tmp_path / "server" / whole.name  # others start servers of the environment meanwhile
    copy.mkdir(parents=True)
    for part in whole.iterdir():
        if part.name != "backends":
            (copy / part.name).symlink_to(part)
    shutil.copytree(whole / "backends", copy / "backends")
    monkeypatch.setenv(environment.VARIABLE, str(copy.parent))
    installed = environment.find().backends / "onnxruntime" / "model.py"
    assert installed.is_relative_to(copy)
    edited = tmp_path / "onnxruntime" / "model.py"
    edited.parent.mkdir()
    edited.write_text(BACKEND.read_text() + "# edited\n")
    with monkeypatch.context() as patched:
        patched.setattr(environment, "BACKENDS", tmp_path)
        environment.find()
        assert installed.read_text() == edited.read_text()
    environment.find()
    assert installed.read_text() == BACKEND.read_text()


def test_the_backend_refuses_numpy_2(monkeypatch):
    utilities = ModuleType("triton_python_backend_utils")
    utilities.TritonModelException = RuntimeError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", utilities)
    specification = importlib.util.spec_from_file_location("backend", BACKEND)
    backend = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(backend)
    with pytest.raises(RuntimeError, match="install numpy<2"):
        backend.TritonPythonModel().initialize({})


def test_the_lock_file_pins_every_package():
    lines = [line for line in environment.LOCK.read_text().splitlines() if not line.startswith("#")]
    assert all("==" in line for line in lines)
    assert "numpy==1.26.4" in lines
    assert Path(environment.LOCK).parent.name == "serving"
