"""Cal.com as a calendar: the port's promises against the stand-in, odd bookings, faults and limits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from appointments.errors import CalendarRejected, CalendarUnavailable, SlotTaken
from appointments.model import BookingStatus, BookingUid
from calendars.calcom import CalComCalendar
from simulator.world import run_app
from tests.calendar_conformance import (
    ANOTHER_KEY,
    EVENT_TYPE,
    FREE,
    HALF_PAST_TWO,
    KEY,
    MAYA,
    NEXT_DAY,
    NOW,
    TWO,
    CalendarConformance,
    book,
    find,
    free,
)
from tests.scripted_calcom import READS, connected, says, scripted, wire_booking
from tests.stand_ins import StandIn, serving_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


LOST = ["error_500", "drop_before", "drop_after"]


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with serving_calcom() as served:
        event_types = [{"title": EVENT_TYPE.title, "minutes": 30, "requires_email": True}]
        starts = [slot.start.isoformat() for slot in FREE]
        await served.order("world", now=NOW.isoformat(), free=starts, event_types=event_types)
        yield served


@pytest.fixture
async def calendar(stand_in: StandIn) -> AsyncIterator[CalComCalendar]:
    async with connected(stand_in.url, stand_in.credentials.calcom_api_key) as connection:
        yield connection


class TestCalComCalendar(CalendarConformance):
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


async def test_reads_a_booking_by_its_uid(calendar: CalComCalendar) -> None:
    booking = await book(calendar, TWO)

    assert await calendar.get(booking.uid) == booking
    assert await calendar.get(BookingUid("another")) is None


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


# Faults.


async def hit(stand_in: StandIn, on: str, kind: str, *, seconds: float = 0.0) -> None:
    """Let every request of the operation go wrong, so that those that fired count the requests."""
    await stand_in.break_down(on, kind, times=100, seconds=seconds)


async def requests_hit(stand_in: StandIn) -> int:
    """Return how many requests a fault has hit."""
    return len((await stand_in.state())["faults"])


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("on", READS)
async def test_a_read_survives_two_stumbles(calendar: CalComCalendar, stand_in: StandIn, on: str, kind: str) -> None:
    await stand_in.break_down(on, kind, times=2)

    await READS[on](calendar)

    assert await requests_hit(stand_in) == 2


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("on", READS)
async def test_a_read_gives_up_after_three_tries(
    calendar: CalComCalendar, stand_in: StandIn, on: str, kind: str
) -> None:
    await hit(stand_in, on, kind)

    with pytest.raises(CalendarUnavailable) as caught:
        await READS[on](calendar)

    assert not caught.value.is_unclear
    assert await requests_hit(stand_in) == 3


@pytest.mark.parametrize("on", READS)
async def test_a_stalled_read_ends_in_time(stand_in: StandIn, on: str) -> None:
    await hit(stand_in, on, "slow", seconds=5)
    async with connected(stand_in.url, stand_in.credentials.calcom_api_key, timeout_secs=0.2) as calendar:
        began = time.monotonic()

        with pytest.raises(CalendarUnavailable, match=r"Cal\.com did not answer GET") as caught:
            await READS[on](calendar)

    assert time.monotonic() - began < 2
    assert not caught.value.is_unclear


async def test_an_answer_that_trickles_in_ends_in_time() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.05)
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", trickle)
    runner, url = await run_app(app, 0)
    try:
        async with connected(url, timeout_secs=0.3) as calendar:
            with pytest.raises(CalendarUnavailable) as reading:
                await free(calendar)
            with pytest.raises(CalendarUnavailable) as writing:
                await book(calendar, TWO)
    finally:
        await runner.cleanup()

    assert not reading.value.is_unclear
    assert writing.value.is_unclear


@pytest.mark.parametrize("kind", LOST)
async def test_a_create_whose_answer_is_lost_is_unclear_and_sent_once(
    calendar: CalComCalendar, stand_in: StandIn, kind: str
) -> None:
    await hit(stand_in, "create", kind)

    with pytest.raises(CalendarUnavailable) as caught:
        await book(calendar, TWO)

    assert caught.value.is_unclear
    assert await requests_hit(stand_in) == 1
    found = await find(calendar, TWO, KEY)
    assert (found is not None) is (kind == "drop_after")


async def test_a_stalled_create_is_unclear_in_time_and_sent_once(stand_in: StandIn) -> None:
    await hit(stand_in, "create", "slow", seconds=5)
    async with connected(stand_in.url, stand_in.credentials.calcom_api_key, timeout_secs=0.2) as calendar:
        began = time.monotonic()

        with pytest.raises(CalendarUnavailable, match=r"Cal\.com did not answer POST") as caught:
            await book(calendar, TWO)

    assert time.monotonic() - began < 2
    assert caught.value.is_unclear
    assert await requests_hit(stand_in) == 1


async def test_a_slot_somebody_else_got_first_is_taken(calendar: CalComCalendar, stand_in: StandIn) -> None:
    await hit(stand_in, "create", "taken")

    with pytest.raises(SlotTaken):
        await book(calendar, TWO)

    assert await requests_hit(stand_in) == 1
    assert await find(calendar, TWO, KEY) is None


async def test_repeating_a_lost_create_is_refused_and_ours_is_found(
    calendar: CalComCalendar, stand_in: StandIn
) -> None:
    await stand_in.break_down("create", "drop_after")
    with pytest.raises(CalendarUnavailable):
        await book(calendar, TWO)

    with pytest.raises(SlotTaken):
        await book(calendar, TWO)

    (made,) = (await stand_in.state())["bookings"]
    found = await find(calendar, TWO, KEY)
    assert found is not None
    assert found.uid == made["uid"]


async def test_nothing_listening_is_not_unclear() -> None:
    async with scripted(says({})) as (server, _):
        url = server.url
    async with connected(url) as calendar:
        with pytest.raises(CalendarUnavailable, match=r"Cal\.com cannot be reached") as caught:
            await book(calendar, TWO)

    assert not caught.value.is_unclear


# Limits of the rate.


async def test_a_read_waits_for_a_near_reset(calendar: CalComCalendar, stand_in: StandIn) -> None:
    await stand_in.break_down("slots", "rate_limited", seconds=1)
    began = time.monotonic()

    assert await free(calendar) == list(FREE)

    assert time.monotonic() - began >= 1
    assert await requests_hit(stand_in) == 1


@pytest.mark.parametrize("on", READS)
async def test_a_read_gives_up_at_once_when_the_reset_is_far(
    calendar: CalComCalendar, stand_in: StandIn, on: str
) -> None:
    await hit(stand_in, on, "rate_limited", seconds=60)

    with pytest.raises(CalendarUnavailable, match="429"):
        await READS[on](calendar)

    assert await requests_hit(stand_in) == 1


@pytest.mark.parametrize(
    ("headers", "tries"),
    [
        ({"X-RateLimit-Reset-Default": str(int(time.time()) + 3600)}, 1),
        ({"X-RateLimit-Reset-Default": "1000000001"}, 3),
        ({"Retry-After": "30"}, 1),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "X-RateLimit-Reset-Default": "nan"}, 3),
        ({}, 3),
    ],
    ids=["far unix time", "past unix time", "retry after", "nonsense", "no word"],
)
async def test_reads_the_reset_in_all_its_forms(headers: dict[str, str], tries: int) -> None:
    async with scripted(says({}, status=429, headers=headers)) as (server, calendar):
        with pytest.raises(CalendarUnavailable, match="429"):
            await calendar.me()

    assert len(server.requests) == tries


async def test_a_create_over_the_limit_is_sent_once_and_books_nothing(
    calendar: CalComCalendar, stand_in: StandIn
) -> None:
    await hit(stand_in, "create", "rate_limited", seconds=1)

    with pytest.raises(CalendarUnavailable, match="429") as caught:
        await book(calendar, TWO)

    assert not caught.value.is_unclear
    assert await requests_hit(stand_in) == 1
