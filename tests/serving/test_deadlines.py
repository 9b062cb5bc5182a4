"""Deadlines of milliseconds, which can end servers before Triton 2.59 (server#7368), the embedded one too."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

from lartpc.errors import CheckError
from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAMES
from serving.connection import Connection
from serving.triton import TritonServer
from tests.helpers.faults import processes_of_group

MODEL = "emtrkmichel_fp32"
SECONDS = 3
THREADS = 8
MOST_GB = 3.0
"""A minute of this takes 1.9 GB, and no more."""


def test_after_them_a_server_answers_or_its_end_is_told(
    tiny_repository: Path, server_environment: None
) -> None:
    with TritonServer(tiny_repository) as server:
        until = time.monotonic() + SECONDS

        def hurry(seed: int) -> int:
            random, given_up = np.random.default_rng(seed), 0
            with Connection(server.grpc) as connection:
                while time.monotonic() < until:
                    patches = np.zeros((int(random.integers(1, 512)), *INPUT_SHAPE), np.float32)
                    limit = float(random.uniform(0.0005, 0.01))
                    try:
                        connection.infer(MODEL, 2, {INPUT_NAME: patches}, OUTPUT_NAMES, limit)
                    except CheckError:
                        given_up += 1
            return given_up

        with ThreadPoolExecutor(THREADS) as pool:
            assert sum(pool.map(hurry, range(THREADS))) > 50
        try:
            server.check_alive()
        except CheckError as error:
            assert "the server ended with exit code" in str(error)
            return
        taken = 0
        for process in map(psutil.Process, processes_of_group(server.group)):
            with suppress(psutil.NoSuchProcess):
                taken += process.memory_info().rss
        assert taken < MOST_GB * 1e9
        assert server.fault(MODEL, 2) == ""
