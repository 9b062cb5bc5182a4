"""A balancer that lets requests wait for the first server, on free ports."""

from pathlib import Path

from serving.balancer.description import Balancer, Waiting
from serving.ports import LOOPBACK, free_port


def waiting_balancer(folder: Path, most_s: int) -> Balancer:
    """Its description; the folder of its servers is made.

    Args:
        folder: for the file that names its servers.
        most_s: for so long a request waits; it is tried every second.
    """
    (folder / "endpoints").mkdir()
    return Balancer(
        servers=folder / "endpoints" / "servers.json",
        address=LOOPBACK,
        port=free_port(),
        admin_port=free_port(),
        most_requests=16,
        most_bytes=10**9,
        stats_port=free_port(),
        waiting=Waiting(free_port(), free_port(), pause_s=1, most_s=most_s),
    )
