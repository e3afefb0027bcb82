"""What a caller is told when one of their appointments is changed by others while they are on the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appointments.store.outside_records import OutsideEvent
from tools.appointments import say_when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.store.outside_records import OutsideEntry
    from tools.session import BookingSession


async def outside_news(session: BookingSession, *, since: int) -> Sequence[OutsideEntry]:
    """Return what others have done after the entry `since` to appointments that the caller may hear about."""
    known = session.identity.known
    entries = await session.service.changed_outside(since=since, call_sid=session.call_sid, phone=known)
    return [entry for entry in entries if session.identity.may_change(entry.appointment)]


def say_news(session: BookingSession, entry: OutsideEntry) -> str:
    """Say what has happened, "" when the caller need not hear of it now."""
    session.know([entry.appointment])
    title, when = entry.appointment.title, say_when(session, entry.appointment, entry.appointment.slot)
    match entry.event:
        case OutsideEvent.CANCELLED:
            return f"I've just seen that our office has cancelled your {title} on {when}."
        case OutsideEvent.MOVED:
            return f"I've just seen that our office has moved your {title} to {when}."
        case OutsideEvent.ACCEPTED:
            return f"I've just seen that your {title} on {when} has been accepted."
        case _:
            return ""
