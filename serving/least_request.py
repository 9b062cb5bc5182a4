"""The smallest request that a model answers, by which a canary learns whether it does."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.utils import triton_to_np_dtype

from lartpc.patches.wire import encoded
from lartpc.served.contract import PLANE_ZS
from lartpc.served.parity import Request


def least_request(tensors: list[dict[str, Any]]) -> Request:
    """One row of zeros; of a zero-suppressed plane, where zeros are none, a hit in a plane of one pixel."""
    if {tensor["name"] for tensor in tensors} == {spec.name for spec in PLANE_ZS.signature.inputs}:
        return encoded(np.zeros((1, 1), np.float32), np.zeros((1, 2), np.int32), PLANE_ZS, step=1.0)
    return {tensor["name"]: _zeros(tensor) for tensor in tensors}


def _zeros(tensor: dict[str, Any]) -> NDArray[Any]:
    shape = [max(int(size), 1) for size in tensor["shape"]]
    return np.zeros(shape, triton_to_np_dtype(tensor["datatype"]))
