"""A model of a repository that answers in this process, by ONNX Runtime on its processors."""

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
        place = folder / CONFIG_FILE
        config = parse_config(read_config_file(folder), str(place))
        if any(group.kind == group.KIND_GPU for group in config.instance_group):
            raise UserError(f"{folder} is served on GPUs alone; name the model without _gpu or _trt")
        version = version or demands.version or Visibility.of(config, str(place)).visible
        manifest = Manifest.read(folder / str(version))
        weights = folder / str(version) / MODEL_FILE
        try:
            digest = sha256(weights)
        except OSError as error:
            raise UserError(
                f"cannot read {weights}: {error.strerror}; export or copy the model anew"
            ) from error
        if digest != manifest.digest:
            raise CheckError(f"{weights} differs from its recorded SHA-256; fetch the version anew")
        parameters = {name: each.string_value for name, each in config.parameters.items()}
        self.model = Model.said(folder.name, version, parameters, str(folder))
        if self.model.digest != manifest.digest:
            raise CheckError(f"{place} names other weights than {weights.parent}; export it anew")
        demands.check(self.model, str(folder))
        self._folder, self._session = folder, GraphSession(weights, threads)

    def ask(self, request: Request) -> Answer:
        """See the base class."""
        outputs = self._session.answer_requests([request])
        check_outputs(outputs, hits_of(request), str(self._folder))
        return Answer(outputs, str(self._folder), self.model.digest)

    def renew(self) -> None:
        """See the base class; what was opened stays."""

    def close(self) -> None:
        """See the base class."""
