"""Biases that make up for quantisation: each layer's mean output is that of the FP32 graph again.

Rounding is not without direction where an input takes the same value again and again, as the empty pixels of
a patch do after the first convolution: the error adds up over tens of thousands of inputs and shifts every
score. Its mean over calibration patches is taken from the layer's bias, layer by layer from the input on
(Nagel et al., arXiv:1906.04721, section 4.2, with means measured instead of derived).
"""

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from lartpc.served.contract import INPUT_NAME

LAYERS = ("Conv", "Gemm")
ROWS_PER_RUN = 64


def correct_biases(
    quantised: onnx.ModelProto, fp32: onnx.ModelProto, patches: NDArray[np.float32], places: int = 1
) -> onnx.ModelProto:
    """A quantised graph with corrected biases.

    Args:
        quantised: Q/DQ graph whose Conv and Gemm nodes have the names of outputs of ``fp32`` and a bias in
            floating point; stays as it is.
        fp32: the graph that it was made of.
        patches: (N, 48, 48, 1) for the means.
        places: how often the first convolution has each of its filters, once for every place that a window
            can begin at; they keep one bias, so that what a pixel gives does not depend on its place.
    """
    model = onnx.ModelProto()
    model.CopyFrom(quantised)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in LAYERS:
            output, bias = node.output[0], constants[node.input[2]]
            error = _mean(model, output, patches) - _mean(fp32, output, patches)
            error = np.tile(error.reshape(places, -1).mean(axis=0), places)
            places = 1
            corrected = numpy_helper.to_array(bias) - error
            bias.CopyFrom(numpy_helper.from_array(corrected.astype(np.float32), bias.name))
    return model


def _mean(model: onnx.ModelProto, output: str, patches: NDArray[np.float32]) -> NDArray[np.float64]:
    """(C,) mean of a tensor over patches and places."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    total = 0.0
    for first in range(0, len(patches), ROWS_PER_RUN):
        (values,) = session.run([output], {INPUT_NAME: patches[first : first + ROWS_PER_RUN]})
        total = total + values.mean(axis=tuple(range(2, values.ndim)), dtype=np.float64).sum(axis=0)
    return np.asarray(total) / len(patches)
