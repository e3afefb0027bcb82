"""An ordinary week of a clinic, and what is offered of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from appointments.model import (
    Action,
    BookingRules,
    Business,
    EventTypeId,
    OfferSettings,
    OpeningHours,
    PhoneNumber,
    Slot,
)
from appointments.offer import Offer, describe, make_offer
from appointments.wishes import Wish

NEW_YORK = ZoneInfo("America/New_York")
LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 12, 1, 9, tzinfo=NEW_YORK)  # a Tuesday
ACTION = Action("Book 30-Minute Consultation", EventTypeId("101"), "30-Minute Consultation", NEW_YORK)
HOURS = tuple(OpeningHours(weekday, time(9), time(17)) for weekday in range(5))
BUSINESS = Business("Harbor Street Clinic", PhoneNumber("+14155550100"), NEW_YORK, HOURS, (ACTION,))


def at(text: str, zone: ZoneInfo = NEW_YORK) -> Slot:
    return Slot(datetime.fromisoformat(f"2026-{text}").replace(tzinfo=zone), timedelta(minutes=30))


def whole_day(day: str) -> list[Slot]:
    return [at(f"{day}T{hour:02}:{minute}") for hour in range(9, 17) for minute in ("00", "30")]


def offer(
    free: list[Slot],
    wish: Wish | None = None,
    *,
    now: datetime = NOW,
    action: Action = ACTION,
    business: Business = BUSINESS,
) -> Offer:
    return make_offer(free, wish or Wish(), action=action, business=business, now=now)


def by(**rules: Any) -> Business:
    """Return the clinic with other rules."""
    return replace(BUSINESS, rules=BookingRules(**rules))


def with_settings(**settings: int | date) -> Action:
    return replace(ACTION, offer=OfferSettings(**settings))  # type: ignore[arg-type]


def say(made: Offer, *, action: Action = ACTION, now: datetime = NOW, business: Business = BUSINESS) -> str:
    return describe(made, action=action, business=business, now=now)[0]


WEEK = whole_day("12-02") + whole_day("12-03") + whole_day("12-04") + whole_day("12-07")
