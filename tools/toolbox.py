"""All that the model may call in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.booking import book_appointment, find_slots
from tools.call import end_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appointments.model import EventType
    from tools.registry import Tool
    from tools.session import BookingSession


def all_tools(session: BookingSession, event_types: Mapping[str, EventType]) -> tuple[Tool, ...]:
    """Return the tools of a call; `event_types` has what each action books, by the action's name."""
    return (
        find_slots(session),
        *(book_appointment(session, action, event_types[action.name]) for action in session.actions),
        end_call(session),
    )
