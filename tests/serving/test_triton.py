"""The embedded server: what it loads, how it answers, how it ends."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import model_config_pb2 as pb
from tritonclient.utils import InferenceServerException

from lartpc.errors import CheckError, UserError
from lartpc.served.contract import CLASS_OUTPUT, INPUT_NAME, INPUT_SHAPE, MAX_BATCH_SIZE, MICHEL_OUTPUT
from lartpc.served.manifest import MANIFEST_FILE, MODEL_FILE
from serving.bound_process import SHARED_MEMORY
from serving.connection import Connection
from serving.follow import Follower
from serving.triton import TritonServer
from tests.helpers.faults import processes_of_group
from tests.helpers.served_repository import (
    LARGEST_PIXEL,
    answer,
    model_config,
    write_config,
    write_model,
)
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.usefixtures("server_environment")


def infer(server, patches, model="emtrkmichel_fp32", version=""):
    tensor = triton.InferInput(INPUT_NAME, list(patches.shape), "FP32")
    tensor.set_data_from_numpy(patches)
    with triton.InferenceServerClient(server.grpc) as client:
        return client.infer(model, [tensor], str(version))


def patches_of(rows, seed=1):
    return np.random.default_rng(seed).normal(0, 3, (rows, *INPUT_SHAPE)).clip(-5, 14).astype(np.float32)


def kill_a_stub(server):
    """As the kernel does where memory runs out."""
    group = processes_of_group(server.group)
    os.kill(next(pid for pid, command in group.items() if "backend_stub" in command), signal.SIGKILL)


def assert_nothing_left(server):
    wait_until(lambda: processes_of_group(server.group) == {})  # of those that were killed
    assert list(SHARED_MEMORY.glob(f"{server._process.id}*")) == []


def test_only_the_versions_that_the_configuration_names_are_served(tiny_server):
    assert tiny_server.versions()["emtrkmichel_fp32"] == [1, 2]
    with pytest.raises(InferenceServerException, match="version 3 is not at ready state|unknown model"):
        infer(tiny_server, patches_of(1), version=3)


@pytest.mark.parametrize("rows", [1, 256, 2000])
def test_answers_equal_onnx_runtime_also_where_a_batch_is_run_in_slices(tiny_server, tiny_repository, rows):
    patches = patches_of(rows)
    for version in (1, 2):
        expected = answer(tiny_repository / "emtrkmichel_fp32" / str(version) / MODEL_FILE, patches)
        result = infer(tiny_server, patches, version=version)
        for name, values in expected.items():
            np.testing.assert_allclose(result.as_numpy(name), values, atol=1e-6)


def test_only_the_outputs_asked_for_are_sent(tiny_server):
    tensor = triton.InferInput(INPUT_NAME, [1, *INPUT_SHAPE], "FP32")
    tensor.set_data_from_numpy(patches_of(1))
    with triton.InferenceServerClient(tiny_server.grpc) as client:
        wanted = [triton.InferRequestedOutput(MICHEL_OUTPUT)]
        response = client.infer("emtrkmichel_fp32", [tensor], outputs=wanted).get_response()
    assert [output.name for output in response.outputs] == [MICHEL_OUTPUT]


def test_one_bad_request_does_not_fail_its_neighbours(tiny_server, tiny_repository):
    """The requests are merged into one batch, whose run fails because of one of them."""
    batches = [patches_of(3, seed) for seed in range(8)]
    batches[5][1, 7, 7, 0] = LARGEST_PIXEL + 2

    def ask(patches):
        try:
            return infer(tiny_server, patches, model="emtrkmichel_int8")
        except InferenceServerException as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, batches))
    assert isinstance(results[5], InferenceServerException)
    assert "onnxruntime" in results[5].message()
    model = tiny_repository / "emtrkmichel_int8" / "1" / MODEL_FILE
    for number in (0, 1, 2, 3, 4, 6, 7):
        expected = answer(model, batches[number])[CLASS_OUTPUT]
        np.testing.assert_allclose(results[number].as_numpy(CLASS_OUTPUT), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 47, 48, 1), (1, 48, 48), (MAX_BATCH_SIZE + 1, 48, 48, 1)])
def test_a_wrong_shape_is_refused_and_the_next_request_answered(tiny_server, shape):
    with pytest.raises(InferenceServerException):
        infer(tiny_server, np.zeros(shape, np.float32))
    infer(tiny_server, patches_of(1))


def test_a_dead_process_is_noticed_and_replaced_and_nothing_is_left(tmp_path, caplog):
    write_model(tmp_path, "emtrkmichel_fp32")
    with TritonServer(tmp_path) as server:
        follower = Follower(server)
        assert follower.heal() == []
        kill_a_stub(server)
        assert server.versions() == {"emtrkmichel_fp32": [1]}, "Triton itself reports it as ready"
        with caplog.at_level(logging.WARNING):
            assert follower.heal() == ["emtrkmichel_fp32"]
        assert "does not answer" in caplog.text
        infer(server, patches_of(1))
        kill_a_stub(server)
    assert_nothing_left(server)


def test_models_that_need_a_gpu_are_left_out_and_named(tmp_path):
    write_model(tmp_path, "emtrkmichel_fp32")
    for name, change in {
        "emtrkmichel_trt": lambda config: (
            config.ClearField("backend"),
            setattr(config, "platform", "tensorrt_plan"),
        ),
        "emtrkmichel_fp16_gpu": lambda config: setattr(
            config.instance_group[0], "kind", pb.ModelInstanceGroup.KIND_GPU
        ),
        "emtrkmichel_checked": lambda config: config.model_repository_agents.agents.add(name="checksum"),
        "emtrkmichel_pytorch": lambda config: setattr(config, "backend", "pytorch"),
    }.items():
        folder = write_model(tmp_path, name)
        config = model_config(folder, (1,))
        change(config)
        write_config(folder, config)
    with TritonServer(tmp_path) as server:
        assert list(server.versions()) == ["emtrkmichel_fp32"]
        assert "TensorRT" in server.left_out["emtrkmichel_trt"]
        assert "KIND_GPU" in server.left_out["emtrkmichel_fp16_gpu"]
        assert "agents" in server.left_out["emtrkmichel_checked"]
        assert "pytorch" in server.left_out["emtrkmichel_pytorch"]
    shutil.rmtree(tmp_path / "emtrkmichel_fp32")
    with pytest.raises(UserError, match="no model of .* runs on this machine: .*KIND_GPU"):
        TritonServer(tmp_path).__enter__()


def test_a_model_that_does_not_load_gives_the_servers_reason(tmp_path):
    folder = write_model(tmp_path, "emtrkmichel_fp32")
    (folder / "1" / MODEL_FILE).write_text("no network")
    (folder / "1" / MANIFEST_FILE).unlink()
    write_config(folder, model_config(folder, (1,)))
    server = TritonServer(tmp_path)
    with pytest.raises(CheckError, match="cannot load emtrkmichel_fp32: .*Protobuf parsing failed"):
        server.__enter__()
    assert_nothing_left(server)


@pytest.mark.parametrize(
    ("parameter", "text", "reason"),
    [("max_rows_per_run", "0", "not a number of at least 1"), ("intra_op_thread_count", "two", "'two'")],
)
def test_a_parameter_that_makes_no_sense_is_refused(tmp_path, parameter, text, reason):
    folder = write_model(tmp_path, "emtrkmichel_fp32")
    config = model_config(folder, (1,))
    config.parameters[parameter].string_value = text
    write_config(folder, config)
    with pytest.raises(CheckError, match=reason):
        TritonServer(tmp_path).__enter__()


def test_of_two_servers_on_one_port_the_later_says_so_in_one_line(tiny_repository, tiny_server):
    server = TritonServer(tiny_repository, tiny_server.ports)
    with pytest.raises(CheckError, match=r"another program has taken 127.0.0.1:\d+ meanwhile; start again"):
        server.__enter__()
    assert_nothing_left(server)


def test_a_server_is_up_when_http_answers_too(tiny_repository, monkeypatch):
    asked = []

    class LateHttp(Connection):
        def __init__(self, url, protocol="grpc", **limits):
            asked.append(protocol)
            if protocol == "http" and asked.count("http") < 3:
                raise UserError("no server answers: Triton opens HTTP after gRPC")
            super().__init__(url, protocol, **limits)

    monkeypatch.setattr("serving.triton.Connection", LateHttp)
    with TritonServer(tiny_repository):
        assert asked.count("http") == 3


@pytest.mark.parametrize(
    ("make", "reason"),
    [(lambda folder: folder.mkdir(), "has no model"), (lambda folder: None, "is not there")],
)
def test_a_missing_or_empty_repository_is_refused(tmp_path, make, reason):
    make(tmp_path / "repository")
    with pytest.raises(UserError, match=f"{reason}; fill it: python -m export.triton"):
        TritonServer(tmp_path / "repository").__enter__()


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_ends_with_its_parent_whichever_way_that_ends(tmp_path, end, hangs):
    """Also where the server does not listen to the kernel's signal."""
    write_model(tmp_path, "emtrkmichel_fp32")
    program = (
        "import sys, time; from pathlib import Path; from serving.triton import TritonServer\n"
        "with TritonServer(Path(sys.argv[1])) as server:\n"
        "    print(server.group, server._process.id, flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    group, identifier = parent.stdout.readline().split()
    assert len(processes_of_group(group)) == 3, "server, stub, watcher"
    if hangs:
        os.kill(int(group), signal.SIGSTOP)
    parent.send_signal(end)
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: processes_of_group(group) == {})
    assert list(SHARED_MEMORY.glob(f"{identifier}*")) == []


def test_altered_weights_are_not_loaded(tmp_path):
    folder = write_model(tmp_path, "emtrkmichel_fp32")
    weights = folder / "1" / MODEL_FILE
    weights.write_bytes(weights.read_bytes() + b"\0")
    with (
        pytest.raises(CheckError, match="was altered: SHA-256 .*, by config.pbtxt"),
        TritonServer(tmp_path),
    ):
        pass
    write_config(folder, model_config(folder, (1,)))
    with (
        pytest.raises(CheckError, match="was altered: SHA-256 .*, by manifest.json"),
        TritonServer(tmp_path),
    ):
        pass


def test_a_version_with_an_altered_manifest_is_not_loaded(tmp_path):
    manifest = write_model(tmp_path, "emtrkmichel_fp32") / "1" / MANIFEST_FILE
    manifest.write_text(manifest.read_text().replace("0.987", "0.999"))
    with (
        pytest.raises(CheckError, match="manifest.json was altered: SHA-256 .*, by config.pbtxt"),
        TritonServer(tmp_path),
    ):
        pass
