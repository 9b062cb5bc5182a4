"""The graph of a plane request: the plane once, and the windows of its hits through the patch network.

What follows the plane is the patch network as it is, on windows of the plane within a margin, so that a
hit is answered as its patch is (:mod:`export.graph.plane_windows`). On processors the plane is quantised, or
made FP16, before windows are taken, where the patch network begins so; an INT8 network that pools after its
first convolution shares both between hits (:mod:`export.graph.shared_stem`); and hits go through in slices of
about equal size, in a Loop: memory and cache hold a slice, whatever the number of hits. TensorRT gets all
windows at once, and quantises these, for it knows integers only next to what computes with them.

A hit outside of its plane is answered by NaN, and so are all hits of a plane that holds NaN or infinity
(:mod:`export.graph.not_finite`).
"""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.graph.nodes import Nodes
from export.graph.plane_windows import BLOCK, Windows
from export.graph.shared_stem import SharedStem, split
from export.graph.wide_convolution import PIXELS
from export.graph.zero_suppression import zero_suppressed_plane
from export.variants import Variant
from lartpc.patches.cut import HALF
from lartpc.served.contract import (
    HIT_INPUT,
    IMAGE_INPUT,
    INPUT_NAME,
    OUTPUT_NAMES,
    PLANE,
    PLANE_F16,
    PLANE_ZS,
    ZERO_STEP,
    Signature,
)
from lartpc.served.types import NUMPY_TYPES

SLICE = 256
"""Most hits of a slice: as many as a processor's caches hold."""

BEYOND = HALF + 2 * BLOCK
"""Pixels of the zero level after a plane: half a window, and what the shifts and the last block need."""

WIRE_STEP = "wire_step"
"""In a graph's metadata: network units of a step, as text that gives the same float32 again."""


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
    margin = nodes.constant([HALF, HALF, HALF, BEYOND])
    plane = nodes("Pad", image, margin, *([nodes.constant(ZERO_STEP, np.uint8)] if contract.in_steps else []))
    if first is not None:
        first.input[0], first.output[0] = plane, "prepared_plane"
        nodes.append(first)
        plane = first.output[0]
    row, pixel, inside = _places(nodes, image)
    shares = variant.precision == "int8" and not variant.gpu
    stem, network = split(network) if shares else ([], network)
    entry = stem[-1].output[0] if stem else INPUT_NAME
    windows: Windows | SharedStem = (
        Windows.of(nodes, plane)
        if not stem
        else SharedStem.of(nodes, plane, stem, *_filters(stem, constants))
    )
    base = windows.base(nodes, row, pixel)
    if variant.gpu:
        answers = _through(nodes, windows.taken(nodes, base), entry, network)
    else:
        answers = _in_slices(nodes, windows, base, entry, network, constants)
        used = {name for node in nodes for name in node.input}
        constants = [tensor for tensor in constants if tensor.name in used]
    if not contract.in_steps:
        nothing = nodes("Mul", nodes("ReduceSum", image, keepdims=0), nodes.constant(0.0, np.float32))
        answers = [nodes("Add", answer, nothing) for answer in answers]
    not_there = nodes.constant(np.nan, np.float32)
    for name, answer in zip(OUTPUT_NAMES, answers, strict=True):
        nodes.append(helper.make_node("Where", [inside, answer, not_there], [name], name))
    _fill(model.graph, nodes, constants, contract.signature)
    onnx.checker.check_model(model, full_check=True)
    return model


def _places(nodes: Nodes, image: str) -> tuple[str, str, str]:
    """(N,) row and pixel of each hit, of one outside the nearest; and (N, 1) whether it lies in the plane."""
    none, one = nodes.constant([0]), nodes.constant([1])
    size, place = nodes("Shape", image), nodes("Cast", HIT_INPUT, to=TensorProto.INT64)
    within = nodes("And", nodes("GreaterOrEqual", place, none), nodes("Less", place, size))
    number = nodes("ReduceMin", nodes("Cast", within, to=TensorProto.INT32), one)
    inside = nodes("Cast", number, to=TensorProto.BOOL)
    nearest = nodes("Max", nodes("Min", place, nodes("Sub", size, one)), none)
    row, pixel = (nodes("Gather", nearest, nodes.constant(axis), axis=1) for axis in (0, 1))
    return row, pixel, inside


def _filters(stem: list[onnx.NodeProto], constants: Iterable[onnx.TensorProto]) -> tuple[int, int]:
    """Maps of a stem's convolution, which computes four pixels at a time, and the side of its kernel."""
    weight = stem[0].input[0]
    (dims,) = (tensor.dims for tensor in constants if tensor.name == weight)
    return dims[0] // PIXELS, dims[2]


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


def _through(nodes: Nodes, windows: str, entry: str, network: Iterable[onnx.NodeProto]) -> list[str]:
    """Let windows through the patch network, in the place of a tensor of it; the names of its answers."""
    names = {entry: windows, **{name: f"{name}_of_windows" for name in OUTPUT_NAMES}}
    for node in network:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        nodes.append(node)
    return [names[name] for name in OUTPUT_NAMES]


def _in_slices(
    nodes: Nodes,
    windows: Windows | SharedStem,
    base: str,
    entry: str,
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
    answers = _through(body, windows.taken(body, of_slice), entry, network)
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
                spec.name,
                helper.np_dtype_to_tensor_dtype(np.dtype(NUMPY_TYPES[spec.dtype])),
                [size if size > 0 else None for size in spec.shape],
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
