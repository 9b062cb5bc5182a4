"""Whether LArSoft's jobs work against a served model, in words: on files as on a live server."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.larsoft.clients import Client, PointIdAlgSonicTriton, PointIdAlgTriton, Vectors
from export.larsoft.folder_service import FolderService
from export.larsoft.service import CallError, Service
from lartpc.adc_scale import adc_scale
from lartpc.errors import UserError
from lartpc.served.contract import CLASS_LABELS, PATCH, PATCH_SIZE, Signature, TensorSpec
from lartpc.served.model_config import ALIAS

VIEW_BATCH = 1693
"""Hits of one view, the largest batch of the paper's jobs (section 2.3)."""

BATCHES = (1, 235, 256, 257, VIEW_BATCH)
"""One hit, the paper's average, LArSoft's default, that with a tail of one, and a view at once."""

NEIGHBOURS = 1e-4
"""Most by which a patch's scores may depend on those beside it in a batch."""

SUM = 1e-3
"""Most by which the scores of the softmax may miss 1."""


@dataclass(frozen=True)
class Demands:
    """What a site asks for besides.

    Attributes:
        adc_era: ADC window of its jobs.
        score_scale: on which its cuts were chosen.
    """

    adc_era: str | None = None
    score_scale: str | None = None

    def __post_init__(self) -> None:
        """Raises UserError where there is no such era."""
        if self.adc_era is not None:
            adc_scale(self.adc_era)


def faults(service: Service, model: str, demands: Demands = Demands()) -> Iterator[str]:
    """What keeps LArSoft's jobs from a model, one line each; nothing where they work.

    Args:
        service: server or folder.
        model: name of the model.
        demands: of the site.

    Raises:
        UserError: a configuration cannot be read.
    """
    try:
        metadata, config = service.metadata(model, ""), service.config(model, "")
    except UserError as error:
        yield f"{model}: {error}"
        return
    yield from (f"{model}: {fault}" for fault in _tensors(metadata))
    if config.max_batch_size < VIEW_BATCH:
        yield (
            f"{model}: batch limit {config.max_batch_size}; jobs send up to {VIEW_BATCH} patches, of which "
            "NuSonic then loses some: it warns and keeps its old batch"
        )
    yield from (f"{model}: {fault}" for fault in _labels(service, model))
    yield from (f"{model}: {fault}" for fault in _stated(service, model, config, demands))
    if len(metadata.inputs) > 1:
        return  # of another contract altogether: what follows from that needs no line
    try:
        if isinstance(service, FolderService) and service.why_not_here(model):
            return
    except UserError as error:
        yield f"{model}: {error}"
        return
    makes: dict[str, Callable[[Service, str], Client]] = {
        PointIdAlgTriton.name: PointIdAlgTriton,
        PointIdAlgSonicTriton.name: partial(PointIdAlgSonicTriton, verbose=True),
    }
    for name, make in makes.items():
        try:
            yield from (f"{model}, {name}: {fault}" for fault in _answers(make, service, model))
        except CallError as error:
            yield f"{model}, {name}: {error}"


def _tensors(metadata: Any) -> list[str]:
    """Names, order, ranks and types against the contract."""

    def specs(tensors: Any) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec.of(each.name, each.datatype, each.shape, batched=True) for each in tensors)

    return PATCH.faults(Signature(specs(metadata.inputs), specs(metadata.outputs)))


def _labels(service: Service, model: str) -> Iterator[str]:
    for labels in PATCH.label_files:
        try:
            found = service.labels(model, labels.output, len(labels.labels))
        except CallError as error:
            yield f"labels of {labels.output}: {error}"
            continue
        if found != labels.labels:
            expected, there = ", ".join(labels.labels), ", ".join(found) or "none"
            yield f"labels of {labels.output}: expected {expected}, found {there}"


def _stated(service: Service, model: str, config: Any, demands: Demands) -> Iterator[str]:
    """ADC era and score scale of the version that a job gets, as they are said and as they are wanted."""
    if alias_of := config.parameters[ALIAS].string_value:
        try:
            model, config = alias_of, service.config(alias_of, "")
        except UserError as error:
            yield f"it points at {alias_of}, which cannot be read ({error})"
            return
    said = {name: parameter.string_value for name, parameter in config.parameters.items()}
    numbers = [int(name[1:].partition(".")[0]) for name in said if re.match(r"v\d{1,18}\.", name)]
    for version in config.version_policy.specific.versions or [max(numbers, default=1)]:
        era, scale = said.get(f"v{version}.adc_era"), said.get(f"v{version}.score_scale")
        if era is None:
            yield f"version {version} does not state its ADC era: a wrong AdcMin, AdcMax moves pixels 5 times"
        elif demands.adc_era not in (None, era):
            yield f"version {version} is of ADC era {era}, not {demands.adc_era}"
        if demands.score_scale is not None and scale != demands.score_scale:
            yield f"version {version} has scores of {scale or 'no stated'} scale, not {demands.score_scale}"
        if isinstance(service, FolderService):
            try:
                of_graph = service.metadata_of_graph(model).get("data_era")
            except CallError:
                continue  # its answers have a line of their own
            if era is not None and of_graph not in (None, era):
                yield f"version {version} states ADC era {era}, and its graph was made for {of_graph}"
            made = service.score_scale_of(model, version)
            if made is not None and scale != made:
                yield f"version {version} states scores of {scale or 'no'} scale, and was exported for {made}"


def stated(service: Service, model: str) -> str:
    """Which version a job gets, its ADC era and score scale, in words."""
    config = service.config(model, "")
    if alias_of := config.parameters[ALIAS].string_value:
        return f"it is {alias_of}, {stated(service, alias_of)}"
    said = {name: parameter.string_value for name, parameter in config.parameters.items()}
    versions = ", ".join(map(str, config.version_policy.specific.versions)) or "the latest"
    eras = {value for name, value in said.items() if name.endswith(".adc_era")}
    scales = {value for name, value in said.items() if name.endswith(".score_scale")}
    era, scale = (", ".join(sorted(each)) or "unstated" for each in (eras, scales))
    return f"version {versions}, ADC era {era}, scores {scale}"


def _answers(make: Callable[[Service, str], Client], service: Service, model: str) -> Iterator[str]:
    """Probabilities, and the same for a patch whatever lies beside it."""
    client = make(service, model)
    patches = some_patches(max(BATCHES))
    alone: Vectors | None = None
    for rows in BATCHES:
        if isinstance(client, PointIdAlgSonicTriton) and not client.set_rows(rows):
            continue  # the batch limit has a line of its own
        vectors = client.run(patches[:rows])
        if fault := _not_probabilities(vectors):
            yield f"a batch of {rows}: {fault}"
            return
        alone = vectors[:1] if alone is None else alone
        if (off := float(np.abs(vectors[:1] - alone).max())) > NEIGHBOURS:
            yield f"scores of a patch depend on those beside it: {off:.2g} off in a batch of {rows}"
            return
    turned = client.run(patches[:235][::-1])[::-1]
    if (off := float(np.abs(turned - client.run(patches[:235])).max())) > NEIGHBOURS:
        yield f"scores of a patch depend on its place in the batch: {off:.2g} off in reverse order"


def _not_probabilities(vectors: Vectors) -> str:
    classes = len(CLASS_LABELS)
    if vectors.shape[1] != classes + 1:
        return f"{vectors.shape[1]} scores a patch, not {classes + 1}"
    if not np.isfinite(vectors).all():
        return "scores that are not finite"
    if vectors.min() < 0 or vectors.max() > 1:
        return f"scores from {vectors.min():.3g} to {vectors.max():.3g}, which are no probabilities"
    sums = vectors[:, :classes].sum(axis=1)
    if np.abs(sums - 1).max() > SUM:
        return f"track, em and none of a patch add up to {sums[np.abs(sums - 1).argmax()]:.3g}, not 1"
    return ""


def some_patches(number: int) -> NDArray[np.float32]:
    """(number, 48, 48) patches with a line of charge through each, from a seed."""
    random = np.random.default_rng(1693)
    patches = np.zeros((number, PATCH_SIZE, PATCH_SIZE), np.float32)
    wire = np.arange(PATCH_SIZE)
    for patch in patches:
        drift = np.rint(24 + (wire - 24) * random.uniform(-1, 1)).astype(int)
        patch[wire, np.clip(drift, 0, PATCH_SIZE - 1)] = random.uniform(0.5, 14, PATCH_SIZE)
    return patches


def chosen(service: Service, model: str | None) -> list[str]:
    """The models to look at: the one named, or those that state that they take patches, or all.

    Raises:
        UserError: there is none, or not the one named.
    """
    if model is not None and service.has(model):
        return [model]
    there = service.models()
    if model is not None:
        raise UserError(f"{service.place} has no model {model!r}; it has {', '.join(there) or 'none'}")
    if not there:
        raise UserError(f"{service.place} has no model")
    return [name for name, patches in there.items() if patches] or list(there)
