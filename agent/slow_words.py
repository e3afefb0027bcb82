"""What is true of a wait that has become too long, by what is being waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent import phrases
from appointments.store.records import MessageKind
from tools.booking import plan_of, tool_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from tools.session import BookingSession


def slow_words(session: BookingSession, tools: Collection[str]) -> str:
    """Return what a caller hears who has waited for ten seconds while `tools` run.

    A booking goes on when they hang up, and a text tells them how it went; what is only looked up is not worth the
    wait.
    """
    booking = [action for action in session.actions if tool_name(action) in tools]
    if booking and all(plan_of(session, action).texts(MessageKind.CONFIRMATION) for action in booking):
        return phrases.SLOW_BOOKING
    if not tools:
        return phrases.SLOW
    return phrases.SLOW_LOOKUP if all(tool.startswith("find_") for tool in tools) else phrases.SLOW_CHANGE
