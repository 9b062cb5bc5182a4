"""A zero-suppressed plane, made whole in the graph."""

import numpy as np
from onnx import TensorProto

from export.graph.nodes import Nodes
from lartpc.served.contract import RUN_INPUT, SHAPE_INPUT, VALUE_INPUT, ZERO_STEP


def zero_suppressed_plane(nodes: Nodes) -> str:
    """Name of the (wires, drift pixels) plane in steps, of its runs.

    A value is of the last run that begins at it or before, in the order of the values. Runs that leave the
    plane make ONNX Runtime refuse the request, or lie elsewhere; our backend looks before.
    """
    none, one, along = nodes.constant([0]), nodes.constant([1]), nodes.constant(0)
    runs = nodes("Cast", RUN_INPUT, to=TensorProto.INT64)
    wire, pixel, length = (nodes("Gather", runs, nodes.constant(column), axis=1) for column in range(3))
    start = nodes("Sub", nodes("CumSum", length, along), length)
    number = nodes("Shape", VALUE_INPUT)
    nothing = nodes("Expand", none, nodes("Add", number, one))
    once = nodes("Expand", one, nodes("Shape", start))
    begun = nodes("ScatterElements", nothing, start, once, reduction="add")
    run = nodes("Sub", nodes("CumSum", nodes("Slice", begun, none, number), along), one)
    size = nodes("Cast", SHAPE_INPUT, to=TensorProto.INT64)
    in_row = nodes("Slice", size, one, nodes.constant([2]))
    origin = nodes("Sub", nodes("Add", nodes("Mul", wire, in_row), pixel), start)
    count = nodes("Range", along, nodes("Squeeze", number, none), nodes.constant(1))
    place = nodes("Add", nodes("Gather", origin, run), count)
    zeros = nodes("Expand", nodes.constant([ZERO_STEP], np.uint8), nodes("ReduceProd", size, keepdims=1))
    return nodes("Reshape", nodes("ScatterElements", zeros, place, VALUE_INPUT), size, allowzero=1)
