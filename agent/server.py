"""Serves the worker over HTTP and websockets until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
import uvicorn

from agent.app import build_app
from agent.bootstrap import check_accounts, open_worker
from appointments.errors import ConfigError
from telephony.media_stream import MAX_FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.settings import CalendarName, Settings

log = structlog.get_logger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
SHUTDOWN_SECS = 10
BACKLOG = 512


async def serve(settings: Settings, *, host: str, port: int) -> None:
    """Take calls until SIGTERM or SIGINT; raises `ConfigError` when a key is refused or the port is taken."""
    with listen(host, port) as listening:
        async with open_worker(settings) as worker:
            await check_accounts(worker)
            config = uvicorn.Config(
                build_app(worker),
                log_config=None,
                access_log=False,
                ws_max_size=MAX_FRAME_BYTES,
                timeout_graceful_shutdown=SHUTDOWN_SECS,
            )
            log.info("worker_serving", host=host, port=port, calendar=settings.calendar_in_use)
            if settings.log_format == "console":
                line = greeting(host, listening.getsockname()[1], settings.calendar_in_use)
                print(line, file=sys.stderr, flush=True)  # noqa: T201 -- for who watches; the log has it too
            keep_out_of_collections()
            await Server(config).serve(sockets=[listening])


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


def listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(f"cannot listen on {host} port {port}: {reason}. Choose another --host or --port.") from None
