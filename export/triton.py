"""``python -m export.triton``: a checkpoint becomes a checked version in a Triton repository."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from lartpc.command import run
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import CONTRACTS, PRECISIONS
from lartpc.terminal import plain, say, show, suggest, working

if TYPE_CHECKING:
    from rich.table import Table

    from export.engines.plans import PlanSource
    from export.gate.judgement import Judgement
    from export.gate.limits import Gates
    from export.gate.losses import Verdict
    from export.gate.sample import GateSample
    from export.graph.graphs import Graph
    from export.repository.family import Family, Match
    from export.store.interface import Store
    from export.variants import ServedModel
    from lartpc.served.contract import Contract
    from lartpc.served.tuning import Tuning
    from training.network.checkpoint import Checkpoint

PROG = "python -m export.triton"


def export(
    precision: Literal["fp32", "fp16", "int8", "all"] = "all",
    checkpoint: Path | None = None,
    reference: Path | None = None,
    repository: Path = Path("model_repository"),
    gates: Path = Path("gates"),
    backend: Literal["onnxruntime", "tensorrt", "all"] = "onnxruntime",
    on_server: bool = False,
    published: str | None = None,
    score_scale: Literal["upstream", "natural"] | None = None,
    requests: Literal["patch", "plane", "plane_f16", "plane_u8", "plane_zs", "all"] = "patch",
    tuning: Path | None = None,
) -> None:
    """Export a checkpoint as ONNX, check it against held-out events and add it to a Triton repository.

    A version is written whole and only when it passes its gates: what it loses against FP32 on held-out
    events, in areas, decisions, calibration and probabilities. config.pbtxt then makes it the visible one.
    An export that the repository has already writes nothing; under other gates it is judged anew, and is
    another version.

    Args:
        precision: arithmetic inside the graph (inputs and outputs stay FP32), or all that the checkpoint
            has: one of quantisation-aware training has int8 alone, with its learnt scales. Where such a one
            lies beside the checkpoint as int8.ckpt, int8 is made of that.
        checkpoint: checkpoint of training.fit, with its gate.h5 beside it, or weights that come along,
            shipped:compact and, of quantisation-aware training, shipped:compact-int8; the latest where not
            given.
        reference: FP32 checkpoint that one of quantisation-aware training started from, against which it is
            judged; where its training found it where not given.
        repository: folder that Triton serves.
        gates: limits of each precision: gates, the strict ones, gates_quick for short trainings, or a file.
        backend: onnxruntime serves the graph itself; tensorrt a plan of it, built here for this GPU; or all.
        on_server: let the host that serves a plan build it, at its start.
        published: folder or URL that the versions will be published to: new ones are numbered after those
            there, and one that is there already, of the same recipe or weights and gates, is fetched.
        score_scale: the mixture in which scores are probabilities: upstream, that of the published networks'
            training, so that cuts in use mean what they meant; natural, the running detector. By default
            upstream, of a calibrated checkpoint; report.html has a table of equivalent cuts.
        requests: what the models take: the patches of hits; a whole plane with the places of its hits, in
            FP32, or for int8 alone in FP16, in a byte a pixel, or zero-suppressed; or models of all kinds.
        tuning: file of settings by model, as serving.tune writes it: how servers are to run those that are
            exported; others stay as they are.
    """
    from export.engines.plans import NO_PLAN, built_here, built_on_server
    from export.gate.limits import read_gates
    from export.store.folder import FolderStore
    from export.store.target import open_store
    from lartpc.served.tuning import read_tunings
    from training.network.checkpoint import latest_checkpoint, load_checkpoint

    tunings = read_tunings(tuning) if tuning is not None else {}
    if on_server and backend == "onnxruntime":
        raise UserError("--on-server says where a plan is built; give --backend tensorrt with it")
    plans = {"onnxruntime": NO_PLAN} if backend != "tensorrt" else {}
    if backend != "onnxruntime":
        plans["tensorrt"] = built_on_server() if on_server else built_here()
    limits, contracts = read_gates(gates), tuple(CONTRACTS) if requests == "all" else (requests,)
    stores = FolderStore(repository), open_store(published) if published else None
    trained = load_checkpoint(checkpoint or latest_checkpoint())
    for of_part, precisions in parts(trained, precision):
        part = of_part if score_scale is None else of_part.on_scale(score_scale)
        numbers = export_checkpoint(part, precisions, reference, stores, limits, plans, contracts)
        tune(stores[0], [served.name for served in numbers], tunings)
        if on_server:
            say_builder(numbers)
    suggest("export.check", repository)


def export_checkpoint(
    trained: "Checkpoint",
    precisions: tuple[str, ...],
    reference: Path | None,
    stores: "tuple[Store, Store | None]",
    limits: "Gates",
    plans: "dict[str, PlanSource]",
    contracts: tuple[str, ...],
) -> "dict[ServedModel, int]":
    """Export some precisions of a checkpoint; the models that there are then, with their versions.

    Args:
        trained: the checkpoint.
        precisions: to export.
        reference: FP32 checkpoint that it is judged against, where it is a quantised one.
        stores: the repository, and where its versions are published.
        limits: the gates.
        plans: backend -> where a plan comes from.
        contracts: names of those to export models of.
    """
    from rich.progress import track

    from export.gate.sample import GateSample
    from export.graph.graphs import Graphs
    from export.graph.recipe import recipe
    from export.repository.family import Family, of_recipe, of_weights
    from export.repository.version import Version
    from export.variants import by_graph, models_of

    models = models_of(trained.name)
    scale = trained.score_scale or "no stated"
    say(f"reading {trained.path} and {trained.gate_path.name}: scores of {scale} scale")
    watch = partial(track, description="reference answers", transient=True)
    sample = GateSample(trained, reference, watch)
    made_of = recipe(trained.provenance.training["checkpoint_sha256"], sample.path, trained.score_scale)
    graphs = Graphs(trained, lambda: sample.calibration)
    family = Family(models, *stores)
    family.check_scale(trained.score_scale)
    family.check_era(trained.scale.era)
    numbers: dict[ServedModel, int] = {}
    for group in by_graph(models, precisions, plans, contracts):
        wanted = {served: plans[served.variant.backend] for served in group}
        variant = group[0].variant
        passed = limits.record(variant.precision)
        wanted = new(wanted, partial(of_recipe, made_of, passed), family, numbers)
        if not wanted:
            continue
        graph = graphs.make(variant)
        wanted = new(wanted, partial(of_weights, graph.weights, passed), family, numbers)
        if not wanted:
            continue
        judgement = judged(
            graph, variant.contract, sample, limits, " and ".join(served.name for served in wanted)
        )
        for served, plan in wanted.items():
            version = Version.packed(served, graph, judgement, plan, trained.provenance, made_of)
            numbers[served], is_new = family.add(version)
            size = f"{len(graph.weights) / 1e6:.1f} MB"
            how = f"wrote version {numbers[served]}, {size}" if is_new else "another export was faster"
            say(f"{served.name}: {how}")
    return numbers


def tune(repository: "Store", models: list[str], tunings: "dict[str, Tuning]") -> None:
    """Let servers run those of the models that have settings with these."""
    from export.repository.model_folder import ModelFolder

    for name in models:
        if name in tunings:
            after = ModelFolder.read(repository, name).tuned(tunings[name])
            say(f"{name}: {after.tuning.in_words}")


def say_builder(numbers: "dict[ServedModel, int]") -> None:
    """Say how the serving host builds its plans."""
    from export.engines.plans import BUILDER_FILE
    from export.graph.triton_release import RELEASE

    served = next(served for served in numbers if served.variant.backend == "tensorrt")
    script = f"/models/{served.name}/{numbers[served]}/{BUILDER_FILE}"
    say(f"before tritonserver starts, in {RELEASE.container}: python3 -I {script} /models")


def new(
    models: "dict[ServedModel, PlanSource]",
    match: Callable[[dict[str, str]], "Match"],
    family: "Family",
    numbers: "dict[ServedModel, int]",
) -> "dict[ServedModel, PlanSource]":
    """Those models of which no version that matches is in the repository, or is published and fetched.

    Args:
        models: served model -> where its plan comes from.
        match: maps what a plan is bound to onto what a version must match.
        family: the models of the network, here and published.
        numbers: gets the number of each version that there is.
    """
    for served, plan in models.items():
        number, how = family.here(served, match(plan.engine)), "is unchanged; nothing written"
        if number is None:
            number, how = family.fetch(served, match(plan.engine)), "was published already; fetched"
        if number is not None:
            numbers[served] = number
            say(f"{served.name}: version {number} {how}")
    return {served: plan for served, plan in models.items() if served not in numbers}


def judged(
    graph: "Graph", contract: "Contract", sample: "GateSample", gates: "Gates", models: str
) -> "Judgement":
    """Say what a graph loses against FP32 on held-out events.

    Raises:
        CheckError: it is beyond a limit.
    """
    from export.gate.judgement import judge

    start = perf_counter()
    with working(f"{models}: answering held-out patches"):
        judgement = judge(graph, contract, sample, gates)
    show(losses_table(f"{models} against FP32, gates {gates.name}", judgement.verdict))
    if judgement.verdict.failures:
        failures = "; ".join(judgement.verdict.failures)
        raise CheckError(
            f"the graph of {models} fails its gates: {failures}; a training of minutes may keep those of "
            "--gates gates_quick, which let nothing be published"
        )
    parity, metrics = judgement.parity, judgement.metrics
    say(
        f"  {parity.hits:,} held-out patches in {perf_counter() - start:.0f} s: "
        f"max |dp| of all {max(parity.max_dp.values()):.1e}, mean {max(parity.mean_dp.values()):.1e}, "
        f"same class {parity.class_agreement:.2%}\n"
        f"  AUC track/shower {metrics['track_shower_auc']:.4f}, Michel {metrics['michel_auc']:.4f}"
    )
    return judgement


def losses_table(title: str, verdict: "Verdict") -> "Table":
    """Of each figure the loss that is nearest to its limit."""
    from rich.table import Table

    table = Table("loss", "nearest to its limit", "value", "95 % edge", "allowed", "", title=plain(title))
    for figure, loss in verdict.tightest().items():
        mark = "[green]passed" if loss.passed else "[red]failed"
        numbers = (f"{number + 0.0:.2g}" for number in (loss.value, loss.edge, loss.limit))
        table.add_row(figure.replace("_", " "), f"{loss.of}, {loss.group}", *numbers, mark)
    return table


def parts(trained: "Checkpoint", precision: str) -> "list[tuple[Checkpoint, tuple[str, ...]]]":
    """Which checkpoints the precisions are exported from: INT8 from what was trained of one, if it is there.

    Raises:
        UserError: a quantised checkpoint is asked for another than int8, which would not answer like it; or
            the quantised one beside a checkpoint is none of it.
    """
    from training.network.checkpoint import load_checkpoint
    from training.network.shipped import QUANTISED_FILE

    if trained.quantised:
        if precision not in ("int8", "all"):
            raise UserError(
                f"{trained.path} is quantised and has --precision int8 alone; for {precision} give the FP32 "
                f"checkpoint that it started from, {trained.provenance.training.get('init_from')}"
            )
        return [(trained, ("int8",))]
    wanted = PRECISIONS if precision == "all" else (precision,)
    beside = trained.path.with_name(QUANTISED_FILE)
    if "int8" not in wanted or not beside.is_file():
        return [(trained, wanted)]
    quantised = load_checkpoint(beside)
    trained.check_quantised(quantised)
    others = tuple(name for name in wanted if name != "int8")
    return [(trained, others), (quantised, ("int8",))] if others else [(quantised, ("int8",))]


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(export, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
