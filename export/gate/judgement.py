"""The gate: a graph must answer like the checkpoint on held-out events, or it is not written."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from export.gate.limits import Gates
from export.gate.losses import Verdict, judge_physics
from export.gate.sample import GateSample
from export.graph.graphs import Graph
from lartpc.errors import CheckError
from lartpc.served.contract import OUTPUT_NAMES, Contract
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import Tolerance
from lartpc.served.parity import Parity, compare
from lartpc.served.session import GraphSession
from training.evaluation.metrics import physics_metrics

GOLDEN_MARGIN = 1.5
CLASS_AGREEMENT = 0.99
"""Share of the golden hits that must keep their class, where the version keeps so many here."""


@dataclass(frozen=True)
class Judgement:
    """What a graph costs, and what a server that answers with it will be held to.

    The tolerances are the limits of the precision. The golden hits hold more of the rare classes, so that
    a graph which keeps its limits on all hits may be further off on them: then half more than it is here is
    allowed, as another processor rounds otherwise.

    Attributes:
        gates: that it was held to, for the manifest.
        parity: its differences from the reference on the held-out hits and empty pixels.
        verdict: what it costs a physicist.
        metrics: its physics metrics on the held-out hits.
        golden: the hits that a server is held to.
        tolerances: output name -> tolerance on them.
        class_agreement: share of them that must keep its class of largest probability.
    """

    gates: dict[str, Any]
    parity: Parity
    verdict: Verdict
    metrics: dict[str, float]
    golden: GoldenHits
    tolerances: dict[str, Tolerance]
    class_agreement: float

    def record(self) -> dict[str, Any]:
        """For the manifest."""
        return {**self.parity.as_record(), "gates": self.gates, **self.verdict.record()}


def judge(graph: Graph, contract: Contract, sample: GateSample, gates: Gates) -> Judgement:
    """Let a graph answer the held-out hits, and compare with the reference.

    Args:
        graph: the graph.
        contract: that it keeps.
        sample: the held-out hits with their reference answers.
        gates: limits of each precision.

    Raises:
        CheckError: an answer is no number.
        UserError: the gate file does not hold what golden hits need, nor so what the figures do.
    """
    golden, held_out = sample.golden(contract, graph.wire_step), sample.held_out
    limits, session = gates.limits[graph.precision], GraphSession(graph.weights)
    answers = sample.answers(session, contract, graph.wire_step)
    for name, values in answers.items():
        if not np.isfinite(values).all():
            raise CheckError(f"the graph answers {np.sum(~np.isfinite(values))} times no number in {name}")
    on_golden = compare(session.answer_requests(golden.requests), golden.outputs)
    hits = held_out.is_hit
    of_hits = {name: values[hits] for name, values in answers.items()}
    return Judgement(
        gates=gates.record(graph.precision),
        parity=compare(answers, sample.reference),
        verdict=judge_physics(answers, sample.reference, held_out, limits),
        metrics=physics_metrics(of_hits, held_out.label[hits], held_out.michel[hits]),
        golden=golden,
        tolerances={
            name: Tolerance(
                max=max(limits.max_dp, GOLDEN_MARGIN * on_golden.max_dp[name]),
                mean=max(limits.mean_dp, GOLDEN_MARGIN * on_golden.mean_dp[name]),
            )
            for name in OUTPUT_NAMES
        },
        class_agreement=min(CLASS_AGREEMENT, 1 - GOLDEN_MARGIN * (1 - on_golden.class_agreement)),
    )
