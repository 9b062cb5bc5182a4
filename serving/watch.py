"""What keeps an embedded server going: it says what is served, follows the repository, and heals."""

import itertools
import time
from collections.abc import Callable

from lartpc.terminal import say
from serving.follow import Follower
from serving.triton import TritonServer

FOLLOW_SECONDS = 2.0
"""Between two looks at the repository's config.pbtxt files."""

CANARY_ROUNDS = 5
"""Looks at the repository between two canary inferences."""


def say_models(server: TritonServer) -> None:
    """Say which models are served, and which are not and why."""
    for name, versions in server.versions().items():
        say(f"Serving {name}, version {', '.join(map(str, versions))}")
    for name, reason in server.left_out.items():
        say(f"Left out {name}: {reason}")


def watch(
    server: TritonServer, ends: Callable[[], bool] = lambda: False, pause_s: float = FOLLOW_SECONDS
) -> None:
    """Follow the repository and heal what does not answer.

    Args:
        server: inside of its ``with`` block.
        ends: asked at every look whether to return.
        pause_s: between two looks.

    Raises:
        CheckError: the server has ended.
    """
    follower = Follower(server)
    for look in itertools.count(1):
        time.sleep(pause_s)
        if ends():
            return
        server.check_alive()
        canaries = look % CANARY_ROUNDS == 0
        for name in follower.look(again=canaries):
            say(f"Now serving {name}, version {', '.join(map(str, server.versions()[name]))}")
        if canaries:
            for name in follower.heal():
                say(f"Loaded {name} anew")
