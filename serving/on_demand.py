"""``python -m serving.on_demand``: the server that clients of a repository share, until nobody uses it.

A client starts it (serving.lease); it belongs to none of them.
"""

import os
import time
from contextlib import ExitStack
from pathlib import Path

from lartpc.command import run
from lartpc.errors import UserError
from lartpc.locks import hold
from serving.rendezvous import IDLE_S, Rendezvous, State


def on_demand(repository: Path, idle_s: float = IDLE_S, claim: int | None = None) -> None:
    """Serve a model repository to the clients of ``local:`` URLs, until none has used it for a while.

    Clients start it; it listens on free ports of the loopback interface.

    Args:
        repository: folder of models.
        idle_s: it ends when nobody has used it for so long, in s.
        claim: descriptor of the lock under which a client starts it.
    """
    from serving.triton import TritonServer
    from serving.watch import FOLLOW_SECONDS, say_models, watch

    os.umask(0o077)
    meeting = Rendezvous.of(repository)
    claim = hold(meeting.start) if claim is None else claim
    with ExitStack() as stack:
        try:
            server = stack.enter_context(TritonServer(meeting.repository, log_file=meeting.log))
            state = State(os.getpid(), server.connection.server_name(), server.ports.grpc)
            meeting.write(state)
        except UserError as error:
            meeting.write(State(os.getpid(), fault=str(error), exit_code=error.exit_code))
            raise
        finally:
            os.close(claim)
        clients = Clients(meeting, state, idle_s)
        try:
            say_models(server)
            watch(server, clients.are_gone, min(FOLLOW_SECONDS, idle_s))
        except KeyboardInterrupt:
            clients.leave()
            raise
        finally:
            if meeting.read() == state:
                meeting.state.unlink(missing_ok=True)


class Clients:
    """Of a server that is ready.

    Args:
        meeting: with them.
        state: what the server said of itself.
        idle_s: they are gone when none has used it for so long, in s.
    """

    def __init__(self, meeting: Rendezvous, state: State, idle_s: float) -> None:
        self._meeting, self._state, self._idle_s = meeting, state, idle_s
        self._used, self._change = time.monotonic(), 0

    def are_gone(self) -> bool:
        """Whether the server is to end: nobody can find it any more, which is seen to here.

        Whoever comes meanwhile waits for the lease, finds that it was removed, and starts a new server.
        """
        if self._meeting.read() != self._state:
            return True  # another has taken its place, while this one did not answer
        try:
            lease = hold(self._meeting.lease, block=False)
        except BlockingIOError:
            self._used = time.monotonic()
            return False
        try:
            change = os.fstat(lease).st_mtime_ns  # somebody may have come and gone since the last look
            if change != self._change:
                self._used, self._change = time.monotonic(), change
            if time.monotonic() - self._used < self._idle_s:
                return False
            self._meeting.remove()
            return True
        finally:
            os.close(lease)

    def leave(self) -> None:
        """End before its time, by a signal: nothing is left, but for those who use it still."""
        self._idle_s = 0.0
        self.are_gone()


def main(args: list[str] | None = None) -> int:
    """Entry point of ``python -m serving.on_demand``."""
    return run(on_demand, args, prog="python -m serving.on_demand")


if __name__ == "__main__":
    raise SystemExit(main())
