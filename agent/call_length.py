"""The longest a call may last: the caller hears a minute before that it is nearly over, and a goodbye at its end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import structlog

from agent import phrases

if TYPE_CHECKING:
    from agent.conversation import Conversation

log = structlog.get_logger(__name__)

MINUTE_LEFT_SECS: Final = 60.0
QUIET_SECS: Final = 15.0
"""How long it is waited for a moment in which the caller can be told of the time that is left."""


async def watch_length(conversation: Conversation, max_secs: float) -> None:
    """End the conversation after `max_secs`; one of less than two minutes has no last one worth telling of."""
    if max_secs >= 2 * MINUTE_LEFT_SECS:
        await asyncio.sleep(max_secs - MINUTE_LEFT_SECS)
        await asyncio.gather(asyncio.sleep(MINUTE_LEFT_SECS), _tell_last_minute(conversation))
    else:
        await asyncio.sleep(max_secs)
    log.warning("call_too_long", max_secs=max_secs)
    await conversation.end(phrases.OUT_OF_TIME, outcome="out_of_time")


async def _tell_last_minute(conversation: Conversation) -> None:
    """Tell the caller how much time is left, in a moment in which nobody is speaking if there is one."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(QUIET_SECS):
            await conversation.watchdog.quiet.wait()
    if not conversation.is_ending:
        await conversation.say(phrases.MINUTE_LEFT)
