"""What lies in a model repository, and which of its models run on a machine without a GPU."""

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from tritonclient.grpc import model_config_pb2

from lartpc.errors import CheckError, UserError
from lartpc.served.model_config import CONFIG_FILE, parse_config, read_config_file
from lartpc.served.names import PLAIN_NAME

WEIGHTS = {"onnxruntime": "model.onnx", "python": "model.py"}
"""Backend of the embedded server -> how it calls a version's file (Triton: model_repository.md)."""


@dataclass(frozen=True)
class RepositoryModel:
    """One model of a repository.

    Two of them are equal where a server would serve the same: of another digest, or with other versions, it
    was promoted, withdrawn or changed.

    Attributes:
        folder: where it lies; its name is the model's.
        digest: SHA-256 of its config.pbtxt.
        versions: numbers that the configuration names; where it names none those whose folders are there.
        config: the configuration.
        left_out: why the embedded server cannot run it; empty where it can.
    """

    folder: Path
    digest: str
    versions: tuple[int, ...]
    config: model_config_pb2.ModelConfig = field(compare=False, repr=False)
    left_out: str

    @property
    def name(self) -> str:
        """Of the folder, by which the model is served."""
        return self.folder.name

    @property
    def files(self) -> list[Path]:
        """What the server must see beside the configuration: folders of versions, and label files."""
        labels = {output.label_filename for output in self.config.output if output.label_filename}
        return [self.folder / name for name in (*map(str, self.versions), *sorted(labels))]

    @property
    def points_at(self) -> str:
        """Of an alias the model that answers; empty of another model."""
        steps = self.config.ensemble_scheduling.step
        return steps[0].model_name if len(steps) == 1 else ""

    @property
    def absent(self) -> list[int]:
        """Versions that are named and whose weights, or the folder of an alias, are not there."""
        if self.points_at:
            return [number for number in self.versions if not (self.folder / str(number)).is_dir()]
        weights = self.config.default_model_filename or WEIGHTS[self.config.backend]
        return [number for number in self.versions if not (self.folder / str(number) / weights).is_file()]


def read_models(repository: Path) -> dict[str, RepositoryModel]:
    """The models of a repository by name: every folder that has a config.pbtxt.

    Raises:
        UserError: there is no such repository, or it is empty.
        CheckError: a config.pbtxt is not a Triton model configuration.
    """
    models, faults = look_into(repository)
    for fault in faults.values():
        raise CheckError(fault)
    return models


def look_into(repository: Path) -> tuple[dict[str, RepositoryModel], dict[str, str]]:
    """The models of a repository by name, and of those whose configuration cannot be read the reason.

    Raises:
        UserError: there is no such repository, or it is empty.
    """
    if re.match(r"[a-z][a-z0-9]+:/", str(repository)):
        raise UserError(
            f"{repository} is a URL, and the embedded server serves a folder; docs/publishing.md says how "
            "Triton itself serves a bucket"
        )
    folders = sorted(path.parent for path in repository.glob(f"*/{CONFIG_FILE}") if path.is_file())
    if not folders:
        fault = "has no model" if repository.is_dir() else "is not there"
        raise UserError(
            f"the model repository {repository} {fault}; fill it: python -m export.triton --precision all"
        )
    models, faults = {}, {}
    for folder in folders:
        try:
            models[folder.name] = _read_model(folder)
        except (UserError, OSError) as error:
            faults[folder.name] = str(error)
    return _with_what_they_point_at(models), faults


def _with_what_they_point_at(models: dict[str, RepositoryModel]) -> dict[str, RepositoryModel]:
    """Aliases behind all others, and left out with the model that they point at."""
    aliases = {name: model for name, model in models.items() if model.points_at}
    ordered = {name: model for name, model in models.items() if name not in aliases}
    for name, model in aliases.items():
        target = None if model.points_at in aliases else ordered.get(model.points_at)
        what = "an alias itself" if model.points_at in aliases else "not there"
        reason = f"it points at {model.points_at}, which is {what}" if target is None else target.left_out
        ordered[name] = replace(model, left_out=model.left_out or reason)
    return ordered


def _read_model(folder: Path) -> RepositoryModel:
    text = read_config_file(folder)
    config = parse_config(text, str(folder / CONFIG_FILE))
    versions = tuple(config.version_policy.specific.versions) or tuple(
        sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal() and path.is_dir())
    )
    digest = hashlib.sha256(text).hexdigest()
    return RepositoryModel(folder.absolute(), digest, versions, config, _why_left_out(config, folder.name))


def _why_left_out(config: model_config_pb2.ModelConfig, name: str) -> str:
    for what in (name, config.name or name, config.default_model_filename or "plain"):
        if not PLAIN_NAME.fullmatch(what):  # Triton's Python backend hands them to a shell
            return f"{what!r} has other letters than a-z, A-Z, 0-9, _, - and ."
    if config.platform == "tensorrt_plan" or config.backend == "tensorrt":
        return "a TensorRT plan needs a GPU"
    if any(group.kind == model_config_pb2.ModelInstanceGroup.KIND_GPU for group in config.instance_group):
        return "its instances ask for a GPU (KIND_GPU)"
    if config.model_repository_agents.agents:
        return "the embedded server has no repository agents"
    if len(config.ensemble_scheduling.step) == 1:
        return ""
    if config.backend not in WEIGHTS:
        return f"the embedded server has no backend {config.backend!r}"
    return ""
