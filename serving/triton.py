"""The embedded Triton Inference Server: a real tritonserver on this machine's CPU and loopback.

It runs as a child in its own process group, loads explicitly the models that this machine can
run, and ends with the ``with`` block or with its parent, whichever comes first.
"""

import logging
import os
import secrets
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from lartpc.errors import CheckError, UserError
from serving import environment
from serving.ports import LOOPBACK, Ports, free_ports
from serving.repository import RepositoryModel, read_models

START_SECONDS = 60
LOAD_SECONDS = 300
CANARY_SECONDS = 60
EXIT_SECONDS = 5
"""Grace that tritonserver gives its models at the end; it uses all of it after a stub died."""

SHARED_MEMORY = Path("/dev/shm")
LOG_LINES = 10
STUB_TRACEBACK = "\n\nAt:\n"

_EXEC_BOUND_TO_PARENT = (
    "import ctypes, os, signal, sys\n"
    "PR_SET_PDEATHSIG = 1\n"
    "ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit('the parent is gone')\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)

log = logging.getLogger(__name__)


class TritonServer:
    """Serves a model repository while its ``with`` block runs.

    Enter it from the main thread: the server ends with the thread that started it.

    Args:
        repository: folder of models, each with its config.pbtxt.
        ports: default three free ones.
        log_file: the server's log; default a temporary file that goes with the server.

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
        self._id = f"triton_{os.getpid()}_{secrets.token_hex(4)}_"

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
        self._log = self._open_log()
        self._process = self._start(server)
        self._client = triton.InferenceServerClient(self.grpc)
        try:
            self._wait_until_live()
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
        """Versions of each served model that accept requests, in ascending order."""
        index = self._client.get_model_repository_index().models
        ready: dict[str, list[int]] = {name: [] for name in self.models}
        for entry in index:
            if entry.state == "READY" and entry.name in ready:
                ready[entry.name].append(int(entry.version))
        return {name: sorted(versions) for name, versions in ready.items()}

    def check_alive(self) -> None:
        """Raises CheckError where the server's process has ended."""
        if self._process.poll() is not None:
            raise CheckError(
                f"the server ended with exit code {self._process.returncode}; {self._log_tail()}"
            )

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
        """Ask every version for an answer and load anew each model that has none; return their names.

        Triton reports a model as ready whose process has died; only an inference tells.
        """
        sick = []
        for name, versions in self.versions().items():
            faults = [fault for version in versions if (fault := self._canary(name, version))]
            if not faults:
                continue
            log.warning("%s does not answer (%s); loading it anew", name, faults[0])
            self._client.unload_model(name)
            self._wait_until_unloaded(name)
            self._load(self.models[name])
            sick.append(name)
        return sick

    def _open_log(self) -> IO[bytes]:
        if self._log_file is None:
            return tempfile.NamedTemporaryFile(prefix="triton-", suffix=".log", delete=False)
        try:
            self._log_file.parent.mkdir(parents=True, exist_ok=True)
            return self._log_file.open("wb")
        except OSError as error:
            raise UserError(f"cannot write the log {self._log_file}: {error.strerror}") from error

    def _start(self, server: environment.ServerEnvironment) -> subprocess.Popen[bytes]:
        command = [
            str(server.server),
            f"--id={self._id}",
            f"--model-repository={self.repository.absolute()}",
            "--model-control-mode=explicit",
            f"--backend-directory={server.backends}",
            f"--backend-config=python,shm-region-prefix-name={self._id}",
            "--disable-auto-complete-config",
            *(f"--{name}-address={LOOPBACK}" for name in ("http", "grpc", "metrics")),
            f"--http-port={self.ports.http}",
            f"--grpc-port={self.ports.grpc}",
            f"--metrics-port={self.ports.metrics}",
            "--allow-gpu-metrics=false",
            f"--exit-timeout-secs={EXIT_SECONDS}",
        ]
        return subprocess.Popen(
            [str(server.python), "-c", _EXEC_BOUND_TO_PARENT, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=server.variables(),
            start_new_session=True,
        )

    def _wait_until_live(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                # The name tells that it is this server, and not another one that has the port.
                if self._client.get_server_metadata(client_timeout=1).name == self._id:
                    return
            except InferenceServerException:
                log.debug("the server does not answer yet")
            time.sleep(0.1)
        raise CheckError(f"the server did not start within {START_SECONDS} s; {self._log_tail()}")

    def _load(self, model: RepositoryModel) -> None:
        try:
            self._client.load_model(model.name, client_timeout=LOAD_SECONDS)
        except InferenceServerException as error:
            self.check_alive()
            reason = self._reason(model.name) or error.message()
            raise CheckError(f"the server cannot load {model.name}: {reason}") from error
        self.models[model.name] = model
        for version in self.versions()[model.name]:
            if fault := self._canary(model.name, version):
                raise CheckError(f"{model.name} version {version} is loaded but does not answer: {fault}")

    def _wait_until_unloaded(self, name: str) -> None:
        deadline = time.monotonic() + LOAD_SECONDS
        while self.versions()[name] and time.monotonic() < deadline:
            time.sleep(0.1)

    def _reason(self, name: str) -> str:
        index = self._client.get_model_repository_index().models
        reasons = {entry.reason for entry in index if entry.name == name and entry.state == "UNAVAILABLE"}
        return "; ".join(sorted(reason.split(STUB_TRACEBACK)[0] for reason in reasons if reason))

    def _canary(self, name: str, version: int) -> str:
        """Why one row of zeros gets no answer; empty where it does, also where it only waits long."""
        try:
            metadata = self._client.get_model_metadata(name, str(version), client_timeout=CANARY_SECONDS)
            inputs = [_zeros(tensor) for tensor in metadata.inputs]
            self._client.infer(name, inputs, str(version), client_timeout=CANARY_SECONDS)
        except InferenceServerException as error:
            if error.status() == "StatusCode.DEADLINE_EXCEEDED":
                log.warning("%s version %d is slow: no answer in %d s", name, version, CANARY_SECONDS)
                return ""
            return error.message() or str(error)
        return ""

    def _stop(self) -> None:
        self._client.close()
        try:
            self._process.terminate()
            self._process.wait(EXIT_SECONDS + 5)
        except subprocess.TimeoutExpired:
            log.warning("the server did not end within %d s; killed", EXIT_SECONDS + 5)
        finally:
            _kill_group(self._process.pid)
            self._process.wait()
            self._log.close()
            if self._log_file is None:
                Path(self._log.name).unlink(missing_ok=True)
            for left in SHARED_MEMORY.glob(f"{self._id}*"):
                left.unlink(missing_ok=True)

    def _log_tail(self) -> str:
        lines = Path(self._log.name).read_text(errors="replace").splitlines()
        return f"its log ends: {' | '.join(lines[-LOG_LINES:])}"


def _zeros(tensor: triton.service_pb2.ModelMetadataResponse.TensorMetadata) -> triton.InferInput:
    shape = [max(size, 1) for size in tensor.shape]
    value = triton.InferInput(tensor.name, shape, tensor.datatype)
    value.set_data_from_numpy(np.zeros(shape, triton_to_np_dtype(tensor.datatype)))
    return value


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
