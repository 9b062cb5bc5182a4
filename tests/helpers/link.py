"""A network link to a server on this machine, in a process of its own: with delay, cut, or held up."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from types import TracebackType

from serving.ports import LOOPBACK

PIECE = 1 << 20


class Link:
    """Passes bytes between clients and a server, each way so much later, while its ``with`` block runs.

    Args:
        server: its HOST:PORT.
        delay_s: of each way.

    Attributes:
        url: HOST:PORT for clients.
    """

    def __init__(self, server: str, delay_s: float = 0.0) -> None:
        self._server, self._delay_s = server, delay_s

    def __enter__(self) -> "Link":
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_run, args=(self._server, self._delay_s, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe = ours
        self.url = f"{LOOPBACK}:{ours.recv()}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()

    def cut(self) -> None:
        """Break off every connection; new ones are taken."""
        self._pipe.send("cut")
        self._pipe.recv()

    def hold(self, seconds: float) -> None:
        """Let nothing pass for so long."""
        self._pipe.send(seconds)
        self._pipe.recv()


def _run(server: str, delay_s: float, pipe: Pipe) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_serve(server, delay_s, pipe))


async def _serve(server: str, delay_s: float, pipe: Pipe) -> None:
    host, _, port = server.rpartition(":")
    loop = asyncio.get_running_loop()
    writers: set[asyncio.StreamWriter] = set()
    held_until = 0.0

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, downstream = await asyncio.open_connection(host, int(port), limit=PIECE)
        except OSError:
            writer.close()
            return
        writers.update({writer, downstream})
        await asyncio.gather(
            _pass(reader, downstream, delay_s, lambda: held_until),
            _pass(upstream, writer, delay_s, lambda: held_until),
        )
        writers.difference_update({writer, downstream})

    def told() -> None:
        nonlocal held_until
        try:
            order = pipe.recv()
        except EOFError:
            os._exit(0)
        if order == "cut":
            for writer in list(writers):
                writer.transport.abort()
        else:
            held_until = loop.time() + order
        pipe.send("done")

    listening = await asyncio.start_server(take, LOOPBACK, 0, limit=PIECE)
    loop.add_reader(pipe.fileno(), told)
    pipe.send(listening.sockets[0].getsockname()[1])
    await listening.serve_forever()


async def _pass(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    delay_s: float,
    held_until: Callable[[], float],
) -> None:
    """Pass one direction on: what comes is sent when its time has come, while more is read."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1000)

    async def send() -> None:
        while True:
            due, piece = await under_way.get()
            while (wait := max(due, held_until()) - loop.time()) > 0:
                await asyncio.sleep(wait)
            if not piece:
                return
            writer.write(piece)
            await writer.drain()

    sender = asyncio.create_task(send())
    with suppress(OSError):
        while piece := await reader.read(PIECE):
            await under_way.put((loop.time() + delay_s, piece))
        await under_way.put((loop.time() + delay_s, b""))
    with suppress(OSError):
        await sender
    with suppress(OSError):
        writer.close()
