"""What a letter's invitation says, as an attendee's calendar reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from icalendar import Calendar, Event

if TYPE_CHECKING:
    from email.message import EmailMessage


def invite_summary(message: EmailMessage) -> dict[str, Any] | None:
    """Return what the invitation of `message` tells, None without one.

    `problem` says why a calendar would pass it over, "" when it would not.
    """
    part = next((part for part in message.walk() if part.get_content_type() == "text/calendar"), None)
    if part is None:
        return None
    try:
        calendar = Calendar.from_ical(part.get_content())
    except ValueError as error:
        return {"problem": f"it is no iCalendar: {error}"}
    events = [each for each in calendar.walk("VEVENT") if isinstance(each, Event)]
    if len(events) != 1:
        return {"problem": f"it has {len(events)} events"}
    if problem := _problem(part, calendar, events[0]):
        return {"problem": problem}
    return {"problem": "", "method": str(calendar["METHOD"]), **_told(events[0])}


def _told(event: Event) -> dict[str, Any]:
    start = event.decoded("DTSTART")
    return {
        "uid": str(event["UID"]),
        "sequence": event.sequence,
        "status": str(event["STATUS"]),
        "start": start.isoformat(),
        "end": event.decoded("DTEND").isoformat(),
        "summary": str(event["SUMMARY"]),
        "description": str(event.get("DESCRIPTION", "")),
        "location": str(event.get("LOCATION", "")),
        "organizer": str(event["ORGANIZER"]).removeprefix("mailto:"),
        "attendee": str(event["ATTENDEE"]).removeprefix("mailto:"),
    }


def _problem(part: EmailMessage, calendar: Calendar, event: Event) -> str:
    if str(part.get_param("method")) != str(calendar.get("METHOD")):
        return "the method of the part is another than the calendar's"
    missing = [name for name in ("UID", "DTSTAMP", "DTSTART", "SEQUENCE", "ORGANIZER", "ATTENDEE") if name not in event]
    if missing:
        return f"it lacks {', '.join(missing)}"
    zone = event["DTSTART"].params.get("TZID")
    if zone and zone not in {str(each["TZID"]) for each in calendar.walk("VTIMEZONE")}:
        return f"nothing says what {zone} is"
    return ""
