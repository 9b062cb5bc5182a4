"""A checkpoint on its way into a repository: its graphs, what each costs, the versions that they become."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx

from export.engines.plans import PlanSource
from export.gate.judgement import Verdict, judge_physics
from export.gate.limits import Gates
from export.gate.sample import GateSample, golden_tolerances, measure
from export.graph.fp32 import fp32_graph, with_metadata
from export.graph.precision import rewrite
from export.graph.triton_release import RELEASE
from export.repository.versions import Version
from export.variants import ServedModel, Variant
from lartpc.served.parity import Parity
from training.checkpoint import Checkpoint
from training.layers import Scales
from training.metrics import physics_metrics


@dataclass(frozen=True)
class Graph:
    """A graph that one or more variants serve.

    Attributes:
        precision: of the arithmetic inside.
        weights: the graph, serialised.
        opset: its operator set.
    """

    precision: str
    weights: bytes
    opset: int


@dataclass(frozen=True)
class Judgement:
    """What a graph costs.

    Attributes:
        parity: its differences from the reference on the held-out hits and empty pixels.
        verdict: what it costs a physicist.
        metrics: its physics metrics on the held-out hits.
    """

    parity: Parity
    verdict: Verdict
    metrics: dict[str, float]


class Exporter:
    """Makes, judges and packs the graphs of one checkpoint.

    Args:
        trained: the checkpoint.
        sample: its held-out hits with the reference answers.
        gates: limits of each precision.
        recipe: from :func:`export.repository.recipe.recipe`, for the manifests.
    """

    def __init__(self, trained: Checkpoint, sample: GateSample, gates: Gates, recipe: str) -> None:
        self._trained, self._sample, self._gates, self._recipe = trained, sample, gates, recipe

    def graph(self, variant: Variant) -> Graph:
        """The graph that a variant serves."""
        calibration = self._sample.calibration if variant.precision == "int8" else np.empty(0, np.float32)
        graph = rewrite(self._fp32, variant, calibration, self._learnt)
        weights = with_metadata(graph, self._trained, variant.precision).SerializeToString(deterministic=True)
        return Graph(variant.precision, weights, graph.opset_import[0].version)

    def judge(self, graph: Graph) -> Judgement:
        """Let a graph answer the held-out hits, and compare with the reference.

        Raises:
            UserError: the gate file does not hold what golden patches need, nor so what the figures do.
        """
        _ = self._sample.golden
        held_out, limits = self._sample.held_out, self._gates.limits[graph.precision]
        parity, answers = measure(graph.weights, self._sample)
        hits = held_out.is_hit
        of_hits = {name: values[hits] for name, values in answers.items()}
        return Judgement(
            parity,
            judge_physics(answers, self._sample.reference, held_out, limits),
            physics_metrics(of_hits, held_out.label[hits], held_out.michel[hits]),
        )

    def versions(
        self, graph: Graph, judgement: Judgement, models: dict[ServedModel, PlanSource]
    ) -> Iterator[Version]:
        """What goes into the repository for each model that serves a graph; its plan is built when asked for.

        Args:
            graph: from :meth:`graph`.
            judgement: of it.
            models: served model -> where its plan comes from.
        """
        limits, golden = self._gates.limits[graph.precision], self._sample.golden
        tolerances, class_agreement = golden_tolerances(graph.weights, golden, limits)
        gates, verdict = self._gates.record(graph.precision), judgement.verdict.record()
        for served, plan in models.items():
            yield Version(
                served=served,
                weights=graph.weights,
                golden=golden,
                tolerances=tolerances,
                class_agreement=class_agreement,
                gate={**judgement.parity.as_record(), "gates": gates, **verdict},
                metrics=judgement.metrics,
                provenance=self._trained.provenance.with_stage(export=self._record(graph, plan)),
                more=plan.files(graph.weights),
            )

    @cached_property
    def _fp32(self) -> onnx.ModelProto:
        return fp32_graph(self._trained)

    @cached_property
    def _learnt(self) -> Scales | None:
        if not self._trained.quantised:
            return None
        from training.quantised import learnt_scales

        return learnt_scales(self._trained.network.network)

    def _record(self, graph: Graph, plan: PlanSource) -> dict:
        record = {
            "precision": graph.precision,
            "opset": graph.opset,
            "container": RELEASE.container,
            "created_by": "export.triton",
            "recipe": self._recipe,
        }
        if graph.precision == "int8":
            record["scales"] = "learnt" if self._learnt else "calibrated"
        return {**record, "engine": plan.engine} if plan.engine else record
