"""A server that the first client starts and the others share; it ends a while after the last."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from client import connect
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import INPUT_SHAPE
from lartpc.served.manifest import MODEL_FILE
from serving.bound_process import SHARED_MEMORY
from serving.lease import Lease
from serving.rendezvous import Rendezvous, State, place
from serving.triton import TritonServer
from tests.helpers.paths import ROOT
from tests.helpers.served_repository import answer, model_config, write_config, write_model
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("server_environment", "runtime")

MODEL = "emtrkmichel_fp32"
CLIENT = (
    "import sys, numpy as np; from client import connect\n"
    "with connect(sys.argv[1], idle_s=1.0) as classifier:\n"
    "    scores = classifier.classify_patches(np.zeros((1, 48, 48, 1), np.float32))\n"
    "    print(*scores.answered, flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder for all that a server puts on the disk; whatever server is left is ended."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    with suppress(FileNotFoundError, psutil.NoSuchProcess):  # it ends by itself at this moment
        for file in folder.glob("lartpc-servers-*/*.json"):
            server = psutil.Process(json.loads(file.read_text())["pid"])
            server.terminate()
            server.wait(PATIENCE)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_model(tmp_path / "models", MODEL, versions=(1, 2), visible=(1,))
    return tmp_path / "models"


@pytest.fixture
def client(repository: Path) -> Iterator[Callable[[], subprocess.Popen]]:
    """Starts clients that classify a patch, say who answered, and stay until their input ends."""
    started = []

    def start() -> subprocess.Popen:
        command = [sys.executable, "-c", CLIENT, f"local:{repository / MODEL}"]
        pipe = subprocess.PIPE
        started.append(
            subprocess.Popen(
                command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def running(repository: Path) -> State:
    state = Rendezvous.of(repository).read()
    assert state is not None and not state.fault
    return state


def started_by(client: subprocess.Popen) -> list[psutil.Process]:
    """The server that a client has just started."""
    children = psutil.Process(client.pid).children()
    return [child for child in children if "serving.on_demand" in child.cmdline()]


def patches(rows: int = 5) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 3, (rows, *INPUT_SHAPE)).clip(-5, 14).astype(np.float32)


def test_clients_share_one_server_and_nothing_is_left_when_all_are_gone(
    client: Callable[[], subprocess.Popen], repository: Path, runtime: Path
) -> None:
    """Also where one of them is killed."""
    clients = [client() for _ in range(4)]
    assert len({process.stdout.readline() for process in clients if process.stdout}) == 1
    state = running(repository)
    server = psutil.Process(state.pid)
    assert server.cmdline()[1:4] == ["-m", "serving.on_demand", str(repository)]
    assert place().stat().st_mode & 0o777 == 0o700
    family = [server, *server.children(recursive=True)]
    assert len(family) == 4, "this one, Triton, its watcher, its model"
    clients[0].kill()
    for process in clients[1:3]:
        process.communicate("")
        assert process.returncode == 0
    time.sleep(2.5)
    assert running(repository) == state, "one client is left"
    clients[3].communicate("")
    assert psutil.wait_procs(family, PATIENCE)[1] == []
    assert list(SHARED_MEMORY.glob(f"{state.server}*")) == []
    assert list(runtime.glob("lartpc*")) == []


def test_ctrl_c_in_the_client_that_starts_it_ends_the_client_alone(
    client: Callable[[], subprocess.Popen], repository: Path
) -> None:
    process = client()
    wait_until(lambda: started_by(process))
    server = started_by(process)[0]
    os.killpg(process.pid, signal.SIGINT)
    process.wait(PATIENCE)
    with connect(f"local:{repository / MODEL}", idle_s=1.0) as classifier:
        classifier.classify_patches(patches())
        assert running(repository).pid == server.pid
    server.wait(PATIENCE)


def test_a_server_that_is_killed_under_way_is_replaced_and_no_client_notices(repository: Path) -> None:
    wanted = answer(repository / MODEL / "1" / MODEL_FILE, patches())
    with connect(f"local:{repository / MODEL}", idle_s=1.0) as classifier, ThreadPoolExecutor(4) as pool:
        first = running(repository)
        asked = [pool.submit(classifier.classify_patches, patches()) for _ in range(200)]
        wait_until(lambda: sum(each.done() for each in asked) > 20)
        os.kill(first.pid, signal.SIGKILL)
        for scores in (each.result(PATIENCE) for each in asked):
            for name, values in scores.outputs.items():
                np.testing.assert_allclose(values, wanted[name], atol=1e-6)
        (last,) = asked[-1].result().answered
        second = running(repository)
        assert second.pid != first.pid and f":{second.grpc} " in last
        os.kill(second.pid, signal.SIGKILL)
        wait_until(lambda: list(SHARED_MEMORY.glob(f"{second.server}*")) == [])
        classifier.renew()
        assert running(repository).pid not in (first.pid, second.pid)


def test_a_signal_ends_it_and_leaves_nothing(repository: Path, runtime: Path) -> None:
    lease = Lease(repository)
    server = psutil.Process(running(repository).pid)
    lease.close()
    server.terminate()
    server.wait(PATIENCE)
    assert list(runtime.glob("lartpc*")) == []


def test_a_client_that_is_closed_starts_no_server_anew(repository: Path) -> None:
    classifier = connect(f"local:{repository / MODEL}", idle_s=0.1, give_up_s=0.1)
    classifier.close()
    wait_until(lambda: Rendezvous.of(repository).read() is None)
    with pytest.raises(CheckError, match="closed"):
        classifier.classify_patches(patches())
    assert Rendezvous.of(repository).read() is None


def test_a_promotion_is_followed(repository: Path) -> None:
    folder = repository / MODEL
    with connect(f"local:{folder}", idle_s=1.0) as classifier:
        assert classifier.model.version == 1
        write_config(folder, model_config(folder, (2,)))

        def promoted() -> bool:
            classifier.renew()
            return classifier.model.version == 2

        wait_until(promoted)
        classifier.classify_patches(patches())


def test_who_comes_just_as_it_ends_is_answered(repository: Path) -> None:
    pids = set()
    for pause in (0.0, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3):
        lease = Lease(repository, idle_s=0.05)
        try:
            assert lease.connection.served() == {MODEL: [1]}
            pids.add(running(repository).pid)
        finally:
            lease.close()
        time.sleep(pause)
    assert len(pids) > 1, "it has ended in between"


@pytest.mark.parametrize("answers", [False, True])
def test_what_a_server_left_behind_is_replaced(
    repository: Path, answers: bool, tiny_server: TritonServer
) -> None:
    """Whether nobody, or another server, has its port now; it ends should it still run."""
    meeting = Rendezvous.of(repository)
    lease = Lease(repository, idle_s=0.5)
    before = running(repository)
    stale = State(before.pid, "triton_1_", tiny_server.ports.grpc if answers else 1)
    meeting.write(stale)
    with connect(f"local:{repository / MODEL}", idle_s=0.5) as classifier:
        classifier.classify_patches(patches())
        assert running(repository).pid != before.pid
        wait_until(lambda: not lease.lives())
    lease.close()


def test_what_cannot_be_served_is_said_in_one_line_and_tried_anew(repository: Path) -> None:
    weights = repository / MODEL / "1" / MODEL_FILE
    whole = weights.read_bytes()
    weights.write_bytes(b"no network")
    log = Rendezvous.of(repository).log

    def fault() -> str:
        with pytest.raises(CheckError) as caught:
            connect(f"local:{repository / MODEL}")
        return str(caught.value)

    with ThreadPoolExecutor(3) as pool:
        faults = {each.result() for each in [pool.submit(fault) for _ in range(3)]}
    assert len(faults) == 1
    (said,) = faults
    assert "was altered: SHA-256" in said and f"its log: {log}" in said and "\n" not in said
    assert "was altered" in log.read_text()
    weights.write_bytes(whole)
    with connect(f"local:{repository / MODEL}", idle_s=1.0) as classifier:
        assert classifier.model.version == 1


def test_a_server_that_breaks_off_before_it_is_ready_leaves_its_log_for_the_error(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(CheckError, match="did not start: its log ends: .*its log: "):
        Lease(repository)


def test_what_makes_no_sense_and_a_folder_that_others_may_read_are_refused(
    tmp_path: Path, repository: Path
) -> None:
    with pytest.raises(UserError, match="the model repository .* is not there; fill it") as caught:
        connect(f"local:{tmp_path / 'none' / MODEL}")
    assert caught.value.exit_code == 2
    with pytest.raises(UserError, match="idle_s is 0; a server on demand waits more than 0 s"):
        connect(f"local:{repository / MODEL}", idle_s=0)
    with pytest.raises(UserError, match="shared_memory and compression are for servers that a URL names"):
        connect(f"local:{repository / MODEL}", shared_memory=True)
    place().chmod(0o755)
    with pytest.raises(UserError, match="is not this user's alone; remove it"):
        connect(f"local:{repository / MODEL}")
