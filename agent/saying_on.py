"""What the agent does when a noise or a nod has cut it off: it goes on where it was."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import structlog
from pipecat.frames.frames import (
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMTextFrame,
)

from agent.asides import unsaid_of
from agent.speech_services import GO_ON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipecat.processors.aggregators.llm_context import LLMContext

    from agent.conversation import Mouth
    from agent.speech_services import SharedLLM
    from agent.watchdog import DeadAirWatchdog

log = structlog.get_logger(__name__)


class Rest(StrEnum):
    """What there was to be said on."""

    NOTHING = "nothing"
    WHOLE = "whole"
    """All that was left of the answer."""
    PART = "part"
    """Of what was left, the voice had not come to all."""


class SayingOn:
    """Goes on for one conversation.

    Args:
        queue: Puts frames into the conversation's pipeline.
    """

    def __init__(
        self,
        mouth: Mouth,
        llm: SharedLLM,
        context: LLMContext,
        watchdog: DeadAirWatchdog,
        *,
        queue: Callable[..., Awaitable[None]],
    ) -> None:
        self._mouth = mouth
        self._llm = llm
        self._context = context
        self._watchdog = watchdog
        self._queue = queue
        self._finishing: asyncio.Task[None] | None = None

    def close(self) -> None:
        if self._finishing is not None:
            self._finishing.cancel()

    async def go_on(self) -> Rest | None:
        """Say on what was cut off, or give the answer that was; returns None when the agent owed nothing."""
        rest = self._mouth.resume()
        if rest is Rest.NOTHING:
            return rest if await self._answer() else None
        log.info("agent_resumed", rest=rest)
        self._watchdog.owe_nothing()
        if rest is Rest.PART:
            self._finishing = asyncio.create_task(self._finish_answer())
        return rest

    async def _answer(self) -> bool:
        last = self._context.messages[-1] if self._context.messages else None
        is_owed = isinstance(last, dict) and last.get("role") in ("user", "tool")
        if is_owed and not self._watchdog.tools_running:
            await self._queue(LLMRunFrame())
        return is_owed

    async def _finish_answer(self) -> None:
        """Say what of the answer had no sound yet when it was cut off."""
        if not await self._mouth.finish():
            return
        rest = unsaid_of(self._llm.answer, self._context.messages)
        if rest is None or not self._llm.is_answer_whole:
            message: Any = {"role": "developer", "content": GO_ON}
            await self._queue(LLMMessagesAppendFrame([message], run_llm=True))
        elif rest:
            # As if it came from the model, so that the speech guard sees it again.
            await self._queue(LLMFullResponseStartFrame(), LLMTextFrame(rest), LLMFullResponseEndFrame())
