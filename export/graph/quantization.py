"""INT8, calibrated or with learnt scales: one canonical graph that TensorRT accepts, and its CPU form.

Canonical: symmetric int8 (zero point 0), weights per channel, float bias, quantisation only on the
inputs of Conv and Gemm. TensorRT takes no other. ONNX Runtime on a CPU cannot fuse it, because it
does not drop a Relu before signed values; with the same numbers written as uint8 it runs on integer
kernels (QLinearConv and QGemm).

Weights have 7 bits, -64 .. 64. Processors without VNNI add two products of uint8 and int8 in 16 bits,
saturating: with 8-bit weights 2 x 255 x 127 overflows and answers are wrong on those machines alone
(ONNX Runtime, "Quantize ONNX models": U8S8 saturation), with 7 bits 2 x 255 x 64 = 32640 never does.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from lartpc.served.contract import INPUT_NAME
from training.network.layers import Scales

QUANTISED_OPERATORS = ["Conv", "Gemm", "MatMul"]
_SHAPE_ONLY = ("Reshape", "Flatten", "Transpose")
_COMMUTING = (*_SHAPE_ONLY, "MaxPool")
"""Operators that give the same before and after a quantisation with one scale a tensor."""


class CalibrationPatches(CalibrationDataReader):
    """Feeds calibration patches to ONNX Runtime in batches: (N, 48, 48, 1) float32."""

    def __init__(self, patches: NDArray[np.float32], batch: int = 64) -> None:
        self._batches: Iterator[NDArray[np.float32]] = iter(
            [patches[first : first + batch] for first in range(0, len(patches), batch)]
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next batch, None after the last."""
        patches = next(self._batches, None)
        return None if patches is None else {INPUT_NAME: patches}


def canonical_int8(
    fp32: onnx.ModelProto, calibration: NDArray[np.float32], learnt: Scales | None = None
) -> onnx.ModelProto:
    """Quantise an FP32 graph.

    Args:
        fp32: the exported graph; stays as it is.
        calibration: (N, 48, 48, 1) patches, whose ranges (minimum to maximum) set the scales.
        learnt: the scales of every layer, in place of those of the calibration.
    """
    with TemporaryDirectory() as folder:
        exported, prepared, quantised = (Path(folder, f"{step}.onnx") for step in range(3))
        onnx.save(fp32, exported)
        quant_pre_process(exported, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantised,
            CalibrationPatches(calibration if learnt is None else calibration[:1]),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=QUANTISED_OPERATORS,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "DedicatedQDQPair": False,
                "OpTypesToExcludeOutputQuantization": QUANTISED_OPERATORS,
                "TensorQuantOverrides": _overrides(onnx.load(prepared).graph, learnt),
            },
        )
        model = onnx.load(quantised)
    _quantise_before(_SHAPE_ONLY, model.graph)
    del model.graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model


def cpu_int8(canonical: onnx.ModelProto, stretch: bool = True) -> onnx.ModelProto:
    """The canonical graph with uint8 activations.

    After a Relu the zero point is 0, elsewhere it is 128.

    Args:
        canonical: from :func:`canonical_int8`; stays as it is.
        stretch: whether scales after a Relu shrink by 127/255, so that all 256 steps lie on the positive
            side; learnt scales stay as they are, for the network has learnt with their rounding.
    """
    model = onnx.ModelProto()
    model.CopyFrom(canonical)
    graph = model.graph
    _quantise_before(_COMMUTING, graph)
    producer = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    activations = [
        node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] not in constants
    ]
    for quantize in activations:
        after_relu = _source(quantize.input[0], producer) == "Relu"
        scale = numpy_helper.to_array(constants[quantize.input[1]])
        if after_relu and stretch:
            scale = (scale * np.float32(127 / 255)).astype(np.float32)
        zero_point = np.array(0 if after_relu else 128, np.uint8).reshape(scale.shape)
        names = [f"{quantize.output[0]}_cpu_scale", f"{quantize.output[0]}_cpu_zero_point"]
        for name, value in zip(names, (scale, zero_point), strict=True):
            graph.initializer.append(numpy_helper.from_array(value, name))
        for node in (quantize, *_dequantizers(quantize.output[0], graph)):
            node.input[1:] = names
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(model, full_check=True)
    return model


def _overrides(graph: onnx.GraphProto, learnt: Scales | None) -> dict[str, list[dict[str, Any]]]:
    """Learnt scales in ONNX Runtime's form: tensor name -> scale of the tensor, or of each channel."""
    overrides: dict[str, list[dict[str, Any]]] = {}
    if learnt is None:
        return overrides
    channels_of = {tensor.name: tensor.dims[0] for tensor in graph.initializer if tensor.dims}
    symmetric = {"quant_type": QuantType.QInt8, "zero_point": np.array(0, np.int8)}
    for node in graph.node:
        if node.op_type in QUANTISED_OPERATORS:
            activation, weight = node.input[:2]
            scales = learnt[weight.removeprefix("network.").removesuffix(".weight")]
            overrides[activation] = [{**symmetric, "scale": np.asarray(scales.activation)}]
            repeats = channels_of[weight] // len(scales.weight)  # of filters that begin at several places
            steps = np.tile(scales.weight, repeats)
            channels = [{**symmetric, "scale": np.asarray(step)} for step in steps]
            overrides[weight] = [{**channel, "axis": 0} for channel in channels]
    return overrides


def _quantise_before(operators: tuple[str, ...], graph: onnx.GraphProto) -> None:
    """Operator -> QuantizeLinear becomes QuantizeLinear -> operator, exact for those that commute.

    ONNX Runtime fuses the quantisation into a convolution only where they are neighbours.
    """
    producer = {name: node for node in graph.node for name in node.output}
    inputs = {value.name for value in graph.input}
    nodes = list(graph.node)
    for quantize in [node for node in nodes if node.op_type == "QuantizeLinear"]:
        while (before := producer.get(quantize.input[0])) is not None:
            if before.op_type not in operators or before.input[0] in inputs:
                break
            result, between = quantize.output[0], f"{quantize.output[0]}_before_{before.op_type}"
            quantize.input[0], quantize.output[0] = before.input[0], between
            before.input[0], before.output[0] = between, result
            nodes.remove(quantize)
            nodes.insert(nodes.index(before), quantize)
    del graph.node[:]
    graph.node.extend(nodes)


def _source(name: str, producer: dict[str, onnx.NodeProto]) -> str:
    """Operator that made a tensor, looking through what commutes; empty for a graph input."""
    node = producer.get(name)
    while node is not None and node.op_type in _COMMUTING:
        node = producer.get(node.input[0])
    return "" if node is None else node.op_type


def _dequantizers(name: str, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The DequantizeLinear nodes that a quantised tensor reaches, looking through what commutes."""
    found = []
    for node in graph.node:
        if name in node.input:
            found += [node] if node.op_type == "DequantizeLinear" else _dequantizers(node.output[0], graph)
    return found
