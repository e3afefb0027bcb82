"""Moving, cancelling and holding at Cal.com: new uids, what its host does meanwhile, what is refused, what is lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from appointments.errors import CalendarRejected, CalendarUnavailable, SlotTaken
from appointments.model import BookingStatus, BookingUid, EventTypeId
from tests.calendar_conformance import (
    ANOTHER_KEY,
    EVENT_TYPE,
    FREE,
    HALF_PAST_TWO,
    IN_FIVE_MINUTES,
    KEY,
    NEXT_DAY,
    NOW,
    QUARTER_PAST_TWO,
    REASON,
    SOMEBODY,
    TWO,
    book,
    cancel,
    find,
    free,
    hold,
    known,
    move,
)
from tests.scripted_calcom import API_KEY, WRITES, connected, refuses, refuses_raw, says, scripted, wire_booking
from tests.served_calcom import connected_to, hit, requests_hit, served_calcom, start_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from datetime import datetime

    from appointments.model import Booking
    from calendars.calcom import CalComCalendar
    from tests.stand_ins import StandIn

DONE_BUT_LOST = ["drop_after", "error_500_after"]
NOT_DONE = ["drop_before", "error_500"]


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with served_calcom() as served:
        yield served


@pytest.fixture
async def calendar(stand_in: StandIn) -> AsyncIterator[CalComCalendar]:
    async with connected_to(stand_in) as connection:
        yield connection


async def bookings(stand_in: StandIn) -> list[dict[str, Any]]:
    return list((await stand_in.state())["bookings"])


async def begin_slowly(stand_in: StandIn, on: str, request: Coroutine[Any, Any, Booking]) -> asyncio.Task[Booking]:
    """Send a request and return when it has arrived; others that are sent now are done before it."""
    await stand_in.break_down(on, "slow", seconds=0.3)
    slow = asyncio.create_task(request)
    async with asyncio.timeout(5):
        while not await requests_hit(stand_in):
            pass
    return slow


# What is sent and what comes back.


async def test_a_move_makes_a_booking_with_another_uid_and_the_same_key(
    calendar: CalComCalendar, stand_in: StandIn
) -> None:
    booking = await book(calendar, TWO)

    moved = await move(calendar, booking, NEXT_DAY)

    old, new = await bookings(stand_in)
    assert moved.uid != booking.uid
    assert moved.meeting_link.endswith(moved.uid)
    assert (old["status"], old["rescheduledToUid"]) == ("cancelled", moved.uid)
    assert (new["status"], new["reason"], new["metadata"]) == ("accepted", REASON, {"idem": KEY})


async def test_a_cancellation_says_why(calendar: CalComCalendar, stand_in: StandIn) -> None:
    await cancel(calendar, await book(calendar, TWO))
    await calendar.cancel((await book(calendar, TWO)).uid, reason=" ")

    assert [booking["reason"] for booking in await bookings(stand_in)] == [REASON, "No reason was given"]


async def test_what_the_host_must_accept_is_not_accepted_by_moving_it(
    calendar: CalComCalendar, stand_in: StandIn
) -> None:
    await start_world(stand_in, requires_confirmation=True)
    booking = await book(calendar, TWO)

    moved = await move(calendar, booking, NEXT_DAY)

    assert (booking.status, moved.status) == (BookingStatus.PENDING, BookingStatus.PENDING)
    assert await find(calendar, NEXT_DAY, KEY) == moved
    assert (await cancel(calendar, booking)).status is BookingStatus.CANCELLED


async def test_a_booking_is_followed_however_often_it_was_moved(calendar: CalComCalendar) -> None:
    booking = latest = await book(calendar, TWO)
    for slot in (HALF_PAST_TWO, TWO, QUARTER_PAST_TWO, NEXT_DAY):
        latest = await move(calendar, latest, slot)

    assert await calendar.get(booking.uid) == latest
    assert latest.slot == NEXT_DAY


async def test_a_trail_without_an_end_is_left() -> None:
    answer = says({"status": "success", "data": wire_booking(status="cancelled", rescheduledToUid="bk_1")})
    async with scripted(answer) as (server, calendar):
        with pytest.raises(CalendarUnavailable, match="moved more than"):
            await calendar.get(BookingUid("bk_1"))

    assert len(server.requests) < 30


async def test_a_hold_lasts_as_long_as_it_is_wanted(calendar: CalComCalendar, stand_in: StandIn) -> None:
    await hold(calendar, TWO)
    (reservation,) = (await stand_in.state())["reservations"]
    await stand_in.order("clock", now=(IN_FIVE_MINUTES - timedelta(seconds=5)).isoformat())
    held = await free(calendar)
    await stand_in.order("clock", now=(IN_FIVE_MINUTES + timedelta(seconds=30)).isoformat())

    assert reservation["reservationDuration"] == 5
    assert TWO not in held
    assert await free(calendar) == list(FREE)


@pytest.mark.parametrize(("wanted", "minutes"), [(timedelta(seconds=-5), 1), (timedelta(seconds=61), 2)])
async def test_a_hold_is_asked_for_in_whole_minutes(wanted: timedelta, minutes: int) -> None:
    answer = says({"status": "success", "data": {"reservationUid": "rv_1"}}, status=201)
    async with scripted(answer) as (server, calendar):
        assert await calendar.hold(EVENT_TYPE.id, TWO, until=NOW + wanted) == "rv_1"

    assert server.bodies == [{"eventTypeId": 101, "slotStart": "2026-12-03T19:00:00Z", "reservationDuration": minutes}]


async def test_holds_nothing_that_is_held_or_booked(calendar: CalComCalendar) -> None:
    await hold(calendar, TWO)
    await book(calendar, NEXT_DAY)

    for slot in (TWO, QUARTER_PAST_TWO, NEXT_DAY):
        with pytest.raises(SlotTaken):
            await hold(calendar, slot)


# What the host does at Cal.com meanwhile.


async def test_a_booking_that_its_host_moved_is_known_at_its_new_time(
    calendar: CalComCalendar, stand_in: StandIn
) -> None:
    booking = await book(calendar, TWO)
    await stand_in.order("owner", uid=booking.uid, move_to=NEXT_DAY.start.isoformat())

    assert (await known(calendar, booking)).slot == NEXT_DAY
    assert (await known(calendar, booking)).idempotency_key == KEY


@pytest.mark.parametrize("to", [HALF_PAST_TWO, NEXT_DAY], ids=["elsewhere", "where it is"])
async def test_a_booking_that_its_host_moved_can_be_moved(calendar: CalComCalendar, stand_in: StandIn, to: Any) -> None:
    booking = await book(calendar, TWO)
    await stand_in.order("owner", start=TWO.start.isoformat(), move_to=NEXT_DAY.start.isoformat())

    assert (await move(calendar, booking, to)).slot == to
    assert [each["status"] for each in await bookings(stand_in)].count("accepted") == 1


async def test_a_booking_that_its_host_moved_is_cancelled_where_it_is(
    calendar: CalComCalendar, stand_in: StandIn
) -> None:
    booking = await book(calendar, TWO)
    await stand_in.order("owner", uid=booking.uid, move_to=NEXT_DAY.start.isoformat())

    cancelled = await cancel(calendar, booking)

    assert (cancelled.slot, cancelled.status) == (NEXT_DAY, BookingStatus.CANCELLED)
    assert await free(calendar) == list(FREE)


async def test_a_booking_that_its_host_cancelled_is_cancelled(calendar: CalComCalendar, stand_in: StandIn) -> None:
    booking = await book(calendar, TWO)
    await stand_in.order("owner", uid=booking.uid, reason="Ill")

    assert (await known(calendar, booking)).status is BookingStatus.CANCELLED
    assert (await cancel(calendar, booking)).status is BookingStatus.CANCELLED
    with pytest.raises(CalendarRejected, match="it has been cancelled"):
        await move(calendar, booking, NEXT_DAY)


async def test_whoever_cancels_second_has_cancelled_too(calendar: CalComCalendar, stand_in: StandIn) -> None:
    booking = await book(calendar, TWO)
    slow = await begin_slowly(stand_in, "cancel", cancel(calendar, booking))
    await stand_in.order("owner", uid=booking.uid)

    assert (await slow).status is BookingStatus.CANCELLED


# Refusals.


async def test_a_slot_somebody_else_got_first_is_taken(calendar: CalComCalendar, stand_in: StandIn) -> None:
    booking = await book(calendar, TWO)
    await hit(stand_in, "reschedule", "taken")

    with pytest.raises(SlotTaken):
        await move(calendar, booking, NEXT_DAY)

    assert await known(calendar, booking) == booking


@pytest.mark.parametrize(
    ("notice_minutes", "now"),
    [(0, TWO.start + timedelta(minutes=1)), (24 * 60, TWO.start - timedelta(hours=1))],
    ids=["over", "too early"],
)
async def test_a_time_that_is_too_near_is_taken(
    calendar: CalComCalendar, stand_in: StandIn, notice_minutes: int, now: datetime
) -> None:
    await start_world(stand_in, notice_minutes=notice_minutes)
    booking = await book(calendar, NEXT_DAY)
    await stand_in.order("clock", now=now.isoformat())

    with pytest.raises(SlotTaken):
        await move(calendar, booking, TWO)

    assert await known(calendar, booking) == booking


@pytest.mark.parametrize(
    "settings", [{"disable_rescheduling": True}, {"reschedule_notice_minutes": 7 * 24 * 60}], ids=["never", "too late"]
)
async def test_a_booking_that_must_not_be_moved_says_where_that_is_set(
    calendar: CalComCalendar, stand_in: StandIn, settings: dict[str, Any]
) -> None:
    await start_world(stand_in, **settings)
    booking = await book(calendar, TWO)

    with pytest.raises(CalendarRejected, match=r"allow.*Advanced of the event type"):
        await move(calendar, booking, NEXT_DAY)

    assert await known(calendar, booking) == booking


async def test_a_booking_that_must_not_be_cancelled_says_where_that_is_set(
    calendar: CalComCalendar, stand_in: StandIn
) -> None:
    await start_world(stand_in, disable_cancelling=True)
    booking = await book(calendar, TWO)

    with pytest.raises(CalendarRejected, match=r"does not allow cancellations.*Advanced of the event type"):
        await cancel(calendar, booking)

    assert await known(calendar, booking) == booking


async def test_what_is_over_is_not_cancelled(calendar: CalComCalendar, stand_in: StandIn) -> None:
    booking = await book(calendar, TWO)
    await stand_in.order("clock", now=(TWO.end + timedelta(minutes=1)).isoformat())

    with pytest.raises(CalendarRejected, match="already ended"):
        await cancel(calendar, booking)


@pytest.mark.parametrize("change", ["reschedule", "cancel"])
async def test_a_wrong_address_names_the_setting(change: str) -> None:
    async with scripted(refuses(404, f"Cannot POST /v2/bookings/bk_1/{change}")) as (_, calendar):
        with pytest.raises(CalendarRejected, match="CALCOM_BASE_URL"):
            await WRITES[change](calendar)


@pytest.mark.parametrize(
    "answer", [refuses(403, "not the owner"), refuses(404, "Cannot POST /"), refuses_raw(400, "odd")]
)
async def test_without_leave_to_hold_there_is_no_hold(answer: Any) -> None:
    async with scripted(answer) as (server, calendar):
        assert await hold(calendar, TWO) == ""
        assert len(server.requests) == 1


async def test_no_event_type_of_that_number_has_holds(calendar: CalComCalendar) -> None:
    assert await calendar.hold(EventTypeId("999"), TWO, until=IN_FIVE_MINUTES) == ""


async def test_a_refused_key_holds_and_releases_nothing(stand_in: StandIn) -> None:
    async with connected(stand_in.url, API_KEY) as calendar:
        with pytest.raises(CalendarRejected, match="CALCOM_API_KEY"):
            await hold(calendar, TWO)
        with pytest.raises(CalendarRejected, match="CALCOM_API_KEY"):
            await calendar.release("rv_1")


# Lost answers.


@pytest.mark.parametrize("kind", DONE_BUT_LOST)
async def test_a_move_whose_answer_was_lost_is_seen_and_not_made_again(
    calendar: CalComCalendar, stand_in: StandIn, kind: str
) -> None:
    booking = await book(calendar, TWO)
    await stand_in.break_down("reschedule", kind)
    with pytest.raises(CalendarUnavailable) as caught:
        await move(calendar, booking, NEXT_DAY)

    seen = await known(calendar, booking)
    again = await move(calendar, booking, NEXT_DAY)

    assert caught.value.is_unclear
    assert seen.slot == NEXT_DAY
    assert again == seen
    assert len(await bookings(stand_in)) == 2


@pytest.mark.parametrize("kind", NOT_DONE)
async def test_a_move_that_was_lost_is_seen_and_can_be_made_again(
    calendar: CalComCalendar, stand_in: StandIn, kind: str
) -> None:
    booking = await book(calendar, TWO)
    await stand_in.break_down("reschedule", kind)
    with pytest.raises(CalendarUnavailable) as caught:
        await move(calendar, booking, NEXT_DAY)

    assert caught.value.is_unclear
    assert await known(calendar, booking) == booking
    assert (await move(calendar, booking, NEXT_DAY)).slot == NEXT_DAY


async def test_a_move_that_takes_effect_late_is_seen(calendar: CalComCalendar, stand_in: StandIn) -> None:
    booking = await book(calendar, TWO)
    await stand_in.break_down("reschedule", "slow", seconds=0.5)
    async with connected_to(stand_in, timeout_secs=0.2) as impatient:
        with pytest.raises(CalendarUnavailable) as caught:
            await move(impatient, booking, NEXT_DAY)
    async with asyncio.timeout(5):
        while (await known(calendar, booking)).slot != NEXT_DAY:
            await asyncio.sleep(0.1)  # the stand-in limits the rate of requests as Cal.com does

    assert caught.value.is_unclear
    assert await move(calendar, booking, NEXT_DAY) == await known(calendar, booking)
    assert len(await bookings(stand_in)) == 2


async def test_a_move_that_is_made_again_while_the_first_is_under_way_is_made_once(
    calendar: CalComCalendar, stand_in: StandIn
) -> None:
    booking = await book(calendar, TWO)
    slow = await begin_slowly(stand_in, "reschedule", move(calendar, booking, NEXT_DAY))

    moved = await move(calendar, booking, NEXT_DAY)

    assert await slow == moved
    assert [each["status"] for each in await bookings(stand_in)] == ["cancelled", "accepted"]


@pytest.mark.parametrize("kind", [*DONE_BUT_LOST, *NOT_DONE])
async def test_a_cancellation_whose_answer_was_lost_is_made_again(
    calendar: CalComCalendar, stand_in: StandIn, kind: str
) -> None:
    booking = await book(calendar, TWO)
    await stand_in.break_down("cancel", kind)
    with pytest.raises(CalendarUnavailable) as caught:
        await cancel(calendar, booking)

    seen = await known(calendar, booking)

    assert caught.value.is_unclear
    assert (seen.status is BookingStatus.CANCELLED) is (kind in DONE_BUT_LOST)
    assert (await cancel(calendar, booking)).status is BookingStatus.CANCELLED


async def test_a_second_cancellation_that_cannot_be_looked_up_is_unclear(
    calendar: CalComCalendar, stand_in: StandIn
) -> None:
    booking = await book(calendar, TWO)
    await cancel(calendar, booking)
    await hit(stand_in, "get", "error_500")

    with pytest.raises(CalendarUnavailable) as caught:
        await cancel(calendar, booking)

    assert caught.value.is_unclear


async def test_a_hold_whose_answer_was_lost_is_in_the_way_of_no_booking(
    calendar: CalComCalendar, stand_in: StandIn
) -> None:
    await stand_in.break_down("reservations", "drop_after")
    with pytest.raises(CalendarUnavailable) as caught:
        await hold(calendar, TWO)

    with pytest.raises(SlotTaken):
        await hold(calendar, TWO)

    assert caught.value.is_unclear
    assert (await book(calendar, TWO)).slot == TWO


@pytest.mark.parametrize("kind", [*DONE_BUT_LOST, *NOT_DONE, "rate_limited"])
async def test_a_release_that_fails_says_so(calendar: CalComCalendar, stand_in: StandIn, kind: str) -> None:
    reservation = await hold(calendar, TWO)
    await stand_in.break_down("reservations", kind)

    with pytest.raises(CalendarUnavailable):
        await calendar.release(reservation)

    await calendar.release(reservation)
    assert await free(calendar) == list(FREE)


async def test_a_move_into_what_another_booking_has_got_meanwhile_is_taken(
    calendar: CalComCalendar, stand_in: StandIn
) -> None:
    booking = await book(calendar, TWO)
    slow = await begin_slowly(stand_in, "reschedule", move(calendar, booking, NEXT_DAY))
    await book(calendar, NEXT_DAY, SOMEBODY, key=ANOTHER_KEY)

    with pytest.raises(SlotTaken):
        await slow

    assert await known(calendar, booking) == booking
