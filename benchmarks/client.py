"""The client's own cost: requests under way over a link with delay, each engine against its bare library.

Patches lie in memory when the clock starts. Every ratio is of calls that take turns; client, link and server
share the machine's cores. The link has the paper's round trip of 12 ms (section 3.3), and twice that.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from shutil import copytree
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import tritonclient.grpc as triton

from benchmarks.record import Figure, record
from benchmarks.turns import taking_turns
from client import connect
from client.classifier import HitClassifier
from export.larsoft.clients import PointIdAlgTriton
from export.larsoft.service import ServerService
from export.repository.alias import point
from export.store.folder import FolderStore
from export.triton import main as export
from lartpc.command import run
from lartpc.served.contract import HIT_INPUT, IMAGE_INPUT, INPUT_NAME, INPUT_SHAPE, OUTPUT_NAMES
from lartpc.served.manifest import MODEL_FILE
from serving.repository import read_models
from serving.triton import TritonServer
from tests.helpers.link import Link

CHECKPOINTS = ("shipped:compact", "runs/published/calibrated.ckpt")
ROUNDS = 5
ROUND_TRIPS_MS = (12, 24)
BATCH = 235
"""Patches a request of the paper's jobs (section 2.3); their large batch is 1693."""

REQUESTS = 32
IN_FLIGHT = 8
LOCAL_BATCH = 256
ALIAS, ALIASED = "mycnn", "emtrkmichel_compact_int8"
PLANES = 8


def benchmark(repository: Path | None = None, rounds: int = ROUNDS) -> None:
    """Measure what requests under way gain over a link with delay, and what the client costs.

    Args:
        repository: exported models; where not given, those of the checkpoints of make bench in FP32 and INT8.
        rounds: of each figure, interleaved.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory())) / "models"
        if repository is None:
            exported(folder)
        else:
            copytree(repository, folder)
        point(FolderStore(folder), ALIAS, ALIASED)
        server = stack.enter_context(TritonServer(folder, shared_memory=True))
        links = {ms: stack.enter_context(Link(server.grpc, ms / 2000)) for ms in ROUND_TRIPS_MS}
        figures = []
        for name, model in read_models(folder).items():
            contract = model.config.parameters["contract"].string_value
            if not model.left_out and contract in ("patch", "plane"):
                for ms, link in links.items():
                    figures += over_a_link(link, f"{name}, round trip of {ms} ms", name, rounds)
                if contract == "patch":
                    figures += against_bare(server, name, model.folder, rounds)
        figures += through_the_alias(server, rounds)
    record(f"The client, median of {rounds} rounds", "client", figures)


def exported(folder: Path) -> None:
    """Export models of both networks."""
    for checkpoint, requests in zip(CHECKPOINTS, ("all", "patch"), strict=True):
        for precision in ("fp32", "int8"):
            arguments = [f"--checkpoint={checkpoint}", f"--precision={precision}", f"--requests={requests}"]
            if export([*arguments, f"--repository={folder}", "--gates=gates_quick"]) != 0:
                raise SystemExit(1)


def over_a_link(link: Link, what: str, name: str, rounds: int) -> list[Figure]:
    """One request after the other against several under way."""
    goal = ">= 3" if name == "emtrkmichel_compact_int8" else ""
    with ExitStack() as stack:
        ways = [
            stack.enter_context(connect(f"grpc://{link.url}/{name}", batch_size=BATCH, in_flight=number))
            for number in (1, IN_FLIGHT)
        ]
        calls, hits = work(ways)
        blocking, under_way = taking_turns(rounds, *calls)
    ratios = [ours / theirs for ours, theirs in zip(blocking, under_way, strict=True)]
    return [
        Figure(f"{what}: one request at a time", hits / median(blocking), "hits/s"),
        Figure(f"{what}: {IN_FLIGHT} under way", hits / median(under_way), "hits/s"),
        Figure(f"{what}: under way / at a time", median(ratios), "ratio", goal),
    ]


def work(classifiers: list[HitClassifier]) -> tuple[list[Callable[[], object]], int]:
    """The same for each classifier, and the number of its hits: requests of patches, or planes."""
    random = np.random.default_rng(1)
    if not classifiers[0].model.contract.of_planes:
        patches = patches_of(REQUESTS * BATCH)
        return [partial(each.classify_patches, patches) for each in classifiers], len(patches)
    image = random.uniform(0, 14, (480, 1000)) * (random.random((480, 1000)) < 0.05)
    hits = np.column_stack([random.integers(0, size, 1700) for size in image.shape]).astype(np.int32)
    request = {IMAGE_INPUT: image.astype(np.float32), HIT_INPUT: hits}
    return [partial(each.answer, [request] * PLANES) for each in classifiers], PLANES * len(hits)


def against_bare(server: TritonServer, name: str, folder: Path, rounds: int) -> Iterator[Figure]:
    """The client against tritonclient, shared memory against the wire, this process against ONNX Runtime."""
    patches = patches_of(REQUESTS * LOCAL_BATCH)
    version = server.versions()[name][-1]
    session = onnxruntime.InferenceSession(
        str(folder / str(version) / MODEL_FILE), providers=["CPUExecutionProvider"]
    )
    batches = np.split(patches, REQUESTS)

    def bare(client: triton.InferenceServerClient) -> None:
        for batch in batches:
            tensor = triton.InferInput(INPUT_NAME, list(batch.shape), "FP32")
            tensor.set_data_from_numpy(batch)
            result = client.infer(name, [tensor], str(version))
            _ = [result.as_numpy(output) for output in OUTPUT_NAMES]

    def bare_session() -> None:
        for batch in batches:
            session.run(list(OUTPUT_NAMES), {INPUT_NAME: batch})

    with ExitStack() as stack:
        url, settings = f"grpc://{server.grpc}/{name}", {"batch_size": LOCAL_BATCH, "in_flight": 1}
        by_wire, by_memory, several, here = (
            stack.enter_context(connect(source, **{**settings, **more}))
            for source, more in (
                (url, {}),
                (url, {"shared_memory": True}),
                (url, {"in_flight": IN_FLIGHT}),
                (f"onnx:{folder}@{version}", {}),
            )
        )
        client = stack.enter_context(triton.InferenceServerClient(server.grpc))
        classify = [partial(each.classify_patches, patches) for each in (by_wire, by_memory, several, here)]
        seconds = taking_turns(rounds, partial(bare, client), bare_session, *classify)
    tritons, sessions, wire, memory, under_way, in_process = seconds
    for what, ours, theirs, goal in (
        ("by Triton / tritonclient, one at a time", wire, tritons, ">= 0.9"),
        (f"by Triton, {IN_FLIGHT} under way / tritonclient", under_way, tritons, ""),
        ("shared memory / the wire, one at a time", memory, wire, ""),
        ("in process / ONNX Runtime", in_process, sessions, ">= 0.95"),
    ):
        ratios = [other / own for own, other in zip(ours, theirs, strict=True)]
        yield Figure(f"{name}: {what}", median(ratios), "ratio", goal)


def through_the_alias(server: TritonServer, rounds: int) -> Iterator[Figure]:
    """A model by its own name against the same by an alias, of one job and of several at once."""
    batch = patches_of(LOCAL_BATCH)
    with ServerService(f"grpc://{server.grpc}") as service:
        jobs = {name: PointIdAlgTriton(service, name) for name in (ALIASED, ALIAS)}

        def alone(name: str) -> None:
            for _ in range(REQUESTS):
                jobs[name].run(batch)

        def at_once(name: str) -> None:
            with ThreadPoolExecutor(IN_FLIGHT) as pool:
                list(pool.map(lambda _: jobs[name].run(batch), range(REQUESTS)))

        for what, work_of in (("one job", alone), (f"{IN_FLIGHT} jobs at once", at_once)):
            own, alias = taking_turns(rounds, partial(work_of, ALIASED), partial(work_of, ALIAS))
            ratios = [mine / its for mine, its in zip(own, alias, strict=True)]
            yield Figure(f"{ALIASED}, {what}: by an alias / by its name", median(ratios), "ratio", ">= 0.95")


def patches_of(number: int) -> np.ndarray:
    """Patches of random pixels, most of them empty as in an event."""
    random = np.random.default_rng(2)
    shape = (number, *INPUT_SHAPE)
    return (random.uniform(0, 14, shape) * (random.random(shape) < 0.1)).astype(np.float32)


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(benchmark, args, prog="python -m benchmarks.client")


if __name__ == "__main__":
    raise SystemExit(main())
