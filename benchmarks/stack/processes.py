"""The processes of a stack by role: each server with its models' processes, the balancer, the clients."""

import os
from collections import Counter
from collections.abc import Iterator

import psutil

from serving.stack import Stack

PROGRAMS = {"envoy": "Envoy", "prometheus": "Prometheus"}
CLIENTS, OF_CLIENTS = "clients", "multiprocessing.spawn"


def by_role(its: Stack) -> Iterator[tuple[str, psutil.Process]]:
    """Role and process of what runs below this process."""
    servers = {
        member.server.group: f"server {member.number}"
        for member in its.fleet.members
        if member.server is not None
    }
    for process in psutil.Process().children(recursive=True):
        try:
            role = servers.get(os.getpgid(process.pid)) or PROGRAMS.get(process.name())
            if role is None and OF_CLIENTS in " ".join(process.cmdline()):
                role = CLIENTS
            if role is not None:
                yield role, process
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue


def memory_mb(its: Stack) -> dict[str, float]:
    """Role -> memory now, in MB."""
    found: Counter[str] = Counter()
    for role, process in by_role(its):
        try:
            found[role] += process.memory_info().rss / 1e6
        except psutil.NoSuchProcess:
            continue
    return found


def processor_s(its: Stack) -> dict[str, float]:
    """Role -> processor time so far, in s, of the processes that run now."""
    found: Counter[str] = Counter()
    for role, process in by_role(its):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        found[role] += times.user + times.system
    return found
