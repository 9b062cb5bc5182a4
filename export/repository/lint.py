"""What must hold for a model and for a version in a repository."""

from collections.abc import Iterable
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from export.graph.triton_release import check_release
from export.repository.config import checksums, in_earlier_form, model_config
from export.repository.versions import Repository
from export.variants import ServedModel
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import Contract, Signature, TensorSpec
from lartpc.served.golden import GoldenPatches
from lartpc.served.manifest import GOLDEN_FILE, MODEL_FILE, Manifest
from lartpc.served.model_config import CONFIG_FILE, Visibility, read_config, says_facts, signature_of
from lartpc.served.parity import Parity, compare
from lartpc.served.session import GraphSession

TRITON_TYPES = {
    onnx.TensorProto.FLOAT: "FP32",
    onnx.TensorProto.FLOAT16: "FP16",
    onnx.TensorProto.DOUBLE: "FP64",
    onnx.TensorProto.UINT8: "UINT8",
    onnx.TensorProto.INT8: "INT8",
    onnx.TensorProto.INT32: "INT32",
    onnx.TensorProto.INT64: "INT64",
}
"""ONNX's element types in Triton's words (Triton: model_configuration.md, "Datatypes")."""


def lint_model(repository: Repository, model: str) -> list[str]:
    """What is wrong with a model's configuration and labels, in words; empty where nothing is.

    Raises:
        UserError: the configuration or a manifest cannot be read, or does not say what the model is.
    """
    folder = repository.root / model
    place = folder / CONFIG_FILE
    config = read_config(folder)
    versions = repository.manifests(model)
    numbers = [manifest.version for manifest in versions]
    visibility = Visibility.of(config, str(place))
    served = ServedModel.of(config, versions, str(place))
    contract = served.facts.of_contract
    found = [f"{place}: {fault}" for fault in contract.faults(signature_of(config))]
    if config.name != model:
        found.append(f"{place} is of a model {config.name!r}, not of its folder's")
    if visibility.visible not in numbers:
        found.append(f"{folder}: config.pbtxt shows version {visibility.visible}, there are {numbers}")
    else:
        written = model_config(served, versions, visibility, checksums(config))
        if config != (written if says_facts(config) else in_earlier_form(written)):
            found.append(f"{folder}: config.pbtxt is not what an export writes; export the model anew")
    for labels in contract.label_files:
        if not labels.lies_in(folder):
            found.append(f"{folder / labels.name} does not list {', '.join(labels.labels)}")
    return found


def lint_version(repository: Repository, manifest: Manifest) -> Parity:
    """Check the files of a version and replay its golden patches.

    Raises:
        CheckError: a file is altered, the graph breaks the contract, or its answers are beyond tolerance.
        UserError: a file cannot be read.
    """
    folder = repository.root / manifest.model / str(manifest.version)
    served = repository.served(manifest.model)
    repository.check_files(served, manifest)
    _check_graph(folder / MODEL_FILE, served.facts.of_contract)
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


def _check_graph(path: Path, contract: Contract) -> None:
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise UserError(f"{path} is not an ONNX graph ({error}); export the version anew") from error
    check_release(model, str(path))
    faults = contract.faults(signature_of_graph(model.graph))
    if faults:
        raise CheckError(f"{path} does not keep the contract {contract.name}: {'; '.join(faults)}")


def signature_of_graph(graph: onnx.GraphProto) -> Signature:
    """The tensors of an ONNX graph."""
    return Signature(_specs(graph.input), _specs(graph.output))


def _specs(values: Iterable[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
    specs = []
    for value in values:
        tensor = value.type.tensor_type
        sizes = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
        dtype = TRITON_TYPES.get(tensor.elem_type, "another type")
        specs.append(TensorSpec.of(value.name, dtype, sizes))
    return tuple(specs)
