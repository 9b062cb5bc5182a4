"""The embedded Triton Inference Server: a real tritonserver on this machine's CPU and loopback.

It serves the models that this machine can run, knows them to be well by their answers, and ends with the
``with`` block or with its parent, whichever comes first.
"""

import logging
import re
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from lartpc.errors import CheckError, UserError
from serving import environment
from serving.connection import Connection, ServerError, SlowServerError
from serving.least_request import least_request
from serving.offer import LOAD, Offer
from serving.ports import LOOPBACK, Ports, free_ports
from serving.process import ServerProcess
from serving.repository import RepositoryModel, read_models

START_SECONDS = 300
LOAD_SECONDS = 300
CANARY_SECONDS = 60
LOOK_SECONDS = 0.05

log = logging.getLogger(__name__)


class TritonServer:
    """Serves a model repository while its ``with`` block runs.

    Enter it from the main thread: the server ends with the thread that started it. What changes in the
    repository is followed by :class:`serving.follow.Follower`.

    Args:
        repository: folder of models, each with its config.pbtxt.
        ports: default three free ones.
        log_file: the server's log; default a nameless file that goes with the server.
        shared_memory: let clients on this machine use it.

    Attributes:
        repository: that folder.
        ports: the server's ports on 127.0.0.1.
        models: the models that are served, by name, as they were when they were loaded.
        left_out: name -> why the model does not run on this machine.

    Raises:
        UserError: on entering: no environment, no repository, or nothing in it runs here.
        CheckError: on entering: the server does not start or a model does not load, with its reason.
    """

    def __init__(
        self,
        repository: Path,
        ports: Ports | None = None,
        log_file: Path | None = None,
        shared_memory: bool = False,
    ) -> None:
        self.repository = Path(repository)
        self.ports = ports or free_ports()
        self.models: dict[str, RepositoryModel] = {}
        self.left_out: dict[str, str] = {}
        self._log_file, self._shared_memory = log_file, shared_memory

    @property
    def http(self) -> str:
        """Address for HTTP clients, host:port."""
        return f"{LOOPBACK}:{self.ports.http}"

    @property
    def grpc(self) -> str:
        """Address for gRPC clients, host:port."""
        return f"{LOOPBACK}:{self.ports.grpc}"

    @property
    def metrics(self) -> str:
        """Address of the Prometheus metrics."""
        return f"http://{LOOPBACK}:{self.ports.metrics}/metrics"

    @property
    def group(self) -> int:
        """Of its process and those of its models: the id of their process group."""
        return self._process.pid

    @property
    def connection(self) -> Connection:
        """The server's own connection, over gRPC."""
        assert self._connection is not None, "outside of its with block"
        return self._connection

    def __enter__(self) -> Self:
        server = environment.find()
        models = read_models(self.repository)
        self.left_out = {name: model.left_out for name, model in models.items() if model.left_out}
        wanted = [model for model in models.values() if not model.left_out]
        if not wanted:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.left_out.items())
            raise UserError(f"no model of {self.repository} runs on this machine: {reasons}")
        for model in wanted:
            _check_present(model)
        self._offer = Offer()
        self._connection: Connection | None = None
        try:
            marks = {model.name: self._offer.put(model) for model in wanted}
            self._process = ServerProcess(
                server, self._offer.root, self.ports, self._log_file, self._shared_memory
            )
            try:
                self._connection = self._connected()
                for model in wanted:
                    self._wait_until_loaded(model, marks[model.name], since=0)
            except BaseException:
                self._stop()
                raise
        except BaseException:
            self._offer.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._offer.close()

    def versions(self) -> dict[str, list[int]]:
        """Versions of each model that are loaded, in ascending order; none where a load failed.

        Raises:
            CheckError: the server has ended or does not answer.
        """
        try:
            ready = self.connection.served()
        except ServerError as error:
            self.check_alive()
            raise CheckError(f"the server does not answer: {error.reason}") from error
        return {name: ready.get(name, []) for name in self.models}

    def check_alive(self) -> None:
        """Raises CheckError where the server's process has ended."""
        self._process.check_alive()

    def load(self, model: RepositoryModel) -> None:
        """Serve a model in the form that it has in the repository now.

        Raises:
            CheckError: a version of it is not there, does not load or does not answer; what was served of it
                before goes on.
        """
        _check_present(model)
        since, mark = self._process.log_size(), self._offer.put(model)
        try:
            self._wait_until_loaded(model, mark, since)
        except CheckError:
            before = self.models.get(model.name)
            if before is None:
                self._offer.withdraw(model.name)
            else:
                self._offer.put(before)
            raise

    def unload(self, name: str) -> None:
        """Serve a model no longer; its last requests are answered.

        Raises:
            CheckError: the server has ended, or still has it after minutes.
        """
        self._offer.withdraw(name)
        deadline = time.monotonic() + LOAD_SECONDS
        while self.versions().get(name):
            if time.monotonic() > deadline:
                raise CheckError(f"the server still serves {name} {LOAD_SECONDS} s after it was withdrawn")
            time.sleep(LOOK_SECONDS)
        self.models.pop(name, None)

    def fault(self, name: str, version: int) -> str:
        """Why one row of zeros gets no answer; empty where it does, also where it only waits long.

        Triton reports a model as ready whose process has died; only an inference tells.
        """
        try:
            metadata = self.connection.metadata(name, version)
            self.connection.infer(name, version, least_request(metadata["inputs"]), ())
        except SlowServerError:
            log.warning("%s version %d is slow: no answer in %d s", name, version, CANARY_SECONDS)
        except ServerError as error:
            return error.reason
        return ""

    def _connected(self) -> Connection:
        """By gRPC, which a server opens first; HTTP answers then too."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check_alive()
            with ExitStack() as stack:
                try:
                    connection = stack.enter_context(self._own("grpc"))
                    self._own("http").close()
                except UserError:
                    log.debug("the server does not answer yet")
                else:
                    stack.pop_all()
                    return connection
            time.sleep(LOOK_SECONDS)
        raise CheckError(f"the server did not start within {START_SECONDS} s; {self._process.log_tail()}")

    def _own(self, protocol: str) -> Connection:
        """Its name tells that it is this server, and not another one that has the port."""
        connection = Connection(getattr(self, protocol), protocol, timeout_s=CANARY_SECONDS, connect_s=1)
        if connection.server_name() != self._process.id:
            connection.close()
            raise UserError(f"another server answers at {connection}")
        return connection

    def _wait_until_loaded(self, model: RepositoryModel, mark: str, since: int) -> None:
        deadline = time.monotonic() + LOAD_SECONDS
        while not self._is_loaded(model.name, mark):
            self.check_alive()
            failures = self._process.load_failures(model.name, since)
            if failures := [reason for reason in failures if not _was_in_between(reason)]:
                raise CheckError(f"the server cannot load {model.name}: {'; '.join(failures)}")
            if time.monotonic() > deadline:
                raise CheckError(f"the server did not load {model.name} within {LOAD_SECONDS} s")
            time.sleep(LOOK_SECONDS)
        self.models[model.name] = model
        self._offer.trim(model)
        for version in self.versions()[model.name]:
            if fault := self.fault(model.name, version):
                raise CheckError(f"{model.name} version {version} is loaded but does not answer: {fault}")

    def _is_loaded(self, name: str, mark: str) -> bool:
        try:
            return self.connection.parameters(name).get(LOAD) == mark
        except ServerError:
            return False

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._process.stop()


def _was_in_between(failure: str) -> bool:
    """Whether the server looked for a configuration just before it was written, which is there now."""
    found = re.search(r"failed to open text file for read (\S+): No such file", failure)
    return found is not None and Path(found[1]).exists()


def _check_present(model: RepositoryModel) -> None:
    if absent := model.absent:
        raise CheckError(
            f"the configuration of {model.name} names version {', '.join(map(str, absent))}, whose weights "
            f"are not there; export or copy it to {model.folder}"
        )
