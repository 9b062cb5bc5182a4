"""Tensors that are handed to a server on this machine in system shared memory, and not sent.

Triton's system shared memory extension. A region is unlinked as soon as the server has mapped it, so that the
memory goes with the two processes, whichever way they end.
"""

import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

ALIGNED = 64
"""Bytes to a multiple of which each tensor begins."""


class Regions:
    """Regions that one server has mapped; each holds one request at a time.

    Args:
        library: tritonclient's grpc.
        client: of the server.
        timeout_s: longest wait for the server to map a region.
    """

    def __init__(self, library: Any, client: Any, timeout_s: float) -> None:
        self._library, self._client, self._timeout_s = library, client, timeout_s
        self._free: deque[tuple[str, SharedMemory]] = deque()

    @contextmanager
    def holding(self, inputs: dict[str, NDArray[Any]]) -> Iterator[list[Any]]:
        """The inputs of a request, in a region that is its own inside of the ``with`` block.

        Raises:
            InferenceServerException: the server does not map it.
        """
        size = sum(_aligned(values.nbytes) for values in inputs.values())
        name, memory = self._taken(size)
        try:
            yield self._written(name, memory, inputs)
        finally:
            self._free.append((name, memory))

    def _taken(self, size: int) -> tuple[str, SharedMemory]:
        with suppress(IndexError):
            name, memory = self._free.pop()
            if memory.size >= size:
                return name, memory
            self._let_go(name, memory)
        memory = SharedMemory(create=True, size=max(size, 1))
        name = f"hits_{secrets.token_hex(8)}"
        try:
            self._client.register_system_shared_memory(
                name, f"/{memory.name.lstrip('/')}", memory.size, client_timeout=self._timeout_s
            )
        except BaseException:
            memory.close()
            raise
        finally:
            memory.unlink()
        return name, memory

    def _written(self, name: str, memory: SharedMemory, inputs: dict[str, NDArray[Any]]) -> list[Any]:
        tensors, offset = [], 0
        for key, values in inputs.items():
            np.ndarray(values.shape, values.dtype, memory.buf, offset)[...] = values
            tensor = self._library.InferInput(key, list(values.shape), np_to_triton_dtype(values.dtype))
            tensor.set_shared_memory(name, values.nbytes, offset)
            tensors.append(tensor)
            offset += _aligned(values.nbytes)
        return tensors

    def forget(self) -> None:
        """Let go of every region that holds no request: the server may have been started anew."""
        while self._free:
            self._let_go(*self._free.pop())

    def _let_go(self, name: str, memory: SharedMemory) -> None:
        with suppress(InferenceServerException):
            self._client.unregister_system_shared_memory(name, client_timeout=self._timeout_s)
        memory.close()


def _aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED
