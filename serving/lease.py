"""A client's use of the server that this machine's clients share; it is started where none runs."""

import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from lartpc.errors import CheckError, UserError
from lartpc.locks import hold
from serving.connection import Connection, ServerError, SlowServerError
from serving.ports import LOOPBACK
from serving.rendezvous import IDLE_S, Rendezvous, State

LOG_LINES = 5
"""Of the end of a log, in an error."""


class Lease:
    """A server of a repository, which does not end while this is held.

    The kernel lets go of it where the process ends, whichever way.

    Args:
        repository: folder of models.
        idle_s: where a server is started: it ends when nobody has used it for so long, in s.

    Attributes:
        connection: to the server, over gRPC; closed with the lease.

    Raises:
        UserError, CheckError: the server does not start; the message tells why, and where its log is.
    """

    def __init__(self, repository: Path, idle_s: float = IDLE_S) -> None:
        if not idle_s > 0:
            raise UserError(f"idle_s is {idle_s}; a server on demand waits more than 0 s for a client")
        self._meeting, self._name = Rendezvous.of(repository), ""
        with ExitStack() as stack:
            descriptor = self._meeting.use()
            stack.callback(os.close, descriptor)
            self.connection = stack.enter_context(self._reached(idle_s))
            stack.callback(os.utime, descriptor)
            self._held = stack.pop_all()

    def lives(self) -> bool:
        """Whether the server still answers, or is only slow."""
        try:
            return _answers(self.connection, self._name)
        except SlowServerError:
            return True
        except ServerError:
            return False

    def close(self) -> None:
        """End the connection and let go of the server."""
        self._held.close()

    def _reached(self, idle_s: float) -> Connection:
        connection, started = self._running(), False
        while connection is None:
            claim, waited = self._claim()
            try:
                connection = self._running()
                if connection is None:
                    state = self._meeting.read()
                    if started or (waited and state and state.fault):
                        raise self._failure(state)
                    self._start(claim, idle_s)
                    started = True
            finally:
                os.close(claim)
        return connection

    def _claim(self) -> tuple[int, bool]:
        """The descriptor that lets this client alone start a server, and whether another one was starting."""
        try:
            return hold(self._meeting.start, block=False), False
        except BlockingIOError:
            return hold(self._meeting.start), True

    def _running(self) -> Connection | None:
        """To the server that says that it runs; None where it has ended, which it cannot always say."""
        state = self._meeting.read()
        if state is None or state.fault:
            return None
        try:
            with ExitStack() as stack:
                connection = stack.enter_context(Connection(f"{LOOPBACK}:{state.grpc}"))
                if not _answers(connection, state.server):
                    return None
                stack.pop_all()
        except UserError:
            return None
        self._name = state.server
        return connection

    def _start(self, claim: int, idle_s: float) -> None:
        """Start a server in a session of its own, which holds the start until it is ready."""
        meeting = self._meeting
        meeting.state.unlink(missing_ok=True)
        meeting.log.write_bytes(b"")
        options = [f"--idle-s={idle_s}", f"--claim={claim}"]
        with meeting.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "serving.on_demand", str(meeting.repository), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(claim,),
            )
        threading.Thread(target=process.wait, daemon=True).start()  # should it end before this process

    def _failure(self, state: State | None) -> UserError:
        meeting = self._meeting
        if state and state.fault:
            reason = state.fault
        else:
            lines = meeting.log.read_text(encoding="utf-8", errors="replace").splitlines()
            reason = f"its log ends: {' | '.join(lines[-LOG_LINES:])}"
        kind = UserError if state and state.exit_code == UserError.exit_code else CheckError
        return kind(f"the server of {meeting.repository} did not start: {reason} (its log: {meeting.log})")


def _answers(connection: Connection, name: str) -> bool:
    """Whether it is the server of that name, and does not end: then it still tells its name, but no models.

    Raises:
        ServerError: it does not answer, or refuses.
    """
    return connection.server_name() == name and bool(connection.served())
