"""Cal.com as a calendar: the port's promises against the stand-in, what is sent, and odd bookings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from appointments.booking_fields import BookingField, FieldKind
from appointments.errors import CalendarRejected
from appointments.model import BookingStatus, BookingUid
from tests.calendar_conformance import (
    ANOTHER_KEY,
    EVENT_TYPE,
    HALF_PAST_TWO,
    KEY,
    MAYA,
    NEXT_DAY,
    NOW,
    TWO,
    CalendarConformance,
    book,
    find,
)
from tests.scripted_calcom import says, scripted, wire_booking
from tests.served_calcom import connected_to, served_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from calendars.calcom import CalComCalendar
    from tests.stand_ins import StandIn


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with served_calcom() as served:
        yield served


@pytest.fixture
async def calendar(stand_in: StandIn) -> AsyncIterator[CalComCalendar]:
    async with connected_to(stand_in) as connection:
        yield connection


class TestCalComCalendar(CalendarConformance):
    has_holds = True
    described = replace(
        EVENT_TYPE,
        fields=(BookingField("title"), BookingField("notes"), BookingField("guests", kind=FieldKind.EMAILS)),
    )

    @pytest.fixture
    def under_test(self, calendar: CalComCalendar) -> CalComCalendar:
        return calendar


# What is sent and what comes back.


async def test_sends_the_attendee_the_notes_and_the_key(calendar: CalComCalendar, stand_in: StandIn) -> None:
    booking = await book(calendar, TWO)

    (made,) = (await stand_in.state())["bookings"]
    assert made["uid"] == booking.uid
    assert made["metadata"] == {"idem": KEY}
    assert made["attendee"] == {
        "name": MAYA.name,
        "email": MAYA.email,
        "phoneNumber": MAYA.phone,
        "timeZone": MAYA.zone,
    }
    assert booking.meeting_link.endswith(booking.uid)
    assert booking.host_name == "Ada"


async def test_a_missing_email_is_final(calendar: CalComCalendar) -> None:
    with pytest.raises(CalendarRejected, match="error_required_field"):
        await book(calendar, TWO, replace(MAYA, email=None))


@pytest.mark.parametrize("notes", ["A leaking tap", ""])
async def test_sends_notes_only_where_there_are_some(notes: str) -> None:
    async with scripted(says({"status": "success", "data": wire_booking()}, status=201)) as (server, calendar):
        await calendar.book(EVENT_TYPE, TWO, MAYA, notes=notes, idempotency_key=KEY)

    assert server.bodies[0].get("bookingFieldsResponses") == ({"notes": notes} if notes else None)
    assert server.bodies[0]["start"] == "2026-12-03T19:00:00Z"


async def test_tells_the_zone_of_the_owner_of_the_key(calendar: CalComCalendar) -> None:
    assert await calendar.me() == "America/New_York"


@pytest.mark.parametrize("requires_email", [True, False])
async def test_tells_whether_an_email_is_needed(
    calendar: CalComCalendar, stand_in: StandIn, requires_email: bool
) -> None:
    await stand_in.order("world", event_types=[{"requires_email": requires_email}])

    assert (await calendar.event_type(EVENT_TYPE.id)).requires_email is requires_email


async def test_leaves_out_slots_outside_the_range_and_repeated_ones() -> None:
    day = [{"start": s.start.isoformat(), "end": s.end.isoformat()} for s in (NEXT_DAY, HALF_PAST_TWO, TWO, TWO)]
    async with scripted(says({"status": "success", "data": {"2026-12-03": day}})) as (_, calendar):
        slots = await calendar.free_slots(EVENT_TYPE.id, start=TWO.start, end=NEXT_DAY.start)

    assert list(slots) == [TWO, HALF_PAST_TWO]


async def test_never_asks_up_to_midnight_utc() -> None:
    async with scripted(says({"status": "success", "data": {}})) as (server, calendar):
        await calendar.free_slots(
            EVENT_TYPE.id, start=TWO.start, end=NEXT_DAY.start.replace(hour=0, minute=0, second=0)
        )

    ((_, _, query),) = server.requests
    assert query["end"] == "2026-12-04T00:00:01Z"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("https://app.cal.com/video/bk_1", "", "Ada")),
        ({"location": "12 Main Street"}, ("", "12 Main Street", "Ada")),
        ({"location": None, "hosts": None}, ("", "", "")),
        ({"hosts": [{"name": None}]}, ("https://app.cal.com/video/bk_1", "", "")),
        ({"surprise": {"a": 1}}, ("https://app.cal.com/video/bk_1", "", "Ada")),
    ],
)
async def test_understands_bookings_with_gaps(changes: dict[str, Any], expected: tuple[str, str, str]) -> None:
    async with scripted(says({"status": "success", "data": wire_booking(**changes)})) as (_, calendar):
        booking = await calendar.get(BookingUid("bk_1"))

    assert booking is not None
    assert booking.slot == TWO
    assert (booking.meeting_link, booking.location, booking.host_name) == expected


@pytest.mark.parametrize("metadata", [None, {}, {"idem": None}])
async def test_a_booking_without_a_key_is_not_ours(metadata: Any) -> None:
    async with scripted(says({"status": "success", "data": wire_booking(metadata=metadata)})) as (_, calendar):
        booking = await calendar.get(BookingUid("bk_1"))

    assert booking is not None
    assert booking.idempotency_key == ""


async def test_a_booking_the_host_must_accept_is_pending() -> None:
    async with scripted(says({"status": "success", "data": wire_booking(status="pending")}, status=201)) as (
        _,
        calendar,
    ):
        assert (await book(calendar, TWO)).status is BookingStatus.PENDING


async def test_an_event_type_without_fields_needs_no_email() -> None:
    data = {"id": 101, "title": "Talk", "lengthInMinutes": 15, "bookingFields": None, "price": None}
    async with scripted(says({"status": "success", "data": data})) as (_, calendar):
        event_type = await calendar.event_type(EVENT_TYPE.id)

    assert event_type.duration == timedelta(minutes=15)
    assert not event_type.requires_email


# Finding what became of a booking.


@pytest.mark.parametrize(
    "others",
    [
        [{"uid": "odd", "status": "unheard of", "metadata": None}, {}, {"metadata": "text"}],
        [wire_booking(uid="old", status="cancelled"), wire_booking(uid="declined", status="rejected")],
        [wire_booking(uid="theirs", metadata={"idem": ANOTHER_KEY})],
    ],
    ids=["odd ones", "dead ones of ours", "others'"],
)
async def test_finds_ours_among_other_bookings(others: list[dict[str, Any]]) -> None:
    async with scripted(says({"status": "success", "data": [*others, wire_booking()]})) as (_, calendar):
        found = await find(calendar, TWO, KEY)

    assert found is not None
    assert found.uid == "bk_1"


@pytest.mark.parametrize("status", ["cancelled", "rejected"])
async def test_does_not_find_a_dead_booking(status: str) -> None:
    async with scripted(says({"status": "success", "data": [wire_booking(status=status)]})) as (_, calendar):
        assert await find(calendar, TWO, KEY) is None


async def test_finds_a_booking_of_an_event_type_that_has_grown(calendar: CalComCalendar, stand_in: StandIn) -> None:
    await stand_in.order("world", now=NOW.isoformat(), free=[TWO.start.isoformat()], event_types=[{"minutes": 90}])
    booking = await book(calendar, TWO)

    assert booking.slot.duration == timedelta(minutes=90)
    assert await find(calendar, TWO, KEY) == booking
