"""A model on the server that this machine's clients share: should it end under way, another one answers."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from client.engine import Answer, ChangedError, Engine
from client.model import Demands
from client.on_server import OnServer
from client.server_times import Times
from lartpc.errors import UserError
from lartpc.served.parity import Request
from serving.connection import ServerError, SlowServerError
from serving.lease import Lease

Answered = TypeVar("Answered")


class OnDemand(Engine):
    """One version of a model of a repository, on the embedded server.

    Args:
        folder: of the model in the repository.
        version: which of its versions; default the highest that is served.
        demands: what must answer.
        timeout_s: longest wait for an answer; default by what answers took so far.
        idle_s: where a server is started: it ends when nobody has used it for so long, in s.

    Raises:
        UserError, CheckError: the server does not start, or as of :class:`client.on_server.OnServer`.
    """

    def __init__(
        self, folder: Path, version: int | None, demands: Demands, timeout_s: float | None, idle_s: float
    ) -> None:
        self._repository, self._idle_s = folder.absolute().parent, idle_s
        self._wanted = folder.name, version, demands, timeout_s
        self._one_replaces = threading.Lock()
        self._closed = False
        self._lease, self._server = self._open()
        self.model = self._server.model

    def ask(self, request: Request) -> Answer:
        """See the base class."""
        return self._asked(lambda server: server.ask(request))

    def renew(self) -> None:
        """See the base class."""
        self._asked(OnServer.renew)
        self.model = self._server.model

    def times(self) -> dict[str, Times]:
        """See the base class."""
        return self._server.times()

    def close(self) -> None:
        """See the base class; the server is let go of."""
        self._closed = True
        with self._one_replaces:
            self._lease.close()

    def _open(self) -> tuple[Lease, OnServer]:
        lease = Lease(self._repository, self._idle_s)
        try:
            return lease, OnServer(lease.connection, *self._wanted)
        except BaseException:
            lease.close()
            raise

    def _asked(self, call: Callable[[OnServer], Answered]) -> Answered:
        server = self._server
        try:
            return call(server)
        except SlowServerError:
            raise
        except (ServerError, ChangedError):  # a server that ends unloads its models first
            if not self._is_replaced(server):
                raise
        return call(self._server)

    def _is_replaced(self, server: OnServer) -> bool:
        """Whether a server has ended and another one answers now; all threads that ask wait for it."""
        with self._one_replaces:
            if self._closed or (server is self._server and self._lease.lives()):
                return False
            if server is self._server:
                ended = self._lease
                try:
                    self._lease, self._server = self._open()
                except UserError as error:
                    raise ServerError(str(error), str(error), again=True) from error
                ended.close()
                self.model = self._server.model
            return True
