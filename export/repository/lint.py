"""What must hold for a model and for a version in a repository."""

from collections.abc import Iterable

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from export.graph.triton_release import check_release
from export.repository.config import checksums, forms, model_config
from export.repository.model_folder import ModelFolder
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import Contract, Signature, TensorSpec
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, Manifest
from lartpc.served.model_config import CONFIG_FILE, signature_of
from lartpc.served.parity import Parity, compare
from lartpc.served.session import GraphSession
from lartpc.served.types import NUMPY_TYPES

TRITON_TYPES = {onnx.helper.np_dtype_to_tensor_dtype(np.dtype(of)): name for name, of in NUMPY_TYPES.items()}
"""ONNX's element types in Triton's words."""


def lint_model(model: ModelFolder) -> list[str]:
    """What is wrong with a model's configuration, labels and folders, in words; empty where nothing is.

    Raises:
        UserError: the configuration does not say what the model is, or shows no version.
    """
    place, visibility, served = model.place(CONFIG_FILE), model.visibility, model.served
    config, contract = model.known_config, served.facts.of_contract
    found = [f"{place}: {fault}" for fault in contract.faults(signature_of(config))]
    if config.name != model.name:
        found.append(f"{place} is of a model {config.name!r}, not of its folder's")
    if visibility.visible not in model.versions:
        found.append(f"{place} shows version {visibility.visible}; it knows {model.versions}")
    else:
        known = [model.manifests[version] for version in model.versions]
        try:
            written = model_config(served, known, visibility, checksums(config), model.tuning)
        except UserError as error:
            found.append(f"{place}: {error}")
        else:
            if config not in forms(written):
                found.append(f"{place} is not what an export writes; export the model anew")
    for name in filter(str.isdecimal, model.store.names(model.name)):
        if int(name) not in model.manifests:
            found.append(f"{model.place(name)} has no {MANIFEST_FILE}; export the version anew")
        elif int(name) not in model.versions:
            found.append(f"{model.place(name)} is not known to {CONFIG_FILE}; export the version again")
    try:
        model.check_labels()
    except CheckError as error:
        found.append(str(error))
    return found


def lint_scales(models: Iterable[ModelFolder]) -> list[str]:
    """That visible versions have scores of several scales, or are of several ADC eras, in words.

    The same cut would mean different things of models beside each other, and the same pixel another charge.
    """
    shown = [
        (model.name, model.manifests[model.visibility.visible])
        for model in models
        if model.versions and model.visibility.visible in model.manifests
    ]
    faults = []
    for what, said in (
        ("scores of several scales lie beside each other, on which a cut means different things", _scale),
        ("ADC eras lie beside each other, of which a job's pixels fit one", _era),
    ):
        found: dict[str, list[str]] = {}
        for name, manifest in shown:
            if value := said(manifest):
                found.setdefault(value, []).append(name)
        if len(found) > 1:
            kinds = "; ".join(f"{value}: {', '.join(names)}" for value, names in sorted(found.items()))
            faults.append(f"{what} ({kinds})")
    return faults


def _scale(manifest: Manifest) -> str:
    return manifest.score_scale or ""


def _era(manifest: Manifest) -> str:
    return str(manifest.provenance.training.get("era", ""))


def lint_version(model: ModelFolder, manifest: Manifest) -> Parity:
    """Check the files of a version and replay its golden hits.

    Raises:
        CheckError: a file is altered, the graph breaks the contract, or its answers are beyond tolerance.
        UserError: a file cannot be read.
    """
    model.check(manifest)
    weights = model.content(manifest, MODEL_FILE)
    _check_graph(weights, model.place(manifest.version, MODEL_FILE), model.served.facts.of_contract)
    place = model.place(manifest.version, GOLDEN_FILE)
    golden = GoldenHits.parse(model.content(manifest, GOLDEN_FILE), place, model.served.facts.of_contract)
    parity = compare(GraphSession(weights).answer_requests(golden.requests), golden.outputs)
    failures = parity.beyond(manifest.tolerances, manifest.class_agreement)
    if failures:
        raise CheckError(
            f"{manifest.model} version {manifest.version} does not answer like its reference: "
            f"{'; '.join(failures)}"
        )
    return parity


def _check_graph(weights: bytes, place: str, contract: Contract) -> None:
    try:
        model = onnx.load_from_string(weights)
    except DecodeError as error:
        raise UserError(f"{place} is not an ONNX graph ({error}); export the version anew") from error
    check_release(model, place)
    faults = contract.faults(signature_of_graph(model.graph, contract.batched))
    if faults:
        raise CheckError(f"{place} does not keep the contract {contract.name}: {'; '.join(faults)}")


def signature_of_graph(graph: onnx.GraphProto, batched: bool) -> Signature:
    """The tensors of an ONNX graph, that takes batches or not."""
    return Signature(_specs(graph.input, batched), _specs(graph.output, batched))


def _specs(values: Iterable[onnx.ValueInfoProto], batched: bool) -> tuple[TensorSpec, ...]:
    specs = []
    for value in values:
        tensor = value.type.tensor_type
        sizes = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
        dtype = TRITON_TYPES.get(tensor.elem_type, "another type")
        specs.append(TensorSpec.of(value.name, dtype, sizes, batched))
    return tuple(specs)
