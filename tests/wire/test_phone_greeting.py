"""The greeting of a phone call: heard before the call is built, once, and closed with a call that cannot be built."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from agent import call as module
from agent.admission import LiveCall
from agent.call import run_call
from appointments.model import CallSid
from telephony import mulaw
from tests.far_end import START, FarEnd
from tests.worker import Answer, House, ScriptedModel, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from fastapi import WebSocket

PATIENCE_SECS = 10


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, model=ScriptedModel([Answer("Which day?")])) as house:
        await house.worker.go_by(house.worker.desk)
        await house.worker.store.begin_call(
            CallSid(START.call_sid), caller=None, called=START.called, at=datetime.now(UTC)
        )
        yield house


def greeting(house: House) -> tuple[str, bytes]:
    """Return the greeting and its sound."""
    text = house.worker.desk.greeting(is_recorded=False)
    audio = house.worker.phrase_book.audio(text)
    assert audio
    return text, mulaw.encode(audio)


def carried(house: House, far_end: FarEnd) -> asyncio.Task[None]:
    return asyncio.create_task(run_call(house.worker, cast("WebSocket", far_end), START, LiveCall(START.call_sid)))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECS):
        while not holds():
            await asyncio.sleep(0.01)


def heard(far_end: FarEnd) -> bytes:
    return b"".join(each.sound for each in far_end.heard)


async def test_the_greeting_does_not_wait_for_the_rest_of_the_call(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def build_for_ever(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "run_spoken_call", build_for_ever)
    far_end = FarEnd()
    carrying = carried(house, far_end)

    await until(lambda: heard(far_end) == greeting(house)[1])

    carrying.cancel()
    await asyncio.wait({carrying})
    assert far_end.is_closed


async def test_a_call_that_cannot_be_built_is_closed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no session")

    monkeypatch.setattr(module, "run_spoken_call", fail)
    far_end = FarEnd()

    with pytest.raises(RuntimeError):
        await carried(house, far_end)

    assert far_end.is_closed
    assert not [task for task in asyncio.all_tasks() if "Playout" in repr(task.get_coro())]


async def test_the_greeting_is_heard_once_and_is_part_of_the_call(house: House) -> None:
    text, sound = greeting(house)
    far_end = FarEnd()
    carrying = carried(house, far_end)
    await until(lambda: heard(far_end) == sound)

    async def kept() -> list[tuple[str, str]]:
        return [(turn.who, turn.text) for turn in await house.worker.store.turns(CallSid(START.call_sid))]

    async with asyncio.timeout(PATIENCE_SECS):
        while not await kept():
            await asyncio.sleep(0.01)
    far_end.hang_up()
    async with asyncio.timeout(PATIENCE_SECS):
        await carrying

    assert await kept() == [("agent", text)]
    assert heard(far_end) == sound
