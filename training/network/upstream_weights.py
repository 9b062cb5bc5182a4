"""The published network's weights from upstream's files: Keras' HDF5, or a frozen TensorFlow graph.

larrecodnn's train_cnn.py saves NAME_weights.h5 with NAME_architecture.json beside it, and save_tf_proto.py
makes the frozen graph of them, which Triton was given as model.graphdef. An array is told by its shape, of
which the network has no two alike; what names and types of layers say is checked.
"""

import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from lartpc.errors import UserError, unread
from lartpc.served.contract import CLASS_LABELS, CLASS_OUTPUT, MICHEL_OUTPUT, PATCH_SIZE

Arrays = list[NDArray[np.float32]]

SIDE = PATCH_SIZE - 5 + 1
FILTERS = 48
SHAPES = {
    "trunk.0.weight": (5, 5, 1, FILTERS),
    "trunk.0.bias": (FILTERS,),
    "trunk.4.weight": (SIDE * SIDE * FILTERS, 128),
    "trunk.4.bias": (128,),
    "trunk.7.weight": (128, 32),
    "trunk.7.bias": (32,),
    "classes.layer.weight": (32, len(CLASS_LABELS)),
    "classes.layer.bias": (len(CLASS_LABELS),),
    "michel.layer.weight": (32, 1),
    "michel.layer.bias": (1,),
}
"""Name here -> shape there, where kernels are (rows, columns, channels in, out) and (in, out)."""

NO_WEIGHTS = ("optimizer", "optimizer_weights")
"""Groups of a whole model's file that hold the state of its training."""

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
FOUR_OUTPUTS = (32, 4)
LAYERS = ("Conv2D", "Dense")


def published_state(path: Path, classes: tuple[str, ...] = CLASS_LABELS) -> dict[str, torch.Tensor]:
    """The state of :class:`training.network.networks.HitNetwork` of the name ``paper``.

    Args:
        path: NAME_weights.h5, a whole model as HDF5, or a frozen graph.
        classes: what the columns of the softmax were trained as, a permutation of track, em, none.

    Raises:
        UserError: the file cannot be read, or holds another network; or the classes are others.
    """
    if sorted(classes) != sorted(CLASS_LABELS):
        raise UserError(f"--classes {','.join(classes)} must name {', '.join(CLASS_LABELS)}, each once")
    if not path.is_file():
        raise UserError(f"no file {path}")
    try:
        with path.open("rb") as file:
            is_hdf5 = file.read(len(HDF5_MAGIC)) == HDF5_MAGIC
    except OSError as error:
        raise unread(path, error, f"cannot be read ({error})") from error
    found = by_name(_of_hdf5(path) if is_hdf5 else _of_graph(path), path)
    order = [classes.index(label) for label in CLASS_LABELS]
    for name in ("classes.layer.weight", "classes.layer.bias"):
        found[name] = found[name][..., order]
    kernel = found["trunk.4.weight"].reshape(SIDE, SIDE, FILTERS, 128)  # of pixels with their channels behind
    found["trunk.4.weight"] = kernel.transpose(2, 0, 1, 3).reshape(-1, 128)
    found["trunk.0.weight"] = found["trunk.0.weight"].transpose(3, 2, 0, 1)
    dense = {name for name, shape in SHAPES.items() if len(shape) == 2}
    return {
        name: torch.from_numpy(np.ascontiguousarray(array.T if name in dense else array))
        for name, array in found.items()
    }


def by_name(arrays: Arrays, path: Path) -> dict[str, NDArray[np.float32]]:
    """The arrays by the names that they have here.

    Raises:
        UserError: one is missing, one too many, or one holds what is no number.
    """
    shapes = [array.shape for array in arrays]
    if FOUR_OUTPUTS in shapes:
        raise UserError(
            f"{path} is of the network with one head of four outputs, whose Michel score competes with the "
            "others; what is served has a softmax of track, em, none and a sigmoid for Michel (train_cnn.py)"
        )
    if (FILTERS, 1, 5, 5) in shapes:
        raise UserError(
            f"{path} holds kernels with channels first (Theano); save the model by TensorFlow's Keras"
        )
    found = {}
    for name, shape in SHAPES.items():
        same = [array for array in arrays if array.shape == shape]
        if len(same) != 1:
            raise UserError(
                f"{path} holds {len(same)} arrays of {list(shape)}, not one: it is not the published network "
                f"of train_cnn.py on patches of {PATCH_SIZE} x {PATCH_SIZE} (it has "
                f"{', '.join(str(list(shape)) for shape in shapes) or 'no arrays'})"
            )
        found[name] = same[0]
    if len(arrays) > len(SHAPES):
        others = [str(list(shape)) for shape in shapes if shape not in SHAPES.values()]
        raise UserError(f"{path} holds more layers than the published network: {', '.join(others)}")
    bad = [name for name, array in found.items() if not np.isfinite(array).all()]
    if bad:
        raise UserError(f"{path} holds weights that are not finite ({bad[0]})")
    return found


def _of_hdf5(path: Path) -> Arrays:
    arrays: Arrays = []

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim and name.split("/")[0] not in NO_WEIGHTS:
            if item.dtype.kind != "f":
                raise UserError(f"{path}: {name} holds {item.dtype}, no weights")
            check_size(item.shape, path)
            arrays.append(single(item[()]))

    try:
        with h5py.File(path) as file:
            config = file.attrs.get("model_config")
            file.visititems(collect)
    except UserError:
        raise
    except Exception as error:  # h5py has no common class for what damaged metadata raise
        raise UserError(f"{path} is no whole HDF5 file ({error or repr(error)})") from error
    beside = path.with_name(
        path.name.replace("_weights", "").removesuffix(path.suffix) + "_architecture.json"
    )
    if config is None and beside.is_file():
        try:
            config = beside.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise unread(beside, error, f"cannot be read ({error})") from error
    if config is not None:
        _check_architecture(config, path)
    return arrays


def _check_architecture(config: str | bytes, path: Path) -> None:
    """Compare Keras' own words with the published network.

    Raises:
        UserError: they are not readable, or of another network.
    """
    try:
        layers = json.loads(config)["config"]["layers"]
        found = [
            (
                layer["class_name"],
                layer["config"].get("activation"),
                layer["config"].get("padding"),
                layer["config"].get("data_format"),
            )
            for layer in layers
            if layer["class_name"] in LAYERS
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"the architecture of {path} is not Keras' ({error!r})") from error
    activations = [activation for _, activation, _, _ in found]
    if sorted(map(str, activations)) != ["relu", "relu", "relu", "sigmoid", "softmax"]:
        raise UserError(
            f"{path} has activations {', '.join(map(str, activations))}; the published network has relu "
            "three times, softmax and sigmoid"
        )
    kind, _, padding, order = found[0]
    if (kind, padding, order) != ("Conv2D", "valid", "channels_last"):
        raise UserError(
            f"{path} begins with {kind}, padding {padding}, {order}; the published network with "
            "Conv2D, valid, channels_last"
        )


def _of_graph(path: Path) -> Arrays:
    from google.protobuf.message import DecodeError

    try:
        from tensorboard.compat.proto.graph_pb2 import GraphDef
        from tensorboard.compat.proto.types_pb2 import DT_FLOAT
        from tensorboard.util.tensor_util import make_ndarray
    except ImportError as error:
        raise UserError(
            f"{path} is no HDF5; to read a frozen graph: pip install 'emtrkmichel[tensorboard]'"
        ) from error

    graph = GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise UserError(f"{path} is neither HDF5 nor a frozen TensorFlow graph") from error
    kinds = {node.name: node.op for node in graph.node}
    wanted = {CLASS_OUTPUT: "Softmax", MICHEL_OUTPUT: "Sigmoid"}
    missing = [name for name, kind in wanted.items() if kinds.get(name) != kind]
    if missing:
        raise UserError(f"{path} has no {wanted[missing[0]]} called {missing[0]}, as train_cnn.py names it")
    convolutions = [node for node in graph.node if node.op == "Conv2D"]
    forms = [(node.attr["padding"].s, node.attr["data_format"].s) for node in convolutions]
    if forms != [(b"VALID", b"NHWC")] or list(kinds.values()).count("Relu") != 3:
        raise UserError(f"{path} is not the published network: one Conv2D, VALID and NHWC, and three Relu")
    arrays: Arrays = []
    for node in graph.node:
        tensor = node.attr["value"].tensor if node.op == "Const" else None
        if tensor is None or tensor.dtype != DT_FLOAT or not tensor.tensor_shape.dim:
            continue
        shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
        check_size(shape, path)
        try:
            arrays.append(single(make_ndarray(tensor)))
        except Exception as error:  # whatever a tensor of another length than its shape makes NumPy raise
            raise UserError(f"{path}: {node.name} of {list(shape)} cannot be read ({error})") from error
    return arrays


def check_size(shape: tuple[int, ...], path: Path) -> None:
    """Raises UserError where an array is larger than any of the network: nothing is made of it then."""
    if min(shape) < 0 or math.prod(shape) > math.prod(SHAPES["trunk.4.weight"]):
        raise UserError(
            f"{path} holds an array of {list(shape)}: it is not the published network of train_cnn.py"
        )


def single(array: NDArray[np.floating]) -> NDArray[np.float32]:
    """In single precision; what is beyond that is infinite, and refused as that."""
    with np.errstate(over="ignore"):
        return array.astype(np.float32)
