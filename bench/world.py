"""What is booked in a bench: a business that has exactly so many slots, of which no two are in each other's way."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from appointments.model import (
    Action,
    Attendee,
    BookingRules,
    Business,
    EventType,
    EventTypeId,
    OpeningHours,
    PhoneNumber,
)
from appointments.rules import open_slots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.model import Slot

NOW = datetime(2026, 11, 29, 17, tzinfo=UTC)
"""The business's time, which stands still: a Sunday, at noon in New York."""
ZONE = ZoneInfo("America/New_York")
EVENT_TYPE = EventType(EventTypeId("101"), "30-Minute Consultation", timedelta(minutes=30))
ACTION = Action("Book 30-Minute Consultation", EVENT_TYPE.id, EVENT_TYPE.title, ZONE)

OPEN_DAYS, SLOTS_A_DAY = 6, 20
MOST_SLOTS = OPEN_DAYS * SLOTS_A_DAY
"""In one week."""


def business(slots: int, *, weeks: int = 1) -> Business:
    """Return a business with `slots` slots a week, for so many weeks: on the hour, which leaves room for buffers."""
    if not 1 <= slots <= MOST_SLOTS:
        raise ValueError(f"there can be 1 to {MOST_SLOTS} slots a week, not {slots}")
    filled, rest = divmod(slots, SLOTS_A_DAY)
    hours = [OpeningHours(day, time(0), time(SLOTS_A_DAY)) for day in range(filled)]
    if rest:
        hours.append(OpeningHours(filled, time(0), time(rest)))
    rules = BookingRules(grid_minutes=60, maximum_advance_days=7 * weeks)
    return Business("The Bench", PhoneNumber("+14155550100"), ZONE, tuple(hours), (ACTION,), rules=rules)


def all_slots(of: Business) -> Sequence[Slot]:
    """Return every slot of `of`, earliest first."""
    end = NOW + timedelta(days=of.rules.maximum_advance_days)
    return tuple(open_slots(of, EVENT_TYPE.duration, start=NOW, end=end))


def caller(number: int) -> Attendee:
    """Return a caller with a number of their own."""
    return Attendee(f"Caller {number}", ZONE.key, PhoneNumber(f"+1415555{number:04}"))


def calcom_world(slots: Sequence[Slot]) -> dict[str, Any]:
    """Return what the stand-in Cal.com is told of this world."""
    event_type = {"id": int(EVENT_TYPE.id), "title": EVENT_TYPE.title, "requires_email": False}
    free = [slot.start.isoformat() for slot in slots]
    return {"now": NOW.isoformat(), "zone": ZONE.key, "free": free, "event_types": [event_type]}
