"""A call's session as tools see it, and what was said in the call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from appointments.model import CallSid
from tests.factories import CALLER, NOW, STUDIO
from tools.session import BookingSession, Utterance

if TYPE_CHECKING:
    from appointments.identity import Identity
    from appointments.service import BookingService

CLINIC = replace(STUDIO, name="Harbor Street Clinic")


TEMPLATES = {
    "confirmation": "Booked for {date} at {time}.",
    "requested": "Requested for {date} at {time}.",
    "unconfirmed": "We are still confirming {date} at {time}.",
    "failed": "{date} at {time} could not be booked.",
    "moved": "Now on {date} at {time}.",
    "cancelled": "{date} at {time} is cancelled.",
    "change_unconfirmed": "We are still changing {date} at {time}.",
    "change_failed": "{date} at {time} stands as it was.",
}


def a_session(service: BookingService | None = None, **changes: Any) -> BookingSession:
    """Return the session of a call from a number that takes texts; without a service nothing can be booked."""
    facts: dict[str, Any] = {
        "call_sid": CallSid("CA1"),
        "caller": CALLER,
        "business": CLINIC,
        "service": cast("BookingService", service),
        "clock": lambda: NOW,
        "can_text": True,
        "templates": TEMPLATES,
        "identity": cast("Identity", None),
    }
    return BookingSession(**(facts | changes))


def agent(text: str) -> Utterance:
    return Utterance(is_agent=True, text=text)


def caller(text: str) -> Utterance:
    return Utterance(is_agent=False, text=text)
