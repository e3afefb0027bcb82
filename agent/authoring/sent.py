"""What reaches the model besides the conversation: the system prompt, the tools, and what they cost in tokens."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from agent.authoring.tokens import count_tokens
from agent.instructions import Part, Source
from appointments.model import CallSid, EventType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agent.instructions import Instructions
    from appointments.identity import Identity
    from appointments.model import Action, Business, PhoneNumber
    from appointments.service import BookingService
    from tools.registry import Tool

TOOLS = "tools"
"""The source of what the model is told of its tools, beside those of `Source`."""


def tools_of(business: Business, *, caller: PhoneNumber | None, now: datetime) -> tuple[Tool, ...]:
    """Return the tools of a call, without asking the calendar: it is taken to want no e-mail address."""
    # Imported now: with it comes Pipecat, whose first import logs.
    from tools.session import BookingSession
    from tools.toolbox import all_tools

    session = BookingSession(
        call_sid=CallSid("CA0"),
        caller=caller,
        business=business,
        # The tools are described here and never run.
        service=cast("BookingService", None),
        identity=cast("Identity", None),
        clock=lambda: now,
        can_text=True,
        templates={},
    )
    return all_tools(session, {action.name: _assumed(action) for action in business.actions})


def _assumed(action: Action) -> EventType:
    return EventType(action.event_type_id, action.title, timedelta(minutes=30))


def as_sent(instructions: Instructions, tools: Sequence[Tool]) -> tuple[Part, ...]:
    """Return the system prompt as it reaches the model: Pipecat tells it of tools that barge-in does not stop."""
    from pipecat.processors.aggregators.async_tool_messages import ASYNC_TOOL_INSTRUCTIONS

    if all(tool.is_cancellable for tool in tools):
        return instructions.parts
    *parts, last = instructions.parts
    return (*parts, replace(last, text=f"{last.text}\n\n"), Part(Source.LIBRARY, ASYNC_TOOL_INSTRUCTIONS))


def token_counts(parts: Sequence[Part], tools: Sequence[Tool]) -> dict[str, int] | None:
    """Return how many tokens each source takes; None when they cannot be counted."""
    texts: dict[str, str] = {source: "".join(part.text for part in parts if part.source is source) for source in Source}
    definitions = [{"type": "function", "function": tool.schema().to_default_dict()} for tool in tools]
    texts[TOOLS] = json.dumps(definitions, ensure_ascii=False, separators=(",", ":"))
    counts = {source: count_tokens(text) for source, text in texts.items()}
    return {source: count for source, count in counts.items() if count is not None} or None
