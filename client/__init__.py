"""The client: hits in, scores out, wherever the network runs."""

from client.connecting import connect

__all__ = ["connect"]
