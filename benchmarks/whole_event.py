"""A whole event through the embedded Triton: seconds, bytes and physics of each path; memory over many."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from benchmarks.record import Figure
from benchmarks.turns import taking_turns
from client.classifier import HitClassifier
from client.in_flight import IN_FLIGHT
from client.on_server import OnServer
from lartpc.adc_scale import adc_scale
from lartpc.event_file import EventFile
from lartpc.patches.plane_hits import PlaneHits
from lartpc.patches.wire import encoded
from lartpc.served.contract import HIT_INPUT, PATCH_SIZE, Contract
from lartpc.served.manifest import MANIFEST_FILE
from lartpc.served.model_config import CONFIG_FILE, config_text, parse_config, read_config_file
from lartpc.served.names import served_name
from lartpc.served.parity import Outputs, Request
from lartpc.served.session import GraphSession
from serving.connection import Connection
from serving.instances import THREADS
from serving.triton import TritonServer
from training.evaluation.metrics import physics_metrics

PATHS = ("fp32", "int8", "plane_fp32", "plane_int8", "plane_f16_int8", "plane_u8_int8", "plane_zs_int8")
"""Suffixes of the models that answer a whole event; the first is the paper's way."""

GOALS = {"plane_f16_int8": f"<= {PATCH_SIZE**2 * 4 // 15}", "plane_zs_int8": f"<= {PATCH_SIZE**2 * 4 // 100}"}
"""Bytes a hit: a fifteenth and a hundredth of a patch."""

ERA = "2021"
MEMORY_EVENTS = 1000
OF_MEMORY = BUSY = "plane_zs_int8"
ONE_INSTANCE = "_one_instance"


def whole_event(server: TritonServer, network: str, event: Path, rounds: int) -> list[Figure]:
    """Seconds, bytes and area of each path, from the event's file to its scores."""
    figures = []
    with Connection(server.grpc) as connection:
        classifiers = {
            suffix: HitClassifier(OnServer(connection, served_name(suffix, network))) for suffix in PATHS
        }
        seconds = taking_turns(rounds, *(partial(answered, of, event) for of in classifiers.values()))
        for (suffix, classifier), taken in zip(classifiers.items(), seconds, strict=True):
            before = psutil.net_io_counters(pernic=True)["lo"].bytes_sent
            outputs, hits = answered(classifier, event)
            sent = psutil.net_io_counters(pernic=True)["lo"].bytes_sent - before
            areas = physics_metrics(outputs, hits["label"], hits["michel"])
            figures += [
                Figure(f"{suffix}: an event of {len(hits)} hits", median(taken), "s"),
                Figure(f"{suffix}: on the socket", sent / len(hits), "bytes a hit", GOALS.get(suffix, "")),
                Figure(f"{suffix}: track against shower", areas["track_shower_auc"], "AUC"),
                Figure(f"{suffix}: memory of its instances", memory_of(server, classifier.model.name), "MB"),
            ]
    return figures


def memory_of(server: TritonServer, model: str) -> float:
    """Megabytes of the processes of a model, whose names end with their instance's numbers."""
    instance = re.compile(rf"{re.escape(model)}(_\d+)+")
    return sum(
        process.memory_info().rss / 1e6
        for process in of_server(server)
        if any(map(instance.fullmatch, process.cmdline()))
    )


def of_server(server: TritonServer) -> list[psutil.Process]:
    """The processes of a server and its models."""
    return [each for each in psutil.process_iter() if os.getpgid(each.pid) == server.group]


def answered(classifier: HitClassifier, event: Path) -> tuple[Outputs, np.ndarray]:
    """The answers to all hits of the first event of a file, and the hits."""
    with EventFile(event) as events:
        planes: list[PlaneHits] = []

        def reading() -> Iterator[PlaneHits]:
            for of_plane in PlaneHits.of_event(events, 0):
                planes.append(of_plane)
                yield of_plane

        answers = [scores.outputs for scores in classifier.classify_hits(reading())]
    outputs = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
    return outputs, np.concatenate([of_plane.hits for of_plane in planes])


def planes_of(event: Path) -> list[PlaneHits]:
    """The planes with hits of the first event of a file."""
    with EventFile(event) as events:
        return [of_plane for of_plane in PlaneHits.of_event(events, 0) if len(of_plane.hits)]


def served_against_in_process(
    server: TritonServer, network: str, suffix: str, graph: Path, event: Path, rounds: int
) -> list[Figure]:
    """The event by Triton, from its tensors and from its file, and its tensors by a session a core here."""
    cores = psutil.Process().cpu_affinity() or [0]
    sessions = [GraphSession(graph, threads=1) for _ in cores]
    with Connection(server.grpc) as connection:
        classifier = HitClassifier(OnServer(connection, served_name(suffix, network)))
        requests = requests_of(event, classifier.model.contract, classifier.model.wire_step)
        in_process, served, from_file = taking_turns(
            rounds,
            partial(side_by_side, sessions, requests),
            partial(classifier.answer, requests),
            partial(answered, classifier, event),
        )
    hits = sum(len(request[HIT_INPUT]) for request in requests)
    ratios = [ours / theirs for ours, theirs in zip(in_process, served, strict=True)]
    times = [ours / theirs for ours, theirs in zip(from_file, in_process, strict=True)]
    return [
        Figure(f"{suffix}: the event's tensors, in process", hits / median(in_process), "hits/s"),
        Figure(f"{suffix}: the event's tensors, by Triton", hits / median(served), "hits/s"),
        Figure(f"{suffix}: by Triton / in process", median(ratios), "ratio", ">= 0.9"),
        Figure(f"{suffix}: seconds from file by Triton / in process", median(times), "ratio", "<= 1.35"),
    ]


def keeping_busy(server: TritonServer, network: str, event: Path, rounds: int) -> list[Figure]:
    """The event by one instance of all cores and by one a core, one request at a time and several."""
    ways = {
        f"{of}, {'one request' if in_flight == 1 else f'{in_flight} requests'} at a time": (name, in_flight)
        for of, name in (("an instance a core", ""), ("one instance", ONE_INSTANCE))
        for in_flight in (1, IN_FLIGHT)
    }
    with Connection(server.grpc) as connection:
        classifiers = [
            HitClassifier(OnServer(connection, served_name(BUSY, network) + name), in_flight=in_flight)
            for name, in_flight in ways.values()
        ]
        seconds = taking_turns(rounds, *(partial(answered, of, event) for of in classifiers))
    return [Figure(f"{BUSY}, {way}", median(taken), "s") for way, taken in zip(ways, seconds, strict=True)]


def add_one_instance(repository: Path, network: str) -> None:
    """Add a model to a repository that is served by one instance, of all cores."""
    name = served_name(BUSY, network)
    source, target = repository / name, repository / f"{name}{ONE_INSTANCE}"
    shutil.copytree(source, target)
    config = parse_config(read_config_file(target), name)
    config.name = target.name
    config.parameters[THREADS].string_value = "0"
    (target / CONFIG_FILE).write_text(config_text(config), encoding="utf-8")
    for manifest in target.glob(f"*/{MANIFEST_FILE}"):
        manifest.unlink()  # it is of the other model


def requests_of(event: Path, contract: Contract, step: float | None) -> list[Request]:
    """The tensors of an event's planes."""
    scale = adc_scale(ERA)
    return [
        encoded(request.image, request.hit, contract, step)
        for of_plane in planes_of(event)
        for request in of_plane.requests(scale)
    ]


def side_by_side(sessions: list[GraphSession], requests: Iterable[Request]) -> None:
    """Requests by several sessions at a time, each of one thread."""
    free = list(sessions)

    def answer(request: Request) -> None:
        session = free.pop()
        session.answer_requests([request])
        free.append(session)

    with ThreadPoolExecutor(len(sessions)) as pool:
        list(pool.map(answer, requests))


def memory_gained(server: TritonServer, network: str, event: Path, events: int) -> list[Figure]:
    """Megabytes that server and client grow by from the hundredth event to the last."""
    processes = {"server": of_server(server), "client": [psutil.Process()]}
    resident: dict[str, list[float]] = {name: [] for name in processes}
    smallest = min(planes_of(event), key=lambda of_plane: len(of_plane.hits))
    with Connection(server.grpc) as connection:
        classifier = HitClassifier(OnServer(connection, served_name(OF_MEMORY, network)))
        for number in range(events):
            list(classifier.classify_hits([smallest]))
            if number in (events // 10, events - 1):
                for name, of_name in processes.items():
                    resident[name].append(sum(process.memory_info().rss for process in of_name) / 1e6)
    return [
        Figure(f"{name}: memory gained over {events} events", last - first, "MB", "<= 20")
        for name, (first, last) in resident.items()
    ]
