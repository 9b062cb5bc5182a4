"""Writing a piece of an ONNX graph as one writes a formula: every operator gives the name of its result."""

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import helper, numpy_helper


class Nodes(list[onnx.NodeProto]):
    """Nodes in the order in which they were written.

    Args:
        prefix: of the names of their results.
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def __call__(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Add an operator with one output; returns the output's name."""
        name = f"{self._prefix}_{len(self)}_{operator.lower()}"
        self.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def constant(self, values: ArrayLike, dtype: type = np.int64) -> str:
        """Add numbers; returns their name."""
        return self("Constant", value=numpy_helper.from_array(np.asarray(values, dtype)))
