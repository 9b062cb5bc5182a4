"""``python -m serving.canary``: a canary beside a server asks every model for an answer until Ctrl-C."""

import logging
import time
from typing import Literal

from lartpc.command import run
from lartpc.errors import CheckError, UserError
from lartpc.terminal import say

PROG = "python -m serving.canary"

log = logging.getLogger(__name__)


def canary(
    url: str = "localhost:8001",
    address: str = "127.0.0.1",
    port: int = 9400,
    every_s: float = 15.0,
    timeout_s: float = 30.0,
    rounds: int = 4,
    require_score_scale: Literal["upstream", "natural"] | None = None,
    require_adc_era: str | None = None,
    once: bool = False,
) -> None:
    """Ask every version of every model of a server for an answer, again and again, and show what was found.

    Triton calls models ready that are dead; this finds them. http://ADDRESS:PORT/metrics is for Prometheus:
    time of each answer, dead versions, and version, digest, scale and ADC era of what is served. /dead is
    there only while a version fails for another reason than load, and /alive while the canary goes on.

    Args:
        url: HOST:PORT of the server's gRPC
        address: to show what was found
        port: to show it
        every_s: between two rounds
        timeout_s: after which an answer is missing
        rounds: failures in a row by which a version is dead
        require_score_scale: that models must have
        require_adc_era: that models must have
        once: ask once and end, with exit code 1 where something is wrong
    """
    from serving.monitoring.canary import Canary
    from serving.monitoring.canary_pages import pages

    for name, value, least in (
        ("every-s", every_s, 0.1),
        ("timeout-s", timeout_s, 0.1),
        ("rounds", rounds, 1),
    ):
        if not least <= value <= 86_400:
            raise UserError(f"--{name} {value:g} must lie between {least:g} and 86400")
    demanded = {"score_scale": require_score_scale, "adc_era": require_adc_era}
    its = Canary(url, timeout_s, rounds, {name: value for name, value in demanded.items() if value})
    if once:
        if faults := its.look():
            raise CheckError("; ".join(faults))
        say(f"every model at {url} answers")
        return
    with pages(its, address, port, every_s) as shown:
        say(f"Asking {url} every {every_s:g} s; http://{address}:{shown}/metrics; Ctrl-C ends it")
        said: set[str] = set()
        while True:
            faults = its.look()
            for fault in (fault for fault in faults if fault not in said):
                log.warning("%s", fault)
            said = set(faults)
            time.sleep(every_s)


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(canary, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
