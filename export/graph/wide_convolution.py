"""The first convolution for integer kernels: four drift pixels of one channel become four channels.

A patch has one channel, and integer kernels gather their inputs pixel by pixel: one byte at a time. Seen as
12 pixels of 4 channels, which is the same memory, a 5 x 5 convolution of C filters is one of 5 x 2 with 4 C
filters, one for each of the four places that a window can begin at; in the memory's order its output is that
of the first, and the dense layer that follows takes its inputs in that order. The same sums, exactly.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from lartpc.served.contract import INPUT_NAME, PATCH_SIZE

PIXELS = 4
"""Taken together; benchmarks.integer_kernels compares with one at a time."""


def widen_first_convolution(fp32: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with its first convolution on four pixels at a time.

    Args:
        fp32: the exported graph of a network that begins Reshape, Conv (one channel in, no padding), Relu;
            stays as it is.
    """
    model = onnx.ModelProto()
    model.CopyFrom(fp32)
    graph = model.graph
    entry, convolution, relu, after = list(graph.node)[:4]
    kinds = [node.op_type for node in (entry, convolution, relu)]
    if kinds != ["Reshape", "Conv", "Relu"] or entry.input[0] != INPUT_NAME:
        raise ValueError(f"the graph begins {kinds}, not Reshape, Conv, Relu")
    constants = {tensor.name: tensor for tensor in graph.initializer}
    weight, bias = (numpy_helper.to_array(constants[name]) for name in convolution.input[1:])
    filters, _, side, _ = weight.shape
    wide = _on_four_pixels(weight)
    _replace(constants[convolution.input[1]], wide)
    _replace(constants[convolution.input[2]], np.tile(bias, PIXELS))
    for attribute in convolution.attribute:
        if attribute.name == "kernel_shape":
            attribute.ints[:] = wide.shape[2:]
    map_side = PATCH_SIZE - side + 1
    for name, shape in (
        ("wide_shape", (0, PATCH_SIZE, PATCH_SIZE // PIXELS, PIXELS)),
        ("map_shape", (0, map_side, map_side, filters)),
    ):
        graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), name))
    features = relu.output[0]
    relu.output[0] = "wide_features"
    nodes = [
        helper.make_node("Reshape", [INPUT_NAME, "wide_shape"], ["wide_patch"], "wide_patch"),
        helper.make_node("Transpose", ["wide_patch"], [entry.output[0]], "to_channels", perm=[0, 3, 1, 2]),
        convolution,
        relu,
        helper.make_node("Transpose", ["wide_features"], ["in_order"], "from_channels", perm=[0, 2, 3, 1]),
    ]
    if after.op_type == "Reshape":  # the dense layer takes the features in this order
        dense = next(node for node in graph.node if node.input[0] == after.output[0])
        after.input[0] = "in_order"
        _reorder(constants[dense.input[1]], (filters, map_side, map_side))
    else:
        nodes += [
            helper.make_node("Reshape", ["in_order", "map_shape"], ["map"], "map"),
            helper.make_node("Transpose", ["map"], [features], "map_to_channels", perm=[0, 3, 1, 2]),
        ]
    nodes += list(graph.node)[3:]
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    for field, values in ((graph.node, nodes), (graph.initializer, kept)):
        values = [type(value).FromString(value.SerializeToString()) for value in values]
        del field[:]
        field.extend(values)
    del graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model


def _on_four_pixels(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """(C, 1, k, k) filters -> (4 C, 4, k, ceil((k + 3) / 4)); filter place x C + c begins at that place."""
    filters, _, side, _ = weight.shape
    width = -(-(side + PIXELS - 1) // PIXELS)
    wide = np.zeros((PIXELS, filters, side, width * PIXELS), np.float32)
    for place in range(PIXELS):
        wide[place, :, :, place : place + side] = weight[:, 0]
    by_pixel = wide.reshape(PIXELS * filters, side, width, PIXELS)
    return np.ascontiguousarray(by_pixel.transpose(0, 3, 1, 2))


def _reorder(dense: onnx.TensorProto, shape: tuple[int, int, int]) -> None:
    """Let a dense layer's (outputs, C H W) weights take their inputs as (H W C)."""
    weight = numpy_helper.to_array(dense)
    of_maps = weight.reshape(len(weight), *shape).transpose(0, 2, 3, 1)
    _replace(dense, of_maps.reshape(len(weight), -1))


def _replace(tensor: onnx.TensorProto, values: NDArray[np.float32]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
