"""python -m serving.local, as it is run."""

import signal
import socket
import subprocess
import sys
import threading

import pytest

from serving.local import main
from serving.ports import LOOPBACK, free_ports
from tests.helpers.served_repository import model_config, write_config, write_model
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("server_environment")


@pytest.fixture
def start():
    processes = []

    def start(repository, *options):
        command = [sys.executable, "-m", "serving.local", "--repository", repository, *options]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def lines_until(process, start_of_line):
    lines = []
    deadline = threading.Timer(PATIENCE, process.kill)
    deadline.start()
    for line in process.stdout:
        lines.append(line)
        if line.startswith(start_of_line):
            deadline.cancel()
            return "".join(lines)
    raise AssertionError(f"ended before {start_of_line!r}: {lines} {process.stderr.read()}")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_says_what_it_serves_and_where_and_ends_cleanly(start, tmp_path, end):
    write_model(tmp_path, "emtrkmichel_fp32", versions=(1, 2), visible=(2,))
    ports = free_ports()
    options = [f"--http-port={ports.http}", f"--grpc-port={ports.grpc}", f"--metrics-port={ports.metrics}"]
    process = start(tmp_path, *options)
    text = lines_until(process, "next:")
    assert "Serving emtrkmichel_fp32, version 2" in text
    assert f"HTTP http://127.0.0.1:{ports.http}  gRPC 127.0.0.1:{ports.grpc}" in text
    assert f"metrics http://127.0.0.1:{ports.metrics}/metrics" in text
    assert f"python -m client.parity --url localhost:{ports.grpc}" in text
    process.send_signal(end)
    rest, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "Traceback" not in errors
    with socket.socket() as probe:
        assert probe.connect_ex((LOOPBACK, ports.grpc)) != 0


def test_a_port_that_was_asked_for_and_is_taken_ends_it_with_exit_code_2(
    tiny_server, tiny_repository, capsys
):
    options = ["--repository", str(tiny_repository), "--grpc-port", str(tiny_server.ports.grpc)]
    assert main(options) == 2
    assert "is taken" in capsys.readouterr().err


def test_a_missing_repository_is_exit_code_2_and_a_broken_one_1(tmp_path, capsys):
    assert main(["--repository", str(tmp_path / "none")]) == 2
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.pbtxt").write_text("nonsense: 1")
    assert main(["--repository", str(tmp_path)]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "not a Triton model configuration" in errors[1]


def test_a_promotion_is_followed_while_it_runs(start, tmp_path):
    folder = write_model(tmp_path, "emtrkmichel_fp32", versions=(1, 2), visible=(1,))
    ports = free_ports()
    options = [f"--http-port={ports.http}", f"--grpc-port={ports.grpc}", f"--metrics-port={ports.metrics}"]
    log = tmp_path / "logs" / "triton.log"
    process = start(tmp_path, *options, f"--log={log}")
    assert "version 1\n" in lines_until(process, "next:")
    write_config(folder, model_config(folder, (2,)))
    lines_until(process, "Now serving emtrkmichel_fp32, version 2")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "successfully loaded 'emtrkmichel_fp32'" in log.read_text()
