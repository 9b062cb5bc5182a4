"""Deadlines of milliseconds, which end servers before Triton 2.59 (server#7368): the embedded one stays."""

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
SECONDS = 5
THREADS = 8
MOST_GB = 3.0
"""A minute of this takes 1.9 GB, and no more."""


def test_deadlines_of_milliseconds_end_no_server(tiny_repository: Path, server_environment: None) -> None:
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
        taken = 0
        for process in map(psutil.Process, processes_of_group(server.group)):
            with suppress(psutil.NoSuchProcess):
                taken += process.memory_info().rss
        assert taken < MOST_GB * 1e9
        assert server.fault(MODEL, 2) == ""
