"""What the caller has chosen is held beside the conversation, and never after it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import OperationalError

from tests.call_of_frames import Call
from tests.factories import ACTION, a_slot
from tests.sessions import a_session, agent, caller
from tests.worker import Answer, ScriptedModel, open_house
from tools.choice import hold_choice

if TYPE_CHECKING:
    from pathlib import Path

OFFER = "On Thursday, December third, I have two in the afternoon or three in the afternoon."
TWO, THREE = a_slot(53), a_slot(54)


async def test_a_call_ends_when_what_was_being_held_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel([Answer(OFFER), Answer("May I have your name?")])
    async with open_house(tmp_path, model=model) as house:
        held: list[str] = []
        begun = asyncio.Event()

        async def hold(call_sid: str, *_: Any) -> None:
            begun.set()
            await asyncio.sleep(0.2)
            held.append(call_sid)

        monkeypatch.setattr(house.worker.service, "holds", _Holding(house.worker.service.holds, hold))
        async with Call(house).running() as call:
            call.conversation.session.offer(ACTION, [TWO, THREE])
            await call.speaks("When?")
            await call.until(lambda: len(call.conversation.heard()) == 2)
            await call.speaks("Two in the afternoon, please.")
            await begun.wait()

        assert held == ["CA1"]


class _Holding:
    """Holds, but for how something is held."""

    def __init__(self, inner: Any, hold: Any) -> None:
        self._inner = inner
        self.hold = hold

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_a_record_that_is_down_costs_the_hold_and_nothing_else() -> None:
    class Down:
        async def hold(self, *_: Any) -> None:
            raise OperationalError("insert", None, OSError())

    session = a_session(SimpleNamespace(holds=Down()))  # type: ignore[arg-type]
    session.offer(ACTION, [TWO, THREE])

    await hold_choice(session, [agent(OFFER), caller("Two in the afternoon, please.")])

    assert session.held is None
