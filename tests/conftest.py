"""Fixtures shared by the tests: real events, a network trained on them, its exported repository."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_gen.generate import generate
from export.triton import main as export
from serving import environment
from serving.triton import TritonServer
from tests.serving_repository import write_model, write_other_model
from training.fit import main as fit

EVENTS = 10
ROOT = Path(__file__).parents[1]
QUICK = ROOT / "training" / "configs" / "quick.yaml"
QUICK_GATES = f"--gates={ROOT / 'export' / 'gates_quick.yaml'}"


@pytest.fixture(scope="session")
def events_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten generated events of the collection plane, of which two are held out."""
    path = tmp_path_factory.mktemp("data") / "events.h5"
    generate(events=EVENTS, seed=5, planes=("W",), out=path)
    return path


@pytest.fixture(scope="session")
def run_folder(events_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short training: best.ckpt, last.ckpt, gate.h5."""
    return trained_in(tmp_path_factory.mktemp("training"), events_file)


@pytest.fixture(scope="session")
def checkpoint(run_folder: Path) -> Path:
    """The best checkpoint of a short training."""
    return run_folder / "best.ckpt"


@pytest.fixture(scope="session")
def paper_checkpoint(events_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the paper's network."""
    folder = tmp_path_factory.mktemp("paper")
    return trained_in(folder, events_file, "--model.network=paper") / "best.ckpt"


@pytest.fixture(scope="session")
def server_environment() -> None:
    """The embedded server's environment, made where it is missing."""
    os.environ.setdefault(environment.VARIABLE, str(ROOT / ".server"))
    environment.make()


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny networks: FP32 with versions 1 and 2 visible and 3 hidden, INT8, and one of another contract."""
    repository = tmp_path_factory.mktemp("served") / "model_repository"
    fp32 = write_model(repository, "emtrkmichel_fp32", versions=(1, 2, 3), visible=(1, 2))
    (fp32 / "2" / "notes.txt").write_text("Triton ignores what it does not know.\n")
    write_model(repository, "emtrkmichel_int8", queue_delay_us=200_000)
    write_other_model(repository, "other")
    return repository


@pytest.fixture(scope="session")
def tiny_server(tiny_repository: Path, server_environment: None) -> Iterator[TritonServer]:
    """A real Triton that serves the tiny networks; tests only ask it."""
    with TritonServer(tiny_repository) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Address of a local S3 server, which the environment names with credentials that it does not look at."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(zip(names, ("test", "test", "us-east-1", f"http://{host}:{port}"), strict=True))
    yield f"{host}:{port}"
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
    server.stop()


@pytest.fixture
def bucket(s3_server: str, request: pytest.FixtureRequest) -> str:
    """URL in a fresh bucket of that server."""
    import fsspec

    name = f"b{abs(hash(request.node.nodeid)):x}"
    fsspec.filesystem("s3").mkdir(name)
    return f"s3://{name}/models"


def short_training(data: Path, *options: str) -> list[str]:
    """Arguments of a training of the compact network on a few thousand patches."""
    return [
        f"--config={QUICK}",
        f"--data.path={data}",
        "--model.network=compact",
        "--data.patches_per_epoch=9216",
        "--data.validation_patches=3000",
        "--trainer.enable_progress_bar=false",
        *options,
    ]


def trained_in(folder: Path, data: Path, *options: str) -> Path:
    """The folder of a short training of two epochs."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert fit(short_training(data, "--trainer.max_epochs=2", *options)) == 0
    finally:
        os.chdir(before)
    return folder / "runs" / "quick"


@pytest.fixture(scope="session")
def repository(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one version in three precisions."""
    folder = tmp_path_factory.mktemp("export") / "model_repository"
    assert export([f"--checkpoint={checkpoint}", f"--repository={folder}", QUICK_GATES]) == 0
    return folder
