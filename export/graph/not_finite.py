"""What is no number stays none: a patch that holds NaN would be turned into a sure answer.

Integers do not know it, and the maximum of pixels of which one is NaN is another one (ONNX Runtime's MaxPool
and Relu).
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from lartpc.served.contract import INPUT_NAME, OUTPUT_NAMES


def let_through(model: onnx.ModelProto) -> onnx.ModelProto:
    """Answer NaN to a patch with a pixel that is NaN or infinite; other answers stay the same.

    The pixels of a patch are added up; 0 times that sum is 0, or NaN where a pixel is no number, and is added
    to the answers. C++ clients of LArSoft do not look at what they send.

    Args:
        model: a graph of the contract; stays as it is.
    """
    guarded = onnx.ModelProto()
    guarded.CopyFrom(model)
    graph = guarded.graph
    finite = {name: f"{name}_of_numbers" for name in OUTPUT_NAMES}
    for node in graph.node:
        node.output[:] = [finite.get(name, name) for name in node.output]
        node.input[:] = [finite.get(name, name) for name in node.input]
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([1, 2, 3], np.int64), "pixels_of_a_patch"),
            numpy_helper.from_array(np.array([-1, 1], np.int64), "column"),
            numpy_helper.from_array(np.array(0, np.float32), "nothing"),
        ]
    )
    guard = "nothing_or_nan_column"
    graph.node.extend(
        [
            helper.make_node("ReduceSum", [INPUT_NAME, "pixels_of_a_patch"], ["pixel_sum"], keepdims=0),
            helper.make_node("Mul", ["pixel_sum", "nothing"], ["nothing_or_nan"]),
            helper.make_node("Reshape", ["nothing_or_nan", "column"], [guard]),
            *(helper.make_node("Add", [finite[name], guard], [name]) for name in OUTPUT_NAMES),
        ]
    )
    onnx.checker.check_model(guarded, full_check=True)
    return guarded
