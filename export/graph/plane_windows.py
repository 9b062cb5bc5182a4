"""Windows of a plane, taken in a graph: each hit's patch."""

from dataclasses import dataclass

import numpy as np

from export.graph.nodes import Nodes
from lartpc.served.contract import PATCH_SIZE

BLOCK = 8
"""Pixels of a block, and copies of the plane."""


@dataclass(frozen=True)
class Windows:
    """A plane within its margin, ready for windows to be taken of it.

    Eight copies of the plane, each shifted by a pixel, lie in blocks of eight pixels: a row of any window is
    six blocks, and one Gather of 48 x 6 numbers takes a window.

    Attributes:
        rows: (1,) its wires, margin included.
        in_row: (1,) blocks in a row.
        blocks: (8 x rows x in_row, 8) pixels.
    """

    rows: str
    in_row: str
    blocks: str

    @classmethod
    def of(cls, nodes: Nodes, plane: str) -> "Windows":
        """Make a (rows, pixels) plane ready; its last 8 pixels are no part of any window."""
        rows, width = (nodes("Shape", plane, start=axis, end=axis + 1) for axis in (0, 1))
        block = nodes.constant([BLOCK])
        in_row = nodes("Div", nodes("Sub", width, block), block)
        length, along = nodes("Mul", in_row, block), nodes.constant([1])
        copies = []
        for shift in range(BLOCK):
            start = nodes.constant([shift])
            copies.append(nodes("Slice", plane, start, nodes("Add", start, length), along))
        in_blocks = nodes.constant([-1, BLOCK])
        return cls(rows, in_row, nodes("Reshape", nodes("Concat", *copies, axis=0), in_blocks))

    def base(self, nodes: Nodes, row: str, pixel: str) -> str:
        """(N,) first block of the window that begins at (N,) row and pixel."""
        block = nodes.constant([BLOCK])
        copy = nodes("Mul", nodes("Mod", pixel, block), self.rows)
        start_of_row = nodes("Mul", nodes("Add", copy, row), self.in_row)
        return nodes("Add", start_of_row, nodes("Div", pixel, block))

    def taken(self, nodes: Nodes, base: str) -> str:
        """(N, 48, 48, 1) windows."""
        rows = nodes("Mul", nodes.constant(np.arange(PATCH_SIZE)[:, None]), self.in_row)
        steps = nodes("Add", rows, nodes.constant(np.arange(PATCH_SIZE // BLOCK)))
        block = nodes("Add", nodes("Unsqueeze", base, nodes.constant([1, 2])), steps)
        window = nodes.constant([-1, PATCH_SIZE, PATCH_SIZE, 1])
        return nodes("Reshape", nodes("Gather", self.blocks, block, axis=0), window)
