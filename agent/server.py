"""Serves the worker over HTTP and websockets until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import structlog
import uvicorn

from agent.app import build_app
from agent.bootstrap import check_accounts, open_worker
from agent.draining import Drain
from agent.processes import listen
from telephony.media_stream import MAX_FRAME_BYTES

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import FrameType

    from agent.bootstrap import Worker
    from agent.settings import CalendarName, Settings

log = structlog.get_logger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
SHUTDOWN_SECS = 10


async def serve(settings: Settings, *, host: str, port: int, is_member: bool = False) -> None:
    """Take calls until SIGTERM or SIGINT; raises `ConfigError` when a key is refused or the port is taken.

    Args:
        is_member: Other processes of ours listen on the port too, and whoever started them holds our stdin open.
    """
    if not is_member:
        with listen(host, port) as listening:
            async with _checked_worker(settings) as worker:
                if settings.log_format == "console":
                    line = greeting(host, listening.getsockname()[1], settings.calendar_in_use)
                    print(line, file=sys.stderr, flush=True)  # noqa: T201 -- for who watches; the log has it too
                await _take_calls(worker, listening)
        return
    async with _checked_worker(settings) as worker:
        # The others answer meanwhile: a call that came to this one now would find nothing to greet it with.
        await worker.go_by(worker.desk)
        with listen(host, port, is_shared=True) as listening:
            await _take_calls(worker, listening, is_member=True)


@asynccontextmanager
async def _checked_worker(settings: Settings) -> AsyncIterator[Worker]:
    async with open_worker(settings) as worker:
        await check_accounts(worker)
        yield worker


async def _take_calls(worker: Worker, listening: socket.socket, *, is_member: bool = False) -> None:
    config = uvicorn.Config(
        build_app(worker),
        log_config=None,
        access_log=False,
        ws_max_size=MAX_FRAME_BYTES,
        timeout_graceful_shutdown=SHUTDOWN_SECS,
    )
    host, port = listening.getsockname()[:2]
    log.info("worker_serving", host=host, port=port, calendar=worker.settings.calendar_in_use, pid=os.getpid())
    drain = Drain(worker.live_calls, grace_secs=worker.settings.drain_secs)
    if is_member:
        at_end_of_input(drain.stop)
    keep_out_of_collections()
    await DrainingServer(config, drain).serve(sockets=[listening])


def at_end_of_input(stop: Callable[[], None]) -> None:
    """Call `stop` when stdin is closed: whoever held it open is gone, and nobody else would end us."""
    loop, stdin = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        if not os.read(stdin, 1024):
            loop.remove_reader(stdin)
            stop()

    loop.add_reader(stdin, read)


def keep_out_of_collections() -> None:
    """Let the garbage collector leave alone what is loaded by now, for good.

    It looks through 230,000 objects else, and stops every live call meanwhile: for 150 ms on the machine of
    docs/reference/benchmarks.md.
    """
    gc.collect()
    gc.freeze()


def greeting(host: str, port: int, calendar: CalendarName) -> str:
    """Return what somebody who starts a worker in a terminal wants to know first."""
    named = "Cal.com" if calendar == "calcom" else "the built-in calendar"
    return f"Listening on http://{host}:{port}, booking into {named}. `slotline doctor` checks the installation."


class Server(uvicorn.Server):
    """uvicorn's server, which would raise a signal again on its way out: then nothing of ours is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for sign in STOP_SIGNALS:
            loop.add_signal_handler(sign, self.handle_exit, sign, None)
        try:
            yield
        finally:
            for sign in STOP_SIGNALS:
                loop.remove_signal_handler(sign)


class DrainingServer(Server):
    """Goes on answering until the live calls have ended: uvicorn's own shutdown closes their websockets with 1012."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._drain.hurry()

    async def on_tick(self, counter: int) -> bool:
        must_exit = await super().on_tick(counter)
        return self._drain.tick() or must_exit
