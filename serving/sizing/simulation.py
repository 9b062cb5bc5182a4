"""Clients and servers event by event: what queues do to the time that the model gives.

Every client is a closed one, as jobs are: it prepares, sends a request, waits for its answer, and only then
sends the next. A server answers one request at a time in the order of their coming.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.sizing.model import GIGABIT, Job, Site, estimate

WARM_UP = 2
"""Events of each client before anything is counted."""


@dataclass(frozen=True)
class Simulated:
    """What clients met.

    Attributes:
        event_s: mean time of an event, in s: clients by the rate at which events were done (Little's law,
            which no end of the counting distorts).
        events: that were counted.
        busy: share of the time in which a server worked, mean of all.
    """

    event_s: float
    events: int
    busy: float


def simulate(
    job: Job, site: Site, clients: int, events: int = 5, spread: float = 0.2, seed: int = 1
) -> Simulated:
    """Let so many clients work through events for a time.

    Args:
        job: of each client.
        site: of all; its switch does not bound here.
        clients: that work at the same time, and begin at times spread over an event.
        events: of each client that are counted, about.
        spread: of the time of all that is not offloaded, relative; lognormal.
        seed: of these times.
    """
    import simpy

    random = np.random.default_rng(seed)
    environment = simpy.Environment()
    servers = [simpy.Resource(environment) for _ in range(site.servers)]
    requests = max(round(job.requests), 1)
    serving_s = job.hits / requests / site.hits_a_second
    sending_s = job.bits / requests / (min(job.link_gbps, site.ingress_gbps) * GIGABIT)
    sigma = np.sqrt(np.log1p(spread**2))
    expected_s = estimate(job, site, clients).event_s
    begin, end = WARM_UP * expected_s, (WARM_UP + events) * expected_s
    done, worked = 0, 0.0

    def client(first: float) -> Iterator[Any]:
        nonlocal done, worked
        yield environment.timeout(first)
        while True:
            yield environment.timeout(job.other_s * random.lognormal(-(sigma**2) / 2, sigma) + job.prepare_s)
            for _ in range(requests):
                yield environment.timeout(sending_s + job.round_trip_s)
                server = min(servers, key=lambda each: each.count + len(each.queue))
                with server.request() as turn:
                    yield turn
                    yield environment.timeout(serving_s)
                worked += serving_s * (environment.now >= begin)
            done += environment.now >= begin

    for first in random.uniform(0, expected_s, clients):
        environment.process(client(float(first)))
    environment.run(end)
    return Simulated(clients * (end - begin) / max(done, 1), done, worked / (end - begin) / site.servers)
