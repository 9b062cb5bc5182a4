"""What lies in a model repository, and which of its models run on a machine without a GPU."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tritonclient.grpc import model_config_pb2

from lartpc.errors import CheckError, UserError
from lartpc.served.model_config import CONFIG_FILE, parse_config, read_config_file

BACKENDS = ("onnxruntime", "python")
"""Backends of the embedded server."""


@dataclass(frozen=True)
class RepositoryModel:
    """One model of a repository.

    Attributes:
        name: of its folder, by which it is loaded.
        digest: SHA-256 of its config.pbtxt; another one means that a version was promoted.
        left_out: why the embedded server cannot run it; empty where it can.
    """

    name: str
    digest: str
    left_out: str


def read_models(repository: Path) -> dict[str, RepositoryModel]:
    """The models of a repository by name: every folder that has a config.pbtxt.

    Raises:
        UserError: there is no such repository, or it is empty.
        CheckError: a config.pbtxt is not a Triton model configuration.
    """
    folders = sorted(path.parent for path in repository.glob(f"*/{CONFIG_FILE}"))
    if not folders:
        fault = "has no model" if repository.is_dir() else "is not there"
        raise UserError(
            f"the model repository {repository} {fault}; fill it: python -m export.triton --precision all"
        )
    return {folder.name: _read_model(folder) for folder in folders}


def _read_model(folder: Path) -> RepositoryModel:
    try:
        text = read_config_file(folder)
        config = parse_config(text, str(folder / CONFIG_FILE))
    except UserError as error:
        raise CheckError(str(error)) from error
    return RepositoryModel(folder.name, hashlib.sha256(text).hexdigest(), _why_left_out(config))


def _why_left_out(config: model_config_pb2.ModelConfig) -> str:
    if config.platform == "tensorrt_plan" or config.backend == "tensorrt":
        return "a TensorRT plan needs a GPU"
    if any(group.kind == model_config_pb2.ModelInstanceGroup.KIND_GPU for group in config.instance_group):
        return "its instances ask for a GPU (KIND_GPU)"
    if config.model_repository_agents.agents:
        return "the embedded server has no repository agents"
    if config.backend and config.backend not in BACKENDS:
        return f"the embedded server has no backend {config.backend!r}"
    return ""
