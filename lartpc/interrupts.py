"""Ctrl-C, SIGTERM and SIGHUP, held back where an exception would do harm.

Python raises them between any two of its instructions, those too that a library in C has called: HDF5 as it
writes to a file of Python's, Numba as it takes a random generator apart. Neither looks whether that failed,
and the process ends by a segmentation fault. Of Python's own locks one is lost where they come just as it is
taken.
"""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import TypeVar

SECONDS_PER_LOOK = 0.2
"""Ctrl-C waits so long at most where a future is waited for."""

Result = TypeVar("Result")


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C, SIGTERM and SIGHUP back until the block ends.

    Processes that are started meanwhile never see Ctrl-C; the mask is for them. In this process another
    thread may take the signal, such as one of a numerical library, and Python would interrupt the main thread
    all the same: so the handlers wait too. A process whose start SIGTERM broke off would miss what it is to
    read.
    """
    held: list[tuple] = []
    in_main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    ours = {number: handler for number, handler in handlers.items() if in_main and callable(handler)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    for number in ours:
        signal.signal(number, lambda *arguments: held.append(arguments))
    try:
        yield
    finally:
        try:
            for number, handler in ours.items():
                signal.signal(number, handler)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for arguments in held[:1]:
            ours[arguments[0]](*arguments)


def result_of(future: Future[Result]) -> Result:
    """What a future gives or raises, waited for in looks: Ctrl-C comes between them, its lock stays whole."""
    while True:
        with interrupts_held():
            if wait([future], SECONDS_PER_LOOK).done:
                return future.result()
