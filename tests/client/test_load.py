"""Many clients at once: all begin at one signal, each answer is compared, nothing is lost unsaid."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from client.load import check_descriptors
from client.load import main as load
from client.traffic.drive import drive
from client.traffic.outcome import Outcome
from client.traffic.payloads import Payload, payloads
from client.traffic.plan import Plan, Target
from lartpc.errors import CheckError, UserError
from serving.triton import TritonServer
from tests.helpers.waiting import wait_until

MODEL = "emtrkmichel_fp32"
BATCH = 20


@pytest.fixture(scope="module")
def found(tiny_server: TritonServer, events_file: Path) -> list[Payload]:
    return payloads(f"grpc://{tiny_server.grpc}/{MODEL}", events_file, BATCH)[1]


def plan(server: TritonServer, **changes: float) -> Plan:
    return replace(Plan(Target(server.grpc), clients=6, seconds=1.0), **changes)


def test_clients_that_wait_for_their_answers(tiny_server: TritonServer, found: list[Payload]) -> None:
    signals: list[str] = []
    outcome = drive(plan(tiny_server), found, workers=2, at_signal=lambda: signals.append("now"))
    assert signals == ["now"] and not (outcome.wrong or outcome.lost or outcome.refused)
    assert outcome.hits == BATCH * outcome.requests and outcome.requests > 20
    assert 0 < outcome.percentile(50) <= outcome.percentile(99) <= outcome.percentile(100) < 5
    assert outcome.answered.min() > 0 and outcome.longest_gap_s < outcome.seconds


def test_a_number_of_requests_is_shared_among_all(tiny_server: TritonServer, found: list[Payload]) -> None:
    for limits in ({"most_requests": 13}, {"most_requests": 13, "rate": 100.0}):
        outcome = drive(plan(tiny_server, seconds=60, **limits), found, workers=2)
        assert outcome.requests == 13


def test_thinking_slows_clients_down(tiny_server: TritonServer, found: list[Payload]) -> None:
    outcome = drive(plan(tiny_server, think_s=0.2, seconds=2), found, workers=1)
    assert 10 < outcome.requests < 6 * 2 / 0.2 * 2


def test_an_event_is_several_requests_and_goes_on_to_its_end(
    tiny_server: TritonServer, found: list[Payload]
) -> None:
    outcome = drive(plan(tiny_server, event_requests=7, think_s=0.1, seconds=1.5), found, workers=2)
    assert outcome.requests == 7 * len(outcome.event_took) and len(outcome.event_took) > 12
    assert outcome.event_took.min() >= outcome.took.min() * 7
    assert 0 < outcome.module_s() < 1.5 and not len(outcome.events_between(100.0, 200.0))
    assert len(outcome.events_between(0.0, 100.0)) == len(outcome.event_took)


def test_pauses_have_their_mean_and_spread() -> None:
    random, thinking = np.random.default_rng(1), Plan(Target("localhost:1"), 1, 1.0, think_s=3.0)
    pauses = np.array([thinking.pause_s(random) for _ in range(4000)])
    assert pauses.mean() == pytest.approx(3.0, rel=0.02) and pauses.std() == pytest.approx(0.6, rel=0.06)


def test_an_open_load_counts_from_when_a_request_was_due(
    tiny_server: TritonServer, found: list[Payload]
) -> None:
    """One client cannot keep up: its requests wait, and their times say so."""
    slow = drive(plan(tiny_server, clients=1, rate=4000.0, most_requests=400, seconds=60), found, workers=1)
    assert slow.requests == 400 and slow.waited.max() > 0.1
    assert slow.percentile(100) > slow.waited.max()
    easy = drive(plan(tiny_server, clients=6, rate=20.0, seconds=2), found, workers=2)
    assert 15 < easy.requests < 70


def test_what_was_due_and_never_sent_is_counted(tiny_server: TritonServer, found: list[Payload]) -> None:
    outcome = drive(plan(tiny_server, clients=1, rate=4000.0, seconds=0.5), found, workers=1)
    assert outcome.unsent > 100 and outcome.requests + outcome.unsent == pytest.approx(2000, rel=0.15)
    assert drive(plan(tiny_server, rate=20.0), found, workers=2).unsent == 0


def test_more_connections_than_a_process_may_open_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 256))
    check_descriptors(180, processes=1)
    with pytest.raises(UserError, match="300 clients in a process need as many connections"):
        check_descriptors(600, processes=2)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_load_that_is_ended_leaves_nothing_and_one_line(
    how: signal.Signals, tiny_server: TritonServer, events_file: Path
) -> None:
    """Ctrl-C goes to all processes of the group."""
    command = [sys.executable, "-m", "client.load", f"grpc://{tiny_server.grpc}/{MODEL}"]
    command += [f"--events={events_file}", f"--batch={BATCH}", "--seconds=60", "--processes=2"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        its = psutil.Process(process.pid)
        wait_until(lambda: len(clients_of(its)) == 2)
        clients = clients_of(its)
        wait_until(lambda: all(client.num_threads() > 3 for client in clients))
        began = time.monotonic()
        (os.killpg if how is signal.SIGINT else os.kill)(process.pid, how)
        _, said = process.communicate()
        gone, left = psutil.wait_procs(clients, timeout=60)
    assert not left and len(gone) == 2 and time.monotonic() - began < 60
    assert "Traceback" not in said and len(said.splitlines()) <= 1


def clients_of(process: psutil.Process) -> list[psutil.Process]:
    return [each for each in process.children() if "spawn_main" in " ".join(each.cmdline())]


def test_an_answer_that_is_another_one_is_told(tiny_server: TritonServer, found: list[Payload]) -> None:
    swapped = [replace(each, expected=found[0].expected + np.float32(0.01)) for each in found]
    outcome = drive(plan(tiny_server, seconds=0.5), swapped, workers=1)
    assert outcome.wrong == outcome.requests > 0


def test_what_is_refused_for_good_is_lost(tiny_server: TritonServer, found: list[Payload]) -> None:
    other = [replace(each, content=each.content.replace(b"main_input", b"nain_input")) for each in found]
    outcome = drive(plan(tiny_server, seconds=0.3), other, workers=1)
    assert outcome.requests == 0 and all(reason.startswith("INVALID_ARGUMENT") for reason in outcome.lost)


def test_a_server_that_is_not_there_is_told(found: list[Payload], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.traffic.drive.READY_SECONDS", 3)
    with pytest.raises(CheckError, match="no connection to 127.0.0.1:9 within 3 s"):
        drive(Plan(Target("127.0.0.1:9"), 2, 1.0), found, workers=1)


def test_the_command_ramps_and_writes_its_figures(
    tiny_server: TritonServer, events_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "load.json"
    options = [
        f"--events={events_file}",
        f"--batch={BATCH}",
        f"--metrics={tiny_server.metrics}",
        f"--out={out}",
    ]
    assert load([f"grpc://{tiny_server.grpc}/{MODEL}", *options, "--clients=1,5", "--seconds=1"]) == 0
    record = json.loads(out.read_text())
    assert record["model"] == f"{MODEL} version 2" and [step["clients"] for step in record["steps"]] == [1, 5]
    for step in record["steps"]:
        assert step["server"]["rows"] == step["hits"] and step["server"]["requests"] == step["requests"]
        assert step["wrong"] == 0 and step["peak_mb_of_clients"] > 10
    assert "8 different requests" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["grpc://{server}/{model}", "--clients=0"], 2, "--clients 0 must be numbers from 1 to 4096"),
        (["grpc://{server}/{model}", "--clients=1,many"], 2, "must be numbers from 1 to 4096"),
        (["grpc://{server}/{model}", "--seconds=0"], 2, "--seconds 0 must lie above 0"),
        (["grpc://{server}/{model}", "--event-requests=0"], 2, "--event-requests 0 must be 1 or more"),
        (["grpc://{server}/{model}", "--think-s=-1"], 2, "--think-s -1.0 must be 0 or more"),
        (["grpc://{server}/{model}", "--give-up-s=1e300"], 2, "--give-up-s are at most 3600"),
        (["grpc://{server}/{model}", "--seed=-1"], 2, "--seed -1 must be 0 or more"),
        (["grpc://{server}/{model}", "--rate=5", "--think-s=1"], 2, "give no --think-s or --event-requests"),
        (
            ["grpc://{server}/{model}", "--rate=9999", "--clients=1", "--seconds=1"],
            1,
            "the rate was not kept",
        ),
        (["grpc://{server}/{model}", "--clients=4000", "--most-mb=100"], 2, "--most-mb allows 100"),
        (["grpc://{server}/{model}", "--batch=9999999"], 2, "has no request of 9999999 hits"),
        (["http://{server}/{model}"], 2, "a load is made over gRPC"),
        (["grpc://{server}/nothing"], 2, "serves no model 'nothing'"),
        (["grpc://{server}/{model}", "--metrics=http://127.0.0.1:9/metrics"], 1, "cannot be read"),
    ],
)
def test_a_wrong_load_is_told(
    arguments: list[str],
    code: int,
    message: str,
    tiny_server: TritonServer,
    events_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [argument.format(server=tiny_server.grpc, model=MODEL) for argument in arguments]
    assert load([*given, f"--events={events_file}"]) == code
    assert message in capsys.readouterr().err


def test_an_outcome_without_answers_has_no_times() -> None:
    with pytest.raises(UserError):
        Plan(Target("localhost:1"), 0, 1.0)
    assert np.isnan(Outcome().percentile(50)) and np.isnan(Outcome().longest_gap_s)
    assert Outcome().hits_a_second == 0
