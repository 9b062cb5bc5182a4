"""``python -m export.triton``: a checkpoint becomes a checked version in a Triton repository."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from lartpc.command import run, say
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import PRECISIONS

if TYPE_CHECKING:
    from rich.table import Table

    from export.engines.plans import PlanSource
    from export.gate.judgement import Verdict
    from export.published.numbering import Match, Numbering
    from export.repository.exporter import Exporter, Graph, Judgement
    from export.repository.versions import Repository
    from export.variants import ServedModel
    from training.checkpoint import Checkpoint

PROG = "python -m export.triton"


def export(
    precision: Literal["fp32", "fp16", "int8", "all"] = "all",
    checkpoint: Path | None = None,
    reference: Path | None = None,
    repository: Path = Path("model_repository"),
    gates: Path | None = None,
    backend: Literal["onnxruntime", "tensorrt", "all"] = "onnxruntime",
    on_server: bool = False,
    published: str | None = None,
) -> None:
    """Export a checkpoint as ONNX, check it against held-out events and add it to a Triton repository.

    A version is written whole and only when it passes its gates: what it loses against FP32 on held-out
    events, in areas, decisions, calibration and probabilities. config.pbtxt then makes it the visible one.
    An export that the repository has already writes nothing; under other gates it is judged anew, and is
    another version.

    Args:
        precision: arithmetic inside the graph (inputs and outputs stay FP32), or all that the checkpoint
            has: one of quantisation-aware training has int8 alone, with its learnt scales.
        checkpoint: checkpoint of training.fit, with its gate.h5 beside it; the latest where not given.
        reference: FP32 checkpoint that one of quantisation-aware training started from, against which it is
            judged; where its training found it where not given.
        repository: folder that Triton serves.
        gates: limits of each precision; export/gate/gates.yaml where not given.
        backend: onnxruntime serves the graph itself; tensorrt a plan of it, built here for this GPU; or all.
        on_server: let the host that serves a plan build it, at its start.
        published: folder or URL that the versions will be published to: new ones are numbered after those
            there, and one that is there already, of the same recipe or weights and gates, is fetched.
    """
    from rich.progress import track

    from export.engines.plans import BUILDER_FILE, NO_PLAN, built_here, built_on_server
    from export.gate.limits import GATES, read_gates
    from export.gate.sample import GateSample, reference_of
    from export.graph.triton_release import RELEASE
    from export.published.numbering import Numbering, of_recipe, of_weights
    from export.published.store import open_store
    from export.repository.exporter import Exporter
    from export.repository.recipe import recipe
    from export.repository.versions import Repository
    from export.variants import VARIANTS, ServedModel, by_graph, variants_of
    from lartpc.served.names import served_name
    from training.checkpoint import latest_checkpoint, load_checkpoint

    if on_server and backend == "onnxruntime":
        raise UserError("--on-server says where a plan is built; give --backend tensorrt with it")
    plans = {"onnxruntime": NO_PLAN} if backend != "tensorrt" else {}
    if backend != "onnxruntime":
        plans["tensorrt"] = built_on_server() if on_server else built_here()
    trained = load_checkpoint(checkpoint or latest_checkpoint())
    target = Repository(repository)
    limits = read_gates(gates or GATES)
    say(f"reading {trained.path} and {trained.gate_path.name}")
    watch = partial(track, description="reference answers", transient=True)
    sample = GateSample(trained, reference_of(trained, reference), watch)
    family = [served_name(variant.suffix, trained.name) for variant in VARIANTS]
    numbering = Numbering(target, family, open_store(published) if published else None)
    checkpoint_sha256 = trained.provenance.training["checkpoint_sha256"]
    made_of = recipe(checkpoint_sha256, sample.path)
    exporter = Exporter(trained, sample, limits, made_of)
    numbers: dict[ServedModel, int] = {}
    for variants in by_graph(variants_of(offered(trained, precision), tuple(plans))):
        models = {ServedModel.named(variant, trained.name): plans[variant.backend] for variant in variants}
        passed = limits.record(variants[0].precision)
        numbers |= known(models, partial(of_recipe, made_of, passed), target, numbering)
        models = {served: plan for served, plan in models.items() if served not in numbers}
        if not models:
            continue
        graph = exporter.graph(variants[0])
        numbers |= known(models, partial(of_weights, graph.weights, passed), target, numbering)
        models = {served: plan for served, plan in models.items() if served not in numbers}
        if models:
            names = " and ".join(served.name for served in models)
            judgement = judged(exporter, graph, names, limits.name)
            for version in exporter.versions(graph, judgement, models):
                name = version.served.name
                number = numbering.next(name, checkpoint_sha256)
                target.add(version, number)
                numbers[version.served] = number
                say(f"{name}: wrote version {number}, {len(graph.weights) / 1e6:.1f} MB")
    if on_server:
        served = next(served for served in numbers if served.variant.backend == "tensorrt")
        script = f"/models/{served.name}/{numbers[served]}/{BUILDER_FILE}"
        say(f"before tritonserver starts, in {RELEASE.container}: python3 -I {script} /models")
    say(f"next: python -m export.check {repository}")


def known(
    models: "dict[ServedModel, PlanSource]",
    match: Callable[[dict[str, str]], "Match"],
    target: "Repository",
    numbering: "Numbering",
) -> "dict[ServedModel, int]":
    """Numbers of the versions that are in the repository already, or are published and fetched, by model.

    Args:
        models: served model -> where its plan comes from.
        match: maps what a plan is bound to onto what a version must match.
        target: the repository.
        numbering: its versions, and the published ones.
    """
    numbers: dict[ServedModel, int] = {}
    for served, plan in models.items():
        number = numbering.here(served.name, match(plan.engine))
        if number is not None:
            target.ensure_known(served, number)
            say(f"{served.name}: version {number} is unchanged; nothing written")
        else:
            number = numbering.fetch(served, match(plan.engine))
            if number is None:
                continue
            say(f"{served.name}: fetched version {number}, which is published already")
        numbers[served] = number
    return numbers


def judged(exporter: "Exporter", graph: "Graph", models: str, gates: str) -> "Judgement":
    """Say what a graph loses against FP32 on held-out events.

    Raises:
        CheckError: it is beyond a limit.
    """
    from rich.console import Console

    start = perf_counter()
    with Console(stderr=True).status(f"{models}: answering held-out patches"):
        judgement = exporter.judge(graph)
    say(losses_table(f"{models} against FP32, gates {gates}", judgement.verdict))
    if judgement.verdict.failures:
        raise CheckError(f"the graph of {models} fails its gates: {'; '.join(judgement.verdict.failures)}")
    parity, metrics = judgement.parity, judgement.metrics
    say(
        f"  {parity.hits:,} held-out patches in {perf_counter() - start:.0f} s: "
        f"max |dp| {max(parity.max_dp.values()):.1e}, mean {max(parity.mean_dp.values()):.1e}, "
        f"same class {parity.class_agreement:.2%}\n"
        f"  AUC track/shower {metrics['track_shower_auc']:.4f}, Michel {metrics['michel_auc']:.4f}"
    )
    return judgement


def losses_table(title: str, verdict: "Verdict") -> "Table":
    """Of each figure the loss that is nearest to its limit."""
    from rich.table import Table

    table = Table("loss", "nearest to its limit", "value", "95 % edge", "allowed", "", title=title)
    for figure, loss in verdict.tightest().items():
        mark = "[green]passed" if loss.passed else "[red]failed"
        numbers = (f"{number + 0.0:.2g}" for number in (loss.value, loss.edge, loss.limit))
        table.add_row(figure.replace("_", " "), f"{loss.of}, {loss.group}", *numbers, mark)
    return table


def offered(trained: "Checkpoint", precision: str) -> tuple[str, ...]:
    """The precisions to export.

    Raises:
        UserError: a quantised checkpoint is asked for another than int8, which would not answer like it.
    """
    if not trained.quantised:
        return PRECISIONS if precision == "all" else (precision,)
    if precision not in ("int8", "all"):
        raise UserError(
            f"{trained.path} is quantised and has --precision int8 alone; for {precision} give the FP32 "
            f"checkpoint that it started from, {trained.provenance.training.get('init_from')}"
        )
    return ("int8",)


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(export, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
