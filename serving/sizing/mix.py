"""Kinds of clients, as a site's options say them."""

from collections.abc import Sequence
from dataclasses import replace

from lartpc.errors import UserError
from serving.sizing.model import Job, Mix

Shares = tuple[tuple[float, float], ...]
"""Values, and which share of the clients has each."""

LEAST, MOST = 1e-4, 1e6
"""Gbps of a link, speed of a processor, and share of clients: anything else is a slip."""


def mix_of(job: Job, links: Shares, speeds: Shares) -> Job | Mix:
    """Every kind of processor with every kind of link.

    Args:
        job: of a client whose processor has speed 1.
        links: in Gbps.
        speeds: of processors, relative: all that a client does itself takes so much less time.
    """
    kinds = tuple(
        (
            of_link * of_speed,
            replace(job, link_gbps=gbps, other_s=job.other_s / speed, prepare_s=job.prepare_s / speed),
        )
        for gbps, of_link in links
        for speed, of_speed in speeds
    )
    return kinds[0][1] if len(kinds) == 1 else Mix(kinds)


def shares_of(text: str, option: str) -> Shares:
    """Values and their shares, of ``10:0.64,1:0.36``; of a number alone all.

    Raises:
        UserError: it is no such list, or the shares do not add up to 1.
    """
    parts: Sequence[tuple[str, str, str]] = [part.partition(":") for part in text.split(",")]
    try:
        pairs = tuple((float(value), float(share or 1)) for value, _, share in parts)
    except ValueError:
        pairs = ()
    if not pairs or not all(LEAST <= number <= MOST for pair in pairs for number in pair):
        raise UserError(
            f"{option} {text} must be above 0 ({LEAST:g} to {MOST:g}), or several with shares as in "
            "10:0.64,1:0.36"
        )
    if abs(sum(share for _, share in pairs) - 1) > 0.005:
        raise UserError(f"{option} {text}: the shares must add up to 1")
    return pairs
