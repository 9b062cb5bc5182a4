"""perf_analyzer: the real program on a real server, its table, and one line for what is wrong."""

from pathlib import Path

import pytest

from lartpc.errors import CheckError, UserError
from serving.environment import find
from serving.sizing import perf_analyzer
from serving.sizing.perf_analyzer import get, measure, rows_of
from serving.standalone import main as standalone
from serving.triton import TritonServer

MODEL = "emtrkmichel_fp32"

HEADS = (
    "Concurrency", "Inferences/Second", "Client Send", "Server Queue", "Server Compute Infer",
    "p50 latency", "p99 latency",
)  # fmt: skip
TABLE = "\n".join(
    [",".join(HEADS), "2,12309.5,0,7200,22900,31700,106300", "1,11592,0,2600,14400,15900,85800", ""]
)


def test_its_table_is_read_in_the_order_of_the_concurrency() -> None:
    one, two = rows_of(TABLE)
    assert (one.concurrency, one.hits_a_second, one.p50_ms, one.p99_ms) == (1, 11592, 15.9, 85.8)
    assert (two.concurrency, two.queue_ms, two.compute_ms) == (2, 7.2, 22.9)
    with pytest.raises(CheckError, match="is of another form"):
        rows_of("Concurrency,Other\n1,2\n")


@pytest.mark.long
def test_it_measures_a_server(tiny_server: TritonServer, capsys: pytest.CaptureFixture[str]) -> None:
    options = [f"--url={tiny_server.grpc}", f"--model={MODEL}", "--batch=8", "--most=1", "--window-s=1"]
    assert standalone(options) == 0
    assert "next: python -m serving.capacity --hits-a-second" in capsys.readouterr().out
    program = get(find())
    assert program.is_file()
    with pytest.raises(CheckError, match="perf_analyzer ended with"):
        measure(program, tiny_server.grpc, "nothing", 8, (1, 1), 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch=0"], "--batch 0 must lie between 1 and 8192"),
        (["--least=3", "--most=2"], "--most 2 is less than --least 3"),
        (["--window-s=0"], "--window-s 0 must lie between 0.5 and 600"),
    ],
)
def test_a_wrong_request_is_told(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert standalone(options) == 2
    assert message in capsys.readouterr().err


def test_another_wheel_is_not_run(
    tmp_path: Path, server_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "tritonclient.whl"
    wheel.write_bytes(b"another")
    monkeypatch.setattr(perf_analyzer, "RELEASE", "0.0.0")
    monkeypatch.setattr(perf_analyzer, "download", lambda folder: wheel)
    with pytest.raises(UserError, match="is not the wheel that was looked at"):
        get(find())
