"""Work shared among processes of this machine, with nothing left running."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from lartpc.errors import CheckError
from lartpc.interrupts import interrupts_held, result_of

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def process_pool(workers: int) -> Iterator[Executor]:
    """Processes to submit work to; they are spawned and end with this one, whatever ends it.

    Submit under :func:`interrupts_held`, so that they leave Ctrl-C to this process.

    Args:
        workers: how many.

    Raises:
        CheckError: a process was killed, for want of memory perhaps.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise CheckError(
            "a worker process was killed, perhaps for want of memory; repeat with fewer workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[Result, None, None]:
    """Yield ``function(item)`` for each item, in order; with more than one worker in other processes.

    At most four items a worker are under way, so a slow consumer does not fill the memory.

    Args:
        function: importable by name (or a partial of such a function); its results travel by pickle.
        items: arguments.
        workers: processes; 1 works in this one.

    Raises:
        CheckError: a process was killed, for want of memory perhaps.
    """
    if workers == 1:
        yield from map(function, items)
        return
    remaining = iter(items)
    pending: deque[Future[Result]] = deque()

    def submit(count: int) -> None:
        with interrupts_held():
            pending.extend(pool.submit(function, item) for item in islice(remaining, count))

    with process_pool(workers) as pool:
        submit(4 * workers)
        while pending:
            result = result_of(pending.popleft())
            submit(1)
            yield result


def _prepare() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
