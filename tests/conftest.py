"""Fixtures shared by the tests: real events, a network trained on them, its exported repository.

What is heavy is imported by the fixture that needs it: a test of the event file does not wait for PyTorch.
"""

import logging
import os
import re
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from tests.helpers.paths import QUICK_GATES, ROOT

if TYPE_CHECKING:
    from serving.triton import TritonServer

EVENTS = 10
PASSING = ("PYTEST_CURRENT_TEST", "PL_GLOBAL_SEED", "PL_SEED_WORKERS", "KMP_", "PYTORCH_", "TORCHINDUCTOR_")
"""Variables that may come: the test's name, the seed of the last training, what PyTorch's import sets."""

MOST_MEMORY = 10 << 30
"""Bytes of a process of tests, and of each of its children. Beyond, the test fails that wants them, and tells
where; the kernel would end the process of a test, or of something else, without a word."""


def pytest_configure(config: pytest.Config) -> None:
    """Children are started as from a terminal, also where this process was started to ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY if most == resource.RLIM_INFINITY else most, most))
    os.environ.setdefault("LARTPC_SERVER", str(ROOT / ".server"))


@pytest.fixture(scope="module", autouse=True)
def same_surroundings() -> Iterator[None]:
    """No module of tests leaves its environment, working folder or number of threads changed."""
    before, folder, threads = _environment(), Path.cwd(), _threads()
    yield
    after = _environment()
    changed = {name: after.get(name) for name in before | after if before.get(name) != after.get(name)}
    assert not changed, "left in the environment"
    assert Path.cwd() == folder
    assert threads is None or _threads() == threads


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(PASSING)}


def _threads() -> int | None:
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else None


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Makes a folder once for all processes that share the suite; the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made_once(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = root / f"shared-{name}", root / f"shared-{name}.done"
        with FileLock(root / f"shared-{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return made_once


@pytest.fixture(scope="session")
def events_file(shared: Callable[..., Path]) -> Path:
    """Ten generated events of the collection plane, of which two are held out."""
    from data_gen.generate import generate

    return shared("data", lambda folder: generate(folder / "e.h5", EVENTS, seed=5, planes=("W",))) / "e.h5"


@pytest.fixture(scope="session")
def run_folder(events_file: Path, shared: Callable[..., Path]) -> Path:
    """The folder of a short training: best.ckpt, last.ckpt, gate.h5."""
    from tests.helpers.trainings import trained_in

    return shared("training", lambda folder: trained_in(folder, events_file)) / "runs" / "quick"


@pytest.fixture(scope="session")
def checkpoint(run_folder: Path) -> Path:
    """The best checkpoint of a short training."""
    return run_folder / "best.ckpt"


@pytest.fixture(scope="session")
def paper_checkpoint(events_file: Path, shared: Callable[..., Path]) -> Path:
    """The same of the paper's network, of a shorter one still."""
    from tests.helpers.trainings import trained_in

    shorter = [
        "--model.network=paper",
        "--model.learning-rate=1e-3",
        "--data.batch-size=256",
        "--data.patches-per-epoch=4608",
        "--trainer.max-epochs=1",
    ]
    folder = shared("paper", lambda folder: trained_in(folder, events_file, *shorter))
    return folder / "runs" / "quick" / "best.ckpt"


@pytest.fixture(scope="session")
def repository(checkpoint: Path, shared: Callable[..., Path]) -> Path:
    """A repository with one version in three precisions."""

    def fill(folder: Path) -> None:
        from export.triton import main as export

        arguments = [f"--checkpoint={checkpoint}", f"--repository={folder / 'model_repository'}"]
        assert export([*arguments, QUICK_GATES]) == 0

    return shared("export", fill) / "model_repository"


@pytest.fixture(scope="session")
def loose_gates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gates that whatever was trained for seconds passes, on any processor."""
    quick = (ROOT / "export" / "gate" / "gates_quick.yaml").read_text(encoding="utf-8")
    path = tmp_path_factory.mktemp("gates") / "loose.yaml"
    loose = re.sub(r"(flips|max_dp|mean_dp|\w+_loss|\w+_error): [\d.e-]+", r"\1: 1.0", quick)
    path.write_text(loose, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def server_environment() -> None:
    """The embedded server's environment, made where it is missing."""
    from serving import environment

    environment.make()


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny networks: FP32 with versions 1 and 2 visible and 3 hidden, INT8, and one of another contract."""
    from tests.helpers.served_repository import write_model, write_other_model

    repository = tmp_path_factory.mktemp("served") / "model_repository"
    fp32 = write_model(repository, "emtrkmichel_fp32", versions=(1, 2, 3), visible=(1, 2))
    (fp32 / "2" / "notes.txt").write_text("Triton ignores what it does not know.\n")
    write_model(repository, "emtrkmichel_int8", queue_delay_us=200_000)
    write_other_model(repository, "other")
    return repository


@pytest.fixture(scope="session")
def tiny_server(tiny_repository: Path, server_environment: None) -> "Iterator[TritonServer]":
    """A real Triton that serves the tiny networks; tests only ask it."""
    from serving.triton import TritonServer

    with TritonServer(tiny_repository) as server:
        yield server


@pytest.fixture(scope="session")
def running_s3() -> Iterator[str]:
    """Address of a local S3 server."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture
def s3_server(running_s3: str) -> Iterator[str]:
    """Its address, which the environment names with credentials that it does not look at."""
    names = {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as patch:  # of its own: a test may undo its patches on the way
        for name, value in {**names, "ENDPOINT_URL": f"http://{running_s3}"}.items():
            patch.setenv(f"AWS_{name}", value)
        yield running_s3


@pytest.fixture
def bucket(s3_server: str, request: pytest.FixtureRequest) -> str:
    """URL in a fresh bucket of that server."""
    import boto3

    name = f"b{sha256(request.node.nodeid.encode()).hexdigest()[:16]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}/models"
