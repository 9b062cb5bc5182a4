"""What must hold for a model and for a version in a repository."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from export.config import Visibility, checksums, model_config, read_config
from export.plan_builder import BUILT_ON_SERVER
from export.repository import Repository
from export.triton_release import check_release
from export.variants import variant_of
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import CONFIG_FILE, INPUT_NAME, INPUT_SHAPE, LABEL_TEXTS, OUTPUT_LABELS
from lartpc.served.golden import GoldenPatches
from lartpc.served.manifest import GOLDEN_FILE, MODEL_FILE, Manifest
from lartpc.served.parity import Parity, compare
from lartpc.served.session import GraphSession


def lint_model(repository: Repository, model: str) -> list[str]:
    """What is wrong with a model's configuration and labels, in words; empty where nothing is."""
    folder = repository.root / model
    found = []
    config = read_config(folder)
    versions = repository.manifests(model)
    numbers = [manifest.version for manifest in versions]
    visibility = Visibility.of(config, str(folder / CONFIG_FILE))
    if visibility.visible not in numbers:
        found.append(f"{folder}: config.pbtxt shows version {visibility.visible}, there are {numbers}")
    elif config != model_config(model, versions, visibility, checksums(config)):
        found.append(f"{folder}: config.pbtxt is not what an export writes; export the model anew")
    for name, text in LABEL_TEXTS.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != text.encode():
            found.append(f"{path} does not list {', '.join(text.split())}")
    return found


def lint_version(repository: Repository, manifest: Manifest) -> Parity:
    """Check the files of a version and replay its golden patches.

    Raises:
        CheckError: a file is altered, the graph breaks the contract, or its answers are beyond tolerance.
        UserError: a file cannot be read.
    """
    folder = repository.root / manifest.model / str(manifest.version)
    built_here = BUILT_ON_SERVER if variant_of(manifest.model).backend == "tensorrt" else ()
    manifest.check_files(folder, besides=built_here)
    _check_contract(folder / MODEL_FILE)
    golden = GoldenPatches.read(folder / GOLDEN_FILE)
    answers = GraphSession(folder / MODEL_FILE).answer(golden.patches)
    parity = compare(answers, golden.outputs)
    failures = parity.beyond(manifest.tolerances, manifest.class_agreement)
    if failures:
        raise CheckError(
            f"{manifest.model} version {manifest.version} does not answer like its reference: "
            f"{'; '.join(failures)}"
        )
    return parity


def _check_contract(path: Path) -> None:
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise UserError(f"{path} is not an ONNX graph ({error}); export the version anew") from error
    check_release(model, str(path))
    graph = model.graph
    names = [value.name for value in graph.output]
    if [value.name for value in graph.input] != [INPUT_NAME] or names != list(OUTPUT_LABELS):
        raise CheckError(f"{path} has not the contract's tensors but {names}")
    for value, shape in (
        (graph.input[0], INPUT_SHAPE),
        *((output, (len(OUTPUT_LABELS[output.name]),)) for output in graph.output),
    ):
        tensor = value.type.tensor_type
        dims = tuple(dim.dim_value for dim in tensor.shape.dim)[1:]
        if tensor.elem_type != onnx.TensorProto.FLOAT or dims != shape:
            raise CheckError(f"{path}: {value.name} is not FP32 of shape {shape}")
