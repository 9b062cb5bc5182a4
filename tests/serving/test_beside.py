"""A server for one command: it is there, the job's FHiCL names it, and it goes with the command."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from serving import fleet as fleet_module
from serving.beside import TABLE, main, patched
from serving.ports import LOOPBACK, Ports, free_ports
from tests.helpers.fhicl import read
from tests.helpers.paths import ROOT
from tests.helpers.published_repository import MODEL, add
from tests.helpers.waiting import wait_until

JOB = """
import json, os, sys
import numpy as np
from client import connect
from tests.helpers.fhicl import read
from pathlib import Path

tool = read(Path(sys.argv[1]), [])["physics"]["producers"]["emtrkmichelid"]["PointIdAlg"]
with connect(f"grpc://{tool['TritonURL']}/{tool['TritonModelName']}") as classifier:
    answered = len(classifier.classify_patches(np.zeros((3, 48, 48, 1), np.float32)))
said = [answered, tool, os.environ["LARTPC_GRPC"], os.environ["LARTPC_FHICL"]]
Path(sys.argv[2]).write_text(json.dumps(said))
sys.exit(7)
"""
FHICL = """
physics: { producers: { emtrkmichelid: {
  BatchSize: 256
  PointIdAlg: { TritonURL: "localhost:8001" TritonModelName: "mycnn" AdcMax: 30 } } } }
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server_environment: None) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    add(Path("model_repository"), 1, MODEL)
    Path("job.fcl").write_text(FHICL, encoding="utf-8")
    Path("job.py").write_text(JOB, encoding="utf-8")
    return tmp_path


def test_a_job_asks_the_server_that_its_fhicl_names(place: Path) -> None:
    job = [sys.executable, "job.py", "{fhicl}", "said.json"]
    assert main(["--fhicl=job.fcl", f"--model={MODEL}", "--", *job]) == 7
    answered, tool, grpc, fhicl = json.loads(Path("said.json").read_text(encoding="utf-8"))
    assert (answered, tool["AdcMax"], tool["TritonURL"]) == (3, 30, grpc)
    assert tool["TritonModelName"] == MODEL
    assert not Path(fhicl).exists() and Path("job.fcl").read_text(encoding="utf-8") == FHICL
    host, _, port = grpc.partition(":")
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0


def test_comments_may_be_in_any_encoding(place: Path) -> None:
    job = "# café\n".encode("latin-1") + FHICL.encode()
    Path("job.fcl").write_bytes(job)
    assert main(["--fhicl=job.fcl", "--", "cp", "{fhicl}", "copy.fcl"]) == 0
    assert Path("copy.fcl").read_bytes().startswith(job)


def test_a_port_that_another_took_first_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        offered = [Ports(free_ports().http, port, free_ports().metrics)]
        monkeypatch.setattr(fleet_module, "free_ports", lambda: offered.pop() if offered else free_ports())
        check = "import sys; sys.exit(sys.argv[1].endswith(sys.argv[2]))"
        assert main(["--", sys.executable, "-c", check, "{grpc}", f":{port}"]) == 0
    assert not offered


def test_job_and_server_end_when_the_batch_system_ends_them(place: Path) -> None:
    sleep = [sys.executable, "-c", "import time; open('begun', 'w'); time.sleep(600)"]
    command = [sys.executable, "-m", "serving.beside", "--", *sleep]
    process = subprocess.Popen(command)
    wait_until(Path("begun").exists)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 3
    process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    assert process.wait() == 143
    assert time.monotonic() - started < 30
    wait_until(lambda: not any(child.is_running() for child in children))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "lar", "-c", "{fhicl}"], "names {fhicl}; say which with --fhicl"),
        (["--fhicl=none.fcl", "--", "lar"], "none.fcl is no FHiCL"),
        (["--", "no-such-program"], "cannot run no-such-program"),
        (["--repository=nowhere", "--", "lar"], "nowhere"),
    ],
)
def test_a_wrong_request_is_told(
    arguments: list[str], message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_the_jobs_fragment_is_changed_where_its_tool_is(tmp_path: Path) -> None:
    upstream = "BEGIN_PROLOG\nprotodune_emtrkmichelid: { PointIdAlg: { } }\nEND_PROLOG\n"
    (tmp_path / "featurelabelingmodules.fcl").write_text(upstream)
    for name in ("services_dune.fcl", "calorimetry_dune10kt.fcl"):
        (tmp_path / name).write_text("")
    folder = ROOT / "docs" / "fhicl"
    job, changed = folder / "job.fcl", tmp_path / "patched.fcl"
    text = patched(job.read_text(encoding="utf-8"), TABLE, "host:1", "x")
    changed.write_text(text, encoding="utf-8")
    before, after = (read(file, [folder, tmp_path]) for file in (job, changed))
    tool = before["physics"]["producers"]["emtrkmichelid"]["PointIdAlg"]
    tool |= {"TritonURL": "host:1", "TritonModelName": "x"}
    assert after == before
