"""The embedded server's own environment: ``python -m serving.environment`` makes it.

It holds a real tritonserver (from the package nvidia-pytriton) and ONNX Runtime with the numpy 1
that the server's Python backend needs, and never meets the project's environment. It lies in
``.server/`` of the current folder, or in the folder that the variable ``LARTPC_SERVER`` names.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from lartpc.command import run
from lartpc.errors import UserError
from lartpc.files import whole_folder, write_text
from lartpc.locks import one_at_a_time
from lartpc.terminal import say, suggest, working

VARIABLE = "LARTPC_SERVER"
COMMAND = "python -m serving.environment"
LOCK = Path(__file__).with_name("server-requirements.lock")
BACKENDS = Path(__file__).with_name("backends")
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class ServerEnvironment:
    """Where the parts of the embedded server lie.

    Attributes:
        folder: the virtual environment, named after the lock file that it was made from.
    """

    folder: Path

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        return self.folder / "lib" / PYTHON / "site-packages"

    @property
    def server(self) -> Path:
        """The tritonserver binary."""
        return self.packages / "pytriton" / "tritonserver" / "bin" / "tritonserver"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def backends(self) -> Path:
        """The folder with the backends ``python`` and ``onnxruntime``."""
        return self.folder / "backends"

    @property
    def usable(self) -> bool:
        """Whether it is there, and the Python that it was made with still is."""
        return self.python.exists()

    def variables(self) -> dict[str, str]:
        """Environment variables under which the server finds its interpreter and libraries."""
        libraries = [str(self.packages / "nvidia_pytriton.libs"), *_libpython_folder()]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return {
            **inherited,
            "PATH": os.pathsep.join([str(self.folder / "bin"), os.environ.get("PATH", os.defpath)]),
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        }


def find() -> ServerEnvironment:
    """The environment, with the backend ``onnxruntime`` as it is in this package now.

    Raises:
        UserError: it has not been made, or from another lock file.
    """
    environment = _expected()
    if not environment.usable:
        raise UserError(
            f"the embedded server has no environment {environment.folder}; make it with: {COMMAND}"
        )
    _refresh_backends(environment)
    return environment


def make() -> bool:
    """Make the environment unless it is up to date; return whether it was made.

    Environments of earlier lock files are removed from the same folder.

    Raises:
        UserError: a package cannot be installed, libpython is missing, or the folder cannot be
            written; nothing is left behind.
    """
    environment = _expected()
    if environment.usable:
        _refresh_backends(environment)
        return False
    _libpython_folder()
    with one_at_a_time(environment.folder, lambda: say(f"another process is making {environment.folder}")):
        if environment.usable:
            return False
        shutil.rmtree(environment.folder, ignore_errors=True)
        with whole_folder(environment.folder) as part:
            _install(ServerEnvironment(part))
        _refresh_backends(environment)
        for other in environment.folder.parent.glob("env-*"):
            if other != environment.folder:
                shutil.rmtree(other, ignore_errors=True)
    return True


def _expected() -> ServerEnvironment:
    """The environment's place: its name changes with the lock file and with Python."""
    digest = hashlib.sha256(LOCK.read_bytes() + PYTHON.encode()).hexdigest()
    root = Path(os.environ.get(VARIABLE) or ".server").absolute()
    return ServerEnvironment(root / f"env-{digest[:12]}")


def _install(environment: ServerEnvironment) -> None:
    venv.create(environment.folder, with_pip=True)
    _call(environment, "-m", "pip", "install", "--quiet", "--no-deps", "--requirement", str(LOCK))
    source = environment.packages / "pytriton" / "tritonserver"
    stub = source / "python_backend_stubs" / PYTHON.removeprefix("python") / "triton_python_backend_stub"
    python_backend = environment.backends / "python"
    python_backend.mkdir(parents=True)
    for file in (*(source / "backends" / "python").glob("*triton_python*.*"), stub):
        shutil.copy2(file, python_backend)  # tritonserver refuses symbolic links here
    _call(environment, "-c", "import numpy, onnxruntime")


def _call(environment: ServerEnvironment, *arguments: str) -> None:
    done = subprocess.run(
        [environment.python, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment.variables(),
    )
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[
            -1
        ]
        raise UserError(f"cannot make the embedded server's environment from {LOCK}: {reason}")


def _refresh_backends(environment: ServerEnvironment) -> None:
    for source in BACKENDS.glob("*/model.py"):
        target = environment.backends / source.relative_to(BACKENDS)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            write_text(target, source.read_text(encoding="utf-8"))


def _libpython_folder() -> list[str]:
    """The folder of the shared libpython that the server's stub needs; none where the system has it.

    Raises:
        UserError: this interpreter comes without one.
    """
    name = f"lib{PYTHON}.so.1.0"
    for folder in (sysconfig.get_config_var("LIBDIR"), f"{sys.base_prefix}/lib"):
        if folder and Path(folder, name).exists():
            return [folder]
    try:
        ctypes.CDLL(name)
    except OSError:
        raise UserError(f"the embedded server needs {name}; install the system package lib{PYTHON}") from None
    return []


def environment() -> None:
    """Make the embedded server's environment (a real Triton, about 350 MB), unless it is up to date.

    It lies in .server/ of the current folder, or in the folder that LARTPC_SERVER names.
    """
    folder = _expected().folder
    with working(f"Installing Triton and ONNX Runtime into {folder} ..."):
        made = make()
    say(f"{'Made' if made else 'Up to date:'} {folder}")
    suggest("serving.local", "--repository", "model_repository")


def main(args: list[str] | None = None) -> int:
    """Entry point of ``python -m serving.environment``."""
    return run(environment, args, prog=COMMAND)


if __name__ == "__main__":
    raise SystemExit(main())
