"""Tells a caller what becomes of their appointments at the calendar while they are on the line."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import structlog
from pipecat.frames.frames import LLMMessagesAppendFrame, TTSSpeakFrame
from sqlalchemy.exc import SQLAlchemyError

from agent.call_length import QUIET_SECS
from tools.outside_news import outside_news, say_news

if TYPE_CHECKING:
    from agent.conversation import Conversation

log = structlog.get_logger(__name__)

LOOK_EVERY_SECS: Final = 2.0
NOTE: Final = 'What was changed at the calendar just now, and the caller is being told: "{said}" Go by it from here on.'


async def watch_outside_news(conversation: Conversation) -> None:
    """Look for news in the record, where whichever process heard of them has put them, until cancelled."""
    session = conversation.session
    if not session.service.is_changed_outside:
        return
    last: int | None = None
    while True:
        try:
            if last is None:
                last = await session.service.last_entry()
            for entry in await outside_news(session, since=last):
                last = entry.entry_id
                if said := say_news(session, entry):
                    log.info("outside_news_told", change=entry.event.value)
                    await _tell(conversation, said)
        except SQLAlchemyError as error:
            log.warning("outside_news_not_read", error=type(error).__name__)
        await asyncio.sleep(LOOK_EVERY_SECS)


async def _tell(conversation: Conversation, said: str) -> None:
    """Let the model know at once, and the caller in a moment in which nobody is speaking if there is one."""
    note: Any = {"role": "developer", "content": NOTE.format(said=said)}
    await conversation.queue(LLMMessagesAppendFrame([note], run_llm=False))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(QUIET_SECS):
            await conversation.watchdog.quiet.wait()
    if not conversation.is_ending:
        await conversation.queue(TTSSpeakFrame(said))
