"""What answers requests: a model in this process, one on a server, or the best of several."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from client.model import Model
from client.server_times import Times
from lartpc.errors import CheckError
from lartpc.served.contract import HIT_INPUT, INPUT_NAME, OUTPUT_SHAPES
from lartpc.served.parity import Outputs, Request


class ChangedError(CheckError):
    """What answered so far answers no longer; whatever was begun is to be done again by what answers now."""


@dataclass(frozen=True)
class Answer:
    """The answer to a request.

    Attributes:
        outputs: (N, 3) and (N, 1) probabilities.
        place: server, or file of the model, that gave it.
        digest: SHA-256 of the weights.
    """

    outputs: Outputs
    place: str
    digest: str


class Engine(ABC):
    """Answers requests of a contract; several threads may ask at a time.

    Attributes:
        model: the version that answers every request until :meth:`renew`.
    """

    model: Model

    @property
    def notice(self) -> str:
        """What a user must know of it; empty where that is nothing."""
        return ""

    @abstractmethod
    def ask(self, request: Request) -> Answer:
        """Answer a request.

        Raises:
            ChangedError: another version would answer it.
            CheckError: it gets no answer, or one that is none.
            UserError: it is refused.
        """

    @abstractmethod
    def renew(self) -> None:
        """Choose anew which version answers, where the choice is not the user's.

        Raises:
            CheckError: none answers.
        """

    def times(self) -> dict[str, Times]:
        """Server -> what requests to the version took there since this client came; empty without one."""
        return {}

    @abstractmethod
    def close(self) -> None:
        """Let go of servers and memory; whoever still waits for an answer gets none."""


def hits_of(request: Request) -> int:
    """Number of hits of a request."""
    return len(request[INPUT_NAME if INPUT_NAME in request else HIT_INPUT])


def check_outputs(outputs: Outputs, hits: int, who: str) -> None:
    """Raises CheckError where an answer is of another shape, or not finite."""
    for name, output in outputs.items():
        shape = (hits, *OUTPUT_SHAPES[name])
        if output.shape != shape or not np.isfinite(output).all():
            raise CheckError(
                f"{who}: {name} has shape {output.shape} for {shape}, or values that are not finite"
            )
