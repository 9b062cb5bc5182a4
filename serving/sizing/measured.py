"""What a load has measured of one saturated server."""

import json
from pathlib import Path

from lartpc.errors import UserError


def hits_a_second_of(path: Path) -> float:
    """The largest throughput of a load on one server, in hits/s.

    Args:
        path: file of client.load --out.

    Raises:
        UserError: it cannot be read, was cut off, or lost something: then it is no measure of a server.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        steps = [(step["requests"], sum(step["lost"].values()), step["wrong"], float(step["hits_a_second"]))
                 for step in content["steps"]]  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path} is no whole file of client.load --out ({_why(error)}); let the load run to its end"
        ) from error
    if not steps or not all(requests for requests, *_ in steps):
        raise UserError(f"{path} has a step without an answer; let the load run longer")
    if any(lost or wrong for _, lost, wrong, _ in steps):
        raise UserError(f"{path} has lost requests or wrong answers; it is no measure of a server")
    return max(found for *_, found in steps)


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    if isinstance(error, KeyError):
        return f"it says no {error.args[0]}"
    return "cut off, or no JSON" if isinstance(error, ValueError) else "its steps are of another form"
