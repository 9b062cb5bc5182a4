"""A checkpoint on its way into a repository: the graph of a variant, its verdict, the version it becomes."""

from dataclasses import dataclass

from export.gate import GateSample, golden_tolerances, measure
from export.gates import Gates
from export.onnx_graph import fp32_graph, with_metadata
from export.physics_gate import Verdict, judge_physics
from export.plans import PlanSource
from export.precision import rewrite
from export.repository import Version
from export.triton_release import RELEASE
from export.variants import Variant
from lartpc.parity import Outputs, Parity
from training.checkpoint import Checkpoint
from training.layers import Scales
from training.metrics import physics_metrics


@dataclass(frozen=True)
class Graph:
    """The graph of a variant.

    Attributes:
        variant: of the table.
        model: name of the served model.
        weights: the graph, serialised.
        opset: its operator set.
    """

    variant: Variant
    model: str
    weights: bytes
    opset: int


class Exporter:
    """Makes and judges the variants of one checkpoint.

    Args:
        trained: the checkpoint.
        sample: its held-out hits with the reference answers.
        gates: limits of each precision.
        plans: backend -> where its plans come from.
    """

    def __init__(
        self, trained: Checkpoint, sample: GateSample, gates: Gates, plans: dict[str, PlanSource]
    ) -> None:
        self._trained, self._sample, self._gates, self._plans = trained, sample, gates, plans
        self._golden = sample.golden()
        self._fp32 = fp32_graph(trained)
        self._learnt = _learnt_scales(trained)
        self._measured: dict[bytes, tuple[Parity, Outputs]] = {}

    def graph(self, variant: Variant) -> Graph:
        """The graph that a variant serves."""
        graph = rewrite(self._fp32, variant, self._sample.calibration, self._learnt)
        weights = with_metadata(graph, self._trained, variant.precision).SerializeToString(deterministic=True)
        return Graph(variant, variant.model(self._trained.name), weights, graph.opset_import[0].version)

    def answers(self, graph: Graph) -> tuple[Parity, Outputs]:
        """Its differences on the held-out hits, and its answers; variants of the same graph share them."""
        if graph.weights not in self._measured:
            self._measured[graph.weights] = measure(graph.weights, self._sample)
        return self._measured[graph.weights]

    def judge(self, graph: Graph) -> Verdict:
        """What the graph costs a physicist."""
        limits = self._gates.limits[graph.variant.precision]
        return judge_physics(self.answers(graph)[1], self._sample.reference, self._sample.held_out, limits)

    def version(self, graph: Graph, verdict: Verdict) -> Version:
        """What goes into the repository."""
        parity, answers = self.answers(graph)
        precision, held_out = graph.variant.precision, self._sample.held_out
        hits = held_out.is_hit
        of_hits = {name: values[hits] for name, values in answers.items()}
        limits = self._gates.limits[precision]
        tolerances, class_agreement = golden_tolerances(graph.weights, self._golden, limits)
        return Version(
            model=graph.model,
            precision=precision,
            weights=graph.weights,
            golden=self._golden,
            tolerances=tolerances,
            class_agreement=class_agreement,
            gate={**parity.as_record(), "gates": self._gates.record(precision), **verdict.record()},
            metrics=physics_metrics(of_hits, held_out.label[hits], held_out.michel[hits]),
            provenance=self._trained.provenance.with_stage(export=self._record(graph)),
            more=self._plans[graph.variant.backend].files(graph.weights),
        )

    def _record(self, graph: Graph) -> dict:
        precision = graph.variant.precision
        record = {
            "precision": precision,
            "opset": graph.opset,
            "container": RELEASE.container,
            "created_by": "export.triton",
        }
        if precision == "int8":
            record["scales"] = "learnt" if self._learnt else "calibrated"
        engine = self._plans[graph.variant.backend].engine
        return {**record, "engine": engine} if engine else record


def _learnt_scales(trained: Checkpoint) -> Scales | None:
    if not trained.quantised:
        return None
    from training.quantised import learnt_scales

    return learnt_scales(trained.network.network)
