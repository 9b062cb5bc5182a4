"""What whoever reaches the ports of an embedded server may ask, over gRPC and HTTP."""

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from lartpc.errors import UserError
from serving import environment
from serving.ports import free_ports
from serving.process import ServerProcess
from serving.triton import TritonServer
from tests.helpers.served_repository import write_model

MODEL = "emtrkmichel_fp32"
CODE = """
import pathlib
class TritonPythonModel:
    def initialize(self, args):
        pathlib.Path({mark!r}).touch()
    def execute(self, requests):
        return []
"""

pytestmark = pytest.mark.usefixtures("server_environment")


@pytest.fixture(params=["grpc", "http"])
def client(request: pytest.FixtureRequest, tiny_server: TritonServer) -> Any:
    library = {"grpc": tritonclient.grpc, "http": tritonclient.http}[request.param]
    with library.InferenceServerClient(getattr(tiny_server, request.param)) as opened:
        yield opened


def evil(mark: Path) -> tuple[str, dict[str, bytes]]:
    """Configuration and files of a model whose code runs when it is loaded."""
    config = {
        "name": "evil", "backend": "python", "max_batch_size": 0,
        "input": [{"name": "i", "data_type": "TYPE_FP32", "dims": [1]}],
        "output": [{"name": "o", "data_type": "TYPE_FP32", "dims": [1]}],
    }  # fmt: skip
    return json.dumps(config), {"file:1/model.py": CODE.format(mark=str(mark)).encode()}


def test_nobody_loads_a_model_of_his_own(client: Any, tiny_server: TritonServer, tmp_path: Path) -> None:
    config, files = evil(tmp_path / "ran")
    with pytest.raises(InferenceServerException, match="not allowed if polling is enabled"):
        client.load_model("evil", config=config, files=files)
    with pytest.raises(InferenceServerException, match="not allowed if polling is enabled"):
        client.load_model(MODEL, config=config, files=files)
    assert not (tmp_path / "ran").exists()
    assert tiny_server.versions()[MODEL] == [1, 2]


def test_nobody_unloads_a_model(client: Any, tiny_server: TritonServer) -> None:
    with pytest.raises(InferenceServerException, match="not allowed if polling is enabled"):
        client.unload_model(MODEL)
    assert tiny_server.versions()[MODEL] == [1, 2]


def test_a_page_of_another_origin_loads_nothing(tiny_server: TritonServer, tmp_path: Path) -> None:
    """A browser sends text/plain to any address without asking it before."""
    config, files = evil(tmp_path / "ran")
    content = {"parameters": {"config": config, **dict.fromkeys(files, "cHJpbnQoMSk=")}}
    asked = urllib.request.Request(
        f"http://{tiny_server.http}/v2/repository/models/evil/load",
        json.dumps(content).encode(),
        {"Content-Type": "text/plain", "Origin": "http://elsewhere.example"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=30)
    assert refused.value.code >= 400 and not (tmp_path / "ran").exists()
    assert "evil" not in tiny_server.connection.served()


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("get_log_settings", ()),
        ("update_log_settings", ({"log_file": "/tmp/log"},)),
        ("get_trace_settings", ()),
        ("update_trace_settings", (None, {"trace_file": ["/tmp/trace"], "trace_level": ["TIMESTAMPS"]})),
        ("get_system_shared_memory_status", ()),
        ("register_system_shared_memory", ("region", "/region", 8)),
        ("unregister_system_shared_memory", ()),
        ("get_cuda_shared_memory_status", ()),
    ],
)
def test_settings_and_shared_memory_are_closed(client: Any, call: str, arguments: tuple) -> None:
    with pytest.raises(InferenceServerException, match="is restricted, expecting header"):
        getattr(client, call)(*arguments)


def test_what_clients_and_balancers_ask_is_open(client: Any) -> None:
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL, "1")
    for call, arguments in (
        ("get_server_metadata", ()),
        ("get_model_metadata", (MODEL,)),
        ("get_model_config", (MODEL,)),
        ("get_inference_statistics", (MODEL,)),
        ("get_model_repository_index", ()),
    ):
        assert getattr(client, call)(*arguments)


def test_shared_memory_is_open_where_a_user_wants_it(tmp_path: Path) -> None:
    write_model(tmp_path, MODEL)
    with (
        TritonServer(tmp_path, shared_memory=True) as server,
        tritonclient.grpc.InferenceServerClient(server.grpc) as client,
    ):
        assert client.get_system_shared_memory_status() is not None
        with pytest.raises(InferenceServerException, match="is restricted"):
            client.get_log_settings()


def test_it_listens_on_the_loopback_interface_alone(tiny_server: TritonServer) -> None:
    server = psutil.Process(tiny_server.group)
    listening = [
        connection.laddr
        for process in (server, *server.children(recursive=True))
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} >= {
        tiny_server.ports.http, tiny_server.ports.grpc, tiny_server.ports.metrics
    }  # fmt: skip


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.7", "localhost.example", "", "127.0.0.1.5"])
def test_another_address_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="listens on this machine alone"):
        ServerProcess(environment.find(), tmp_path, free_ports(), tmp_path / "log", address=address)
    assert not (tmp_path / "log").exists()


def test_the_key_that_stands_in_the_list_of_processes_opens_nothing(tiny_server: TritonServer) -> None:
    command = Path(f"/proc/{tiny_server.group}/cmdline").read_text(encoding="utf-8").split("\0")
    (option,) = (part for part in command if part.startswith("--http-restricted-api="))
    key = option.rpartition("key=")[2]
    with tritonclient.grpc.InferenceServerClient(tiny_server.grpc) as client:
        for value in (key, key.strip(), key.encode().decode("latin-1")):
            with pytest.raises(Exception, match="restricted|llegal|metadata"):
                client.get_log_settings(headers={"triton-grpc-protocol-key": value})
    host, port = tiny_server.http.split(":")
    for value in (key, key.strip(), " " + key.strip(), "\n " + key.strip(), "\r\n " + key.strip()):
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            asked = f"GET /v2/logging HTTP/1.1\r\nHost: x\r\nConnection: close\r\nkey: {value}\r\n\r\n"
            raw.sendall(asked.encode())
            answer = b"".join(iter(lambda raw=raw: raw.recv(65536), b""))
        assert b"log_verbose_level" not in answer, value
