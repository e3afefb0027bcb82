"""An invitation in iCalendar: RFC 5545, and RFC 5546 for what the attendee's calendar does with it."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from icalendar import Calendar, Event, vCalAddress, vText

if TYPE_CHECKING:
    from datetime import datetime

    from appointments.store.records import Invite

PRODUCT = "-//slotline//appointments//EN"
_STATUS = {"REQUEST": "CONFIRMED", "CANCEL": "CANCELLED"}


def render_invite(invite: Invite, *, organizer: str, attendee: str, at: datetime) -> bytes:
    """Return `invite` as an iCalendar object.

    Args:
        organizer: The address it comes from; a calendar takes changes from the same one only.
        attendee: The address it goes to, as the letter itself does.
        at: When this was made.
    """
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", invite.method)
    calendar.add_component(_event(invite, organizer, attendee, at))
    return bytes(calendar.to_ical())


def _event(invite: Invite, organizer: str, attendee: str, at: datetime) -> Event:
    event = Event()
    event.add("uid", invite.uid)
    event.add("sequence", invite.sequence)
    event.add("dtstamp", at)
    # In UTC, which every calendar shows in its own zone. A zone of ours would need its rules with it, and calendars
    # differ in which form of these they understand.
    event.add("dtstart", invite.starts_at.astimezone(UTC))
    event.add("dtend", invite.ends_at.astimezone(UTC))
    event.add("summary", invite.title)
    event.add("status", _STATUS[invite.method])
    event.add("organizer", _person(organizer, invite.business))
    event.add("attendee", _attendee(attendee, invite.attendee_name))
    for name, text in {"description": invite.description, "location": invite.location}.items():
        if text:
            event.add(name, text)
    return event


def _attendee(address: str, name: str) -> vCalAddress:
    """Return who comes, and that they have said so: on the phone. They are not asked to answer."""
    person = _person(address, name)
    for parameter, value in {"ROLE": "REQ-PARTICIPANT", "PARTSTAT": "ACCEPTED", "RSVP": "FALSE"}.items():
        person.params[parameter] = vText(value)
    return person


def _person(address: str, name: str) -> vCalAddress:
    person = vCalAddress(f"mailto:{address}")
    if name:
        person.params["CN"] = vText(name)
    return person
