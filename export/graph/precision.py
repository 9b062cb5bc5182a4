"""Precision is a rewrite of the FP32 graph: the one place that knows how."""

import warnings

import numpy as np
import onnx
from numpy.typing import NDArray

from export.graph.bias_correction import correct_biases
from export.graph.not_finite import let_through
from export.graph.plane_requests import of_planes
from export.graph.quantization import canonical_int8, cpu_int8
from export.graph.wide_convolution import PIXELS, widen_first_convolution
from export.variants import Variant
from training.network.layers import Scales

BIAS_CORRECTION_STEP = 8
"""Every eighth calibration patch, some 500, sets the biases."""


def rewrite(
    fp32: onnx.ModelProto, variant: Variant, calibration: NDArray[np.float32], learnt: Scales | None = None
) -> onnx.ModelProto:
    """The graph of a variant, with FP32 outputs.

    Args:
        fp32: the exported graph; stays as it is.
        variant: from :data:`export.variants.VARIANTS`.
        calibration: (N, 48, 48, 1) patches of training events, for int8.
        learnt: scales of a quantised training, which int8 takes as they are.
    """
    graph = _rewritten(fp32, variant, calibration, learnt)
    return of_planes(graph, variant) if variant.contract.of_planes else let_through(graph)


def _rewritten(
    fp32: onnx.ModelProto, variant: Variant, calibration: NDArray[np.float32], learnt: Scales | None
) -> onnx.ModelProto:
    """The graph that answers patches in a variant's precision."""
    if variant.precision == "fp16":
        return _fp16(fp32)
    if variant.precision == "fp32":
        return fp32
    if not variant.gpu:
        fp32 = widen_first_convolution(fp32)
    graph = canonical_int8(fp32, calibration, learnt)
    if not variant.gpu:
        graph = cpu_int8(graph, stretch=learnt is None)
    if not learnt:
        places = 1 if variant.gpu else PIXELS
        graph = correct_biases(graph, fp32, calibration[::BIAS_CORRECTION_STEP], places)
    return graph


def _fp16(fp32: onnx.ModelProto) -> onnx.ModelProto:
    from onnxconverter_common import float16

    model = onnx.ModelProto()
    model.CopyFrom(fp32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the float32 number .* will be truncated")
        model = float16.convert_float_to_float16(model, keep_io_types=True)
    onnx.checker.check_model(model, full_check=True)
    return model
