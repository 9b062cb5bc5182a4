"""Tensors in shared memory with the real Triton: the same answers, nothing left; sent where it is closed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from client import connect
from lartpc.errors import UserError
from lartpc.served.contract import INPUT_SHAPE
from lartpc.served.manifest import MODEL_FILE
from serving.bound_process import SHARED_MEMORY
from serving.connection import Connection
from serving.triton import TritonServer
from tests.helpers.served_repository import answer

MODEL = "emtrkmichel_fp32"


@pytest.fixture(scope="module")
def open_server(tiny_repository: Path, server_environment: None) -> Iterator[TritonServer]:
    with TritonServer(tiny_repository, shared_memory=True) as server:
        yield server


def patches_of(rows: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (rows, *INPUT_SHAPE)).clip(-5, 14).astype(np.float32)


def left() -> set[str]:
    return {path.name for path in SHARED_MEMORY.iterdir() if path.name.startswith("psm_")}


def test_answers_are_the_same_and_nothing_is_left(open_server: TritonServer, tiny_repository: Path) -> None:
    before, said = left(), list[str]()
    url = f"grpc://{open_server.grpc}/{MODEL}"
    with connect(url, shared_memory=True, batch_size=32, say=said.append) as classifier:
        for rows in (1, 70, 500, 3):
            patches = patches_of(rows, seed=rows)
            wanted = answer(tiny_repository / MODEL / "2" / MODEL_FILE, patches)
            for name, values in classifier.classify_patches(patches).outputs.items():
                np.testing.assert_allclose(values, wanted[name], atol=1e-6)
            assert left() == before, "a region lives in the two processes alone"
    assert said == []


def test_where_it_is_closed_tensors_are_sent_and_that_is_said_once(
    tiny_server: TritonServer, tiny_repository: Path
) -> None:
    before, said = left(), list[str]()
    url = f"grpc://{tiny_server.grpc}/{MODEL}"
    with connect(url, shared_memory=True, say=said.append) as classifier:
        for _ in range(2):
            patches = patches_of(70)
            wanted = answer(tiny_repository / MODEL / "2" / MODEL_FILE, patches)
            for name, values in classifier.classify_patches(patches).outputs.items():
                np.testing.assert_allclose(values, wanted[name], atol=1e-6)
    (line,) = said
    assert "takes no shared memory" in line and "tensors are sent" in line
    assert left() == before


def test_a_server_that_was_started_anew_maps_it_anew(tiny_repository: Path, server_environment: None) -> None:
    with TritonServer(tiny_repository, shared_memory=True) as server:
        url = f"grpc://{server.grpc}/{MODEL}"
        with connect(url, shared_memory=True, batch_size=32) as classifier:
            classifier.classify_patches(patches_of(70))
            server.__exit__(None, None, None)
            server.__enter__()
            assert len(classifier.classify_patches(patches_of(70))) == 70
            assert classifier.engine._engines[url].connection.no_shared_memory == ""


def test_a_killed_client_leaves_nothing(open_server: TritonServer) -> None:
    before = left()
    code = (
        "import os, signal, numpy as np\n"
        "from client import connect\n"
        f"c = connect('grpc://{open_server.grpc}/{MODEL}', shared_memory=True)\n"
        "c.classify_patches(np.zeros((300, 48, 48, 1), np.float32))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert left() == before


def test_it_is_for_this_machine_alone() -> None:
    for url, protocol in (("192.0.2.1:8001", "grpc"), ("localhost:8000", "http")):
        with pytest.raises(UserError, match="shared memory is for a server on this machine, over gRPC"):
            Connection(url, protocol, shared_memory=True)
