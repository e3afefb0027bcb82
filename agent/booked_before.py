"""Books what a scenario says exists before the call, in the calendar and the record that the call will find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.stand_ins import RehearsalFailed
from appointments.booking import BookingRequest
from appointments.contact import attendee_email
from appointments.errors import SlotlineError
from appointments.model import Attendee, CallSid, PhoneNumber, Slot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.scenarios import BookedBefore, Scenario
    from appointments.model import Business
    from appointments.service import BookingService


def call_before(place: int) -> CallSid:
    """Return the call in which the appointment at that place of a scenario's `booked` was made."""
    return CallSid(f"CAbefore{place}")


async def book_before(scenario: Scenario, environment: Mapping[str, str]) -> None:
    """Book what exists before the call, by the means of a worker in `environment`.

    Raises:
        RehearsalFailed: something of it cannot be booked.
    """
    if not scenario.booked:
        return
    # Imported now: it takes seconds, and few scenarios need it.
    from agent.bootstrap import open_bookings
    from agent.business import load_business
    from agent.settings import load_settings

    given = {name.lower(): value for name, value in environment.items() if value}
    settings = load_settings(None, given=given)
    business = load_business(settings.business_file, event_type_id=settings.event_type_id)
    async with open_bookings(settings, business) as service:
        for place, each in enumerate(scenario.booked):
            try:
                await service.book(await _request(service, business, scenario, each, call_before(place)))
            except SlotlineError as error:
                raise RehearsalFailed(f"booked[{place}] cannot be booked before the call: {error}") from error


async def _request(
    service: BookingService, business: Business, scenario: Scenario, booked: BookedBefore, call_sid: CallSid
) -> BookingRequest:
    action = next(each for each in business.actions if booked.title in (None, each.title))
    event_type = await service.event_type(action)
    phone = PhoneNumber(booked.number or scenario.caller.number or "")
    start = booked.at.replace(tzinfo=business.zone)
    email = attendee_email(action.fallback_email, phone) or f"caller{phone}@example.com"
    return BookingRequest(
        call_sid=call_sid,
        business=business,
        action=action,
        event_type=event_type,
        slot=Slot(start, event_type.duration),
        attendee=Attendee(name=booked.name, zone=action.zone.key, phone=phone, email=email),
    )
