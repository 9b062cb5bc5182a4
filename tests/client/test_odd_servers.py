"""Answers that no Triton gives: each is one line, in bounded time and memory."""

import resource
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from client.parity import main as parity
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import CLASS_OUTPUT, INPUT_NAME, INPUT_SHAPE
from serving import answers
from serving.connection import Connection
from serving.ports import LOOPBACK
from tests.helpers.odd_server import GOOD, MODEL, ROWS, changed, contents, over_grpc, over_http

ESCAPE = "\x1b]0;owned\x07\x1b[31m[/red][bold"


def ask(
    server: Callable, answered: dict[str, Any], repository: Path, tensors: list[bytes] | None = None
) -> int:
    """Exit code of a comparison with the server."""
    protocol = {over_http: "http", over_grpc: "grpc"}[server]
    with server(answered, tensors) as url:
        options = ["--url", url, "--protocol", protocol, f"--repository={repository}"]
        return parity(options)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert "Traceback" not in said.err and "\x1b" not in said.out + said.err and "\x07" not in said.err
    lines = said.err.strip().splitlines()
    assert len(lines) == 1 and len(lines[0]) < 5000, lines
    return lines[0]


@pytest.mark.parametrize("server", [over_http, over_grpc])
def test_the_good_answers_are_only_found_wanting(
    server: Callable, tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stand-ins speak the protocol: what is wrong with them is that they know nothing of physics."""
    assert ask(server, GOOD, tiny_repository) == 1
    assert "the server's digest dddddddddddd is not the manifest's" in one_line(capsys)


LONG = "9" * 5000
BYTES = (b"", b"{", b"\xff\xfe", b"[" * 100_000, b"NaN", b'{"a":' * 5000)
"""Sent as they are in place of JSON."""

ODD: dict[tuple, tuple] = {
    ("index",): (None, 3, "no", {"models": 3}, {}, [None], [[]], {"models": None}, *BYTES),
    ("index", 0, "version"): ("abc", LONG, "-1", "", None, 1.5, [], "1e3", "\u00b2"),
    ("index", 0, "name"): (None, 7, [], {}),
    ("index", 0, "state"): (None, 7),
    ("metadata",): (None, [], "no", [1], *BYTES),
    ("metadata", "inputs"): (None, 3, {}, [None], [[]]),
    ("metadata", "outputs", 0, "shape"): (None, "3", [None], ["x"], [1.5], [-7], [[]]),
    ("metadata", "outputs", 0, "name"): (None, 7),
    ("metadata", "outputs", 0, "datatype"): (None, 7),
    ("config",): (None, [], 3, *BYTES),
    ("config", "parameters"): (None, [], 3, {"v1.digest": 3}, {"v1.digest": None}),
    ("config", "parameters", "v1.digest"): ({"string_value": 5},),
    ("infer",): (None, [], 3, "no", {}, *BYTES),
    ("infer", "model_version"): (None, "abc", LONG, [], {}, -1),
    ("infer", "outputs"): (None, 3, {}, [None], [3]),
    ("infer", "outputs", 0, "shape"): (None, [], [3], [ROWS, 4], ["a"], [-1, -1], [10**12]),
    ("infer", "outputs", 0, "datatype"): (None, "FP64", "BYTES", "nix", 7),
    ("infer", "outputs", 0, "parameters"): (None, 3, {"binary_data_size": "x"}),
}
"""Where in the answers -> what stands there instead."""

FORMS = [(path, value) for path, values in ODD.items() for value in values]


@pytest.mark.parametrize(("place", "value"), FORMS, ids=range(len(FORMS)))
def test_another_form_is_one_line(
    place: tuple, value: Any, tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(over_http, changed(*place, to=value), tiny_repository) in (1, 2)
    one_line(capsys)


@pytest.mark.parametrize("server", [over_http, over_grpc])
@pytest.mark.parametrize(
    "answered",
    [
        *(changed("index", 0, "version", to=value) for value in ("abc", "9" * 5000, "-1", "")),
        *(changed("infer", "model_version", to=value) for value in ("abc", "9" * 5000, "2", "")),
        *(changed("infer", "outputs", 0, "shape", to=value) for value in ([], [3], [ROWS, 4], [10**12])),
        *(changed("infer", "outputs", 0, "datatype", to=value) for value in ("FP64", "BYTES", "nix")),
        changed("infer", "outputs", to=[]),
        changed("infer", "outputs", 0, "name", to="other"),
        changed("metadata", "outputs", to=[]),
        changed("index", to=[]),
    ],
    ids=range(19),
)
def test_what_both_protocols_can_say_wrongly_is_one_line(
    server: Callable, answered: dict[str, Any], tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(server, answered, tiny_repository) in (1, 2)
    one_line(capsys)


@pytest.mark.parametrize("server", [over_http, over_grpc])
@pytest.mark.parametrize("cut", [3, 4, 4 * ROWS])
def test_tensors_of_another_size_are_one_line(
    server: Callable, cut: int, tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for tensors in ([contents()[0][:-cut], contents()[1]], [contents()[0], contents()[1] + b"\0" * cut]):
        assert ask(server, GOOD, tiny_repository, tensors) == 1
        one_line(capsys)


@pytest.mark.parametrize("server", [over_http, over_grpc])
def test_values_that_are_no_probabilities_are_found(
    server: Callable, tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in (np.nan, np.inf, -np.inf):
        tensors = [np.full(len(content) // 4, value, np.float32).tobytes() for content in contents()]
        assert ask(server, GOOD, tiny_repository, tensors) == 1
        assert "not finite" in one_line(capsys)


@pytest.mark.parametrize("server", [over_http, over_grpc])
@pytest.mark.parametrize(
    "answered",
    [
        changed("index", 0, "name", to=ESCAPE),
        changed("config", "parameters", "v1.digest", to={"string_value": ESCAPE}),
        changed("config", "parameters", "v1.adc_era", to={"string_value": ESCAPE}),
        changed("metadata", "outputs", 0, "name", to=ESCAPE),
        changed("infer", "outputs", 0, "name", to=ESCAPE),
    ],
    ids=range(5),
)
def test_names_reach_the_terminal_as_they_are_written(
    server: Callable, answered: dict[str, Any], tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(server, answered, tiny_repository) in (1, 2)
    one_line(capsys)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_is_read_or_refused(data: st.DataObject) -> None:
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["models", "name", "version", "state", "inputs", "outputs", "shape", "datatype", "config",
                 "parameters", "string_value", "model_stats"]
            ) | st.text(max_size=3),
            inner, max_size=4,
        ),
        max_leaves=12,
    )  # fmt: skip
    answer = data.draw(anything)
    for read in (
        answers.ready_versions, answers.metadata, answers.parameters, answers.statistics, answers.server_name
    ):  # fmt: skip
        with suppress(ValueError):
            read(answer)


class Dripping:
    """A server over HTTP that never ends: in silence, or in an answer without end."""

    def __init__(self, first: bytes, more: bytes = b"", pause_s: float = 0.0) -> None:
        self._socket = socket.create_server((LOOPBACK, 0))
        self.first, self._more, self._pause_s = first, more, pause_s
        self.url = f"{LOOPBACK}:{self._socket.getsockname()[1]}"
        self._over = threading.Event()

    def __enter__(self) -> "Dripping":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(caller,), daemon=True).start()

    def _answer(self, caller: socket.socket) -> None:
        with suppress(OSError), caller:
            caller.recv(65536)
            caller.sendall(self.first)
            while not self._over.wait(self._pause_s if self._more else 0.1):
                if self._more:
                    caller.sendall(self._more)


LIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_an_answer_without_end_is_given_up_before_it_fills_the_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        Dripping(ENDLESS, b"100000\r\n" + b"x" * 0x100000 + b"\r\n") as server,
        pytest.raises(UserError, match="no server answers"),
    ):
        Connection(server.url, "http", connect_s=30)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kB"


@pytest.mark.parametrize("first", [b"", ENDLESS])
def test_a_silent_server_is_given_up_in_the_time_to_connect(first: bytes) -> None:
    start = time.monotonic()
    with Dripping(first) as server, pytest.raises(UserError, match="no server answers"):
        Connection(server.url, "http", timeout_s=60, connect_s=1)
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("first", "more", "pause_s"),
    [
        (ENDLESS, b"1\r\nx\r\n", 0.2),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.0),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.3),
        (b"HTTP/1.1 200 OK\r\n", b"X: ", 0.3),
        (b"HTTP/1.1 200", b" ", 0.3),
        (ENDLESS + b"0\r\n", b"X: y\r\n", 0.0),
        (ENDLESS, b"0", 0.3),
        (ENDLESS + b"1;", b"x", 0.3),
    ],
)
@pytest.mark.timeout(60)
def test_a_server_that_drips_is_given_up_in_time(first: bytes, more: bytes, pause_s: float) -> None:
    """In each part of an answer."""
    start = time.monotonic()
    with Dripping(first, more, pause_s) as server, pytest.raises(UserError, match="no server answers"):
        Connection(server.url, "http", connect_s=1)
    assert time.monotonic() - start < 20


@pytest.mark.timeout(60)
def test_who_waits_for_an_answer_gets_none_when_the_connection_is_closed() -> None:
    """An interrupted command ends at once, also where its requests are under way in threads."""
    row = {INPUT_NAME: np.zeros((1, *INPUT_SHAPE), np.float32)}
    with Dripping(LIVE) as server, ThreadPoolExecutor(1) as pool:
        connection = Connection(server.url, "http", timeout_s=50)
        server.first = b""
        waits = pool.submit(connection.infer, MODEL, 1, row, (CLASS_OUTPUT,))
        time.sleep(0.5)
        assert not waits.done()
        connection.close()
        with pytest.raises(CheckError, match="closed"):
            waits.result(timeout=20)


@pytest.mark.parametrize("server", [over_http, over_grpc])
def test_an_answer_that_is_too_large_is_refused(server: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    large = [contents()[0] + b"\0" * (answers.LARGEST + 1), contents()[1]]
    protocol = {over_http: "http", over_grpc: "grpc"}[server]
    row = {INPUT_NAME: np.zeros((1, *INPUT_SHAPE), np.float32)}
    with (
        server(GOOD, large) as url,
        Connection(url, protocol) as asked,
        pytest.raises(CheckError, match="larger than 64 MiB"),
    ):
        asked.infer(MODEL, 1, row, (CLASS_OUTPUT,))


@pytest.mark.parametrize("server", [over_http, over_grpc])
@pytest.mark.parametrize(
    "answered",
    [
        changed("index", 0, "name", to="a\0b"),
        changed("index", 0, "name", to="a\nerror: b"),
        changed("index", 0, "name", to="a\u202eb"),
        changed("index", 0, "name", to=""),
        changed("index", 0, "name", to="n" * 1_000_000),
        changed("metadata", "outputs", 0, "name", to="n" * 1_000_000),
        changed("metadata", "outputs", 0, "datatype", to="n" * 1_000_000),
        changed("config", "parameters", "v1.adc_era", to={"string_value": "n" * 1_000_000}),
        changed(
            "index", to=[{"name": f"m{number}", "version": "1", "state": "READY"} for number in range(20_000)]
        ),
    ],
    ids=range(9),
)
def test_names_and_numbers_of_any_size_are_one_short_line(
    server: Callable, answered: dict[str, Any], tiny_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(server, answered, tiny_repository) == 1
    one_line(capsys)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("host", ["[]", "\u2603", "a\u202e", "%00", "%", "\0", "\x1b[31m", "a b"])
def test_a_host_of_odd_letters_is_no_address(
    protocol: str, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parity(["--protocol", protocol, "--url", f"{host}:80"]) == 2
    assert "is not a server's address" in one_line(capsys)
