"""Which graph is served where: the one table of a network's served models, told apart by their names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lartpc.errors import UserError
from lartpc.served.contract import MODEL_FAMILY, model_name

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
    """

    suffix: str
    precision: str
    gpu: bool
    backend: Backend = "onnxruntime"

    @property
    def graph(self) -> tuple[str, bool]:
        """Which graph it serves: precision, and whether INT8 is in its canonical form."""
        return self.precision, self.gpu and self.precision == "int8"

    @property
    def for_tensorrt(self) -> bool:
        """Whether TensorRT is to take its graph: what GPUs are served, and FP32, which a plan is built of."""
        return self.gpu or self.precision == "fp32"

    def model(self, network: str) -> str:
        """Name of the served model, such as ``emtrkmichel_int8_gpu`` or ``emtrkmichel_compact_fp32``."""
        return model_name(self.suffix, network)


VARIANTS = (
    Variant("fp32", "fp32", gpu=False),
    Variant("fp16", "fp16", gpu=False),
    Variant("fp16_gpu", "fp16", gpu=True),
    Variant("int8", "int8", gpu=False),
    Variant("int8_gpu", "int8", gpu=True),
    Variant("fp32_trt", "fp32", gpu=True, backend="tensorrt"),
    Variant("fp16_trt", "fp16", gpu=True, backend="tensorrt"),
    Variant("int8_trt", "int8", gpu=True, backend="tensorrt"),
)


def is_served_name(name: str) -> bool:
    """Whether a folder's name is that of a model of this family; others may lie beside them."""
    suffixes = "|".join(variant.suffix for variant in VARIANTS)
    return re.fullmatch(rf"{MODEL_FAMILY}(_\w+)?_({suffixes})", name, re.ASCII) is not None


def variant_of(model: str) -> Variant:
    """The variant that a served model's name tells.

    Raises:
        UserError: the name tells none.
    """
    for variant in sorted(VARIANTS, key=lambda variant: -len(variant.suffix)):
        if model.endswith(f"_{variant.suffix}"):
            return variant
    known = ", ".join(variant.suffix for variant in VARIANTS)
    raise UserError(f"the name of model {model!r} ends in no variant; there are {known}")


def variants_of(
    precisions: tuple[str, ...], backends: tuple[str, ...] = ("onnxruntime",)
) -> tuple[Variant, ...]:
    """The served models of some precisions."""
    return tuple(
        variant for variant in VARIANTS if variant.precision in precisions and variant.backend in backends
    )


def by_graph(variants: Iterable[Variant]) -> list[list[Variant]]:
    """Variants that serve the same graph together, in the order of the table."""
    groups: dict[tuple[str, bool], list[Variant]] = {}
    for variant in variants:
        groups.setdefault(variant.graph, []).append(variant)
    return list(groups.values())
