"""Precision is a rewrite of the FP32 graph: the one place that knows how."""

import warnings

import numpy as np
import onnx
from numpy.typing import NDArray

from export.bias_correction import correct_biases
from export.quantization import canonical_int8, cpu_int8
from training.layers import Scales

BIAS_CORRECTION_STEP = 8
"""Every eighth calibration patch, some 500, sets the biases."""


def rewrite(
    fp32: onnx.ModelProto, precision: str, calibration: NDArray[np.float32], learnt: Scales | None = None
) -> onnx.ModelProto:
    """The graph of a precision, with FP32 inputs and outputs.

    Args:
        fp32: the exported graph; stays as it is.
        precision: fp32, fp16 or int8.
        calibration: (N, 48, 48, 1) patches of training events, for int8.
        learnt: scales of a quantised training, which int8 takes as they are.
    """
    if precision == "fp16":
        return _fp16(fp32)
    if precision == "int8":
        canonical = canonical_int8(fp32, calibration, learnt)
        if learnt is not None:
            return cpu_int8(canonical, stretch=False)
        return correct_biases(cpu_int8(canonical), fp32, calibration[::BIAS_CORRECTION_STEP])
    return fp32


def _fp16(fp32: onnx.ModelProto) -> onnx.ModelProto:
    from onnxconverter_common import float16

    model = onnx.ModelProto()
    model.CopyFrom(fp32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the float32 number .* will be truncated")
        model = float16.convert_float_to_float16(model, keep_io_types=True)
    onnx.checker.check_model(model, full_check=True)
    return model
