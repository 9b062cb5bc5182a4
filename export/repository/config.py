"""The configuration that an export writes for a model, as Triton's own protobuf."""

from tritonclient.grpc import model_config_pb2 as triton

from export.engines.plan_builder import PLATFORM
from export.engines.profile import profile
from export.variants import ServedModel, Variant
from lartpc.served.contract import HIT_INPUT, PATCH_SIZE, PLANE_ZS, Contract, TensorSpec
from lartpc.served.manifest import Manifest
from lartpc.served.model_config import CLAIM, FACTS, Visibility
from lartpc.served.tuning import Tuning

WARM_UP_BATCHES = (1, 256)
"""One row, and the batch of LArSoft's default configuration."""

CUDA = "cuda"
"""ONNX Runtime's provider for GPUs, in Triton's words (onnxruntime_backend of Triton 24.07 and later)."""

CHECKSUM_AGENT = "checksum"
CHECKSUM_KEY = "MD5:"
"""The one sum that Triton's repository agent knows (README of its checksum_repository_agent)."""

ENGINE_CACHE = "/var/cache/tensorrt"
"""Folder on the serving host; mount one there, or each start builds the engines anew, for minutes."""


UNTUNED = Tuning()


def model_config(
    served: ServedModel,
    versions: list[Manifest],
    visibility: Visibility,
    sums: dict[str, str] | None = None,
    tuning: Tuning = UNTUNED,
) -> triton.ModelConfig:
    """The configuration of a model.

    Args:
        served: what the model is.
        versions: manifests of all its versions; each adds parameters ``vN.digest``, ``vN.manifest``, ...
        visibility: which of them a server loads.
        sums: MD5 by path inside the model's folder, of files that Triton verifies before it loads the model.
        tuning: how a server is to run it.
    """
    variant, contract = served.variant, served.facts.of_contract
    config = triton.ModelConfig(name=served.name, backend=variant.backend)
    if variant.backend == "tensorrt":
        config.platform = PLATFORM
    config.version_policy.specific.versions.append(visibility.visible)
    describe(config, contract)
    kind = triton.ModelInstanceGroup.KIND_GPU if variant.gpu else triton.ModelInstanceGroup.KIND_AUTO
    config.instance_group.add(kind=kind, count=1)
    if variant.backend == "onnxruntime":
        _accelerate(config, variant)
    tuning.write(config)
    for rows in WARM_UP_BATCHES if contract is not PLANE_ZS else ():  # of which zeros are no request
        warm_up = config.model_warmup.add(name=f"{rows} rows", batch_size=rows if contract.batched else 1)
        for spec in contract.signature.inputs:
            tensor = warm_up.inputs[spec.name]
            tensor.data_type = _type(spec)
            tensor.dims.extend(spec.shape if contract.batched else warm_up_shape(spec, rows))
            tensor.zero_data = True
    for name, fact in served.facts.parameters().items():
        config.parameters[name].string_value = fact
    for manifest in versions:
        for key, value in _version_parameters(manifest).items():
            config.parameters[f"v{manifest.version}.{key}"].string_value = value
    for name in Visibility.LISTS:
        if numbers := getattr(visibility, name):
            config.parameters[name].string_value = ",".join(map(str, numbers))
    if visibility.claim:
        config.parameters[CLAIM].string_value = visibility.claim
    if sums:
        agent = config.model_repository_agents.agents.add(name=CHECKSUM_AGENT)
        agent.parameters.update({f"{CHECKSUM_KEY}{path}": md5 for path, md5 in sums.items()})
    return config


def forms(config: triton.ModelConfig) -> tuple[triton.ModelConfig, ...]:
    """A configuration as it is written, and as it was before.

    Before, FP32 was free to be TF32; and earlier still no configuration said what its model is (manifests of
    schema 0).
    """
    before, at_first = triton.ModelConfig(), triton.ModelConfig()
    before.CopyFrom(config)
    if any(
        each.name == CUDA for each in config.optimization.execution_accelerators.gpu_execution_accelerator
    ):
        before.ClearField("optimization")
    at_first.CopyFrom(before)
    for name in config.parameters:
        if name in FACTS:
            del at_first.parameters[name]
        elif name.endswith(".adc_era"):
            value = at_first.parameters[name].string_value
            del at_first.parameters[name]
            at_first.parameters[f"{name.removesuffix('adc_era')}data_era"].string_value = value
    return config, before, at_first


def describe(config: triton.ModelConfig, contract: Contract) -> None:
    """Write the contract's tensors and batch limit."""
    label_files = {labels.output: labels.name for labels in contract.label_files}
    config.max_batch_size = contract.signature.max_batch or 0
    for spec in contract.signature.inputs:
        layout = triton.ModelInput.FORMAT_NHWC if len(spec.shape) == 3 else triton.ModelInput.FORMAT_NONE
        config.input.add(name=spec.name, data_type=_type(spec), format=layout, dims=spec.shape)
    for spec in contract.signature.outputs:
        config.output.add(
            name=spec.name,
            data_type=_type(spec),
            dims=spec.shape,
            label_filename=label_files.get(spec.name, ""),
        )


def _type(spec: TensorSpec) -> int:
    return triton.DataType.Value(f"TYPE_{spec.dtype}")


def checksums(config: triton.ModelConfig | None) -> dict[str, str]:
    """Path inside the model's folder -> MD5, of the files that Triton's agent ``checksum`` verifies."""
    agents = [] if config is None else config.model_repository_agents.agents
    return {
        key.removeprefix(CHECKSUM_KEY): md5
        for agent in agents
        if agent.name == CHECKSUM_AGENT
        for key, md5 in agent.parameters.items()
    }


def warm_up_shape(spec: TensorSpec, hits: int) -> tuple[int, ...]:
    """Shape of an input of a plane request of so many hits, of the smallest plane."""
    return (hits, 2) if spec.name == HIT_INPUT else (PATCH_SIZE, PATCH_SIZE)


def _accelerate(config: triton.ModelConfig, variant: Variant) -> None:
    """Let ONNX Runtime hand what is for GPUs to TensorRT, and keep FP32 from being TF32 on a GPU.

    TensorRT builds its engine at the first start and keeps it. TF32, the default of ONNX Runtime's CUDA
    provider, moves probabilities by 1e-3 on an H200. Triton's onnxruntime_backend, README: "ONNX Runtime with
    TensorRT optimization" and "ONNX Runtime with CUDA Execution Provider optimization".
    """
    accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
    if not variant.gpu:
        if variant.precision == "fp32":
            accelerators.add(name=CUDA).parameters.update({"use_tf32": "0"})
        return
    tensorrt = accelerators.add(name="tensorrt")
    tensorrt.parameters.update(
        {
            "precision_mode": variant.precision.upper(),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": ENGINE_CACHE,
            **{
                f"trt_profile_{which}_shapes": ",".join(
                    f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes.items()
                )
                for which, shapes in zip(("min", "opt", "max"), profile(variant.contract), strict=True)
            },
        }
    )


def _version_parameters(manifest: Manifest) -> dict[str, str]:
    training, export = manifest.provenance.training, manifest.provenance.export
    engine = export.get("engine", {})
    return {
        "digest": manifest.digest,
        "manifest": manifest.own_digest,
        "adc_era": str(training.get("era", "unknown")),
        **({"score_scale": manifest.score_scale} if manifest.score_scale else {}),
        "checkpoint_sha256": str(training.get("checkpoint_sha256", "unknown")),
        "data_digest": str(manifest.provenance.data.get("digest", "")),
        "git_commit": str(export.get("git_commit", "unknown")),
        **{key: export[key] for key in ("wire_step",) if key in export},
        **{key: engine[key] for key in ("tensorrt", "compute_capability") if key in engine},
    }
