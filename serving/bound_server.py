"""Runs a server that ends with the process that started it, whichever way that ends; standard library only.

    python -I bound_server.py PARENT PIPE GRACE SHARED_MEMORY_PREFIX COMMAND ...

The kernel sends SIGTERM where the parent dies. Should the server hang then, a watcher, which learns of the
parent's end by the end of a pipe, kills the whole group after a grace and removes its shared memory.
"""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""linux/prctl.h."""


def main(parent: str, pipe: str, grace_s: str, shared_memory: str, *command: str) -> None:
    """Become the server, with a watcher as its child."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit("the parent is gone")
    if os.fork() == 0:
        watch(int(pipe), float(grace_s), shared_memory)
    os.close(int(pipe))
    os.execv(command[0], command)


def watch(pipe: int, grace_s: float, shared_memory: str) -> None:
    """Wait for the parent's end, then give the server its time, then end everything."""
    server = os.getppid()
    os.read(pipe, 1)
    deadline = time.monotonic() + grace_s
    while os.getppid() == server and time.monotonic() < deadline:
        time.sleep(0.1)
    if shared_memory:
        for left in Path(shared_memory).parent.glob(f"{Path(shared_memory).name}*"):
            left.unlink(missing_ok=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
