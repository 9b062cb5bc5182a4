"""INT8 by calibration: one canonical graph that TensorRT accepts, and its form for the CPU.

Canonical: symmetric int8 (zero point 0), weights per channel, float bias, quantisation only on the
inputs of Conv and Gemm. TensorRT takes no other. ONNX Runtime on a CPU cannot fuse it, because it
does not drop a Relu before signed values; with the same numbers written as uint8 it runs on integer
kernels (QLinearConv and QGemm).
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

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

from lartpc.contract import INPUT_NAME

QUANTISED_OPERATORS = ["Conv", "Gemm", "MatMul"]
_SHAPE_ONLY = ("Reshape", "Flatten")


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


def canonical_int8(fp32: onnx.ModelProto, calibration: NDArray[np.float32]) -> onnx.ModelProto:
    """Quantise an FP32 graph with the ranges seen on calibration patches (minimum to maximum)."""
    with TemporaryDirectory() as folder:
        exported, prepared, quantised = (Path(folder, f"{step}.onnx") for step in range(3))
        onnx.save(fp32, exported)
        quant_pre_process(exported, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantised,
            CalibrationPatches(calibration),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=QUANTISED_OPERATORS,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "DedicatedQDQPair": False,
                "OpTypesToExcludeOutputQuantization": QUANTISED_OPERATORS,
            },
        )
        model = onnx.load(quantised)
    _quantise_before_reshape(model.graph)
    del model.graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model


def cpu_int8(canonical: onnx.ModelProto) -> onnx.ModelProto:
    """The canonical graph with uint8 activations.

    After a Relu the zero point is 0 and the scale is stretched by 127/255, so that all 256 steps lie
    on the positive side; elsewhere the zero point is 128 and the numbers stay as they are.
    """
    model = onnx.ModelProto()
    model.CopyFrom(canonical)
    graph = model.graph
    producer = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    activations = [
        node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] not in constants
    ]
    for quantize in activations:
        after_relu = _source(quantize.input[0], producer) == "Relu"
        scale = numpy_helper.to_array(constants[quantize.input[1]])
        if after_relu:
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


def _quantise_before_reshape(graph: onnx.GraphProto) -> None:
    """Reshape -> QuantizeLinear becomes QuantizeLinear -> Reshape, exact for one scale a tensor.

    ONNX Runtime fuses the quantisation into the operator only where they are neighbours.
    """
    producer = {name: node for node in graph.node for name in node.output}
    inputs = {value.name for value in graph.input}
    for quantize in [node for node in graph.node if node.op_type == "QuantizeLinear"]:
        reshape = producer.get(quantize.input[0])
        if reshape is None or reshape.op_type not in _SHAPE_ONLY or reshape.input[0] in inputs:
            continue
        result, between = quantize.output[0], f"{quantize.output[0]}_before_reshape"
        quantize.input[0], quantize.output[0] = reshape.input[0], between
        reshape.input[0], reshape.output[0] = between, result
        nodes = list(graph.node)
        nodes.remove(quantize)
        nodes.insert(nodes.index(reshape), quantize)
        del graph.node[:]
        graph.node.extend(nodes)


def _source(name: str, producer: dict[str, onnx.NodeProto]) -> str:
    """Operator that made a tensor, looking through changes of shape; empty for a graph input."""
    node = producer.get(name)
    while node is not None and node.op_type in _SHAPE_ONLY:
        node = producer.get(node.input[0])
    return "" if node is None else node.op_type


def _dequantizers(name: str, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The DequantizeLinear nodes that a quantised tensor reaches, looking through changes of shape."""
    found = []
    for node in graph.node:
        if name in node.input:
            found += [node] if node.op_type == "DequantizeLinear" else _dequantizers(node.output[0], graph)
    return found
