"""Ctrl-C and SIGTERM where they do harm: they wait."""

import os
import signal
import threading
import time

import pytest

from lartpc.interrupts import interrupts_held


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
