"""Cal.com's bookings as they are read to follow what others do."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from appointments.errors import CalendarRejected, CalendarUnavailable
from appointments.model import BookingStatus, BookingUid
from calendars import calcom_source
from calendars.calcom_requests import connect
from calendars.calcom_source import CalComSource
from simulator.world import run_app
from tests.calendar_conformance import KEY, NOW, TWO, book
from tests.scripted_calcom import API_KEY, refuses, says, wire_booking
from tests.served_calcom import connected_to, served_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from appointments.listed_bookings import ListedBooking

UID = BookingUid("bk_1")
AT = datetime(2026, 12, 1, 14, tzinfo=UTC)


@contextlib.asynccontextmanager
async def reading(answer: Callable[[web.Request], web.Response]) -> AsyncIterator[CalComSource]:
    """Read from a server that answers as told."""

    async def handle(request: web.Request) -> web.Response:
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner, url = await run_app(app, 0)
    client = connect(url, api_key=API_KEY, pauses_secs=(0.01,))
    try:
        yield CalComSource(client)
    finally:
        await client.aclose()
        await runner.cleanup()


async def read_one(**changes: Any) -> ListedBooking | None:
    async with reading(lambda _: says({"data": wire_booking(**changes)})()) as source:
        return await source.listed(UID)


async def read_all(source: CalComSource, since: datetime | None = AT) -> list[str]:
    return [booking.uid async for booking in source.changed_since(since, starting_after=AT)]


async def test_reads_all_that_matters_of_a_booking() -> None:
    booking = await read_one(
        eventTypeId=101,
        status="pending",
        attendees=[
            {"name": "Maya Chen", "email": "maya@example.com", "timeZone": "America/New_York", "absent": True}
            | {"phoneNumber": "+14155550123"}
        ],
        bookingFieldsResponses={"notes": "Leaking tap"},
        cancellationReason="Ill",
        rescheduledFromUid="bk_0",
        updatedAt="2026-12-01T14:00:00.500Z",
        createdAt="2026-12-01T13:00:00.000Z",
    )

    assert booking is not None
    assert (booking.uid, booking.event_type_id, booking.status) == ("bk_1", "101", BookingStatus.PENDING)
    assert booking.attendee.name == "Maya Chen"
    assert (booking.attendee.phone, booking.attendee.email) == ("+14155550123", "maya@example.com")
    assert booking.attendee.zone == "America/New_York"
    assert (booking.idempotency_key, booking.notes, booking.reason) == (KEY, "Leaking tap", "Ill")
    assert (booking.moved_from, booking.moved_to, booking.is_absent) == ("bk_0", "", True)
    assert (booking.meeting_link, booking.host_name) == ("https://app.cal.com/video/bk_1", "Ada")
    assert booking.updated_at == AT + timedelta(milliseconds=500)


async def test_reads_a_booking_that_says_next_to_nothing() -> None:
    booking = await read_one(
        location=None, hosts=None, metadata=None, attendees=None, bookingFieldsResponses=None, meetingUrl=None
    )

    assert booking is not None
    assert (booking.attendee.name, booking.attendee.phone, booking.attendee.zone) == ("", None, "")
    assert (booking.meeting_link, booking.location, booking.idempotency_key) == ("", "", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"attendees": [{"name": "Maya", "email": "14155550123@sms.cal.com", "timeZone": "UTC"}]},
        {"bookingFieldsResponses": {"attendeePhoneNumber": "+14155550123"}},
        {"bookingFieldsResponses": {"smsReminderNumber": "+14155550123"}},
        {"location": "+14155550123"},
    ],
)
async def test_finds_the_number_wherever_it_was_asked_for(changes: dict[str, Any]) -> None:
    booking = await read_one(**changes)

    assert booking is not None
    assert booking.attendee.phone == "+14155550123"
    assert booking.attendee.email is None


@pytest.mark.parametrize("number", ["+15555551234", "4155550123", "anonymous", ""])
async def test_takes_no_number_that_is_none(number: str) -> None:
    booking = await read_one(attendees=[{"name": "Maya", "phoneNumber": number}])

    assert booking is not None
    assert booking.attendee.phone is None


@pytest.mark.parametrize(
    ("location", "meeting_url", "link", "place"),
    [
        ("integrations:daily", None, "", ""),
        ("integrations:zoom", "https://zoom.test/1", "https://zoom.test/1", ""),
        ("https://zoom.test/1", "https://zoom.test/1", "https://zoom.test/1", ""),
        ("12 Harbor Street", "12 Harbor Street", "", "12 Harbor Street"),
    ],
)
async def test_tells_a_link_from_a_place(location: str, meeting_url: str | None, link: str, place: str) -> None:
    booking = await read_one(location=location, meetingUrl=meeting_url)

    assert booking is not None
    assert (booking.meeting_link, booking.location) == (link, place)


async def test_an_unknown_zone_is_none() -> None:
    for zone in ("Mars/Olympus", "../etc/passwd", "America"):
        booking = await read_one(attendees=[{"name": "Maya", "timeZone": zone}])

        assert booking is not None
        assert booking.attendee.zone == ""


async def test_what_is_not_there_is_none() -> None:
    async with reading(lambda _: refuses(404, "Booking with uid=bk_1 was not found in the database")()) as source:
        assert await source.listed(UID) is None


async def test_a_wrong_address_is_for_a_person() -> None:
    async with reading(lambda _: refuses(404, "Cannot GET /v2/bookings/bk_1")()) as source:
        with pytest.raises(CalendarRejected, match="CALCOM_BASE_URL"):
            await source.listed(UID)


async def test_an_odd_booking_hides_no_other() -> None:
    listed = [wire_booking(uid="bk_1"), {"uid": "bk_2", "status": "dreamt"}, wire_booking(uid="bk_3")]
    async with reading(lambda _: says({"data": listed})()) as source:
        assert await read_all(source) == ["bk_1", "bk_3"]


async def test_an_odd_answer_is_no_answer() -> None:
    async with reading(lambda _: says({"data": {"uid": "bk_1"}})()) as source:
        with pytest.raises(CalendarUnavailable):
            await source.listed(UID)


async def test_pages_begin_where_the_last_one_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted places would shift, and hide one, when a booking changes between two pages."""
    monkeypatch.setattr(calcom_source, "PAGE", 2)
    everything = [(f"bk_{number}", AT + timedelta(seconds=[1, 2, 2, 2, 3][number])) for number in range(5)]

    def page(request: web.Request) -> web.Response:
        since = datetime.fromisoformat(request.query["afterUpdatedAt"])
        skip, take = int(request.query.get("skip", 0)), int(request.query["take"])
        assert request.query["sortUpdatedAt"] == "asc"
        found = [wire_booking(uid=uid, updatedAt=at.isoformat()) for uid, at in everything if at >= since]
        return says({"data": found[skip : skip + take]})()

    async with reading(page) as source:
        assert set(await read_all(source)) == {uid for uid, _ in everything}


async def test_reads_what_the_stand_in_has() -> None:
    async with served_calcom() as stand_in, connected_to(stand_in) as calendar:
        made = await book(calendar, TWO)
        client = connect(stand_in.url, api_key=stand_in.credentials.calcom_api_key)
        async with contextlib.aclosing(client):
            source = CalComSource(client)
            one = await source.listed(made.uid)
            changed = [booking async for booking in source.changed_since(NOW, starting_after=NOW)]
            first = [booking async for booking in source.changed_since(None, starting_after=NOW)]

    assert one is not None
    assert (one.uid, one.slot, one.idempotency_key, one.event_type_id) == (made.uid, TWO, KEY, "101")
    assert changed == first == [one]
