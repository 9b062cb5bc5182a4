"""A version of a served model that has no number yet."""

import hashlib
from dataclasses import dataclass, field

from export.engines.plans import PlanSource
from export.gate.judgement import Judgement
from export.graph.graphs import Graph
from export.graph.triton_release import RELEASE
from export.variants import ServedModel
from lartpc.provenance import Provenance
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import GOLDEN_FILE, MODEL_FILE, Manifest, Tolerance


@dataclass(frozen=True)
class Version:
    """What an export adds to a repository.

    Attributes are those of :class:`lartpc.served.manifest.Manifest`; ``served`` is the model, ``weights`` the
    serialised graph and ``more`` the content of the other files, by name.
    """

    served: ServedModel
    weights: bytes
    golden: GoldenHits
    tolerances: dict[str, Tolerance]
    class_agreement: float
    gate: dict
    metrics: dict[str, float]
    provenance: Provenance
    more: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def packed(
        cls,
        served: ServedModel,
        graph: Graph,
        judgement: Judgement,
        plan: PlanSource,
        trained: Provenance,
        recipe: str,
    ) -> "Version":
        """A judged graph as a model serves it; its plan is built now, where it has one.

        Args:
            served: the model.
            graph: that it serves.
            judgement: of the graph.
            plan: where its plan comes from.
            trained: of the checkpoint.
            recipe: of the graph.
        """
        export = {
            "precision": graph.precision,
            "opset": graph.opset,
            "container": RELEASE.container,
            "created_by": "export.triton",
            "recipe": recipe,
        }
        export |= {"scales": graph.scales} if graph.scales else {}
        export |= {"wire_step": repr(graph.wire_step)} if graph.wire_step is not None else {}
        export |= {"engine": plan.engine} if plan.engine else {}
        return cls(
            served=served,
            weights=graph.weights,
            golden=judgement.golden,
            tolerances=judgement.tolerances,
            class_agreement=judgement.class_agreement,
            gate=judgement.record(),
            metrics=judgement.metrics,
            provenance=trained.with_stage(export=export),
            more=plan.files(graph.weights),
        )

    def numbered(self, number: int) -> tuple[Manifest, dict[str, bytes]]:
        """Its manifest under a number, and the content of its other files, by name."""
        files = {MODEL_FILE: self.weights, GOLDEN_FILE: self.golden.content(), **self.more}
        manifest = Manifest(
            model=self.served.name,
            version=number,
            precision=self.served.facts.precision,
            files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
            tolerances=self.tolerances,
            class_agreement=self.class_agreement,
            gate=self.gate,
            metrics=self.metrics,
            provenance=self.provenance,
        )
        return manifest, files
