"""Servers that a file names: others in the course of time, and the client goes over to them."""

import logging
from pathlib import Path

import pytest

from client import followed as followed_module
from client.classifier import HitClassifier
from client.failover import Failover
from client.followed import Followed
from tests.client.test_failover import Told, broken, patches

A, B = (f"urls: [grpc://{host}:8001/model]\nbatch_size: 7\n" for host in ("a", "b"))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_module, "LOOK_S", 0.0)


def write(file: Path, text: str) -> None:
    """As whoever starts servers does: whole, by another file."""
    part = file.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def test_a_file_says_what_is_new_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "servers.yaml"
    write(file, A)
    its = Followed(str(file), {"model": "mine", "give_up_s": 5.0})
    assert its.changed() is None
    write(file, B)
    found = its.changed()
    assert found is not None
    assert (found.urls, found.give_up_s, found.batch_size) == (("grpc://b:8001/model",), 5.0, 7)
    assert its.changed() is None
    file.unlink()
    assert its.changed() is None
    for text, reason in (("urls: [", "is no YAML"), ("urls: [onnx:models/x]", "names a folder now")):
        write(file, text)
        with caplog.at_level(logging.WARNING):
            assert its.changed() is None
        assert reason in caplog.text
    write(file, A)
    assert its.changed() is not None


def test_a_file_is_looked_at_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "servers.yaml"
    write(file, A)
    monkeypatch.setattr(followed_module, "LOOK_S", 60.0)
    its = Followed(str(file), {})
    write(file, B)
    assert its.changed() is None


def test_a_client_goes_over_to_the_servers_that_are_named_now() -> None:
    servers = {name: Told(name) for name in "abc"}
    openers = {name: (lambda name=name: servers[name]) for name in servers}
    changes = [None, {"b": openers["b"]}, None, {"b": openers["b"], "c": openers["c"]}]
    engine = Failover({"a": openers["a"]}, named=lambda: changes.pop(0) if changes else None, give_up_s=20.0)
    with HitClassifier(engine, batch_size=1) as classifier:
        asked = servers["a"].asked
        assert set(classifier.classify_patches(patches(1)).answered) == {"b"}
        assert servers["a"].asked == asked
        servers["b"].fails = broken("b")
        classifier.classify_patches(patches(1))
        assert set(classifier.classify_patches(patches(1)).answered) == {"c"}
        assert set(engine.health) == set("abc")
    assert {server.place for server in servers.values()} == {"closed"}
