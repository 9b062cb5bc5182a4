"""A process with some of the clients: it waits for the signal, works, and hands its outcome back."""

import asyncio
import multiprocessing
import multiprocessing.process
import os
import re
import resource
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from client.traffic.outcome import Outcome
from client.traffic.payloads import Payload
from client.traffic.plan import Plan, Target
from serving.grpc_wire import AGAIN

METHOD = "/inference.GRPCInferenceService/ModelInfer"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # a connection for each client, as jobs have
    ("grpc.enable_retries", 0),
]


@dataclass
class Work:
    """What a process's clients share.

    Attributes:
        plan: of the load.
        payloads: to send.
        start: the signal, by the clock that all processes share.
        left: requests that may still be begun; negative for any number.
        headers: of every request.
    """

    plan: Plan
    payloads: list[Payload]
    start: float
    left: int
    headers: tuple[tuple[str, str], ...] = ()
    answered: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    events: list[tuple[float, float]] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def over(self) -> bool:
        """Whether no more events are to begin; one that has begun goes on to its end."""
        return self.left == 0 or time.monotonic() - self.start >= self.plan.seconds

    def begin(self) -> bool:
        """Whether one more request may begin; it is counted."""
        if self.left == 0:
            return False
        self.left -= 1
        return True


def main(plan: Plan, payloads: list[Payload], worker: int, workers: int, pipe: Connection) -> None:
    """Entry point of the process: says that it is ready, gets the time of the signal, sends its outcome.

    It leaves Ctrl-C to the process that started it, and ends when that one does.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection for each client
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    asyncio.run(_main(plan, payloads, worker, workers, pipe))


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


async def _main(plan: Plan, payloads: list[Payload], worker: int, workers: int, pipe: Connection) -> None:
    numbers = plan.share(worker, workers)
    channels = [channel_to(plan.target) for _ in numbers]
    try:
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        pipe.send("ready")
        start = await asyncio.to_thread(pipe.recv)
        if start is None:
            return
        most = plan.most_requests // workers + (worker < plan.most_requests % workers)
        headers = tuple(plan.target.security.headers().items())
        work = Work(plan, payloads, start, most if plan.most_requests else -1, headers)
        await asyncio.sleep(max(0.0, start - time.monotonic()))
        if plan.rate:
            await _open(work, channels, worker, workers)
        else:
            await asyncio.gather(
                *(
                    _job(work, channel, np.random.default_rng([plan.seed, number, of_client]))
                    for number, channel in zip(numbers, channels, strict=True)
                    for of_client in range(plan.in_flight)
                )
            )
        work.outcome.answered, work.outcome.took = np.array(work.answered), np.array(work.took)
        work.outcome.waited, work.outcome.version = np.array(work.waited), np.array(work.versions, int)
        events = np.array(work.events).reshape(-1, 2)
        work.outcome.event_ended, work.outcome.event_took = events[:, 0], events[:, 1]
        work.outcome.peak_mb = peak_mb()
        pipe.send(work.outcome)
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


def peak_mb() -> float:
    """Memory that this process has had at most, in MB (proc(5): VmHWM); getrusage tells its parent's."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def channel_to(target: Target) -> Any:
    """A connection of its own."""
    import grpc

    if not target.secure:
        return grpc.aio.insecure_channel(target.server, OPTIONS)
    security = target.security
    ca, key, certificate = (
        None if path is None else path.read_bytes()
        for path in (security.ca, security.key, security.certificate)
    )
    return grpc.aio.secure_channel(target.server, grpc.ssl_channel_credentials(ca, key, certificate), OPTIONS)


async def _job(work: Work, channel: Any, random: np.random.Generator) -> None:
    """A client that works through events: it thinks, and asks for one answer after the other."""
    call = channel.unary_unary(METHOD)
    await asyncio.sleep(random.uniform(0, work.plan.think_s))  # jobs do not begin in step
    while not work.over:
        began, answered = time.monotonic(), 0
        for _ in range(work.plan.event_requests):
            if not work.begin():
                return
            payload = work.payloads[random.integers(len(work.payloads))]
            answered += await _ask(work, call, payload, time.monotonic(), random)
        now = time.monotonic()
        if answered == work.plan.event_requests:
            work.events.append((now - work.start, now - began))
        if work.plan.think_s:
            await asyncio.sleep(work.plan.pause_s(random))


async def _open(work: Work, channels: list[Any], worker: int, workers: int) -> None:
    """Requests that are due at their times, whatever has been answered; they wait while clients are busy."""
    random = np.random.default_rng([work.plan.seed, worker])
    free: asyncio.Queue[Any] = asyncio.Queue()
    for channel in channels:
        for _ in range(work.plan.in_flight):
            free.put_nowait(channel.unary_unary(METHOD))
    async with asyncio.TaskGroup() as tasks:
        times = _times(work, random, work.plan.rate / workers)
        for due in times:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            call = await free.get()
            if work.left != 0 and work.over:
                work.outcome.unsent = 1 + sum(1 for _ in times)
                return
            if not work.begin():
                return
            work.waited.append(max(0.0, time.monotonic() - due))
            payload = work.payloads[random.integers(len(work.payloads))]
            tasks.create_task(_and_free(work, call, payload, due, random, free))


async def _and_free(
    work: Work,
    call: Any,
    payload: Payload,
    due: float,
    random: np.random.Generator,
    free: "asyncio.Queue[Any]",
) -> None:
    await _ask(work, call, payload, due, random)
    free.put_nowait(call)


def _times(work: Work, random: np.random.Generator, rate: float) -> Iterator[float]:
    due = work.start
    while True:
        due += random.exponential(1 / rate)
        if due - work.start >= work.plan.seconds:
            return
        yield due


async def _ask(work: Work, call: Any, payload: Payload, due: float, random: np.random.Generator) -> bool:
    """Send a request until it is answered, given up, or refused for good; whether it was answered."""
    import grpc

    pause = FIRST_PAUSE_S
    while True:
        try:
            answer = await call(payload.content, timeout=work.plan.give_up_s, metadata=work.headers)
        except grpc.aio.AioRpcError as error:
            status = error.code().name
            if status not in AGAIN or time.monotonic() - due > work.plan.give_up_s:
                work.outcome.lost[f"{status}: {error.details()}"[:200]] += 1
                return False
            work.outcome.refused[status] += 1
            await asyncio.sleep(random.uniform(0.5, 1.0) * pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            continue
        now = time.monotonic()
        work.answered.append(now - work.start)
        work.took.append(now - due)
        work.outcome.hits += payload.hits
        version = payload.version_of(answer)
        work.outcome.wrong += version is None
        work.versions.append(-1 if version is None else version)
        return True
