"""The embedded Triton Inference Server: a real tritonserver on this machine's CPU and loopback.

It loads explicitly the models that this machine can run, knows them to be well by their answers,
and ends with the ``with`` block or with its parent, whichever comes first.
"""

import logging
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tritonclient.utils import triton_to_np_dtype

from lartpc.errors import CheckError, UserError
from serving import environment
from serving.connection import Connection, ServerError, SlowServerError
from serving.ports import LOOPBACK, Ports, free_ports
from serving.process import ServerProcess
from serving.repository import RepositoryModel, read_models

START_SECONDS = 300
LOAD_SECONDS = 300
CANARY_SECONDS = 60
STUB_TRACEBACK = "\n\nAt:\n"

log = logging.getLogger(__name__)


class TritonServer:
    """Serves a model repository while its ``with`` block runs.

    Enter it from the main thread: the server ends with the thread that started it.

    Args:
        repository: folder of models, each with its config.pbtxt.
        ports: default three free ones.
        log_file: the server's log; default a nameless file that goes with the server.

    Attributes:
        ports: the server's ports on 127.0.0.1.
        models: the repository's models that are served, by name.
        left_out: name -> why the model does not run on this machine.

    Raises:
        UserError: on entering: no environment, no repository, or nothing in it runs here.
        CheckError: on entering: the server does not start or a model does not load, with its reason.
    """

    def __init__(self, repository: Path, ports: Ports | None = None, log_file: Path | None = None) -> None:
        self.repository = Path(repository)
        self.ports = ports or free_ports()
        self.models: dict[str, RepositoryModel] = {}
        self.left_out: dict[str, str] = {}
        self._log_file = log_file

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

    def __enter__(self) -> Self:
        server = environment.find()
        models = read_models(self.repository)
        self.left_out = {name: model.left_out for name, model in models.items() if model.left_out}
        wanted = [model for model in models.values() if not model.left_out]
        if not wanted:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.left_out.items())
            raise UserError(f"no model of {self.repository} runs on this machine: {reasons}")
        self._process = ServerProcess(server, self.repository, self.ports, self._log_file)
        self._connection: Connection | None = None
        try:
            self._connection = self._connected()
            for model in wanted:
                self._load(model)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

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

    def follow_repository(self) -> list[str]:
        """Load the models whose config.pbtxt changed or appeared; return their names.

        A new version named there becomes visible, one no longer named disappears. Where the new
        configuration does not load, a warning is logged and the old one goes on serving.
        """
        followed = []
        try:
            models = read_models(self.repository)
        except UserError as error:
            log.warning("%s; serving what is loaded", error)
            return []
        for model in models.values():
            if model.left_out or model == self.models.get(model.name):
                continue
            try:
                self._load(model)
                followed.append(model.name)
            except CheckError as error:
                self.models[model.name] = model
                log.warning("%s", error)
        return followed

    def heal(self) -> list[str]:
        """Ask every version for an answer and load anew each model that has none; return those healed.

        Triton reports a model as ready whose process has died; only an inference tells.
        """
        healed = []
        for name, versions in self.versions().items():
            faults = [fault for version in versions if (fault := self._canary(name, version))]
            if versions and not faults:
                continue
            reason = faults[0] if faults else "no version of it is loaded"
            log.warning("%s does not answer (%s); loading it anew", name, reason)
            try:
                self._unload(name)
                self._load(self.models[name])
                healed.append(name)
            except CheckError as error:
                log.warning("%s", error)
        return healed

    @property
    def connection(self) -> Connection:
        """The server's own connection, over gRPC."""
        assert self._connection is not None, "outside of its with block"
        return self._connection

    def _connected(self) -> Connection:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                connection = Connection(self.grpc, timeout_s=CANARY_SECONDS, connect_s=1)
                # The name tells that it is this server, and not another one that has the port.
                if connection.server_name() == self._process.id:
                    return connection
                connection.close()
            except UserError:
                log.debug("the server does not answer yet")
            time.sleep(0.1)
        raise CheckError(f"the server did not start within {START_SECONDS} s; {self._process.log_tail()}")

    def _load(self, model: RepositoryModel) -> None:
        try:
            self.connection.load(model.name, LOAD_SECONDS)
        except ServerError as error:
            self.check_alive()
            reason = self._reason(model.name) or error.reason
            raise CheckError(f"the server cannot load {model.name}: {reason}") from error
        self.models[model.name] = model
        for version in self.versions()[model.name]:
            if fault := self._canary(model.name, version):
                raise CheckError(f"{model.name} version {version} is loaded but does not answer: {fault}")

    def _unload(self, name: str) -> None:
        try:
            self.connection.unload(name, LOAD_SECONDS)
        except ServerError as error:
            self.check_alive()
            raise CheckError(f"the server cannot unload {name}: {error.reason}") from error
        deadline = time.monotonic() + LOAD_SECONDS
        while self.versions()[name] and time.monotonic() < deadline:
            time.sleep(0.1)

    def _reason(self, name: str) -> str:
        return "; ".join(
            sorted({reason.split(STUB_TRACEBACK)[0] for reason in self.connection.failures(name)})
        )

    def _canary(self, name: str, version: int) -> str:
        """Why one row of zeros gets no answer; empty where it does, also where it only waits long."""
        try:
            metadata = self.connection.metadata(name, version)
            inputs = {tensor["name"]: _zeros(tensor) for tensor in metadata["inputs"]}
            self.connection.infer(name, version, inputs, ())
        except SlowServerError:
            log.warning("%s version %d is slow: no answer in %d s", name, version, CANARY_SECONDS)
        except ServerError as error:
            return error.reason
        return ""

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._process.stop()


def _zeros(tensor: dict[str, Any]) -> NDArray[Any]:
    shape = [max(int(size), 1) for size in tensor["shape"]]
    return np.zeros(shape, triton_to_np_dtype(tensor["datatype"]))
