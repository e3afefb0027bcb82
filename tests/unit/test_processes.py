"""Several processes of one worker: which are started again, how soon, and how all of them end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from agent.processes import FIRST_PAUSE_SECS, LONGEST_PAUSE_SECS, Processes, listen, pause_secs, reserve
from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

UNTIL_STDIN_ENDS = "import sys, signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); sys.stdin.read()"


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@contextlib.asynccontextmanager
async def running(code: str, count: int = 2) -> AsyncIterator[tuple[Processes, asyncio.Task[int]]]:
    processes = Processes(python(code), count, pause=lambda _deaths: 0.01)
    task = asyncio.create_task(processes.run())
    async with asyncio.timeout(20):
        yield processes, task
        processes.stop()
        await task


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.01)


async def test_one_that_died_is_started_again_and_the_other_stays() -> None:
    async with running(UNTIL_STDIN_ENDS) as (processes, _):
        await until(lambda: len(processes.pids) == 2)
        killed, other = processes.pids

        os.kill(killed, signal.SIGKILL)
        await until(lambda: killed not in processes.pids and len(processes.pids) == 2)

        assert other in processes.pids


async def test_a_signal_ends_all_and_none_is_started_again() -> None:
    async with running(UNTIL_STDIN_ENDS) as (processes, task):
        await until(lambda: len(processes.pids) == 2)

        os.kill(os.getpid(), signal.SIGTERM)

        assert await task == 0
        assert processes.pids == []


async def test_a_wrong_setting_ends_all_and_is_told_by_the_status(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    code = f"import sys; open({str(starts)!r}, 'a').write('x'); sys.exit(2)"
    async with running(code) as (_, task):
        assert await task == 2

    assert len(starts.read_text()) <= 2


async def test_a_file_that_is_broken_later_is_no_reason_to_end(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    # The first start dies, the next ones find something wrong.
    code = (
        f"import sys, os; path = {str(starts)!r}; n = os.path.getsize(path) if os.path.exists(path) else 0; "
        "open(path, 'a').write('x'); sys.exit(2 if n else 1)"
    )
    async with running(code, count=1):
        await until(lambda: starts.exists() and len(starts.read_text()) > 3)


async def test_a_process_that_dies_on_the_way_out_is_told_by_the_status(tmp_path: Path) -> None:
    is_up = tmp_path / "is_up"
    code = (
        "import pathlib, signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); "
        f"pathlib.Path({str(is_up)!r}).touch(); sys.stdin.read()"
    )
    async with running(code, count=1) as (processes, task):
        await until(is_up.exists)
        processes.stop()

        assert await task == 1


async def test_one_that_cannot_be_started_is_tried_again_while_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(UNTIL_STDIN_ENDS) as (processes, _):
        await until(lambda: len(processes.pids) == 2)
        killed, other = processes.pids
        start, refused = asyncio.create_subprocess_exec, 0

        async def out_of_memory_once(*command: str, **options: Any) -> asyncio.subprocess.Process:
            nonlocal refused
            if not refused:
                refused += 1
                raise OSError(errno.ENOMEM, "Cannot allocate memory")
            return await start(*command, **options)

        monkeypatch.setattr(asyncio, "create_subprocess_exec", out_of_memory_once)
        os.kill(killed, signal.SIGKILL)
        await until(lambda: refused > 0 and len(processes.pids) == 2)

        assert other in processes.pids


def test_a_crash_loop_slows_down() -> None:
    pauses = [pause_secs(deaths) for deaths in range(12)]

    assert pauses[0] == FIRST_PAUSE_SECS
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECS


def test_a_port_is_shared_by_those_who_say_so_and_kept_from_others() -> None:
    with reserve("127.0.0.1", 0) as kept:
        port = kept.getsockname()[1]
        with listen("127.0.0.1", port, is_shared=True), listen("127.0.0.1", port, is_shared=True):
            with pytest.raises(ConfigError, match="cannot listen"):
                listen("127.0.0.1", port)
            with pytest.raises(ConfigError, match="cannot listen"):
                reserve("127.0.0.1", port)


def test_no_call_comes_to_the_socket_that_keeps_the_port() -> None:
    with reserve("127.0.0.1", 0) as kept:
        port = kept.getsockname()[1]
        with listen("127.0.0.1", port, is_shared=True) as listening:
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", port), timeout=2):
                    listening.accept()[0].close()
