"""python -m client.parity on a real Triton: verdicts, exit codes, one-line errors."""

import re
import shutil

import numpy as np
import onnx
import pytest

from client.parity import main
from lartpc.contract import CLASS_OUTPUT, MICHEL_OUTPUT
from lartpc.golden import GoldenPatches
from lartpc.manifest import GOLDEN_FILE, MODEL_FILE
from lartpc.parity import compare
from serving.triton import TritonServer
from tests.serving_repository import model_config, tiny_network, write_config, write_model


def url_of(server, protocol):
    return ["--url", getattr(server, protocol), "--protocol", protocol]


def only_error(capsys):
    lines = capsys.readouterr().err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, lines
    return errors[0]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_every_version_of_a_good_model_passes(tiny_server, tiny_repository, protocol, capsys):
    options = [*url_of(tiny_server, protocol), "--model=emtrkmichel_fp32", f"--repository={tiny_repository}"]
    assert main(options) == 0
    text = capsys.readouterr().out
    rows = re.findall(r"emtrkmichel_fp32\s+(\d)\s+(\w+) .* 0 0 0 0 0 +0\.9870 +0\.9540 .* (\w+) *\n", text)
    assert rows == [("1", protocol, "pass"), ("2", protocol, "pass")]
    assert "next: python -m client.classify" in text


def test_a_server_started_for_it_is_asked_over_both_protocols(tmp_path, server_environment, capsys):
    write_model(tmp_path, "emtrkmichel_fp32")
    write_model(tmp_path, "emtrkmichel_int8")
    assert main(["--local", "--protocol=both", f"--repository={tmp_path}"]) == 0
    assert capsys.readouterr().out.count("pass") == 4


def test_wrong_weights_and_a_wrong_digest_are_found(tmp_path, server_environment, capsys):
    folder = write_model(tmp_path, "emtrkmichel_fp32")
    altered = write_model(tmp_path, "emtrkmichel_int8")
    onnx.save(tiny_network(seed=7), folder / "1" / MODEL_FILE)
    config = model_config(altered, (1,))
    config.parameters["v1.digest"].string_value = "0" * 64
    write_config(altered, config)
    assert main(["--local", f"--repository={tmp_path}"]) == 1
    captured = capsys.readouterr()
    assert captured.out.count("FAIL") == 2
    error = next(line for line in captured.err.splitlines() if line.startswith("error: "))
    assert re.search(
        r"emtrkmichel_fp32 version 1 over grpc: max \|dp\| of em_trk_none_netout/Softmax is", error
    )
    assert re.search(r"emtrkmichel_int8 version 1 over grpc: the server's digest 0{12} is not", error)


def test_another_models_contract_is_exit_code_1(tiny_server, tiny_repository, capsys):
    assert main([*url_of(tiny_server, "grpc"), f"--repository={tiny_repository}"]) == 1
    assert "other at" in only_error(capsys)


def test_a_repository_without_the_served_version_is_exit_code_2(tiny_server, tmp_path, capsys):
    options = [*url_of(tiny_server, "grpc"), "--model=emtrkmichel_fp32", f"--repository={tmp_path}"]
    assert main(options) == 2
    assert "has no manifest.json" in only_error(capsys)


def test_altered_golden_patches_are_found(tiny_server, tiny_repository, tmp_path, capsys):
    repository = tmp_path / "repository"
    shutil.copytree(tiny_repository, repository)
    path = repository / "emtrkmichel_fp32" / "1" / GOLDEN_FILE
    golden = GoldenPatches.read(path)
    path.unlink()
    GoldenPatches(golden.patches * 0, golden.outputs, golden.label, golden.michel).write(path)
    options = [*url_of(tiny_server, "grpc"), "--model=emtrkmichel_fp32", f"--repository={repository}"]
    assert main(options) == 1
    assert "is not the file of its manifest" in only_error(capsys)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--protocol=udp"], "expected Literal"),
        (["--url=localhost:1", "--local"], "give one of them"),
        (["--url=localhost:1", "--protocol=both"], "the port of one protocol"),
        (["--url=localhost"], "write HOST:PORT"),
        (["--url=127.0.0.1:1"], r"no server answers .* python -m serving\.local"),
        (["--url=127.0.0.1:1", "--protocol=http"], r"no server answers .* over HTTP"),
        (["--local", "--repository=nowhere"], "python -m export.triton"),
    ],
)
def test_wrong_requests_are_exit_code_2(options, reason, server_environment, capsys):
    assert main(options) == 2
    assert re.search(reason, only_error(capsys))


def test_a_model_that_is_not_served_is_exit_code_2(tiny_server, capsys):
    assert main([*url_of(tiny_server, "http"), "--model=cnn"]) == 2
    assert "serves no model 'cnn'" in only_error(capsys)


def test_a_model_withdrawn_leaves_a_server_without_models(tmp_path, server_environment, capsys):
    folder = write_model(tmp_path, "emtrkmichel_fp32")
    with TritonServer(tmp_path) as server:
        server._unload(folder.name)
        assert main(url_of(server, "grpc")) == 2
    assert "serves no model" in only_error(capsys)


def test_flips_are_counted_for_each_decision():
    reference = {
        CLASS_OUTPUT: np.array([[0.6, 0.3, 0.1], [0.29, 0.7, 0.01], [0.1, 0.5, 0.4]], np.float32),
        MICHEL_OUTPUT: np.array([[0.49], [0.61], [0.95]], np.float32),
    }
    outputs = {
        CLASS_OUTPUT: np.array([[0.6, 0.3, 0.1], [0.31, 0.68, 0.01], [0.1, 0.4, 0.5]], np.float32),
        MICHEL_OUTPUT: np.array([[0.51], [0.59], [0.85]], np.float32),
    }
    assert compare(outputs, reference).flips == {
        "class": 1,
        "track>0.3": 1,
        "michel>0.5": 1,
        "michel>0.6": 1,
        "michel>0.9": 1,
    }
