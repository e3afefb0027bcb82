"""The workers whose calls are measured: how each is started, kept on one core, and what it uses of the machine."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from agent.stand_ins import free_port, slotline, stop, wait_until_ready, worker_environment

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from agent.settings import CalendarName
    from bench.call_stand_ins import CallStandIns

SLOTLINE, PLAIN = "slotline", "plain"
_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the worker runs, and where all else does."""

    worker: int
    others: int

    @classmethod
    def of_this_machine(cls) -> Cores:
        cores = sorted(os.sched_getaffinity(0))
        return cls(cores[0], cores[-1])

    @property
    def are_apart(self) -> bool:
        return self.worker != self.others


@dataclass(frozen=True, slots=True)
class Usage:
    """What a worker's processes have used so far, and the memory they hold."""

    cpu_secs: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that takes calls."""

    url: str
    data_dir: Path
    _process: Process

    def usage(self) -> Usage:
        """Return what its process and those under it use."""
        cpu = rss = 0.0
        for pid in _tree(self._process.pid):
            try:
                # What stands behind the command's name, which may hold anything: `man 5 proc`.
                fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            cpu += sum(map(int, fields[11:15])) / _TICKS
            rss += int(fields[21]) * _PAGE_MB
        return Usage(cpu, rss)


@asynccontextmanager
async def running(name: str, stand_ins: CallStandIns, *, core: int, calendar: CalendarName) -> AsyncIterator[Worker]:
    """Run a fresh worker of that name on `core` until it is no longer needed."""
    url = f"http://127.0.0.1:{free_port()}"
    with TemporaryDirectory(prefix=f"slotline-bench-{name}-") as folder:
        data_dir = Path(folder)
        environment = worker_environment(
            stand_ins.addresses, url=url, data_dir=data_dir, clock_start="", calendar=calendar
        )
        command = _COMMANDS[name](url.rpartition(":")[2])
        log = data_dir / "worker.log"
        process = await _start(command, environment | _SETTINGS, log, core)
        try:
            await wait_until_ready(url, process, log)
            yield Worker(url, data_dir, process)
        except BaseException:
            _tell(log)
            raise
        finally:
            await stop(process)


def _slotline_command(port: str) -> Sequence[str]:
    return slotline("serve", "--port", port, "--no-env-file")


def _plain_command(port: str) -> Sequence[str]:
    return (sys.executable, "-m", "bench.plain_bot", "--port", port)


_COMMANDS = {SLOTLINE: _slotline_command, PLAIN: _plain_command}
_SETTINGS = {
    "TURN_END": "smart_turn",
    "RECORD_CALLS": "false",
    "MAX_CALL_SECS": "14400",
    # What a worker carries is what is measured: it must not turn calls away.
    "MOST_CALLS": "1000",
    "MOST_LAG_MS": "10000",
}
"""What a rehearsal has otherwise: here the line is judged by the same model as in the plain bot."""


async def _start(command: Sequence[str], environment: Mapping[str, str], log: Path, core: int) -> Process:
    with log.open("wb") as told, _on_core(core):
        return await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            cwd=Path(__file__).parents[1],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            start_new_session=True,  # Ctrl-C is for us: we stop it
        )


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    """Let what is started meanwhile run on `core` from its first instruction."""
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in (_PROC / str(pid) / "task").glob("*/children"):
        try:
            below = children.read_text().split()
        except OSError:
            continue
        for child in map(int, below):
            yield from _tree(child)


def _tell(log: Path) -> None:
    """Show how the log ends before it is gone with its folder."""
    sys.stderr.write("".join(log.read_text(errors="replace").splitlines(keepends=True)[-20:]))
