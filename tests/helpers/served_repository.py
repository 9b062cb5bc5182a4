"""A small model repository of the contract: tiny networks with weights from a seed."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from google.protobuf import text_format
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import model_config_pb2 as pb

from lartpc.files import sha256
from lartpc.provenance import Provenance
from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAMES, PATCH
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, Manifest, Tolerance

LARGEST_PIXEL = 15
"""The tiny network fails where a pixel is larger, as a network with a bad index would."""


def write_model(
    repository: Path,
    name: str,
    versions: tuple[int, ...] = (1,),
    visible: tuple[int, ...] | None = None,
    queue_delay_us: int = 0,
) -> Path:
    """Write a model with some versions, of which the visible ones are named in config.pbtxt."""
    folder = repository / name
    for version in versions:
        write_version(folder, version)
    for labels in PATCH.label_files:
        (folder / labels.name).write_text(labels.text)
    config = model_config(folder, visible or versions)
    config.dynamic_batching.max_queue_delay_microseconds = queue_delay_us
    write_config(folder, config)
    return folder


def write_other_model(repository: Path, name: str) -> Path:
    """Write the same network behind a configuration that has its outputs in the other order."""
    folder = write_model(repository, name)
    config = model_config(folder, (1,))
    config.output.reverse()
    write_config(folder, config)
    return folder


def write_version(folder: Path, version: int) -> None:
    """Write weights from the seed ``version``, golden hits answered by them, and the manifest."""
    target = folder / str(version)
    target.mkdir(parents=True)
    onnx.save(tiny_network(seed=version), target / MODEL_FILE)
    rng = np.random.default_rng(100)
    patches = rng.normal(0, 3, (64, *INPUT_SHAPE)).clip(-5, 14).astype(np.float32)
    outputs = answer(target / MODEL_FILE, patches)
    label = rng.integers(0, 3, len(patches)).astype(np.uint8)
    michel = (rng.random(len(patches)) < 0.3).astype(np.uint8)
    golden = GoldenHits(({INPUT_NAME: patches},), outputs, label, michel)
    (target / GOLDEN_FILE).write_bytes(golden.content())
    manifest = Manifest(
        model=folder.name,
        version=version,
        precision="fp32",
        files={file: sha256(target / file) for file in (MODEL_FILE, GOLDEN_FILE)},
        tolerances={output: Tolerance(max=1e-5, mean=1e-6) for output in OUTPUT_NAMES},
        class_agreement=0.99,
        gate={},
        metrics={"track_shower_auc": 0.987, "michel_auc": 0.954},
        provenance=Provenance(),
    )
    (target / MANIFEST_FILE).write_bytes(manifest.content)


def answer(model: Path, patches: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of a model in this process."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return dict(zip(OUTPUT_NAMES, session.run(list(OUTPUT_NAMES), {INPUT_NAME: patches}), strict=True))


def model_config(folder: Path, visible: tuple[int, ...]) -> pb.ModelConfig:
    """The configuration as export writes it, with the digests of the visible versions."""
    config = pb.ModelConfig(name=folder.name, backend="onnxruntime", max_batch_size=PATCH.signature.max_batch)
    config.input.add(name=INPUT_NAME, data_type=pb.TYPE_FP32, dims=INPUT_SHAPE)
    for labels in PATCH.label_files:
        dims = [len(labels.labels)]
        config.output.add(name=labels.output, data_type=pb.TYPE_FP32, dims=dims, label_filename=labels.name)
    config.version_policy.specific.versions.extend(visible)
    config.dynamic_batching.SetInParent()
    config.instance_group.add(count=1, kind=pb.ModelInstanceGroup.KIND_AUTO)
    parameters = {"intra_op_thread_count": "1"}
    for version in visible:
        for key, file in (("digest", MODEL_FILE), ("manifest", MANIFEST_FILE)):
            if (path := folder / str(version) / file).exists():
                parameters[f"v{version}.{key}"] = sha256(path)
        parameters[f"v{version}.adc_era"] = "2021"
    for key, value in parameters.items():
        config.parameters[key].string_value = value
    return config


def read_config(folder: Path) -> pb.ModelConfig:
    """The configuration of a model."""
    return text_format.Parse((folder / "config.pbtxt").read_text(), pb.ModelConfig())


def write_config(folder: Path, config: pb.ModelConfig) -> None:
    """Replace config.pbtxt atomically."""
    part = folder / "config.pbtxt.part"
    part.write_text(text_format.MessageToString(config))
    part.replace(folder / "config.pbtxt")


def tiny_network(seed: int) -> onnx.ModelProto:
    """Pooled pixels and one linear layer a head; a pixel over LARGEST_PIXEL makes the run fail."""
    rng = np.random.default_rng(seed)
    weights = {
        "class_weight": rng.normal(0, 0.5, (64, 3)).astype(np.float32),
        "michel_weight": rng.normal(0, 0.5, (64, 1)).astype(np.float32),
        "nhwc_to_flat": np.array([0, 64], np.int64),
        "nothing": np.zeros(LARGEST_PIXEL + 1, np.float32),
        "floor": np.array(0, np.float32),
    }
    nodes = [
        helper.make_node("Transpose", [INPUT_NAME], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["nchw"], ["pooled"], kernel_shape=[6, 6], strides=[6, 6]),
        helper.make_node("Reshape", ["pooled", "nhwc_to_flat"], ["flat"]),
        helper.make_node("ReduceMax", [INPUT_NAME], ["largest"], keepdims=0),
        helper.make_node("Max", ["largest", "floor"], ["row_float"]),
        helper.make_node("Cast", ["row_float"], ["row"], to=TensorProto.INT64),
        helper.make_node("Gather", ["nothing", "row"], ["zero"]),
        helper.make_node("Add", ["flat", "zero"], ["features"]),
        helper.make_node("MatMul", ["features", "class_weight"], ["class_score"]),
        helper.make_node("Softmax", ["class_score"], [OUTPUT_NAMES[0]], axis=1),
        helper.make_node("MatMul", ["features", "michel_weight"], ["michel_score"]),
        helper.make_node("Sigmoid", ["michel_score"], [OUTPUT_NAMES[1]]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["batch", *INPUT_SHAPE])],
        [
            helper.make_tensor_value_info(spec.name, TensorProto.FLOAT, ["batch", *spec.shape])
            for spec in PATCH.signature.outputs
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model
