"""Types to a worker in this process and waits for what the agent says."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from agent.typed import run_typed_call
from tests.worker import CALLER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent.transcript import Turn
    from appointments.model import CallSid
    from tests.worker import House

PATIENCE_SECS = 5


class Typist:
    """A caller who types."""

    def __init__(self, house: House, *, caller: str = CALLER) -> None:
        self._house = house
        self._caller = caller
        self._typed: asyncio.Queue[str | None] = asyncio.Queue()
        self._changed = asyncio.Event()
        self.turns: list[Turn] = []
        self.tools: list[str] = []
        self.call = asyncio.create_task(self._run())
        self._heard = 0
        house.closing.push_async_callback(self._leave)

    async def _leave(self) -> None:
        self.hangs_up()
        await asyncio.wait({self.call}, timeout=PATIENCE_SECS)

    async def _run(self) -> CallSid:
        return await run_typed_call(
            self._house.worker, caller=self._caller, typed=self._lines(), on_turn=self._add, on_tool=self.tools.append
        )

    def _add(self, turn: Turn) -> None:
        self.turns.append(turn)
        self._changed.set()

    async def _lines(self) -> AsyncIterator[str]:
        while (line := await self._typed.get()) is not None:
            yield line

    async def hears(self, pattern: str) -> str:
        """Wait for the agent to say something like `pattern`, after what was heard last."""
        return await self._next("agent", pattern)

    async def sees_tool(self, status: str) -> str:
        return await self._next("tool", status)

    async def _next(self, who: str, pattern: str) -> str:
        try:
            async with asyncio.timeout(PATIENCE_SECS):
                while (turn := self._find(who, pattern)) is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pytest.fail(f"no {who} turn like {pattern!r} came, but {self.turns[self._heard :]}")
        return turn.text

    def _find(self, who: str, pattern: str) -> Turn | None:
        for position, turn in enumerate(self.turns[self._heard :], start=self._heard + 1):
            if turn.who == who and re.search(pattern, turn.text, re.IGNORECASE):
                self._heard = position
                return turn
        return None

    def types(self, line: str) -> None:
        self._typed.put_nowait(line)

    def hangs_up(self) -> None:
        self._typed.put_nowait(None)

    async def ended(self) -> str:
        """Wait for the end and return the outcome on record."""
        async with asyncio.timeout(PATIENCE_SECS):
            call_sid = await self.call
        record = await self._house.worker.store.call(call_sid)
        assert record is not None
        assert record.ended_at is not None
        return record.outcome

    def said(self) -> list[str]:
        return [turn.text for turn in self.turns if turn.who == "agent"]
