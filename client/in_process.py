"""A model of a repository that answers in this process, by ONNX Runtime on its processors."""

from pathlib import Path

from client.engine import Answer, Engine, check_outputs, hits_of
from client.model import Demands, Model
from lartpc.errors import CheckError, UserError
from lartpc.files import sha256
from lartpc.served.manifest import MODEL_FILE, Manifest
from lartpc.served.model_config import ALIAS, CONFIG_FILE, Visibility, parse_config, read_config_file
from lartpc.served.parity import Request
from lartpc.served.session import GraphSession


class InProcess(Engine):
    """A version of a model, opened from its folder.

    Args:
        folder: of the model in a repository, as export.triton writes it, or of an alias.
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
        check_there(folder)
        place = folder / CONFIG_FILE
        config = parse_config(read_config_file(folder), str(place))
        if points_at := config.parameters[ALIAS].string_value:
            folder = folder.with_name(points_at)
            check_there(folder)
            place = folder / CONFIG_FILE
            config = parse_config(read_config_file(folder), str(place))
        if any(group.kind == group.KIND_GPU for group in config.instance_group):
            raise UserError(f"{folder} is served on GPUs alone; name the model without _gpu or _trt")
        version = version or demands.version or Visibility.of(config, str(place)).visible
        if not (folder / str(version)).is_dir():
            there = sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
            raise UserError(
                f"{folder} has no version {version}; it has {', '.join(map(str, there)) or 'none'}"
            )
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


def check_there(folder: Path) -> None:
    """Raises UserError where a repository has no such model; it says which it has, or how one is made."""
    if (folder / CONFIG_FILE).is_file():
        return
    for repository, what in ((folder, "is a repository"), (folder.parent, "is not there")):
        if names := sorted(path.parent.name for path in repository.glob(f"*/{CONFIG_FILE}")):
            raise UserError(f"{folder} {what}; {repository} has {', '.join(names)}")
    raise UserError(
        f"there is no model {folder}; export one: python -m export.triton --checkpoint shipped:compact"
    )
