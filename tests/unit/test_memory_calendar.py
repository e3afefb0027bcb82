"""The calendar in memory keeps the port's promises."""

from __future__ import annotations

import pytest

from appointments.errors import SlotTaken
from calendars.memory import MemoryCalendar
from tests.calendar_conformance import EVENT_TYPE, FREE, QUARTER_PAST_TWO, TWO, CalendarConformance, book


class TestMemoryCalendar(CalendarConformance):
    @pytest.fixture
    def under_test(self) -> MemoryCalendar:
        return MemoryCalendar(EVENT_TYPE, reversed(FREE))


async def test_shows_the_bookings_that_were_made() -> None:
    calendar = MemoryCalendar(EVENT_TYPE, FREE)

    booking = await book(calendar, TWO)
    with pytest.raises(SlotTaken):
        await book(calendar, QUARTER_PAST_TWO)

    assert calendar.bookings == [booking]
