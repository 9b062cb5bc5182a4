"""The paper's results of the paper's inputs, what else bounds a site, and a simulation beside the formula."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from serving.capacity import main as capacity
from serving.sizing import paper
from serving.sizing.mix import mix_of, shares_of
from serving.sizing.model import Job, Mix, Site, estimate, servers_for
from serving.sizing.simulation import simulate

JOB = Job(
    other_s=10, prepare_s=1, hits=50_000, requests=100, bytes_a_hit=9216, link_gbps=10, round_trip_s=0.001
)


@pytest.mark.parametrize(
    ("job", "site", "clients", "measured", "literally"),
    [(paper.LARGE, paper.LARGE_SITE, 270, 0.03, 0.08), (paper.SMALL, paper.SMALL_SITE, 190, 0.07, 0.11)],
    ids=["large batch", "small batch"],
)
def test_the_papers_number_of_clients(
    job: Job, site: Site, clients: int, measured: float, literally: float
) -> None:
    """Equations 2 and 3; literally they count the 7 s of preparation twice."""
    assert estimate(job, site, 1).clients_at_most / clients - 1 == pytest.approx(measured, abs=0.01)
    twice = estimate(paper.literally(job), site, 1).clients_at_most / clients - 1
    assert twice == pytest.approx(literally, abs=0.01)


def test_190_clients_need_the_throughput_of_the_client_alone() -> None:
    alone = replace(paper.SMALL_SITE, hits_a_second=20_000)
    assert estimate(paper.SMALL, alone, 1).clients_at_most == pytest.approx(190, rel=0.04)


def test_the_papers_times_and_factors() -> None:
    found = estimate(paper.LARGE, paper.LARGE_SITE, 1)
    assert found.event_s == pytest.approx(123, abs=0.5)
    assert found.offloaded_s == pytest.approx(13, abs=0.3)
    assert paper.MODULE_S / found.offloaded_s == pytest.approx(17, abs=0.5)
    assert paper.CPU_S / found.event_s == pytest.approx(2.7, abs=0.05)
    assert found.clients_at_most / paper.GPUS == pytest.approx(68, abs=2)


def test_beyond_saturation_the_time_grows_with_the_clients_alone() -> None:
    """Equation 5, which equation 4 becomes there."""
    site = paper.LARGE_SITE
    for clients in (300, 400, 800):
        found = estimate(paper.LARGE, site, clients)
        serving_s = paper.HITS / site.hits_a_second
        assert found.event_s == pytest.approx(serving_s * clients / site.servers)
        ideal = found.ideal_s + serving_s * max(0.0, clients / site.servers - found.ideal_s / serving_s)
        assert found.event_s == pytest.approx(ideal) and found.bound_by == "servers"


@pytest.mark.parametrize(
    ("site", "bound_by"),
    [
        (Site(2, 30_000), "servers"),
        (Site(2, 1e9, ingress_gbps=2), "server links"),
        (Site(2, 1e9, ingress_gbps=2, switch_gbps=1), "switch"),
    ],
)
def test_what_is_narrowest_bounds(site: Site, bound_by: str) -> None:
    found = estimate(JOB, site, 1000)
    assert found.bound_by == bound_by and found.event_s > found.ideal_s
    few = estimate(JOB, site, 1)
    assert few.bound_by == "clients" and few.event_s == few.ideal_s


def test_planes_take_the_wires_away() -> None:
    site = Site(2, 100_000, ingress_gbps=2)
    patches, planes = (estimate(replace(JOB, bytes_a_hit=size), site, 1) for size in (9249, 36))
    assert planes.clients_at_most > 1.1 * patches.clients_at_most


def test_servers_for_some_clients() -> None:
    site = Site(1, 30_000)
    needed = servers_for(JOB, site, 100)
    assert needed is not None
    assert estimate(JOB, replace(site, servers=needed), 100).bound_by == "clients"
    assert estimate(JOB, replace(site, servers=needed - 1), 100).bound_by == "servers"
    assert servers_for(JOB, replace(site, switch_gbps=1), 100) is None


def test_the_papers_mix_of_links_lies_between_its_two() -> None:
    """Of the clients 64 % have 10 Gbps, of which the server takes 2 (sections 2.4 and 3.1), the rest 1."""
    links = shares_of("2:0.64,1:0.36", "--link-gbps")
    mix = mix_of(paper.LARGE, links, ((1.0, 1.0),))
    assert isinstance(mix, Mix) and len(mix.kinds) == 2
    found = estimate(mix, paper.LARGE_SITE, 1)
    slow, fast = (estimate(replace(paper.LARGE, link_gbps=gbps), paper.LARGE_SITE, 1) for gbps in (1, 2))
    assert found.event_s == pytest.approx(0.64 * fast.event_s + 0.36 * slow.event_s)
    assert fast.clients_at_most < found.clients_at_most < slow.clients_at_most
    assert found.clients_at_most == pytest.approx(270, rel=0.03)
    beyond = estimate(mix, paper.LARGE_SITE, 400)
    alike = estimate(paper.LARGE, paper.LARGE_SITE, 400)
    assert beyond.event_s == pytest.approx(alike.event_s)
    assert beyond.bound_by == "servers"


def test_slower_processors_need_fewer_servers() -> None:
    half = mix_of(JOB, ((10.0, 1.0),), ((1.0, 0.5), (0.5, 0.5)))
    site = Site(1, 30_000)
    slow = servers_for(half, site, 200)
    fast = servers_for(JOB, site, 200)
    assert slow is not None and fast is not None and slow < fast


@pytest.mark.parametrize(("clients", "tolerance"), [(100, 0.02), (200, 0.02), (400, 0.04)])
def test_the_simulation_agrees_where_nothing_or_all_queues(clients: int, tolerance: float) -> None:
    seen = simulate(paper.LARGE, paper.LARGE_SITE, clients)
    assert seen.event_s == pytest.approx(
        estimate(paper.LARGE, paper.LARGE_SITE, clients).event_s, rel=tolerance
    )


def test_at_the_knee_queues_cost_what_the_formula_does_not_know() -> None:
    knee = round(estimate(paper.LARGE, paper.LARGE_SITE, 1).clients_at_most)
    seen = simulate(paper.LARGE, paper.LARGE_SITE, knee)
    assert 1.01 < seen.event_s / estimate(paper.LARGE, paper.LARGE_SITE, knee).event_s < 1.2
    assert 0.8 < seen.busy <= 1
    assert seen == simulate(paper.LARGE, paper.LARGE_SITE, knee)


def test_the_command_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert capacity(["--paper=large", "--simulate", "--clients=100"]) == 0
    said = capsys.readouterr().out
    assert "4 servers: 100 clients need 123.2 s an event" in said and "up to 278 clients" in said
    picture = tmp_path / "site.png"
    own = ["--hits-a-second=30000", "--other-s=10", "--clients=100", "--round-trip-ms=1"]
    assert capacity([*own, f"--picture={picture}"]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert capacity([*own, "--events-a-second=2"]) == 0
    assert "servers: 100 clients need" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--hits-a-second (of one saturated server; or --load) and --other-s (of one client alone)"),
        (["--hits-a-second=0", "--other-s=1"], "--hits-a-second 0 must be above 0"),
        (["--hits-a-second=1", "--other-s=-1"], "--other-s -1 must be 0 or more"),
        (
            ["--hits-a-second=1", "--other-s=1", "--round-trip-ms=20000"],
            "is in ms, and more than ten seconds",
        ),
        (["--paper=large", "--link-gbps=10:0.5,1:0.6"], "the shares must add up to 1"),
        (["--paper=large", "--link-gbps=fast"], "or several with shares as in"),
        (["--paper=large", "--processor-speed=0"], "--processor-speed 0 must be above 0"),
        (["--paper=large", "--processor-speed=1e-320"], "--processor-speed 1e-320 must be above 0 (0.0001"),
        (["--hits-a-second=1", "--other-s=1", "--hits=1e-300"], "--hits 1e-300 is not between 1e-06 and"),
        (["--paper=large", "--ingress-gbps=1e300"], "--ingress-gbps 1e+300 is not between"),
        (["--paper=large", "--events-a-second=1e9"], "clients so: what the clients do besides bounds"),
        (["--paper=large", "--simulate", "--link-gbps=2:0.5,1:0.5"], "--simulate knows clients of one kind"),
        (["--paper=large", "--clients=0"], "--clients 0 must be above 0"),
        (
            ["--hits-a-second=3e4", "--other-s=1", "--switch-gbps=0.1"],
            "no number of servers serves 400 clients",
        ),
    ],
)
def test_a_wrong_request_is_told(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert capacity(options) == 2
    assert message in capsys.readouterr().err


def test_a_load_says_what_a_server_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that was cut off, or lost something, says nothing."""
    step = {"requests": 9, "lost": {}, "wrong": 0, "hits_a_second": 12_000.0}
    file = tmp_path / "load.json"
    options = ["--other-s=10", "--clients=100", f"--load={file}"]
    file.write_text(json.dumps({"steps": [step, {**step, "hits_a_second": 30_000.0}]}))
    assert capacity(options) == 0
    by_load = capsys.readouterr().out
    assert capacity([*options[:2], "--hits-a-second=30000"]) == 0
    assert capsys.readouterr().out == by_load
    for content, message in (
        ('{"steps": [{"requests": 9,', "is no whole file of client.load --out (cut off, or no JSON)"),
        ("{}", "is no whole file of client.load --out (it says no steps)"),
        ('{"steps": [7]}', "(its steps are of another form)"),
        (json.dumps({"steps": [{**step, "requests": 0}]}), "has a step without an answer"),
        (json.dumps({"steps": [{**step, "lost": {"UNAVAILABLE": 1}}]}), "has lost requests"),
    ):
        file.write_text(content)
        assert capacity(options) == 2
        assert message in capsys.readouterr().err
    assert capacity([*options, "--hits-a-second=30000"]) == 2
    assert "give no --hits-a-second" in capsys.readouterr().err
