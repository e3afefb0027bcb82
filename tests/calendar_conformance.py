"""What every implementation of the Calendar port does: inherit `CalendarConformance` and make it `under_test`.

The calendar holds `EVENT_TYPE` and has exactly `FREE` free, at `NOW`, which is before all of them.
Where that comes of opening hours, `HOURS` on a grid of `GRID_MINUTES` in `ZONE` say the same.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, ClassVar
from zoneinfo import ZoneInfo

import pytest

from appointments.errors import CalendarRejected, SlotTaken
from appointments.model import (
    Attendee,
    Booking,
    BookingStatus,
    BookingUid,
    EventType,
    EventTypeId,
    OpeningHours,
    PhoneNumber,
    Slot,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.ports import Calendar

NOW = datetime(2026, 12, 1, 14, tzinfo=UTC)
EVENT_TYPE = EventType(EventTypeId("101"), "30-Minute Consultation", timedelta(minutes=30), requires_email=True)
UNKNOWN = EventTypeId("999")
MAYA = Attendee("Maya Chen", "America/New_York", PhoneNumber("+14155550123"), "maya@example.com")
SOMEBODY = Attendee("Robin Example", "America/New_York", PhoneNumber("+14155550124"), "robin@example.com")
TOKYO = ZoneInfo("Asia/Tokyo")

MIDNIGHT = datetime(2026, 12, 4, tzinfo=UTC)
TWO = Slot(datetime(2026, 12, 3, 19, tzinfo=UTC), EVENT_TYPE.duration)
QUARTER_PAST_TWO = Slot(TWO.start + timedelta(minutes=15), EVENT_TYPE.duration)
HALF_PAST_TWO = Slot(TWO.end, EVENT_TYPE.duration)
AT_MIDNIGHT_UTC = Slot(MIDNIGHT, EVENT_TYPE.duration)
NEXT_DAY = Slot(MIDNIGHT + timedelta(hours=15), EVENT_TYPE.duration)
FREE = (TWO, QUARTER_PAST_TWO, HALF_PAST_TWO, AT_MIDNIGHT_UTC, NEXT_DAY)
ZONE = ZoneInfo("America/New_York")
HOURS = (
    OpeningHours(3, time(14), time(15)),
    OpeningHours(3, time(19), time(19, 30)),
    OpeningHours(4, time(10), time(10, 30)),
)
GRID_MINUTES = 15
NOT_A_SLOT = Slot(TWO.start - timedelta(hours=5), EVENT_TYPE.duration)

IN_FIVE_MINUTES = NOW + timedelta(minutes=5)
NOTES = "A leaking tap"
REASON = "I shall be at the dentist's"
KEY = "CA1:101:0"
ANOTHER_KEY = "CA2:101:0"


class CalendarConformance:
    """Fails for a calendar that does not keep the port's promises."""

    described: ClassVar[EventType] = EVENT_TYPE
    """`EVENT_TYPE` as this calendar describes it."""
    has_holds: ClassVar[bool] = False

    @pytest.fixture
    def under_test(self) -> Calendar:
        """Return the implementation; to be overridden."""
        raise NotImplementedError

    async def test_tells_what_an_event_type_books(self, under_test: Calendar) -> None:
        assert await under_test.event_type(EVENT_TYPE.id) == self.described

    async def test_rejects_an_unknown_event_type_by_its_id(self, under_test: Calendar) -> None:
        with pytest.raises(CalendarRejected, match=UNKNOWN):
            await under_test.event_type(UNKNOWN)

    async def test_has_no_slots_of_an_unknown_event_type(self, under_test: Calendar) -> None:
        with pytest.raises(CalendarRejected, match=UNKNOWN):
            await under_test.free_slots(UNKNOWN, start=NOW, end=NEXT_DAY.end)

    async def test_books_no_unknown_event_type(self, under_test: Calendar) -> None:
        unknown = EventType(UNKNOWN, "Nothing", EVENT_TYPE.duration)

        with pytest.raises(CalendarRejected, match=UNKNOWN):
            await under_test.book(unknown, TWO, MAYA, notes="", idempotency_key=KEY)

        assert await free(under_test) == list(FREE)

    async def test_lists_free_slots_in_utc_earliest_first(self, under_test: Calendar) -> None:
        slots = await free(under_test)

        assert slots == list(FREE)
        assert {slot.start.tzinfo for slot in slots} == {UTC}

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            (TWO.start, HALF_PAST_TWO.start, [TWO, QUARTER_PAST_TWO]),
            (TWO.start + timedelta(microseconds=1), QUARTER_PAST_TWO.end, [QUARTER_PAST_TWO, HALF_PAST_TWO]),
            (HALF_PAST_TWO.start, MIDNIGHT, [HALF_PAST_TWO]),
            (MIDNIGHT, MIDNIGHT + timedelta(hours=1), [AT_MIDNIGHT_UTC]),
            (TWO.start, TWO.start + timedelta(microseconds=1), [TWO]),
            (TWO.start, TWO.start, []),
            (NEXT_DAY.end, NEXT_DAY.end + timedelta(days=1), []),
        ],
        ids=["end excluded", "start excluded", "up to midnight", "from midnight", "an instant", "no time", "none free"],
    )
    async def test_lists_only_slots_that_start_in_the_range(
        self, under_test: Calendar, start: datetime, end: datetime, expected: list[Slot]
    ) -> None:
        assert list(await under_test.free_slots(EVENT_TYPE.id, start=start, end=end)) == expected

    async def test_understands_a_range_in_any_zone(self, under_test: Calendar) -> None:
        start = TWO.start.astimezone(TOKYO)

        slots = await under_test.free_slots(EVENT_TYPE.id, start=start, end=start + timedelta(minutes=1))

        assert list(slots) == [TWO]

    async def test_gives_a_receipt_for_a_booking(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)

        assert booking.uid
        assert booking.slot == TWO
        assert booking.status is BookingStatus.ACCEPTED
        assert booking.idempotency_key == KEY

    async def test_a_booked_slot_and_what_overlaps_it_are_free_no_longer(self, under_test: Calendar) -> None:
        await book(under_test, TWO)

        assert await free(under_test) == [HALF_PAST_TWO, AT_MIDNIGHT_UTC, NEXT_DAY]

    @pytest.mark.parametrize("key", [KEY, ANOTHER_KEY], ids=["same key", "another key"])
    async def test_refuses_a_slot_that_is_taken(self, under_test: Calendar, key: str) -> None:
        await book(under_test, TWO)

        with pytest.raises(SlotTaken) as caught:
            await book(under_test, TWO, SOMEBODY, key=key)

        assert caught.value.slot == TWO
        assert under_test.refuses_overlap

    async def test_refuses_a_slot_that_overlaps_a_taken_one(self, under_test: Calendar) -> None:
        await book(under_test, TWO)

        with pytest.raises(SlotTaken):
            await book(under_test, QUARTER_PAST_TWO, SOMEBODY, key=ANOTHER_KEY)

    async def test_refuses_a_time_that_is_no_slot(self, under_test: Calendar) -> None:
        with pytest.raises(SlotTaken):
            await book(under_test, NOT_A_SLOT)

    async def test_books_slots_that_only_touch(self, under_test: Calendar) -> None:
        await book(under_test, TWO)

        assert (await book(under_test, HALF_PAST_TWO, SOMEBODY, key=ANOTHER_KEY)).slot == HALF_PAST_TWO

    async def test_lets_one_of_many_have_a_slot(self, under_test: Calendar) -> None:
        tries = (book(under_test, TWO, key=f"CA{number}:101:0") for number in range(8))

        outcomes = await asyncio.gather(*tries, return_exceptions=True)

        assert sum(isinstance(outcome, Booking) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, SlotTaken) for outcome in outcomes) == 7

    async def test_finds_a_booking_by_its_key(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)
        await book(under_test, HALF_PAST_TWO, SOMEBODY, key=ANOTHER_KEY)

        assert await find(under_test, TWO, KEY) == booking
        assert await find(under_test, TWO, KEY) == booking

    async def test_finds_nothing_under_a_key_that_booked_nothing(self, under_test: Calendar) -> None:
        await book(under_test, TWO)

        assert await find(under_test, TWO, ANOTHER_KEY) is None
        assert await find(under_test, TWO, "") is None

    async def test_finds_nothing_at_another_time(self, under_test: Calendar) -> None:
        await book(under_test, TWO)

        assert await find(under_test, NEXT_DAY, KEY) is None

    async def test_finds_nothing_after_a_refusal(self, under_test: Calendar) -> None:
        await book(under_test, TWO, SOMEBODY, key=ANOTHER_KEY)

        with pytest.raises(SlotTaken):
            await book(under_test, TWO)

        assert await find(under_test, TWO, KEY) is None

    async def test_reads_a_booking_by_its_uid(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)

        assert await under_test.get(booking.uid) == booking
        assert await under_test.get(BookingUid("another")) is None

    async def test_moves_a_booking(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)

        moved = await move(under_test, booking, NEXT_DAY)

        assert (moved.slot, moved.status, moved.idempotency_key) == (NEXT_DAY, BookingStatus.ACCEPTED, KEY)
        assert await free(under_test) == [TWO, QUARTER_PAST_TWO, HALF_PAST_TWO, AT_MIDNIGHT_UTC]

    async def test_what_a_booking_has_is_free_for_moving_it(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)
        await book(under_test, NEXT_DAY, key=ANOTHER_KEY)

        free_to_it = await under_test.free_slots(EVENT_TYPE.id, start=NOW, end=NEXT_DAY.end, moving=booking.uid)

        assert list(free_to_it) == [TWO, QUARTER_PAST_TWO, HALF_PAST_TWO, AT_MIDNIGHT_UTC]
        assert await free(under_test) == [HALF_PAST_TWO, AT_MIDNIGHT_UTC]
        assert (await move(under_test, booking, QUARTER_PAST_TWO)).slot == QUARTER_PAST_TWO

    async def test_a_moved_booking_is_found_by_either_uid_and_by_its_key(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)

        moved = await move(under_test, booking, NEXT_DAY)

        assert await under_test.get(booking.uid) == moved
        assert await under_test.get(moved.uid) == moved
        assert await find(under_test, NEXT_DAY, KEY) == moved

    @pytest.mark.parametrize("to", [QUARTER_PAST_TWO, TWO], ids=["overlapping", "the same"])
    async def test_a_booking_is_not_in_its_own_way(self, under_test: Calendar, to: Slot) -> None:
        booking = await book(under_test, TWO)

        moved = await move(under_test, booking, to)

        assert moved.slot == to
        assert await under_test.get(booking.uid) == moved

    @pytest.mark.parametrize("to", [HALF_PAST_TWO, QUARTER_PAST_TWO, NOT_A_SLOT], ids=["taken", "overlap", "no slot"])
    async def test_a_booking_stays_where_it_is_when_it_cannot_be_moved(self, under_test: Calendar, to: Slot) -> None:
        booking = await book(under_test, AT_MIDNIGHT_UTC)
        await book(under_test, HALF_PAST_TWO, SOMEBODY, key=ANOTHER_KEY)

        with pytest.raises(SlotTaken) as caught:
            await move(under_test, booking, to)

        assert caught.value.slot == to
        assert await under_test.get(booking.uid) == booking
        assert await free(under_test) == [TWO, NEXT_DAY]

    async def test_what_was_left_behind_can_be_booked_again(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)
        await move(under_test, booking, NEXT_DAY)

        again = await book(under_test, TWO, SOMEBODY, key=ANOTHER_KEY)

        assert again.slot == TWO
        assert (await known(under_test, booking)).slot == NEXT_DAY

    async def test_lets_one_of_two_be_moved_to_a_slot(self, under_test: Calendar) -> None:
        bookings = [await book(under_test, TWO), await book(under_test, HALF_PAST_TWO, SOMEBODY, key=ANOTHER_KEY)]
        tries = (move(under_test, booking, NEXT_DAY) for booking in bookings)

        outcomes = await asyncio.gather(*tries, return_exceptions=True)

        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Booking", "SlotTaken"]
        slots = [(await known(under_test, booking)).slot for booking in bookings]
        assert slots.count(NEXT_DAY) == 1

    async def test_an_old_uid_moves_what_it_has_become(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)
        await move(under_test, booking, NEXT_DAY)

        moved = await move(under_test, booking, AT_MIDNIGHT_UTC)

        assert moved.slot == AT_MIDNIGHT_UTC
        assert await under_test.get(booking.uid) == moved
        assert await free(under_test) == [TWO, QUARTER_PAST_TWO, HALF_PAST_TWO, NEXT_DAY]

    async def test_moving_twice_to_one_time_moves_once(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)
        moved = await move(under_test, booking, NEXT_DAY)

        assert await move(under_test, booking, NEXT_DAY) == moved
        assert await under_test.get(booking.uid) == moved

    async def test_moves_no_booking_that_is_cancelled_or_unknown(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)
        await cancel(under_test, booking)

        for uid in (booking.uid, BookingUid("another")):
            with pytest.raises(CalendarRejected, match=uid):
                await under_test.reschedule(uid, NEXT_DAY, reason=REASON)

        assert await free(under_test) == list(FREE)

    async def test_cancels_a_booking(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)

        cancelled = await cancel(under_test, booking)

        assert (cancelled.uid, cancelled.slot, cancelled.status) == (booking.uid, TWO, BookingStatus.CANCELLED)
        assert await under_test.get(booking.uid) == cancelled
        assert await find(under_test, TWO, KEY) is None
        assert await free(under_test) == list(FREE)

    async def test_a_cancelled_slot_can_be_booked_again(self, under_test: Calendar) -> None:
        await cancel(under_test, await book(under_test, TWO))

        again = await book(under_test, TWO)

        assert await find(under_test, TWO, KEY) == again

    async def test_cancelling_twice_is_cancelling(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)
        cancelled = await cancel(under_test, booking)
        await book(under_test, TWO, SOMEBODY, key=ANOTHER_KEY)

        assert await cancel(under_test, booking) == cancelled
        assert TWO not in await free(under_test)

    async def test_cancels_without_a_reason(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)

        assert (await under_test.cancel(booking.uid, reason="")).status is BookingStatus.CANCELLED

    async def test_cancels_no_unknown_booking(self, under_test: Calendar) -> None:
        with pytest.raises(CalendarRejected, match="another"):
            await under_test.cancel(BookingUid("another"), reason=REASON)

    async def test_an_old_uid_cancels_what_it_has_become(self, under_test: Calendar) -> None:
        booking = await book(under_test, TWO)
        await move(under_test, booking, NEXT_DAY)

        cancelled = await cancel(under_test, booking)

        assert (cancelled.slot, cancelled.status) == (NEXT_DAY, BookingStatus.CANCELLED)
        assert await free(under_test) == list(FREE)

    async def test_a_hold_hides_its_time_until_it_is_released(self, under_test: Calendar) -> None:
        reservation = await hold(under_test, TWO)
        held = await free(under_test)
        await under_test.release(reservation)

        assert bool(reservation) is self.has_holds
        assert held == ([HALF_PAST_TWO, AT_MIDNIGHT_UTC, NEXT_DAY] if self.has_holds else list(FREE))
        assert await free(under_test) == list(FREE)

    async def test_a_hold_is_in_the_way_of_no_booking(self, under_test: Calendar) -> None:
        reservation = await hold(under_test, TWO)

        booking = await book(under_test, TWO)
        await under_test.release(reservation)

        assert booking.slot == TWO
        assert await free(under_test) == [HALF_PAST_TWO, AT_MIDNIGHT_UTC, NEXT_DAY]

    async def test_releasing_what_is_gone_is_releasing(self, under_test: Calendar) -> None:
        reservation = await hold(under_test, TWO)

        await under_test.release(reservation)
        await under_test.release(reservation)
        await under_test.release("")

        assert await free(under_test) == list(FREE)


async def free(calendar: Calendar) -> Sequence[Slot]:
    """Return all that `calendar` has free."""
    return list(await calendar.free_slots(EVENT_TYPE.id, start=NOW, end=NEXT_DAY.end))


async def book(calendar: Calendar, slot: Slot, attendee: Attendee = MAYA, *, key: str = KEY) -> Booking:
    """Book `slot` for `attendee`."""
    return await calendar.book(EVENT_TYPE, slot, attendee, notes=NOTES, idempotency_key=key)


async def find(calendar: Calendar, slot: Slot, key: str) -> Booking | None:
    """Look up what `key` booked at `slot`."""
    return await calendar.find(EVENT_TYPE.id, slot, idempotency_key=key)


async def move(calendar: Calendar, booking: Booking, slot: Slot) -> Booking:
    """Move `booking` by its own uid."""
    return await calendar.reschedule(booking.uid, slot, reason=REASON)


async def cancel(calendar: Calendar, booking: Booking) -> Booking:
    """Cancel `booking` by its own uid."""
    return await calendar.cancel(booking.uid, reason=REASON)


async def hold(calendar: Calendar, slot: Slot) -> str:
    """Hold `slot` for five minutes."""
    return await calendar.hold(EVENT_TYPE.id, slot, until=IN_FIVE_MINUTES)


async def known(calendar: Calendar, booking: Booking) -> Booking:
    """Return `booking` as the calendar has it now."""
    found = await calendar.get(booking.uid)
    assert found is not None
    return found
