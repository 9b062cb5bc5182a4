"""``python -m serving.capacity``: how many servers for how many clients."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lartpc.command import run
from lartpc.errors import UserError
from lartpc.files import check_target
from lartpc.terminal import say, show, working

if TYPE_CHECKING:
    from rich.table import Table

    from serving.sizing.model import Job, Mix, Site

PROG = "python -m serving.capacity"
INFINITE = float("inf")
LEAST, MOST = 1e-6, 1e12
"""Of any number that is asked about; what is smaller or larger is of another unit, or a slip."""


def capacity(
    clients: int = 400,
    hits_a_second: float | None = None,
    load: Path | None = None,
    other_s: float | None = None,
    prepare_s: float = 0.0,
    hits: float = 55_000,
    requests: float | None = None,
    bytes_a_hit: float = 9249,
    link_gbps: str = "1",
    processor_speed: str = "1",
    round_trip_ms: float = 1.0,
    ingress_gbps: float = INFINITE,
    switch_gbps: float = INFINITE,
    events_a_second: float | None = None,
    servers: int | None = None,
    paper: Literal["large", "small"] | None = None,
    simulate: bool = False,
    picture: Path | None = None,
) -> None:
    """Say how many servers a site needs, by the paper's latency model with links and a switch.

    Its numbers are measured apart from what they are to predict: --other-s and --prepare-s from one client
    alone, --hits-a-second from one server that is saturated (client.load). Up to the number of clients that
    a site serves without delay an event takes its ideal time; beyond, all clients wait for the narrowest
    place.

    Args:
        clients: that work at the same time
        hits_a_second: that one server answers when it is saturated
        load: file of client.load --out with one server, whose largest throughput that is
        other_s: time of an event that is not offloaded, in s
        prepare_s: time of making the requests of an event, in s
        hits: of an event
        requests: that they are asked in; hits by 235 where not given
        bytes_a_hit: that are sent: 9249 patches, 1499 planes in FP32, 36 planes zero-suppressed
            (docs/planes.md)
        link_gbps: of a client, in 1e9 bit/s; of several kinds with their shares, as in 10:0.64,1:0.36
        processor_speed: of a client, relative to the one that --other-s and --prepare-s are of; of several
            kinds with their shares
        round_trip_ms: of a request without any work
        ingress_gbps: of a server; not given, it does not bound
        switch_gbps: that all clients' bytes pass; not given, it does not bound
        events_a_second: that all clients together are to reach; otherwise they are to lose no time
        servers: there are; otherwise as many as are needed
        paper: the paper's own inputs, with large or small batches, in place of all of a job and a server
        simulate: let clients and servers queue, event by event, beside the formula
        picture: PNG with the time of an event against the number of clients
    """
    from serving.sizing.mix import mix_of, shares_of
    from serving.sizing.model import Mix, Site, estimate, servers_for

    if load is not None:
        from serving.sizing.measured import hits_a_second_of

        if hits_a_second is not None or paper is not None:
            raise UserError("--load says what one server answers; give no --hits-a-second or --paper with it")
        hits_a_second = hits_a_second_of(load)
    one, site = described(
        paper, hits_a_second, other_s, prepare_s, hits, requests, bytes_a_hit, round_trip_ms
    )
    links, speeds = shares_of(link_gbps, "--link-gbps"), shares_of(processor_speed, "--processor-speed")
    job = mix_of(one, links, speeds)
    if simulate and isinstance(job, Mix):
        raise UserError("--simulate knows clients of one kind; give one --link-gbps and --processor-speed")
    site = replace(site, ingress_gbps=ingress_gbps, switch_gbps=switch_gbps)
    check(clients=clients)
    check(**{name: gbps for name, gbps in (("ingress_gbps", ingress_gbps), ("switch_gbps", switch_gbps))
             if gbps != INFINITE})  # fmt: skip
    if servers is not None:
        check(servers=servers)
    if picture is not None:
        check_target(picture, "--picture")
    wanted = servers or (site.servers if paper else servers_for(job, site, clients))
    if events_a_second is not None and servers is None:
        check(events_a_second=events_a_second)
        wanted = reaching(job, site, clients, events_a_second)
    if wanted is None:
        switch = "" if switch_gbps == INFINITE else f"the switch of {switch_gbps:g} Gbps, or "
        raise UserError(
            f"no number of servers serves {clients:,} clients so: {switch}what the clients do besides bounds "
            "before; send planes, or ask for fewer events a second"
        )
    site = Site(wanted, site.hits_a_second, ingress_gbps, switch_gbps)
    found = estimate(job, site, clients)
    with working("Clients and servers queue, event by event ...") if simulate else nullcontext():
        table = table_of(job, site, clients, simulate)
    show(table)
    say(
        f"{wanted:,} servers: {clients:,} clients need {found.event_s:,.1f} s an event, ideal "
        f"{found.ideal_s:,.1f} s"
    )
    say(
        f"up to {found.clients_at_most:,.0f} clients lose no time, "
        f"{found.clients_at_most / wanted:,.0f} a server"
    )
    if picture is not None:
        from serving.sizing.picture import draw

        draw(job, site, clients, picture)
        say(f"wrote {picture}")


def described(
    paper: str | None,
    hits_a_second: float | None,
    other_s: float | None,
    prepare_s: float,
    hits: float,
    requests: float | None,
    bytes_a_hit: float,
    round_trip_ms: float,
) -> "tuple[Job, Site]":
    """Job and site of the options.

    Raises:
        UserError: one is missing, or is no such number.
    """
    from serving.sizing import paper as inputs
    from serving.sizing.model import Job, Site

    if paper is not None:
        return (inputs.LARGE, inputs.LARGE_SITE) if paper == "large" else (inputs.SMALL, inputs.SMALL_SITE)
    if hits_a_second is None or other_s is None:
        raise UserError(
            "--hits-a-second (of one saturated server; or --load) and --other-s (of one client alone) are "
            "measured at the site; give both, or --paper large"
        )
    asked = hits / 235 if requests is None else requests
    check(hits_a_second=hits_a_second, hits=hits, requests=asked, bytes_a_hit=bytes_a_hit)
    for name, value in (("other-s", other_s), ("prepare-s", prepare_s), ("round-trip-ms", round_trip_ms)):
        if not 0 <= value <= MOST:
            raise UserError(f"--{name} {value:g} must be 0 or more, and at most {MOST:g}")
    if round_trip_ms > 10_000:
        raise UserError(f"--round-trip-ms {round_trip_ms:g} is in ms, and more than ten seconds")
    job = Job(other_s, prepare_s, hits, asked, bytes_a_hit, 1.0, round_trip_ms / 1e3)
    return job, Site(1, hits_a_second)


def check(**values: float) -> None:
    """Raises UserError where one of the options is not above 0, or no number that a site has."""
    for name, value in values.items():
        if not value > 0:
            raise UserError(f"--{name.replace('_', '-')} {value:g} must be above 0")
        if not LEAST <= value <= MOST:
            raise UserError(f"--{name.replace('_', '-')} {value:g} is not between {LEAST:g} and {MOST:g}")


def reaching(
    job: "Job | Mix", site: "Site", clients: int, events_a_second: float, most: int = 4096
) -> int | None:
    """Fewest servers with which the clients reach a rate; None where none do."""
    from serving.sizing.model import estimate

    for servers in range(1, most + 1):
        if estimate(job, replace(site, servers=servers), clients).events_a_second(clients) >= events_a_second:
            return servers
    return None


def table_of(job: "Job | Mix", site: "Site", clients: int, simulated: bool) -> "Table":
    """Half, as many and twice as many clients and servers."""
    from rich.table import Table

    from serving.sizing.model import Mix, estimate
    from serving.sizing.simulation import simulate

    heads = ["servers", "clients", "s an event", "events/s", "bound by"]
    table = Table(*heads, *(["simulated, s an event", "servers busy"] if simulated else []))
    for servers in sorted({max(site.servers // 2, 1), site.servers, 2 * site.servers}):
        for number in sorted({max(clients // 2, 1), clients, 2 * clients}):
            of_site = replace(site, servers=servers)
            found = estimate(job, of_site, number)
            row = [f"{servers:,}", f"{number:,}", f"{found.event_s:,.1f}",
                   f"{found.events_a_second(number):,.2f}", found.bound_by]  # fmt: skip
            if simulated and not isinstance(job, Mix):
                seen = simulate(job, of_site, number)
                row += [f"{seen.event_s:,.1f}", f"{seen.busy:.0%}"]
            table.add_row(*row)
    return table


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(capacity, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())
