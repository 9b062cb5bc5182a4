"""A model of a repository that answers in this process, by ONNX Runtime on its processors."""

import time
from pathlib import Path

from client.engine import Answer, Engine, check_outputs, hits_of
from client.model import Demands, Model
from lartpc.errors import CheckError, UserError
from lartpc.files import sha256
from lartpc.served.manifest import MODEL_FILE, Manifest
from lartpc.served.model_config import CONFIG_FILE, Visibility, parse_config, read_config_file
from lartpc.served.parity import Request
from lartpc.served.session import GraphSession


class InProcess(Engine):
    """A version of a model, opened from its folder.

    Args:
        folder: of the model in a repository, as export.triton writes it.
        version: which of its versions; default the one that servers show.
        threads: processor threads; default OMP_NUM_THREADS, or all.
        demands: what must answer.

    Raises:
        UserError: there is no such model or version, or it is none for processors.
        CheckError: its weights were altered, or it is not what is demanded.
    """

    def __init__(
        self,
        folder: Path,
        version: int | None = None,
        threads: int | None = None,
        demands: Demands = Demands(),  # noqa: B008 (frozen)
    ) -> None:
        config = parse_config(read_config_file(folder), str(folder / CONFIG_FILE))
        self._wanted, self._folder, self._threads, self._demands = version, folder, threads, demands
        if any(group.kind == group.KIND_GPU for group in config.instance_group):
            raise UserError(f"{folder} is served on GPUs alone; name the model without _gpu or _trt")
        self._open(version or demands.version or Visibility.of(config, str(folder / CONFIG_FILE)).visible)

    def _open(self, version: int) -> None:
        place = self._folder / str(version)
        manifest = Manifest.read(place)
        weights = place / MODEL_FILE
        try:
            digest = sha256(weights)
        except OSError as error:
            raise UserError(
                f"cannot read {weights}: {error.strerror}; export or copy the model anew"
            ) from error
        if digest != manifest.digest:
            raise CheckError(f"{weights} differs from its recorded SHA-256; fetch the version anew")
        config = parse_config(read_config_file(self._folder), str(self._folder / CONFIG_FILE))
        parameters = {name: each.string_value for name, each in config.parameters.items()}
        self.model = Model.said(self._folder.name, version, parameters, str(self._folder))
        if self.model.digest != manifest.digest:
            raise CheckError(f"{self._folder / CONFIG_FILE} names other weights than {place}; export it anew")
        self._demands.check(self.model, str(self._folder))
        self._session = GraphSession(weights, self._threads)

    def ask(self, request: Request) -> Answer:
        """See the base class."""
        start = time.perf_counter()
        outputs = self._session.answer_requests([request])
        check_outputs(outputs, hits_of(request), str(self._folder))
        return Answer(outputs, str(self._folder), self.model.digest, time.perf_counter() - start)

    def renew(self) -> None:
        """See the base class; what was opened stays."""

    def close(self) -> None:
        """See the base class."""
