"""The first convolution and its pooling once for a plane, and each hit's maps taken of them.

The first convolution has no padding, sees only pixels of the patch, and gives the same on the plane. Where
windows of the pooling, 2 x 2, begin depends on where the hit lies: four poolings, one for every start, are
those of all hits. In integers all sums are exact.
"""

from dataclasses import dataclass

import numpy as np
import onnx

from export.graph.nodes import Nodes
from export.graph.wide_convolution import PIXELS
from lartpc.served.contract import INPUT_NAME, PATCH_SIZE

STARTS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Where windows begin, across the wires and along the drift."""


@dataclass(frozen=True)
class SharedStem:
    """Maps of a plane, ready for those of its hits to be taken.

    Attributes:
        rows: (1,) of a pooling.
        in_row: (1,) cells in a row of one.
        cells: (4 x rows x in_row, maps), the four poolings.
        side: cells of a hit, across and along.
    """

    rows: str
    in_row: str
    cells: str
    side: int

    @classmethod
    def of(
        cls, nodes: Nodes, plane: str, stem: list[onnx.NodeProto], filters: int, kernel: int
    ) -> "SharedStem":
        """Let a plane through a stem.

        Args:
            nodes: are added to.
            plane: (rows, pixels), quantised.
            stem: from :func:`split`; its nodes are used up.
            filters: of its convolution.
            kernel: side of these.
        """
        one, four = nodes.constant([1]), nodes.constant([PIXELS])
        wires, width = (nodes("Shape", plane, start=axis, end=axis + 1) for axis in (0, 1))
        in_fours = nodes("Div", width, four)
        whole = nodes("Slice", plane, nodes.constant([0]), nodes("Mul", in_fours, four), one)
        wide = nodes("Concat", one, wires, in_fours, four, axis=0)
        fewer = nodes.constant([kernel - 1])
        height = nodes("Sub", wires, fewer)
        length = nodes("Mul", nodes("Sub", in_fours, one), four)
        shape = nodes("Concat", one, height, length, nodes.constant([filters]), axis=0)
        *before, pool = stem
        reshapes = [(whole, wide), (None, shape)]
        for node in before:
            if node.op_type == "Reshape":
                source, sizes = reshapes.pop(0)
                node.input[:] = [source or node.input[0], sizes]
            nodes.append(node)
        pooled = [
            nodes(
                "MaxPool",
                pool.input[0],
                kernel_shape=[2, 2],
                strides=[2, 2],
                pads=[down, along, 1 - down, 1 - along],
            )
            for down, along in STARTS
        ]
        maps = nodes("Transpose", nodes("Concat", *pooled, axis=0), perm=[0, 2, 3, 1])
        cells = nodes("Reshape", maps, nodes.constant([-1, filters]))
        rows, in_row = (nodes("Shape", maps, start=axis, end=axis + 1) for axis in (1, 2))
        return cls(rows, in_row, cells, (PATCH_SIZE - kernel + 1) // 2)

    def base(self, nodes: Nodes, row: str, pixel: str) -> str:
        """(N,) first cell of the hit whose window begins at (N,) row and pixel."""
        two = nodes.constant([2])
        down, along = (nodes("Mod", place, two) for place in (row, pixel))
        start = nodes("Add", nodes("Mul", down, two), along)
        first_row = nodes("Div", nodes("Add", row, down), two)
        first_cell = nodes("Div", nodes("Add", pixel, along), two)
        rows_before = nodes("Add", nodes("Mul", start, self.rows), first_row)
        return nodes("Add", nodes("Mul", rows_before, self.in_row), first_cell)

    def taken(self, nodes: Nodes, base: str) -> str:
        """(N, maps, side, side) pooled maps of the hits."""
        rows = nodes("Mul", nodes.constant(np.arange(self.side)[:, None]), self.in_row)
        steps = nodes("Add", rows, nodes.constant(np.arange(self.side)))
        cell = nodes("Add", nodes("Unsqueeze", base, nodes.constant([1, 2])), steps)
        return nodes("Transpose", nodes("Gather", self.cells, cell, axis=0), perm=[0, 3, 1, 2])


def split(network: list[onnx.NodeProto]) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """The nodes from a patch to its first pooled maps, and the others; no stem where no pooling is first."""
    reader = {name: node for node in network for name in node.input}
    producer = {name: node for node in network for name in node.output}
    path: list[onnx.NodeProto] = []
    name = INPUT_NAME
    while not path or path[-1].op_type != "MaxPool":
        node = reader[name]
        if node.op_type in ("Gemm", "MatMul"):
            return [], network
        path.append(node)
        name = node.output[0]
    (convolution,) = (node for node in path if node.op_type == "Conv")
    weights = [
        producer[name] for name in convolution.input if name in producer and producer[name] not in path
    ]
    stem = [*weights, *path]
    return stem, [node for node in network if node not in stem]
