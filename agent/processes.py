"""Several processes on one port: starts them, starts again what died, passes on the signals to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import structlog

from agent import metrics
from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

log = structlog.get_logger(__name__)

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
WRONG_SETTING: Final = 2
"""The exit status of a process that found a setting, file or key wrong."""
NOT_STARTED: Final = 127
"""The exit status of a process that there never was, as a shell has it."""
STEADY_SECS: Final = 60.0
"""A process that lived for so long did not die of its start."""
FIRST_PAUSE_SECS: Final = 0.5
LONGEST_PAUSE_SECS: Final = 30.0
BACKLOG: Final = 512


def listen(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """Return a listening socket; `is_shared` lets other processes of this user listen on the port too.

    Raises:
        ConfigError: the port is taken.
    """
    try:
        return socket.create_server((host, port), backlog=BACKLOG, reuse_port=is_shared)
    except OSError as error:
        raise _cannot_listen(host, port, error) from None


def reserve(host: str, port: int) -> socket.socket:
    """Return a socket that keeps `port` for processes that share it. It does not listen, so no call comes to it.

    Raises:
        ConfigError: somebody listens there. Another `slotline serve` that shares its port counts.
    """
    with listen(host, port) as alone:
        family, address = alone.family, alone.getsockname()
    kept = socket.socket(family)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        kept.bind(address)
    except OSError as error:
        kept.close()
        raise _cannot_listen(host, port, error) from None
    return kept


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return ConfigError(f"cannot listen on {host} port {port}: {reason}. Choose another --host or --port.")


def pause_secs(deaths: int) -> float:
    """Return how long to wait before the next start after so many deaths in a row, each soon after the start."""
    doubled: float = FIRST_PAUSE_SECS * 2 ** min(deaths, 10)
    return min(doubled, LONGEST_PAUSE_SECS)


class Processes:
    """So many processes of one command. Each ends when its stdin does, so that none outlives us.

    Args:
        command: What each process runs.
        environment: What each is given beside our own environment.
        on_end: Is told the pid of each that has ended.
    """

    def __init__(
        self,
        command: Sequence[str],
        count: int,
        *,
        environment: Mapping[str, str] = MappingProxyType({}),
        on_end: Callable[[int], None] = lambda _pid: None,
        pause: Callable[[int], float] = pause_secs,
    ) -> None:
        self._command = command
        self._environment = environment
        self._on_end = on_end
        self._count = count
        self._pause = pause
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._is_refused = False

    @property
    def pids(self) -> Sequence[int]:
        """The processes that run."""
        return [process.pid for process in self._running.values()]

    async def run(self) -> int:
        """Run them until SIGTERM or SIGINT, and return the exit status: 2 when a setting, file or key is wrong."""
        loop = asyncio.get_running_loop()
        for sign in STOP_SIGNALS:
            loop.add_signal_handler(sign, self.stop)
        try:
            statuses = await asyncio.gather(*(self._keep(place) for place in range(self._count)))
        finally:
            for sign in STOP_SIGNALS:
                loop.remove_signal_handler(sign)
        if self._is_refused:
            return WRONG_SETTING
        # One that had not begun to listen for the signal was ended by it.
        return 0 if all(status in (0, -signal.SIGTERM) for status in statuses) else 1

    def stop(self) -> None:
        """Let all end, and start none again. Each time it is told, they are."""
        if not self._stopping.is_set():
            log.info("processes_stopping", pids=self.pids)
        self._stopping.set()
        for pid in self.pids:
            _tell_to_stop(pid)

    async def _keep(self, place: int) -> int:
        """Keep one process running, and return the exit status of the last."""
        deaths, is_first = 0, True
        while True:
            status, lived_secs = await self._run_one(place)
            if self._stopping.is_set():
                return status
            if status == WRONG_SETTING and is_first:
                # It has said what is wrong; trying again would say it again.
                self._is_refused = True
                self.stop()
                return status
            is_first = False
            deaths = 0 if lived_secs >= STEADY_SECS else deaths + 1
            pause = self._pause(deaths)
            log.error("process_ended", place=place, status=status, lived_secs=round(lived_secs), again_in_secs=pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
                return status

    async def _run_one(self, place: int) -> tuple[int, float]:
        began = time.monotonic()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                env={**os.environ, **self._environment},
                stdin=asyncio.subprocess.PIPE,
                process_group=0,  # Ctrl-C is for us: a process that is told twice says goodbye to its callers
            )
        except OSError as error:
            # Too little memory, or an upgrade under way: no reason to end those that run.
            log.error("process_not_started", place=place, error=str(error))
            return NOT_STARTED, 0.0
        self._running[place] = process
        log.info("process_started", place=place, pid=process.pid)
        if self._stopping.is_set():
            _tell_to_stop(process.pid)
        try:
            return await process.wait(), time.monotonic() - began
        finally:
            del self._running[place]
            self._on_end(process.pid)


def _tell_to_stop(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


async def serve_together(count: int, *, host: str, port: int, options: Sequence[str]) -> int:
    """Run `slotline serve` in `count` processes on one port, and return the exit status.

    Args:
        options: Those that each is given beside host and port.
    """
    with reserve(host, port) as kept, metrics.shared_by_processes() as shared:
        bound: int = kept.getsockname()[1]
        command = (sys.executable, "-m", "agent.cli", "serve", "--member", "--host", host, "--port", str(bound))
        log.info("processes_serving", host=host, port=bound, processes=count)
        processes = Processes(
            (*command, *options), count, environment=shared, on_end=lambda pid: metrics.process_died(pid, shared)
        )
        return await processes.run()
