"""Which graph is served where: the one table of a network's served models, and what one of them is."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lartpc.errors import UserError
from lartpc.served.contract import PATCH, PLANE, PLANE_F16, PLANE_U8, PLANE_ZS, Contract
from lartpc.served.manifest import Manifest
from lartpc.served.model_config import Facts
from lartpc.served.names import served_name

if TYPE_CHECKING:
    from tritonclient.grpc.model_config_pb2 import ModelConfig

Backend = Literal["onnxruntime", "tensorrt"]
"""Triton's backend: one that runs the ONNX graph, or one that runs a plan built of it."""


@dataclass(frozen=True)
class Variant:
    """A served model of a network.

    Attributes:
        suffix: what follows the network's name.
        precision: of the arithmetic inside the graph: fp32, fp16 or int8.
        gpu: served on GPUs alone; INT8 is then the canonical graph, which TensorRT takes. The others run on
            any machine, their INT8 in the form for processors.
        backend: that serves it. On a GPU ``onnxruntime`` hands the graph to TensorRT at the first start.
        contract: what it takes and gives.
    """

    suffix: str
    precision: str
    gpu: bool
    backend: Backend = "onnxruntime"
    contract: Contract = PATCH

    @property
    def graph(self) -> tuple[str, str, bool]:
        """Which graph it serves: contract, precision, and whether in its form for GPUs.

        Patches have one form on any machine but for INT8; planes go through in slices on processors alone.
        """
        own_form = self.precision == "int8" or self.contract.of_planes
        return self.contract.name, self.precision, self.gpu and own_form

    @property
    def for_tensorrt(self) -> bool:
        """Whether TensorRT is to take its graph: what GPUs are served, and FP32, which a plan is built of."""
        return self.gpu or (self.precision == "fp32" and not self.contract.of_planes)


VARIANTS = (
    Variant("fp32", "fp32", gpu=False),
    Variant("fp16", "fp16", gpu=False),
    Variant("fp16_gpu", "fp16", gpu=True),
    Variant("int8", "int8", gpu=False),
    Variant("int8_gpu", "int8", gpu=True),
    Variant("fp32_trt", "fp32", gpu=True, backend="tensorrt"),
    Variant("fp16_trt", "fp16", gpu=True, backend="tensorrt"),
    Variant("int8_trt", "int8", gpu=True, backend="tensorrt"),
    Variant("plane_fp32", "fp32", gpu=False, contract=PLANE),
    Variant("plane_fp16", "fp16", gpu=False, contract=PLANE),
    Variant("plane_fp16_gpu", "fp16", gpu=True, contract=PLANE),
    Variant("plane_int8", "int8", gpu=False, contract=PLANE),
    Variant("plane_int8_gpu", "int8", gpu=True, contract=PLANE),
    Variant("plane_f16_int8", "int8", gpu=False, contract=PLANE_F16),
    Variant("plane_u8_int8", "int8", gpu=False, contract=PLANE_U8),
    Variant("plane_zs_int8", "int8", gpu=False, contract=PLANE_ZS),
)
BY_SUFFIX = {variant.suffix: variant for variant in VARIANTS}


@dataclass(frozen=True)
class ServedModel:
    """A model as it is served.

    Attributes:
        name: of its folder; any name may stand for it.
        facts: what it is.
        variant: where and how it is served.
    """

    name: str
    facts: Facts
    variant: Variant

    @classmethod
    def named(cls, variant: Variant, network: str) -> "ServedModel":
        """The model of a variant under the name that is built for it."""
        facts = Facts(network, variant.contract.name, variant.precision)
        return cls(served_name(variant.suffix, network), facts, variant)

    @classmethod
    def of(cls, config: "ModelConfig", versions: Iterable[Manifest], place: str) -> "ServedModel":
        """What a configuration says that the model is.

        Args:
            config: the configuration.
            versions: manifests of the model's versions.
            place: where the configuration lies, for messages.

        Raises:
            UserError: it does not say, or no such model is known.
        """
        from tritonclient.grpc import model_config_pb2 as triton

        facts = Facts.of(config, versions, place)
        gpu = any(group.kind == triton.ModelInstanceGroup.KIND_GPU for group in config.instance_group)
        wanted = (facts.of_contract, facts.precision, gpu, config.backend)
        for variant in VARIANTS:
            if (variant.contract, variant.precision, variant.gpu, variant.backend) == wanted:
                return cls(config.name, facts, variant)
        raise UserError(
            f"{place} serves {facts.contract} requests in precision {facts.precision} with backend "
            f"{config.backend!r} {'on GPUs alone' if gpu else 'on any machine'}, which no export does; "
            "export the model anew"
        )


def models_of(network: str) -> list[ServedModel]:
    """The models of a network, one a variant, in the order of the table."""
    return [ServedModel.named(variant, network) for variant in VARIANTS]


def by_graph(
    models: Iterable[ServedModel],
    precisions: Collection[str],
    backends: Collection[str],
    contracts: Collection[str],
) -> list[list[ServedModel]]:
    """Those of some precisions, backends and contracts, together those that serve the same graph."""
    groups: dict[tuple[str, str, bool], list[ServedModel]] = {}
    for model in models:
        variant = model.variant
        wanted = variant.precision in precisions and variant.contract.name in contracts
        if wanted and variant.backend in backends:
            groups.setdefault(model.variant.graph, []).append(model)
    return list(groups.values())
