"""Ports: asked for, default, free."""

import socket

import pytest

from lartpc.errors import UserError
from serving import ports
from serving.ports import LOOPBACK, Ports, choose_ports, free_ports


@pytest.fixture
def taken_port():
    with socket.socket() as holder:
        holder.bind((LOOPBACK, 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_taken_default_is_replaced_and_the_others_are_kept(monkeypatch, taken_port):
    free = free_ports()
    monkeypatch.setattr(ports, "DEFAULT_PORTS", Ports(free.http, taken_port, free.metrics))
    chosen = choose_ports(None, None, None)
    assert (chosen.http, chosen.metrics) == (free.http, free.metrics)
    assert chosen.grpc != taken_port


def test_a_default_that_was_asked_for_another_service_is_replaced(monkeypatch):
    free = free_ports()
    monkeypatch.setattr(ports, "DEFAULT_PORTS", free)
    chosen = choose_ports(free.grpc, None, None)
    assert chosen.http == free.grpc
    assert chosen.grpc not in (free.grpc, chosen.metrics)


def test_a_taken_port_that_was_asked_for_is_refused(taken_port):
    with pytest.raises(UserError, match=f"--grpc-port {taken_port} is taken"):
        choose_ports(None, taken_port, None)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_what_is_not_a_port_is_refused(port):
    with pytest.raises(UserError, match="is not a port"):
        choose_ports(port, None, None)


def test_one_port_for_two_services_is_refused():
    with pytest.raises(UserError, match="not all different"):
        choose_ports(9000, 9000, None)
