"""Clients at work while servers fail: no hit may be lost, none answered twice, none by other weights."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from client import connect
from client.classifier import HitClassifier
from client.engine import ChangedError
from lartpc.errors import CheckError
from lartpc.served.contract import CLASS_OUTPUT, INPUT_SHAPE
from lartpc.served.manifest import MODEL_FILE, Manifest
from serving.follow import Follower
from serving.triton import TritonServer
from tests.helpers.link import Link
from tests.helpers.served_repository import answer, model_config, write_config, write_model

MODEL = "emtrkmichel_fp32"
CLIENTS = 20
HITS, BATCH = 70, 16
PATIENCE_S = 1.0
"""Of a client for an answer."""

FAULT_S = 2.0
"""From a fault to the next, at least."""


@dataclass
class Stage:
    """Two servers of a repository, each behind a link.

    Attributes:
        repository: with two versions of a tiny network, of which one is visible.
        servers: of it.
        links: to them.
    """

    repository: Path
    servers: list[TritonServer]
    links: list[Link]
    number: int = 0

    @property
    def urls(self) -> str:
        """For a client."""
        return ",".join(f"grpc://{link.url}/{MODEL}" for link in self.links)

    @property
    def next(self) -> TritonServer:
        """The one whose turn it is to fail."""
        return self.servers[self.number % len(self.servers)]


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """The servers, while the ``with`` block runs; they are as before after each fault."""
    write_model(folder, MODEL, versions=(1, 2), visible=(1,))
    with ExitStack() as stack:
        servers = [stack.enter_context(TritonServer(folder)) for _ in range(2)]
        yield Stage(folder, servers, [stack.enter_context(Link(server.grpc)) for server in servers])


class Client(threading.Thread):
    """Classifies the same hits again and again and compares with what is known.

    Attributes:
        done: hits that were answered, each rightly.
        again: times that hits were sent again since another version answered.
        took_s: seconds of each event.
        error: that ended it.
    """

    def __init__(self, urls: str, patches: np.ndarray, wanted: dict[str, np.ndarray]) -> None:
        super().__init__(daemon=True)
        self._urls, self._patches, self._wanted = urls, patches, wanted
        self.done, self.again = 0, 0
        self.took_s: list[float] = []
        self.error: BaseException | None = None
        self.ends = threading.Event()

    def run(self) -> None:
        """Until told to end."""
        try:
            with connect(self._urls, batch_size=BATCH, timeout_s=PATIENCE_S) as classifier:
                while not self.ends.is_set():
                    start = time.monotonic()
                    self._event(classifier)
                    self.took_s.append(time.monotonic() - start)
        except BaseException as error:
            self.error = error

    def _event(self, classifier: HitClassifier) -> None:
        while True:
            try:
                scores = classifier.classify_patches(self._patches)
                break
            except ChangedError:
                self.again += 1
                classifier.renew()
        np.testing.assert_allclose(scores.outputs[CLASS_OUTPUT], self._wanted[scores.model.digest], atol=1e-6)
        if sum(scores.answered.values()) != len(self._patches):
            raise AssertionError(f"{scores.answered} of {len(self._patches)} hits were answered")
        self.done += len(scores)


def kill(stage: Stage) -> None:
    """One server ends; another takes its place on the same ports."""
    dead = stage.next
    os.killpg(dead.group, signal.SIGKILL)
    dead.__exit__(None, None, None)
    dead.__enter__()


def stop(stage: Stage) -> None:
    """One server says nothing for longer than a client waits."""
    os.killpg(stage.next.group, signal.SIGSTOP)
    time.sleep(2 * PATIENCE_S)
    os.killpg(stage.next.group, signal.SIGCONT)


def kill_stub(stage: Stage) -> None:
    """The process of a model dies, of which its server knows nothing; then it is healed."""
    stub = next(
        pid for pid, command in processes_of_group(stage.next.group).items() if "backend_stub" in command
    )
    os.kill(stub, signal.SIGKILL)
    time.sleep(1)
    Follower(stage.next).heal()


def switch(stage: Stage) -> None:
    """Another version is promoted."""
    version = 2 - stage.number % 2
    write_config(stage.repository / MODEL, model_config(stage.repository / MODEL, (version,)))
    for server in stage.servers:
        Follower(server).look()


def cut(stage: Stage) -> None:
    """Every connection breaks off."""
    for link in stage.links:
        link.cut()


def delay(stage: Stage) -> None:
    """Nothing passes for less long than a client waits."""
    for link in stage.links:
        link.hold(PATIENCE_S / 2)


FAULTS: dict[str, Callable[[Stage], None]] = {
    "server killed": kill,
    "server stopped": stop,
    "stub killed": kill_stub,
    "version switched": switch,
    "connections cut": cut,
    "answers delayed": delay,
}


@dataclass(frozen=True)
class Outcome:
    """What clients saw of a fault.

    Attributes:
        events: that they classified, each rightly and by one version.
        again: events that were done again since another version answered.
        usual_s: median time of an event.
        longest_s: longest time of one.
        errors: that ended clients.
    """

    events: int
    again: int
    usual_s: float
    longest_s: float
    errors: list[BaseException]


def cause(fault: str, stage: Stage, times: int = 1, clients: int = CLIENTS) -> Outcome:
    """Cause a fault so many times while clients work."""
    patches = np.random.default_rng(2).normal(0, 3, (HITS, *INPUT_SHAPE)).clip(-5, 14).astype(np.float32)
    wanted = {}
    for version in (1, 2):
        folder = stage.repository / MODEL / str(version)
        wanted[Manifest.read(folder).digest] = answer(folder / MODEL_FILE, patches)[CLASS_OUTPUT]
    working = [Client(stage.urls, patches, wanted) for _ in range(clients)]
    for client in working:
        client.start()
    _until_all_work(working)
    for number in range(times):
        stage.number = number
        revive(stage)
        start = time.monotonic()
        FAULTS[fault](stage)
        time.sleep(max(0.0, FAULT_S - (time.monotonic() - start)))
        _until_all_work(working)
    for client in working:
        client.ends.set()
    for client in working:
        client.join()
    took = [seconds for client in working for seconds in client.took_s]
    return Outcome(
        events=len(took),
        again=sum(client.again for client in working),
        usual_s=float(np.median(took)),
        longest_s=max(took),
        errors=[client.error for client in working if client.error],
    )


def revive(stage: Stage) -> None:
    """Start anew what ended of itself, as requests given up can end Triton before 2.59 (server#7368)."""
    for server in stage.servers:
        try:
            server.check_alive()
        except CheckError:
            server.__exit__(None, None, None)
            server.__enter__()


def _until_all_work(clients: list[Client]) -> None:
    """Wait until each has done another event, or ended."""
    before = [client.done for client in clients]
    deadline = time.monotonic() + 120
    while any(
        client.is_alive() and client.done == done for client, done in zip(clients, before, strict=True)
    ):
        if time.monotonic() > deadline:
            raise AssertionError("a client does nothing")
        time.sleep(0.05)


def processes_of_group(group: int) -> dict[int, str]:
    """Command line of each running process of a process group, by its id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()  # state, parent, group, ...
            if fields[2] == str(group) and fields[0] != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
