"""A real Triton that polls the bucket which is published to: a new version and a rollback under load."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from export.publish import main as publish
from export.registry import main as registry
from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE
from serving import environment
from serving.exposure import POLL_SECONDS
from serving.ports import LOOPBACK, free_ports
from serving.process import ServerProcess
from tests.helpers.published_repository import MODEL, add
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.usefixtures("server_environment")


@contextmanager
def polling(url: str) -> Iterator[triton.InferenceServerClient]:
    """A server that follows a repository by itself."""
    ports = free_ports()
    process = ServerProcess(environment.find(), url, ports, None)
    try:
        with triton.InferenceServerClient(f"{LOOPBACK}:{ports.grpc}") as client:
            wait_until(lambda: process.check_alive() or _ready(client))
            yield client
    finally:
        process.stop()


def _ready(client: triton.InferenceServerClient) -> bool:
    try:
        return client.is_model_ready(MODEL)
    except InferenceServerException:
        return False


class Load:
    """Asks without pause, and counts which version answered and what failed."""

    def __init__(self, client: triton.InferenceServerClient) -> None:
        self.answered: Counter[str] = Counter()
        self.failed: list[str] = []
        self._client = client
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for(self, version: str) -> None:
        before = self.answered[version]
        wait_until(lambda: self.answered[version] >= before + 20)

    def _ask(self) -> None:
        tensor = triton.InferInput(INPUT_NAME, [4, *INPUT_SHAPE], "FP32")
        tensor.set_data_from_numpy(np.zeros((4, *INPUT_SHAPE), np.float32))
        while not self._stop.is_set():
            try:
                self.answered[self._client.infer(MODEL, [tensor]).get_response().model_version] += 1
            except InferenceServerException as error:
                self.failed.append(str(error))


@pytest.mark.parametrize("kind", [pytest.param("folder", marks=pytest.mark.long), "s3"])
def test_publishing_and_rolling_back_under_load_fails_no_request(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    target, url = str(tmp_path / "published"), str(tmp_path / "published")
    if kind == "s3":
        target = request.getfixturevalue("bucket")
        server = request.getfixturevalue("s3_server")
        url = f"s3://http://{server}/{target.removeprefix('s3://')}"
    source = str(tmp_path / "source")
    add(tmp_path / "source", 1)
    assert publish([source, target]) == 0
    with polling(url) as client, Load(client) as load:
        load.wait_for("1")
        add(tmp_path / "source", 2)
        assert publish([source, target, "--hold"]) == 0
        time.sleep(2 * POLL_SECONDS)
        assert set(load.answered) == {"1"}
        assert registry(["promote", target, MODEL, "2"]) == 0
        load.wait_for("2")
        assert registry(["rollback", target, MODEL]) == 0
        load.wait_for("1")
        add(tmp_path / "source", 3)
        assert publish([source, target]) == 0
        load.wait_for("3")
    assert load.failed == []
    assert set(load.answered) == {"1", "2", "3"}
