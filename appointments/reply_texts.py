"""The words of an answer to a text that came in: filled from a shipped template, in plain GSM-7."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import phonenumbers

from appointments.messages import PLACEHOLDERS, as_sms, check_segments, details
from appointments.replies import MOST_CHOICES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appointments.model import Appointment, Business, PhoneNumber

REPLY_PLACEHOLDERS = (*PLACEHOLDERS, "phone", "choices")
"""What the template of an answer may name; those of an appointment only where it is about one."""


_USUAL = {
    "date": "Wed, Sep 30",
    "time": "10:00 PM",
    "link": "https://app.cal.com/reschedule/603fc8f7e15f7d7b32cc0c",
    "location": "12 Harbor Street, Springfield",
    "duration": "30 minutes",
    "name": "Maya Chen",
    "caller_name": "Maya Chen",
    "host": "Priya Patel",
    "business": "Harbor Street Clinic",
    "phone": "+1 415-555-0100",
    "choices": "\n".join(["1: Wed, Sep 30 at 10:00 PM"] * MOST_CHOICES),
}
"""Values of ordinary length."""


def check_reply_template(template: str) -> None:
    """Refuse a template that, filled with values of ordinary length, is billed as too many segments."""
    check_segments(as_sms(template, _USUAL))


def render_reply(
    template: str,
    business: Business,
    *,
    appointment: Appointment | None = None,
    choices: Sequence[Appointment] = (),
    link: str = "",
) -> str:
    """Fill `template` about an `appointment`, or about the `choices` that the sender is asked to choose from.

    Raises:
        ConfigError: it names what there is no value for.
    """
    values = {"business": " ".join(business.name.split()), "phone": _written(business.number)}
    if appointment is not None:
        values |= _details(appointment, business, link=link)
    listed = (_details(each, business) for each in choices)
    values["choices"] = "\n".join(
        f"{number}: {each['date']} at {each['time']}" for number, each in enumerate(listed, start=1)
    )
    return as_sms(template, values)


def _details(appointment: Appointment, business: Business, *, link: str = "") -> Mapping[str, str]:
    return details(
        slot=appointment.slot,
        zone=ZoneInfo(appointment.zone),
        duration=appointment.slot.duration,
        link=link,
        location=appointment.location,
        name=appointment.attendee.name,
        host=appointment.host_name,
        business=business.name,
    )


def _written(number: PhoneNumber) -> str:
    """Return ``+1 415-555-0100``: a telephone calls it at a touch, and a person can read it."""
    return phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.INTERNATIONAL)
