"""A proxy on loopback between the outside and a worker that can be misconfigured as proxies are."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

Change = Callable[[str], str]
"""What becomes of the head of a request; an answer of the proxy's own begins with ``HTTP/``."""


def passes(head: str) -> str:
    """Pass everything on, each request over a connection of its own."""
    if re.search(r"(?im)^upgrade:", head):
        return head
    return _without(head, "connection").replace("\r\n", "\r\nConnection: close\r\n", 1)


def drops_websockets(head: str) -> str:
    """Pass an upgrade on as if it were an ordinary request."""
    return passes(_without(head, "upgrade", "connection"))


def takes_off_twilio(head: str) -> str:
    """Pass ``/twilio/status`` on as ``/status``."""
    return passes(head.replace(" /twilio/", " /", 1))


def loses_signature(head: str) -> str:
    return passes(_without(head, "x-twilio-signature"))


def loses_signature_of_upgrades(head: str) -> str:
    return loses_signature(head) if re.search(r"(?im)^upgrade:", head) else passes(head)


def answers(status: int, body: str = "", **headers: str) -> Change:
    """Answer everything without asking the worker."""
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    answer = f"HTTP/1.1 {status} Told\r\n{named}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    return lambda _head: answer


def hides_health(head: str) -> str:
    """Pass on what Twilio needs and nothing else."""
    return passes(head) if " /twilio/" in head else answers(404)(head)


@dataclass(slots=True)
class ShakyProxy:
    """The proxy; `backend` is the port of the worker, 0 while there is none."""

    url: str = ""
    backend: int = 0
    change: Change = passes

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[ShakyProxy]:
        async with taking(self._take) as port:
            self.url = f"http://127.0.0.1:{port}"
            yield self

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = self.change((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
        if head.startswith("HTTP/"):
            await _send(writer, head.encode("latin-1"))
            return
        behind = await asyncio.open_connection("127.0.0.1", self.backend)
        await _send(behind[1], head.encode("latin-1"))
        await asyncio.gather(pass_on(reader, behind[1]), pass_on(behind[0], writer))


@contextlib.asynccontextmanager
async def taking(
    take: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """Let `take` have the connections to a port of loopback, which is yielded; those that are left end with it."""
    tasks: set[asyncio.Task[None]] = set()

    async def begun(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            await take(reader, writer)

    server = await asyncio.start_server(begun, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, see: Callable[[bytes], None] = lambda _some: None
) -> None:
    """Pass on what is read until one side ends, which to the other is the end as well."""
    with contextlib.suppress(ConnectionError), contextlib.closing(writer):
        while some := await reader.read(1 << 16):
            see(some)
            await _send(writer, some)


def _without(head: str, *names: str) -> str:
    return re.sub(rf"(?im)^({'|'.join(names)}):.*\r\n", "", head)


async def _send(writer: asyncio.StreamWriter, some: bytes) -> None:
    writer.write(some)
    await writer.drain()
