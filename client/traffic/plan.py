"""What the clients of a load do."""

from dataclasses import dataclass

import numpy as np

from lartpc.errors import UserError
from serving.security import Security

GIVE_UP_S = 120.0
"""For so long a request that is refused is sent again; then it is lost."""

LONGEST_S = 3600.0
"""Of a load, and of what a client waits for."""

SPREAD = 0.2
"""Of the pauses, relative: events of one kind differ by so much in what else is done with them."""


@dataclass(frozen=True)
class Target:
    """Where requests go.

    Attributes:
        server: HOST:PORT of its gRPC.
        secure: by TLS.
        security: files of TLS and the token.
    """

    server: str
    secure: bool = False
    security: Security = Security()


@dataclass(frozen=True)
class Plan:
    """One step of a load.

    Attributes:
        target: where requests go.
        clients: that work at the same time; each has a connection of its own.
        seconds: that they do.
        think_s: mean pause of a client between its events, as long as all else takes that a job does;
            lognormal, with SPREAD.
        event_requests: requests of an event, one after the other without a pause.
        in_flight: requests that a client has under way at a time.
        rate: requests a second of all clients together, in Poisson's intervals, whether answered or not;
            0 for clients that wait for their answers.
        most_requests: then it ends; 0 for no limit.
        give_up_s: for so long a refused request is sent again.
        seed: of pauses, intervals and the choice of payloads.
    """

    target: Target
    clients: int
    seconds: float
    think_s: float = 0.0
    event_requests: int = 1
    in_flight: int = 1
    rate: float = 0.0
    most_requests: int = 0
    give_up_s: float = GIVE_UP_S
    seed: int = 1

    def __post_init__(self) -> None:
        """Raises UserError where it is no load."""
        for name, value, least in (
            ("clients", self.clients, 1),
            ("event-requests", self.event_requests, 1),
            ("in-flight", self.in_flight, 1),
            ("think-s", self.think_s, 0),
            ("rate", self.rate, 0),
            ("most-requests", self.most_requests, 0),
            ("seed", self.seed, 0),
        ):
            if not value >= least:
                raise UserError(f"--{name} {value} must be {least} or more")
        if not self.think_s <= LONGEST_S or not 0 < self.give_up_s <= LONGEST_S:
            raise UserError(f"--think-s and --give-up-s are at most {LONGEST_S:.0f}, the latter above 0")
        if self.rate and (self.think_s or self.event_requests > 1):
            raise UserError("--rate says when requests come; give no --think-s or --event-requests with it")
        if not 0 < self.seconds <= LONGEST_S:
            raise UserError(f"--seconds {self.seconds:g} must lie above 0 and at most at {LONGEST_S:.0f}")

    def pause_s(self, random: np.random.Generator) -> float:
        """One pause, in s."""
        sigma = float(np.sqrt(np.log1p(SPREAD**2)))
        return self.think_s * random.lognormal(-(sigma**2) / 2, sigma)

    def share(self, worker: int, workers: int) -> list[int]:
        """Numbers of the clients of one of several processes."""
        return list(range(worker, self.clients, workers))
