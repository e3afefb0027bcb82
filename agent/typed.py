"""A typed conversation: the same agent and tools as on the phone, without speech."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from pipecat.frames.frames import (
    Frame,
    LLMAssistantPushAggregationFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from agent import phrases
from agent.conversation import Conversation
from agent.dtmf import Entry
from agent.saying_on import Rest
from agent.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent.bootstrap import Worker
    from agent.transcript import Turn
    from appointments.model import CallSid

log = structlog.get_logger(__name__)

_PRESSED = re.compile(r"[0-9*#]*#")


class TypedMouth(FrameProcessor):
    """Puts phrases into the conversation as text."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSSpeakFrame):
            await self.say(frame.text)
        else:
            await self.push_frame(frame, direction)

    async def say(self, text: str) -> bool:
        if text not in phrases.FILLERS:
            await self.push_frame(TTSStartedFrame())
            await self.push_frame(TTSTextFrame(text, text_type="sentence"))
            await self.push_frame(LLMAssistantPushAggregationFrame())
        return True

    async def finish(self) -> bool:
        return True

    def resume(self) -> Rest:
        return Rest.NOTHING

    def forget_rest(self) -> None:
        """What is written stands."""


async def run_typed_call(
    worker: Worker,
    *,
    caller: str,
    is_attested: bool = False,
    typed: AsyncIterator[str],
    on_turn: Callable[[Turn], None],
    on_tool: Callable[[str], None],
) -> CallSid:
    """Hold a conversation with whoever types, until they or the agent end it; the end of `typed` hangs up.

    Args:
        is_attested: Whether the caller is taken for one whose carrier vouches for the number.
        typed: Line by line; keys that end in # are pressed on the phone.
    """
    desk = worker.desk
    session = await worker.session(f"CA{uuid4().hex}", caller, desk, is_attested=is_attested)
    transcript = Transcript(
        session.call_sid,
        store=worker.store,
        on_turn=on_turn,
        hides_digits=lambda: session.identity.fewest_digits_hidden,
    )
    instructions = desk.instructions(session.caller, now=worker.clock(), is_recorded=False, note=session.note)
    llm = worker.speech.llm(instructions)
    mouth = TypedMouth()
    await worker.store.begin_call(
        session.call_sid, caller=session.caller, called=desk.business.number, at=datetime.now(UTC)
    )

    async def before_stop(outcome: str) -> None:
        await worker.store.end_call(session.call_sid, outcome=outcome, at=datetime.now(UTC))

    conversation = Conversation(
        session=session,
        event_types=desk.event_types,
        instructions=instructions,
        llm=llm,
        mouth=mouth,
        guard_mode=worker.settings.speech_guard,
        transcript=transcript,
        user_params=LLMUserAggregatorParams(),
        context_tokens=worker.settings.context_tokens,
        before_stop=before_stop,
        on_tool=on_tool,
    )
    processors = [
        conversation.user,
        llm,
        *conversation.guard,
        conversation.watchdog,
        mouth,
        conversation.assistant,
    ]
    reading = asyncio.create_task(_read(conversation, transcript, typed))
    with structlog.contextvars.bound_contextvars(call_sid=session.call_sid):
        try:
            await conversation.run(processors, params=PipelineParams(), max_secs=worker.settings.max_call_secs)
        finally:
            reading.cancel()
            await transcript.keep(worker.store, worker.folder("transcripts") / f"{session.call_sid}.jsonl")
    return session.call_sid


async def _read(conversation: Conversation, transcript: Transcript, typed: AsyncIterator[str]) -> None:
    """Say what is typed, one line after each answer: a script may write all its lines at once."""
    await conversation.started.wait()
    async for text in typed:
        await conversation.answered()
        if _PRESSED.fullmatch(text):
            await _press(conversation, text)
        else:
            transcript.add("caller", text)
            await conversation.hear(text)
    await conversation.caller_left()


async def _press(conversation: Conversation, keys: str) -> None:
    """Press keys on the phone, one after the other."""
    entry = Entry(lambda: conversation.keys_expected)
    for key in keys:
        if digits := entry.press(key):
            await conversation.keyed(digits)
            await conversation.answered()
