"""The paper's latency model (section 3.3, equations 1 to 5), and what bounds a site besides its servers.

A client works through events one after the other. Of each it spends some time on whatever is not offloaded,
some on making requests, and then waits: for its bytes to travel, for round trips, for the servers. While
the servers keep up, that is the ideal time (equation 2). Beyond (equation 3) the time is that in which all
clients' events pass the narrowest place (equation 5): the servers' work, their links, or a switch that all
bytes pass.
"""

from dataclasses import dataclass

GIGABIT = 1e9


@dataclass(frozen=True)
class Job:
    """What a client does for an event.

    Attributes:
        other_s: all that is not offloaded, in s, and is no preparation of requests.
        prepare_s: making the requests on the client, in s.
        hits: that are classified.
        requests: that they are asked in, one after the other.
        bytes_a_hit: that are sent.
        link_gbps: of the client, in 1e9 bit/s.
        round_trip_s: of a request without any work, in s.
    """

    other_s: float
    prepare_s: float
    hits: float
    requests: float
    bytes_a_hit: float
    link_gbps: float
    round_trip_s: float

    @property
    def bits(self) -> float:
        """That are sent for an event."""
        return 8 * self.bytes_a_hit * self.hits


@dataclass(frozen=True)
class Mix:
    """Clients of several kinds, as the paper's were (table 1, section 3.1).

    Attributes:
        kinds: share of all clients, and what each of them does; the shares add up to 1.
    """

    kinds: tuple[tuple[float, Job], ...]


@dataclass(frozen=True)
class Site:
    """The servers.

    Attributes:
        servers: how many.
        hits_a_second: that one of them answers when it is saturated.
        ingress_gbps: of one of them; infinite where it is not known to bound.
        switch_gbps: that all clients' bytes pass.
    """

    servers: int
    hits_a_second: float
    ingress_gbps: float = float("inf")
    switch_gbps: float = float("inf")


@dataclass(frozen=True)
class Estimate:
    """What some clients meet.

    Attributes:
        ideal_s: time of an event while nothing is saturated (equation 2).
        offloaded_s: of that, what the module takes that asks the servers.
        clients_at_most: that the site serves without a longer time (equation 3).
        event_s: time of an event with these clients (equations 4 and 5).
        bound_by: what bounds then: ``clients``, ``servers``, ``server links`` or ``switch``.
    """

    ideal_s: float
    offloaded_s: float
    clients_at_most: float
    event_s: float
    bound_by: str

    def events_a_second(self, clients: float) -> float:
        """Of all clients together."""
        return clients / self.event_s


def estimate(job: Job | Mix, site: Site, clients: float) -> Estimate:
    """What so many clients meet at a site.

    Args:
        job: of each client; of a mix it is the mean over the clients.
        site: of all.
        clients: that work at the same time.
    """
    if isinstance(job, Mix):
        return _estimate_mix(job, site, clients)
    serving_s = job.hits / site.hits_a_second
    link_gbps = min(job.link_gbps, site.ingress_gbps)
    offloaded_s = (
        job.prepare_s + job.bits / (link_gbps * GIGABIT) + job.requests * job.round_trip_s + serving_s
    )
    ideal_s = job.other_s + offloaded_s
    narrowest, turn_s = _narrowest(job, site)
    at_most = ideal_s / turn_s
    saturated = clients > at_most
    return Estimate(
        ideal_s,
        offloaded_s,
        at_most,
        clients * turn_s if saturated else ideal_s,
        narrowest if saturated else "clients",
    )


def _narrowest(job: Job, site: Site) -> tuple[str, float]:
    """The place that all clients wait for first, and the seconds of it that an event takes from all."""
    turns = {
        "servers": job.hits / site.hits_a_second / site.servers,
        "server links": job.bits / (site.ingress_gbps * GIGABIT) / site.servers,
        "switch": job.bits / (site.switch_gbps * GIGABIT),
    }
    name = max(turns, key=lambda what: turns[what])
    return name, turns[name]


def _estimate_mix(mix: Mix, site: Site, clients: float) -> Estimate:
    """Each kind goes through its events in its own time, until all together fill the narrowest place."""
    alone = [(share, estimate(job, site, 1)) for share, job in mix.kinds]
    ideal_s = sum(share * each.ideal_s for share, each in alone)
    offloaded_s = sum(share * each.offloaded_s for share, each in alone)
    narrowest, turn_s = _narrowest(mix.kinds[0][1], site)  # of all kinds: they ask for the same hits
    at_most = 1 / (turn_s * sum(share / each.ideal_s for share, each in alone))
    if clients <= at_most:
        return Estimate(ideal_s, offloaded_s, at_most, ideal_s, "clients")
    return Estimate(ideal_s, offloaded_s, at_most, max(ideal_s, clients * turn_s), narrowest)


def servers_for(job: Job | Mix, site: Site, clients: float, most: int = 4096) -> int | None:
    """Fewest servers with which so many clients lose no time; None where the switch or ``most`` forbids it.

    Args:
        job: of each client.
        site: whose servers are counted anew.
        clients: that work at the same time.
        most: servers that are tried.
    """
    for servers in range(1, most + 1):
        found = estimate(job, Site(servers, site.hits_a_second, site.ingress_gbps, site.switch_gbps), clients)
        if found.bound_by == "clients":
            return servers
        if found.bound_by == "switch":
            return None
    return None
