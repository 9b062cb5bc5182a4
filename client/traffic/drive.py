"""Starts the processes of a load, gives the one signal, and brings their outcomes together."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from client.traffic.outcome import Outcome
from client.traffic.payloads import Payload
from client.traffic.plan import Plan
from client.traffic.worker import main
from lartpc.errors import CheckError

READY_SECONDS = 120
BEFORE_SIGNAL_S = 0.5
"""The signal is a time, given so long before, so that it reaches every process in time."""

AFTER_S = 60.0


def drive(
    plan: Plan, payloads: list[Payload], workers: int, at_signal: Callable[[], None] = lambda: None
) -> Outcome:
    """Let the clients of a plan work; what they found together.

    Args:
        plan: what they do.
        payloads: that they send.
        workers: processes that they are shared among.
        at_signal: called when all are ready and the signal is given.

    Raises:
        CheckError: a process does not connect, or ends early.
    """
    context = multiprocessing.get_context("spawn")
    workers = min(workers, plan.clients)
    processes: list[SpawnProcess] = []
    pipes: list[Connection] = []
    try:
        for worker in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=main, args=(plan, payloads, worker, workers, theirs), daemon=True
            )
            process.start()
            theirs.close()
            processes.append(process)
            pipes.append(ours)
        for pipe in pipes:
            _receive(pipe, READY_SECONDS, f"no connection to {plan.target.server}")
        start = time.monotonic() + BEFORE_SIGNAL_S
        for pipe in pipes:
            pipe.send(start)
        at_signal()
        patience = plan.seconds + plan.give_up_s + AFTER_S
        outcomes = [_receive(pipe, patience, "a process of clients does not end") for pipe in pipes]
        return sum((each for each in outcomes if isinstance(each, Outcome)), Outcome())
    except BaseException:
        for process in processes:
            process.kill()
        raise
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join()


def _receive(pipe: Connection, patience_s: float, otherwise: str) -> object:
    if not wait([pipe], patience_s):
        raise CheckError(f"{otherwise} within {patience_s:.0f} s")
    try:
        return pipe.recv()
    except EOFError:
        raise CheckError(f"{otherwise}: a process of clients has ended early") from None
