"""config.pbtxt, written from Triton's own protobuf and read back."""

from dataclasses import dataclass, replace
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from export.plan_builder import PLATFORM, PROFILE_ROWS
from export.variants import variant_of
from lartpc.errors import UserError
from lartpc.files import write_text
from lartpc.served.contract import (
    CONFIG_FILE,
    INPUT_NAME,
    INPUT_SHAPE,
    LABEL_FILES,
    MAX_BATCH_SIZE,
    OUTPUT_LABELS,
)
from lartpc.served.manifest import Manifest

PREFERRED_BATCH_SIZES = (512, 1024, 2048)
"""Throughput is flat from 512 rows on; 1693, a whole view of the paper's jobs, fits into 2048."""

QUEUE_DELAY_US = 2000
"""How long a request may wait for others: a sixth of the paper's 12 ms round trip (section 3.3)."""

WARM_UP_BATCHES = (1, 256)
"""One row, and the batch of LArSoft's default configuration."""

CHECKSUM_AGENT = "checksum"
CHECKSUM_KEY = "MD5:"
"""The one sum that Triton's repository agent knows (README of its checksum_repository_agent)."""

ENGINE_CACHE = "/var/cache/tensorrt"
"""Folder on the serving host; mount one there, or each start builds the engines anew, for minutes."""


@dataclass(frozen=True)
class Visibility:
    """Which version a server loads, and what a registry must remember of it.

    Attributes:
        visible: the one version that a server loads. Replacing the file is what makes it visible.
        history: versions that were visible before, the latest last: where a rollback goes.
        pinned: versions that are never pruned.
        removing: versions whose files are being removed.
    """

    visible: int
    history: tuple[int, ...] = ()
    pinned: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()

    LISTS = ("history", "pinned", "removing")

    @classmethod
    def of(cls, config: triton.ModelConfig, place: str) -> "Visibility":
        """Read it from a configuration.

        Raises:
            UserError: the configuration shows no version, several, or lists what are no versions.
        """
        versions = list(config.version_policy.specific.versions)
        try:
            (visible,) = versions
            lists = {
                name: tuple(map(int, filter(None, config.parameters[name].string_value.split(","))))
                for name in cls.LISTS
                if name in config.parameters
            }
        except ValueError as error:
            raise UserError(f"{place} shows versions {versions}; export the model anew ({error})") from error
        return cls(visible, **lists)

    def moved_to(self, version: int) -> "Visibility":
        """The same with another visible version, and the one of before at the end of the history."""
        if version == self.visible:
            return self
        history = (*(number for number in self.history if number != version), self.visible)
        return replace(self, visible=version, history=history)


def model_config(
    model: str, versions: list[Manifest], visibility: Visibility, sums: dict[str, str] | None = None
) -> triton.ModelConfig:
    """The configuration of a model.

    Args:
        model: its name.
        versions: manifests of all its versions; each adds parameters ``vN.digest``, ``vN.manifest``, ...
        visibility: which of them a server loads.
        sums: MD5 by path inside the model's folder, of files that Triton verifies before it loads the model.
    """
    variant = variant_of(model)
    config = triton.ModelConfig(name=model, backend=variant.backend, max_batch_size=MAX_BATCH_SIZE)
    if variant.backend == "tensorrt":
        config.platform = PLATFORM
    config.version_policy.specific.versions.append(visibility.visible)
    config.input.add(
        name=INPUT_NAME,
        data_type=triton.TYPE_FP32,
        format=triton.ModelInput.FORMAT_NHWC,
        dims=INPUT_SHAPE,
    )
    for name, labels in OUTPUT_LABELS.items():
        config.output.add(
            name=name,
            data_type=triton.TYPE_FP32,
            dims=[len(labels)],
            label_filename=LABEL_FILES[name],
        )
    kind = triton.ModelInstanceGroup.KIND_GPU if variant.gpu else triton.ModelInstanceGroup.KIND_AUTO
    config.instance_group.add(kind=kind, count=1)
    if variant.gpu and variant.backend == "onnxruntime":
        _accelerate(config, variant.precision)
    config.dynamic_batching.preferred_batch_size.extend(PREFERRED_BATCH_SIZES)
    config.dynamic_batching.max_queue_delay_microseconds = QUEUE_DELAY_US
    for rows in WARM_UP_BATCHES:
        warm_up = config.model_warmup.add(name=f"{rows} rows", batch_size=rows)
        tensor = warm_up.inputs[INPUT_NAME]
        tensor.data_type = triton.TYPE_FP32
        tensor.dims.extend(INPUT_SHAPE)
        tensor.zero_data = True
    for manifest in versions:
        for key, value in _version_parameters(manifest).items():
            config.parameters[f"v{manifest.version}.{key}"].string_value = value
    for name in Visibility.LISTS:
        if numbers := getattr(visibility, name):
            config.parameters[name].string_value = ",".join(map(str, numbers))
    if sums:
        agent = config.model_repository_agents.agents.add(name=CHECKSUM_AGENT)
        agent.parameters.update({f"{CHECKSUM_KEY}{path}": md5 for path, md5 in sums.items()})
    return config


def checksums(config: triton.ModelConfig | None) -> dict[str, str]:
    """Path inside the model's folder -> MD5, of the files that Triton's agent ``checksum`` verifies."""
    agents = [] if config is None else config.model_repository_agents.agents
    return {
        key.removeprefix(CHECKSUM_KEY): md5
        for agent in agents
        if agent.name == CHECKSUM_AGENT
        for key, md5 in agent.parameters.items()
    }


def _accelerate(config: triton.ModelConfig, precision: str) -> None:
    """Let ONNX Runtime hand the graph to TensorRT, which builds its engine at the first start and keeps it.

    Triton: onnxruntime_backend, "ONNX Runtime with TensorRT optimization".
    """
    tensorrt = config.optimization.execution_accelerators.gpu_execution_accelerator.add(name="tensorrt")
    shape = "x".join(map(str, INPUT_SHAPE))
    tensorrt.parameters.update(
        {
            "precision_mode": precision.upper(),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": ENGINE_CACHE,
            **{
                f"trt_profile_{which}_shapes": f"{INPUT_NAME}:{rows}x{shape}"
                for which, rows in zip(("min", "opt", "max"), PROFILE_ROWS, strict=True)
            },
        }
    )


def write_config(folder: Path, config: triton.ModelConfig) -> None:
    """Replace a model's config.pbtxt atomically."""
    write_text(folder / CONFIG_FILE, config_text(config))


def config_text(config: triton.ModelConfig) -> str:
    """Content of a config.pbtxt."""
    return text_format.MessageToString(config)


def read_config(folder: Path) -> triton.ModelConfig:
    """Read a model's config.pbtxt.

    Raises:
        UserError: it is missing or Triton's protobuf does not parse it.
    """
    path = folder / CONFIG_FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{folder} has no {CONFIG_FILE}; export the model anew") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error}); export the model anew") from error
    return parse_config(text, str(path))


def parse_config(text: bytes, place: str) -> triton.ModelConfig:
    """Read the content of a config.pbtxt.

    Raises:
        UserError: Triton's protobuf does not parse it.
    """
    try:
        return text_format.Parse(text.decode(), triton.ModelConfig())
    except (text_format.ParseError, ValueError, RecursionError) as error:
        raise UserError(f"{place} is not a Triton configuration ({error}); export the model anew") from error


def _version_parameters(manifest: Manifest) -> dict[str, str]:
    training, export = manifest.provenance.training, manifest.provenance.export
    engine = export.get("engine", {})
    return {
        "digest": manifest.digest,
        "manifest": manifest.own_digest,
        "data_era": str(training.get("era", "unknown")),
        "checkpoint_sha256": str(training.get("checkpoint_sha256", "unknown")),
        "data_digest": str(manifest.provenance.data.get("digest", "")),
        "git_commit": str(export.get("git_commit", "unknown")),
        **{key: engine[key] for key in ("tensorrt", "compute_capability") if key in engine},
    }
