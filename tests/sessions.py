"""A call's session as tools see it, and what was said in the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from appointments.model import Business, CallSid
from tests.factories import ACTION, BUSINESS, CALLER, NOW, ZONE
from tools.session import BookingSession, Utterance

if TYPE_CHECKING:
    from appointments.service import BookingService

CLINIC = Business("Harbor Street Clinic", BUSINESS, ZONE, hours=(), actions=(ACTION,))


def a_session(service: BookingService | None = None, **changes: Any) -> BookingSession:
    """Return the session of a call from a number that takes texts; without a service nothing can be booked."""
    facts: dict[str, Any] = {
        "call_sid": CallSid("CA1"),
        "caller": CALLER,
        "business": CLINIC,
        "service": cast("BookingService", service),
        "clock": lambda: NOW,
        "can_text": True,
        "sms_unconfirmed": "We are still confirming {date} at {time}.",
        "sms_failed": "{date} at {time} could not be booked.",
    }
    return BookingSession(**(facts | changes))


def agent(text: str) -> Utterance:
    return Utterance(is_agent=True, text=text)


def caller(text: str) -> Utterance:
    return Utterance(is_agent=False, text=text)
