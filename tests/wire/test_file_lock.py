"""A file that one at a time may hold, and what becomes of that where the file system knows nothing of it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
from typing import TYPE_CHECKING

import pytest

from agent.file_lock import held

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_second_waits_until_the_first_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, order = tmp_path / "phrases.lock", list[str]()
    flock, refused = fcntl.flock, asyncio.Event()

    def noticed(descriptor: int, how: int) -> None:
        try:
            flock(descriptor, how)
        except BlockingIOError:
            refused.set()
            raise

    monkeypatch.setattr(fcntl, "flock", noticed)

    async def second() -> None:
        async with held(path):
            order.append("second")

    async with held(path):
        waiting = asyncio.create_task(second())
        await refused.wait()
        order.append("first")
    await waiting

    assert order == ["first", "second"]


async def test_where_nothing_can_be_held_the_work_is_done_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    is_done = False

    async with held(tmp_path / "phrases.lock"):
        is_done = True

    assert is_done


async def test_any_other_trouble_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", broken)

    with pytest.raises(OSError, match="Input/output"):
        async with held(tmp_path / "phrases.lock"):
            pass
