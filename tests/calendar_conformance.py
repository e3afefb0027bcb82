"""What every implementation of the Calendar port does: inherit `CalendarConformance` and make it `under_test`.

The calendar holds `EVENT_TYPE` and has exactly `FREE` free, at a time before all of them.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from appointments.errors import CalendarRejected, SlotTaken
from appointments.model import Attendee, Booking, BookingStatus, EventType, EventTypeId, PhoneNumber, Slot

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
NOT_A_SLOT = Slot(TWO.start - timedelta(hours=5), EVENT_TYPE.duration)

NOTES = "A leaking tap"
KEY = "CA1:101:0"
ANOTHER_KEY = "CA2:101:0"


class CalendarConformance:
    """Fails for a calendar that does not keep the port's promises."""

    @pytest.fixture
    def under_test(self) -> Calendar:
        """Return the implementation; to be overridden."""
        raise NotImplementedError

    async def test_tells_what_an_event_type_books(self, under_test: Calendar) -> None:
        assert await under_test.event_type(EVENT_TYPE.id) == EVENT_TYPE

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


async def free(calendar: Calendar) -> Sequence[Slot]:
    """Return all that `calendar` has free."""
    return list(await calendar.free_slots(EVENT_TYPE.id, start=NOW, end=NEXT_DAY.end))


async def book(calendar: Calendar, slot: Slot, attendee: Attendee = MAYA, *, key: str = KEY) -> Booking:
    """Book `slot` for `attendee`."""
    return await calendar.book(EVENT_TYPE, slot, attendee, notes=NOTES, idempotency_key=key)


async def find(calendar: Calendar, slot: Slot, key: str) -> Booking | None:
    """Look up what `key` booked at `slot`."""
    return await calendar.find(EVENT_TYPE.id, slot, idempotency_key=key)
