"""What only the host does with a booking over Cal.com's API, and the links that put one into other calendars."""

from __future__ import annotations

from datetime import UTC
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from aiohttp import web
from pydantic import Field

from simulator.calcom_bookings import answer, named
from simulator.calcom_wire import Body, CalComError, NoQuery, bad_request, read_body, read_query, success

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.calcom_diary import Diary
    from simulator.calcom_schedule import Booking, Schedule
    from simulator.world import SimulatedClock


class DeclineBooking(Body):
    """The body of ``POST /v2/bookings/{uid}/decline``."""

    reason: str | None = None


class Absent(Body):
    """Whether one attendee came."""

    email: str
    absent: bool


class MarkAbsent(Body):
    """The body of ``POST /v2/bookings/{uid}/mark-absent``."""

    host: bool | None = None
    attendees: list[Absent] = Field(default_factory=list)


class HostChanges:
    """The handlers of what needs the host's key."""

    def __init__(self, schedule: Schedule, clock: SimulatedClock, diary: Diary) -> None:
        self._schedule = schedule
        self._clock = clock
        self._diary = diary

    def routes(self) -> list[web.RouteDef]:
        path = "/v2/bookings/{uid}"
        return [
            web.post(path + "/confirm", self.confirm),
            web.post(path + "/decline", self.decline),
            web.post(path + "/mark-absent", self.mark_absent),
            web.get(path + "/calendar-links", self.calendar_links),
        ]

    async def confirm(self, request: web.Request) -> web.Response:
        booking = self._pending(request)
        self._diary.accept(booking, "api")
        return answer(self._schedule, booking)

    async def decline(self, request: web.Request) -> web.Response:
        order = await read_body(request, DeclineBooking)
        booking = self._pending(request)
        self._diary.reject(booking, "api", reason=order.reason or "")
        return answer(self._schedule, booking)

    async def mark_absent(self, request: web.Request) -> web.Response:
        order = await read_body(request, MarkAbsent)
        booking = named(self._schedule, request)
        if self._clock() < booking.start:
            raise bad_request("Bookings can only be marked as absent after their scheduled start time.")
        guests = [each.absent for each in order.attendees if each.email == booking.guest.email]
        self._diary.mark_absent(booking, "api", guest=guests[0] if guests else None, host=order.host)
        return answer(self._schedule, booking)

    async def calendar_links(self, request: web.Request) -> web.Response:
        read_query(request, NoQuery)
        uid = request.match_info["uid"]
        booking = self._schedule.booking(uid)
        if booking is None:
            raise CalComError(HTTPStatus.NOT_FOUND, f"Booking with uid {uid} not found")
        return success(_links(booking))

    def _pending(self, request: web.Request) -> Booking:
        booking = named(self._schedule, request)
        if booking.status != "pending":
            raise bad_request("Booking already confirmed" if booking.is_live else f"Booking is {booking.status}")
        return booking


def _links(booking: Booking) -> list[dict[str, str]]:
    title = f"{booking.event_type.title} between {booking.hosts[0].name} and {booking.guest.name}"
    starts, ends = _stamp(booking.start), _stamp(booking.end)
    google = {"action": "TEMPLATE", "dates": f"{starts}/{ends}", "text": title, "location": booking.meeting_link}
    outlook = {"rru": "addevent", "startdt": starts, "enddt": ends, "subject": title, "location": booking.meeting_link}
    lines = ("BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", f"DTSTART:{starts}", f"DTEND:{ends}")
    ics = "\r\n".join((*lines, f"SUMMARY:{title}", f"UID:{booking.uid}@Cal.com", "END:VEVENT", "END:VCALENDAR"))
    compose = f"calendar/0/deeplink/compose?{urlencode(outlook)}"
    found = {
        "googleCalendar": ("Google Calendar", f"https://calendar.google.com/calendar/r/eventedit?{urlencode(google)}"),
        "microsoftOffice": ("Microsoft Office", f"https://outlook.office.com/{compose}"),
        "microsoftOutlook": ("Microsoft Outlook", f"https://outlook.live.com/{compose}"),
        "ics": ("ICS", f"data:text/calendar,{quote(ics)}"),
    }
    return [{"id": name, "label": label, "link": link} for name, (label, link) in found.items()]


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
