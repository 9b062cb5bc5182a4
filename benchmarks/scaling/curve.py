"""Time of an event against the number of clients, and the model's line (figure 7, equation 4).

The line's parameters are measured apart from the curve: the time that an event's requests take one client
alone, and the hits a second of one saturated server, before each number of clients and after it: a machine
does not keep its pace over minutes.
"""

from dataclasses import dataclass
from statistics import fmean, median

from benchmarks.scaling.saturation import CLIENTS, Saturation, saturate
from benchmarks.scaling.ways import Way
from client.traffic.drive import drive
from client.traffic.payloads import Payload
from client.traffic.plan import SPREAD, Plan, Target
from lartpc.errors import CheckError
from serving.sizing.model import Job, Site, estimate
from serving.sizing.simulation import simulate
from serving.stack import Stack

KNEE = 16
"""Clients from which on the server is to be saturated: all else of a job is made to take as long as that."""

STEPS = (1, 8, 16, 24, 32)
SIMULATED_EVENTS = 2000
"""Of all clients together, about."""

SEED = 7


@dataclass(frozen=True)
class Point:
    """Some clients at the same time.

    Attributes:
        clients: how many.
        module_s: mean time of an event's requests, in s: of the module that asks.
        event_s: that, and all else of a job.
        events: that were counted.
        formula_s: time of an event by the model, of the server just before and after.
        simulated_s: the same by the simulation.
    """

    clients: int
    module_s: float
    event_s: float
    events: int
    formula_s: float
    simulated_s: float

    @property
    def off(self) -> float:
        """By how much the time differs from the model's, relative."""
        return self.event_s / self.formula_s - 1


@dataclass(frozen=True)
class Curve:
    """One way of asking.

    Attributes:
        way: of it.
        alone_s: time of an event's requests of one client alone, as measured before the curve, in s.
        job: the model's job, of one client alone.
        site: the model's site, of one saturated server, in the median of its measurements.
        saturation: the first of them.
        rates: hits a second of each, before the curve and after each of its points.
        points: the curve.
    """

    way: Way
    alone_s: float
    job: Job
    site: Site
    saturation: Saturation
    rates: tuple[float, ...]
    points: tuple[Point, ...]


def measure(its: Stack, way: Way, seconds: float) -> Curve:
    """Measure the parameters and the curve, and the throughput again after each of its points.

    Args:
        its: a stack of one server.
        way: in which clients ask.
        seconds: of each step.

    Raises:
        CheckError: a request was lost or an answer wrong, or a step ended before an event did.
    """
    found, hits = way.payloads(f"grpc://{its.envoy.url}")
    alone = drive(Plan(Target(its.envoy.url), 1, seconds, event_requests=way.requests), found, 1)
    alone_s = alone.module_s()
    first = saturate(its, way.model, found, seconds, CLIENTS)
    rates, points = [first.outcome.hits_a_second], []
    job, site = parameters(way, hits, alone_s, rates[0])
    for clients in STEPS:
        took, events = module_s(its, way, found, clients, job, site, seconds)
        rates.append(saturate(its, way.model, found, seconds, CLIENTS).outcome.hits_a_second)
        line = Site(1, fmean(rates[-2:]))
        points.append(
            Point(
                clients,
                took,
                job.other_s + took,
                events,
                estimate(job, line, clients).event_s,
                simulate(job, line, clients, SIMULATED_EVENTS // clients, SPREAD, SEED).event_s,
            )
        )
    return Curve(way, alone_s, job, Site(1, median(rates)), first, tuple(rates), tuple(points))


def parameters(way: Way, hits: float, alone_s: float, hits_a_second: float) -> tuple[Job, Site]:
    """The model's parameters; all else of a job takes so long that KNEE clients saturate the server.

    Args:
        way: in which clients ask.
        hits: of an event.
        alone_s: time of an event's requests of one client alone; what of it is no serving is round trips.
        hits_a_second: of the saturated server.
    """
    serving_s = hits / hits_a_second
    trips_s = max(alone_s - serving_s, 0.0)
    other_s = (KNEE - 1) * serving_s - trips_s
    job = Job(other_s, 0.0, hits, way.requests, 0.0, float("inf"), trips_s / way.requests)
    return job, Site(1, hits_a_second)


def module_s(
    its: Stack, way: Way, found: list[Payload], clients: int, job: Job, site: Site, seconds: float
) -> tuple[float, int]:
    """Mean time of an event's requests with so many clients, and how many events that is of.

    Clients begin in the first pause. Counted is what begins after about an event, and ends while all of them
    still work: what ends after them met fewer.

    Args:
        its: the stack.
        way: in which clients ask.
        found: the requests.
        clients: how many.
        job: of each.
        site: what serves them, for how long an event may take about.
        seconds: in which what is counted begins; longer where three events take longer.
    """
    event_s = estimate(job, site, clients).event_s
    since_s, until_s = event_s, event_s + max(seconds, 3 * event_s)
    plan = Plan(Target(its.envoy.url), clients, until_s + event_s, job.other_s, way.requests)
    outcome = drive(plan, found, 1)
    if outcome.lost or outcome.wrong:
        raise CheckError(f"{way.name}, {clients} clients: {outcome.lost.total()} lost, {outcome.wrong} wrong")
    took = outcome.events_between(since_s, until_s)
    if not len(took):
        raise CheckError(f"{way.name}, {clients} clients: no event ended; give it more --seconds")
    return float(took.mean()), len(took)
