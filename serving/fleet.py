"""Several embedded servers on one repository: each followed and healed, and replaced when it has ended."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from lartpc.errors import CheckError, UserError
from lartpc.terminal import working
from serving.balancer.endpoints import Health
from serving.follow import Follower
from serving.ports import Ports, free_ports
from serving.triton import TritonServer

AGAIN_SECONDS = 10.0
"""After a server did not start again, the next try."""

ASIDE_SECONDS = 1.0
"""In which the balancer takes note that a server is to be sent nothing, while it loads a model anew."""

log = logging.getLogger(__name__)


class Member:
    """One server of a fleet.

    Args:
        repository: folder of models.
        number: of it, for messages.
        log_file: for the server's log.

    Attributes:
        number: of it.
        ports: that it keeps when it is started anew.
        server: the server; None while there is none.
        health: what it may be sent.
    """

    def __init__(self, repository: Path, number: int, log_file: Path | None) -> None:
        self.number, self.ports = number, free_ports()
        self._repository, self._log_file = repository, log_file
        self._stack = ExitStack()
        self.server: TritonServer | None = None
        self._not_before = 0.0
        self.health = Health.UNHEALTHY

    @property
    def grpc(self) -> str:
        """HOST:PORT, whether it runs or not."""
        return TritonServer(self._repository, self.ports).grpc

    @property
    def metrics(self) -> str:
        """URL of its metrics."""
        return TritonServer(self._repository, self.ports).metrics

    @property
    def has_ended(self) -> bool:
        """Whether its server is no more, or never was."""
        if self.server is None:
            return True
        try:
            self.server.check_alive()
        except CheckError:
            return True
        return False

    def start(self) -> None:
        """Start the server, which is sent requests from then on.

        Raises:
            CheckError, UserError: it does not start, or its repository has nothing for this machine.
        """
        server = TritonServer(self._repository, self.ports, self._log_file)
        self.server = self._stack.enter_context(server)
        self._follower = Follower(self.server)
        self.health = Health.HEALTHY

    def stop(self) -> None:
        """End the server."""
        self.server, self.health = None, Health.UNHEALTHY
        self._stack.close()

    def look(self, canaries: bool, tell: Callable[[], None] = lambda: None) -> list[str]:
        """Follow the repository, and with canaries ask each model for an answer; what has changed, in words.

        A server that has ended is started anew, and tried again where it does not start.

        Args:
            canaries: ask for answers.
            tell: called when the server's health changes meanwhile: it is sent nothing while a model is
                loaded anew.
        """
        if self.server is None:
            return self._again() if time.monotonic() >= self._not_before else []
        try:
            self.server.check_alive()
            said = [
                f"server {self.number} now serves {self._what(name)}"
                for name in self._follower.look(canaries)
            ]
            if canaries:
                said += [
                    f"server {self.number} loaded {name} anew"
                    for name in self._follower.heal(lambda: self._aside(tell))
                ]
                self.health = Health.HEALTHY
        except CheckError as error:
            log.warning("server %d: %s", self.number, error)
            return self._again()
        return said

    def _what(self, name: str) -> str:
        assert self.server is not None
        return f"{name}, version {', '.join(map(str, self.server.versions()[name]))}"

    def _aside(self, tell: Callable[[], None]) -> None:
        self.health = Health.UNHEALTHY
        tell()
        time.sleep(ASIDE_SECONDS)

    def _again(self) -> list[str]:
        self.stop()
        if self._log_file is not None and self._log_file.exists():
            self._log_file.replace(self._log_file.with_suffix(".ended.log"))
        try:
            self.start()
        except UserError as error:
            log.warning("server %d does not start again: %s", self.number, error)
            self.stop()
            self._not_before = time.monotonic() + AGAIN_SECONDS
            return [f"server {self.number} has ended, and is tried again"]
        return [f"server {self.number} had ended and was started anew"]


class Fleet:
    """Servers that run while the ``with`` block does; enter it from the main thread.

    Args:
        repository: folder of models.
        number: of servers.
        logs: folder for their logs; nameless files where not given.

    Attributes:
        members: the servers.

    Raises:
        UserError, CheckError: on entering: one does not start.
    """

    def __init__(self, repository: Path, number: int, logs: Path | None = None) -> None:
        self.members = [
            Member(repository, each, None if logs is None else logs / f"server-{each}.log")
            for each in range(1, number + 1)
        ]

    def __enter__(self) -> Self:
        try:
            for member in self.members:
                with working(f"Starting server {member.number} of {len(self.members)} ..."):
                    member.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all of them."""
        with ExitStack() as stack:
            for member in self.members:
                stack.callback(member.stop)

    @property
    def health(self) -> dict[str, Health]:
        """HOST:PORT of the gRPC of each server that runs -> what it may be sent."""
        return {member.grpc: member.health for member in self.members if not member.has_ended}

    @property
    def ports(self) -> list[Ports]:
        """Of each server."""
        return [member.ports for member in self.members]

    def look(self, canaries: bool, tell: Callable[[], None] = lambda: None) -> list[str]:
        """Follow and heal each of them; what has changed, in words; see :meth:`Member.look`."""
        return [line for member in self.members for line in member.look(canaries, tell)]
