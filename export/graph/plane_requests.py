"""The graph of a plane request: the plane once, and the windows of its hits through the patch network.

What follows the plane is the patch network as it is, on windows of the plane within a margin, so that a
hit is answered as its patch is. Eight copies of the plane, each shifted by a pixel, lie in blocks of eight
pixels: a row of any window is six blocks, and one Gather of 48 x 6 numbers takes a window.

On processors the plane is quantised, or made FP16, before windows are taken, where the patch network begins
so; and hits go through in slices of about equal size, in a Loop: memory and cache hold a slice, whatever the
number of hits, and the plane is made ready once. TensorRT gets all windows at once, and quantises these, for
it knows integers only next to what computes with them.

A hit outside of its plane is answered by NaN, and so are all hits of a plane that holds NaN or infinity where
the network is INT8, which does not know them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.graph.nodes import Nodes
from export.graph.zero_suppression import zero_suppressed_plane
from export.variants import Variant
from lartpc.patches.cut import HALF
from lartpc.served.contract import (
    HIT_INPUT,
    IMAGE_INPUT,
    INPUT_NAME,
    OUTPUT_NAMES,
    PATCH_SIZE,
    PLANE,
    PLANE_F16,
    PLANE_ZS,
    ZERO_STEP,
    Signature,
)

SLICE = 256
"""Most hits of a slice: as many as a processor's caches hold."""

BLOCK = 8
"""Pixels of a block, and copies of the plane."""

BLOCKS = PATCH_SIZE // BLOCK

BEYOND = HALF + 2 * BLOCK
"""Pixels of the zero level after a plane: half a window, and what the shifts and the last block need."""

WIRE_STEP = "wire_step"
"""In a graph's metadata: network units of a step, as text that gives the same float32 again."""

TYPES = {
    "FP32": TensorProto.FLOAT,
    "FP16": TensorProto.FLOAT16,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "INT32": TensorProto.INT32,
}


def of_planes(patches: onnx.ModelProto, variant: Variant) -> onnx.ModelProto:
    """The graph that answers plane requests as another one answers patches.

    Args:
        patches: graph of the patch contract, without the guard against NaN; stays as it is.
        variant: of a contract of planes: for GPUs all hits go through at once, and are quantised where the
            patch network does; of a contract in steps the patch network is INT8, for processors.
    """
    model = onnx.ModelProto()
    model.CopyFrom(patches)
    network, first = (list(model.graph.node), None) if variant.gpu else _entered(list(model.graph.node))
    constants = list(model.graph.initializer)
    contract, nodes = variant.contract, Nodes("plane")
    image = zero_suppressed_plane(nodes) if contract is PLANE_ZS else IMAGE_INPUT
    if contract is PLANE_F16:
        image = nodes("Cast", image, to=TensorProto.FLOAT)
    if contract.in_steps:
        step = _step(first, constants)
        model.metadata_props.add(key=WIRE_STEP, value=repr(step))
        first = None
    plane = _Plane.of(nodes, image, first, contract.in_steps)
    base, inside = plane.places(nodes, image)
    if variant.gpu:
        answers = _through(nodes, plane.windows(nodes, base), network)
    else:
        answers = _in_slices(nodes, plane, base, network, constants)
        constants = [tensor for tensor in constants if first is not None and tensor.name in first.input]
    if variant.precision == "int8" and not contract.in_steps:
        nothing = nodes("Mul", nodes("ReduceSum", image, keepdims=0), nodes.constant(0.0, np.float32))
        answers = [nodes("Add", answer, nothing) for answer in answers]
    not_there = nodes.constant(np.nan, np.float32)
    for name, answer in zip(OUTPUT_NAMES, answers, strict=True):
        nodes.append(helper.make_node("Where", [inside, answer, not_there], [name], name))
    _fill(model.graph, nodes, constants, contract.signature)
    onnx.checker.check_model(model, full_check=True)
    return model


@dataclass(frozen=True)
class _Plane:
    """A plane within its margin, ready for windows to be taken of it.

    Attributes:
        rows: (1,) its wires, margin included.
        in_row: (1,) blocks in a row.
        blocks: (8 x rows x in_row, 8) pixels: eight copies of the plane, each shifted by one more pixel.
    """

    rows: str
    in_row: str
    blocks: str

    @classmethod
    def of(cls, nodes: Nodes, image: str, first: onnx.NodeProto | None, in_steps: bool) -> "_Plane":
        margin = nodes.constant([HALF, HALF, HALF, BEYOND])
        plane = nodes("Pad", image, margin, *([nodes.constant(ZERO_STEP, np.uint8)] if in_steps else []))
        rows, width = (nodes("Shape", plane, start=axis, end=axis + 1) for axis in (0, 1))
        if first is not None:
            first.input[0], first.output[0] = plane, "prepared_plane"
            nodes.append(first)
            plane = first.output[0]
        block = nodes.constant([BLOCK])
        in_row = nodes("Div", nodes("Sub", width, block), block)
        length, along = nodes("Mul", in_row, block), nodes.constant([1])
        copies = []
        for shift in range(BLOCK):
            start = nodes.constant([shift])
            copies.append(nodes("Slice", plane, start, nodes("Add", start, length), along))
        in_blocks = nodes.constant([-1, BLOCK])
        return cls(rows, in_row, nodes("Reshape", nodes("Concat", *copies, axis=0), in_blocks))

    def places(self, nodes: Nodes, image: str) -> tuple[str, str]:
        """(N,) first block of each hit's window, and (N, 1) whether the hit lies in the plane."""
        none, one, block = nodes.constant([0]), nodes.constant([1]), nodes.constant([BLOCK])
        size, place = nodes("Shape", image), nodes("Cast", HIT_INPUT, to=TensorProto.INT64)
        within = nodes("And", nodes("GreaterOrEqual", place, none), nodes("Less", place, size))
        number = nodes("ReduceMin", nodes("Cast", within, to=TensorProto.INT32), one)
        inside = nodes("Cast", number, to=TensorProto.BOOL)
        nearest = nodes("Max", nodes("Min", place, nodes("Sub", size, one)), none)
        row, pixel = (nodes("Gather", nearest, nodes.constant(axis), axis=1) for axis in (0, 1))
        copy = nodes("Mul", nodes("Mod", pixel, block), self.rows)
        start_of_row = nodes("Mul", nodes("Add", copy, row), self.in_row)
        return nodes("Add", start_of_row, nodes("Div", pixel, block)), inside

    def windows(self, nodes: Nodes, base: str) -> str:
        """(N, 48, 48, 1) windows of the plane."""
        rows = nodes("Mul", nodes.constant(np.arange(PATCH_SIZE)[:, None]), self.in_row)
        steps = nodes("Add", rows, nodes.constant(np.arange(BLOCKS)))
        block = nodes("Add", nodes("Unsqueeze", base, nodes.constant([1, 2])), steps)
        window = nodes.constant([-1, PATCH_SIZE, PATCH_SIZE, 1])
        return nodes("Reshape", nodes("Gather", self.blocks, block, axis=0), window)


def _step(first: onnx.NodeProto | None, constants: Iterable[onnx.TensorProto]) -> float:
    """Network units of a step of the patch network's input, whose zero point is 128."""
    assert first is not None and first.op_type == "QuantizeLinear"
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in constants}
    scale, zero_point = (values[name].item() for name in first.input[1:])
    assert zero_point == ZERO_STEP
    return float(scale)


def wire_step(graph: onnx.ModelProto) -> float | None:
    """Network units of a step, of a graph whose contract is in steps."""
    said = {prop.key: prop.value for prop in graph.metadata_props}
    return float(said[WIRE_STEP]) if WIRE_STEP in said else None


def _entered(nodes: list[onnx.NodeProto]) -> tuple[list[onnx.NodeProto], onnx.NodeProto | None]:
    """The nodes of a patch network, and apart from them its first operator that can be done on a plane."""
    reader = {name: node for node in nodes for name in node.input}
    entry = reader[INPUT_NAME]
    following = reader[entry.output[0]]
    if entry.op_type == "Cast":
        following.input[0], first = INPUT_NAME, entry
    elif (entry.op_type, following.op_type) == ("Reshape", "QuantizeLinear"):
        entry.output[0], first = following.output[0], following
    else:
        return nodes, None
    return [node for node in nodes if node is not first], first


def _through(nodes: Nodes, windows: str, network: Iterable[onnx.NodeProto]) -> list[str]:
    """Let windows through the patch network; the names of its answers."""
    names = {INPUT_NAME: windows, **{name: f"{name}_of_windows" for name in OUTPUT_NAMES}}
    for node in network:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        nodes.append(node)
    return [names[name] for name in OUTPUT_NAMES]


def _in_slices(
    nodes: Nodes,
    plane: _Plane,
    base: str,
    network: Iterable[onnx.NodeProto],
    constants: Iterable[onnx.TensorProto],
) -> list[str]:
    """Let the windows of all hits through the patch network, slice by slice; the names of the answers.

    The slices are equally long, and the last one is filled up.
    """
    none, one = nodes.constant([0]), nodes.constant([1])

    def at_least(numerator: str, denominator: str) -> str:
        """The quotient, rounded up, and at least 1."""
        before = nodes("Sub", nodes("Add", numerator, denominator), one)
        return nodes("Max", nodes("Div", before, denominator), one)

    number = nodes("Shape", base)
    slices = at_least(number, nodes.constant([SLICE]))
    length = at_least(number, slices)
    missing = nodes("Sub", nodes("Mul", slices, length), number)
    filled = nodes("Pad", base, nodes("Concat", none, missing, axis=0))
    by_slice = nodes("Reshape", filled, nodes("Concat", slices, length, axis=0))

    body = Nodes("slice")
    of_slice = body("Gather", by_slice, "slice_number", axis=0)
    answers = _through(body, plane.windows(body, of_slice), network)
    body.append(helper.make_node("Identity", ["goes_on"], ["goes_on_after"]))
    graph = helper.make_graph(
        body,
        "slice",
        [
            helper.make_tensor_value_info("slice_number", TensorProto.INT64, []),
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
        ],
        [
            helper.make_tensor_value_info("goes_on_after", TensorProto.BOOL, []),
            *(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in answers),
        ],
        list(constants),
    )
    collected = [f"{name}_by_slice" for name in OUTPUT_NAMES]
    trips = nodes("Squeeze", slices, none)
    nodes.append(helper.make_node("Loop", [trips, ""], collected, "slices", body=graph))
    found = []
    for name, spec in zip(collected, PLANE.signature.outputs, strict=True):
        flat = nodes("Reshape", name, nodes.constant(spec.shape))
        found.append(nodes("Slice", flat, none, number, none))
    return found


def _fill(
    graph: onnx.GraphProto, nodes: Nodes, constants: list[onnx.TensorProto], signature: Signature
) -> None:
    """Let a graph have these nodes, constants, inputs and outputs."""
    tensors = [
        [
            helper.make_tensor_value_info(
                spec.name, TYPES[spec.dtype], [size if size > 0 else None for size in spec.shape]
            )
            for spec in specs
        ]
        for specs in (signature.inputs, signature.outputs)
    ]
    for field, values in (
        (graph.node, list(nodes)),
        (graph.initializer, constants),
        (graph.input, tensors[0]),
        (graph.output, tensors[1]),
    ):
        kept = [type(value).FromString(value.SerializeToString()) for value in values]
        del field[:]
        field.extend(kept)
    del graph.value_info[:]
