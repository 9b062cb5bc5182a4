"""python -m client.parity on a real Triton: verdicts, exit codes, one-line errors."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from client.parity import main
from lartpc.files import sha256
from lartpc.served.contract import CLASS_OUTPUT, INPUT_NAME, MICHEL_OUTPUT
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import GOLDEN_FILE, MODEL_FILE
from lartpc.served.parity import compare
from serving.follow import Follower
from serving.triton import TritonServer
from tests.helpers.served_repository import model_config, write_config, write_model


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
    said = r"emtrkmichel_fp32\s+(\d)\s+[0-9a-f]{12}\s+2021\s+unstated\s+(\w+)"
    row = said + r" .* 0 0 0 0 0 +0\.9870 +0\.9540 .* (\w+) *\n"
    rows = re.findall(row, text)
    assert rows == [("1", protocol, "pass"), ("2", protocol, "pass")]
    assert "next: python -m client.classify" in text


def test_a_server_started_for_it_is_asked_over_both_protocols(tmp_path, server_environment, capsys):
    write_model(tmp_path, "emtrkmichel_fp32")
    write_model(tmp_path, "emtrkmichel_int8")
    assert main(["--local", "--protocol=both", f"--repository={tmp_path}"]) == 0
    assert capsys.readouterr().out.count("pass") == 4


def test_models_of_others_on_a_shared_server_are_passed_over(tmp_path, server_environment, capsys):
    write_model(tmp_path, "emtrkmichel_fp32")
    foreign = write_model(tmp_path, "of_others")
    write_config(foreign, _without_parameters(foreign))
    with TritonServer(tmp_path) as server:
        options = [*url_of(server, "grpc"), f"--repository={tmp_path}"]
        assert main(options) == 0
        said = capsys.readouterr().out
        assert "Passed over of_others" in said and said.count("pass") == 1
        write_config(tmp_path / "emtrkmichel_fp32", _without_parameters(tmp_path / "emtrkmichel_fp32"))
        Follower(server).look()
        assert main(options) == 2
    assert "serves no hit classifier, but emtrkmichel_fp32, of_others; name one" in only_error(capsys)


def _without_parameters(folder):
    config = model_config(folder, (1,))
    config.parameters.clear()
    return config


def test_other_weights_than_the_manifests_are_found(tmp_path, server_environment, capsys):
    """The server holds weights that are whole and not the ones that were exported."""
    folder = write_model(tmp_path / "served", "emtrkmichel_fp32", versions=(7,))
    (folder / "7").rename(folder / "1")
    write_config(folder, model_config(folder, (1,)))
    write_model(tmp_path / "exported", "emtrkmichel_fp32")
    with TritonServer(tmp_path / "served") as server:
        assert main([*url_of(server, "grpc"), f"--repository={tmp_path / 'exported'}"]) == 1
    captured = capsys.readouterr()
    assert captured.out.count("FAIL") == 1
    error = next(line for line in captured.err.splitlines() if line.startswith("error: "))
    assert re.search(
        r"emtrkmichel_fp32 version 1 over grpc: .*max \|dp\| of em_trk_none_netout/Softmax is", error
    )
    assert re.search(r"the server's digest [0-9a-f]{12} is not the manifest's", error)


def test_what_answers_can_be_demanded(tiny_server, tiny_repository, capsys):
    asked = [
        *url_of(tiny_server, "grpc"), "--model=emtrkmichel_int8", f"--repository={tiny_repository}"
    ]  # fmt: skip
    digest = sha256(tiny_repository / "emtrkmichel_int8" / "1" / MODEL_FILE)
    met = [f"--require-digest={digest[:10]}", "--require-version=1", "--require-adc-era=2021"]
    assert main([*asked, *met]) == 0
    assert digest[:12] in capsys.readouterr().out
    for option, message in (
        (
            f"--require-digest={'0' * 64}",
            f"digest {digest[:12]} answered, --require-digest wants 0000",
        ),
        ("--require-version=2", "version 1 answered, --require-version wants 2"),
        ("--require-adc-era=2020", "ADC era 2021 answered, --require-adc-era wants 2020"),
    ):
        assert main([*asked, *met, option]) == 1
        assert message in only_error(capsys)
    assert main([*asked, "--require-digest=latest"]) == 2
    assert "give 8 to 64 hexadecimal digits" in only_error(capsys)


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
    golden = GoldenHits.read(path)
    path.unlink()
    path.write_bytes(replace(golden, requests=({INPUT_NAME: golden.requests[0][INPUT_NAME] * 0},)).content())
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
        server.unload(folder.name)
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
