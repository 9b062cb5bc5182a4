"""Ctrl-C and SIGTERM where they do harm: they wait."""

import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from lartpc.interrupts import interrupts_held, result_of


def test_ctrl_c_waits_where_it_is_held_whichever_thread_takes_it():
    """A worker that is being started then would end in a traceback: its parent has left without a word."""
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    whole = []
    try:
        with pytest.raises(KeyboardInterrupt), interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            whole.append(True)
    finally:
        done.set()
        other.join()
    assert whole == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_sigterm_waits_as_ctrl_c_does():
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    whole = []
    try:
        with pytest.raises(KeyboardInterrupt), interrupts_held():
            signal.raise_signal(signal.SIGTERM)
            whole.append(True)
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert whole == [True]


@pytest.mark.parametrize("error", [TimeoutError("of the task"), KeyError("x")])
def test_a_future_gives_or_raises_what_its_task_did(error: Exception) -> None:
    def fail() -> None:
        raise error

    with ThreadPoolExecutor(1) as pool:
        assert result_of(pool.submit(pow, 2, 5)) == 32
        with pytest.raises(type(error)):
            result_of(pool.submit(fail))


def test_ctrl_c_ends_the_wait_for_a_future_that_never_comes() -> None:
    future: Future[int] = Future()
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        result_of(future)
    future.set_result(1)
    assert result_of(future) == 1
