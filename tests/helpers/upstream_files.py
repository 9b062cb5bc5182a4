"""The published network's weights in the files that upstream's scripts write."""

import json
from pathlib import Path

import h5py
import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.types_pb2 import DT_FLOAT

from training.network.upstream_weights import SHAPES

GROUPS = {
    "trunk.0": "conv2d_1",
    "trunk.4": "dense_1",
    "trunk.7": "dense_2",
    "classes.layer": "em_trk_none_netout",
    "michel.layer": "michel_netout",
}
"""Layer here -> Keras' name."""

Arrays = dict[str, np.ndarray]


def random_arrays(seed: int = 0) -> Arrays:
    """Weights as Keras draws them, in its order of axes."""
    random = np.random.default_rng(seed)
    fans = {name: np.prod(shape[:-1]) for name, shape in SHAPES.items()}
    return {
        name: random.normal(0, 0.1 if len(shape) == 1 else np.sqrt(1 / fans[name]), shape).astype(np.float32)
        for name, shape in SHAPES.items()
    }


def write_keras(path: Path, arrays: Arrays, prefix: str = "") -> Path:
    """Write as Model.save_weights does, or with a prefix as a part of a whole model."""
    with h5py.File(path, "a") as file:
        group = file.require_group(prefix) if prefix else file
        group.attrs["layer_names"] = [name.encode() for name in GROUPS.values()]
        for name, array in arrays.items():
            layer, kind = name.rsplit(".", 1)
            keras = GROUPS.get(layer, layer)
            group[f"{keras}/{keras}/{'kernel' if kind == 'weight' else 'bias'}:0"] = array
    return path


def architecture(**changes: dict[str, str]) -> str:
    """Keras' words for train_cnn.py's network, some of a layer's changed."""
    layers = [
        ("InputLayer", {"name": "main_input"}),
        (
            "Conv2D",
            {"name": "conv", "activation": "relu", "padding": "valid", "data_format": "channels_last"},
        ),
        ("Dropout", {"name": "dropout"}),
        ("Flatten", {"name": "flatten"}),
        ("Dense", {"name": "dense", "activation": "relu"}),
        ("Dense", {"name": "dense_2", "activation": "relu"}),
        ("Dense", {"name": "em_trk_none_netout", "activation": "softmax"}),
        ("Dense", {"name": "michel_netout", "activation": "sigmoid"}),
    ]
    configs = [(kind, {**config, **changes.get(config["name"], {})}) for kind, config in layers]
    return json.dumps(
        {"config": {"layers": [{"class_name": kind, "config": config} for kind, config in configs]}}
    )


def write_graph(path: Path, arrays: Arrays, softmax: str = "em_trk_none_netout/Softmax") -> Path:
    """Write as save_tf_proto.py freezes it: constants, and the operations that take them."""
    graph = GraphDef()
    for name, array in arrays.items():
        node = graph.node.add(name=name.replace(".", "/"), op="Const")
        tensor = node.attr["value"].tensor
        tensor.dtype, tensor.tensor_content = DT_FLOAT, array.tobytes()
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
    convolution = graph.node.add(name="conv2d_1/convolution", op="Conv2D")
    convolution.attr["padding"].s, convolution.attr["data_format"].s = b"VALID", b"NHWC"
    for number in range(3):
        graph.node.add(name=f"relu_{number}", op="Relu")
    graph.node.add(name=softmax, op="Softmax")
    graph.node.add(name="michel_netout/Sigmoid", op="Sigmoid")
    path.write_bytes(graph.SerializeToString())
    return path
