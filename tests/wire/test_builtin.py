"""The built-in calendar keeps the port's promises, and the business's rules, on either database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from appointments.errors import CalendarRejected, CalendarUnavailable, SlotTaken
from appointments.model import Action, BlockedTime, BookingRules, Business, EventTypeId, PhoneNumber, Slot
from appointments.store.store import Store
from calendars.builtin import BuiltinCalendar
from tests.calendar_conformance import (
    ANOTHER_KEY,
    EVENT_TYPE,
    GRID_MINUTES,
    HALF_PAST_TWO,
    HOURS,
    KEY,
    NEXT_DAY,
    NOW,
    SOMEBODY,
    TWO,
    ZONE,
    CalendarConformance,
    book,
    cancel,
    find,
    free,
    known,
    move,
)
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from appointments.model import Booking
    from appointments.ports import Calendar

    Operation = Callable[[Calendar, Booking], Awaitable[object]]

VISIT = EventTypeId("visit")
BUSINESS = Business(
    "Ada's Studio",
    PhoneNumber("+14155550100"),
    ZONE,
    HOURS,
    (
        Action("Book 30-Minute Consultation", EVENT_TYPE.id, EVENT_TYPE.title, ZONE),
        Action("Book Visit", VISIT, "Visit", ZONE, duration=timedelta(hours=1), address="12 Main Street"),
    ),
    rules=BookingRules(grid_minutes=GRID_MINUTES),
)


class Desk:
    """What the calendar asks for its business, whose file may be edited at any time."""

    business = BUSINESS


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url, clock=lambda: NOW) as opened:
        yield opened


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def calendar(store: Store, desk: Desk) -> BuiltinCalendar:
    return BuiltinCalendar(store, lambda: desk.business)


class TestBuiltinCalendar(CalendarConformance):
    described = replace(EVENT_TYPE, requires_email=False)

    @pytest.fixture
    def under_test(self, calendar: BuiltinCalendar) -> BuiltinCalendar:
        return calendar


async def visits(calendar: Calendar) -> list[Slot]:
    return list(await calendar.free_slots(VISIT, start=NOW, end=NEXT_DAY.end))


async def test_a_longer_event_type_has_the_slots_it_fits_into(calendar: BuiltinCalendar) -> None:
    assert await visits(calendar) == [Slot(TWO.start, timedelta(hours=1))]


async def test_a_booking_of_one_event_type_makes_the_others_busy(calendar: BuiltinCalendar) -> None:
    await book(calendar, HALF_PAST_TWO)

    assert await visits(calendar) == []
    with pytest.raises(SlotTaken):
        await calendar.book(
            await calendar.event_type(VISIT),
            Slot(TWO.start, timedelta(hours=1)),
            SOMEBODY,
            notes="",
            idempotency_key=ANOTHER_KEY,
        )


async def test_a_booking_says_where_it_takes_place(calendar: BuiltinCalendar) -> None:
    event_type = await calendar.event_type(VISIT)
    (slot,) = await visits(calendar)

    booking = await calendar.book(event_type, slot, SOMEBODY, notes="", idempotency_key=KEY)

    assert booking.location == "12 Main Street"
    assert (await known(calendar, booking)).location == "12 Main Street"


async def test_a_slot_of_another_length_is_not_booked(calendar: BuiltinCalendar) -> None:
    with pytest.raises(SlotTaken):
        await book(calendar, Slot(TWO.start, timedelta(minutes=20)))


@pytest.mark.parametrize(
    "rules",
    [
        BookingRules(grid_minutes=GRID_MINUTES, closed=frozenset({date(2026, 12, 4)})),
        BookingRules(grid_minutes=GRID_MINUTES, blocked=(BlockedTime(time(10), time(11), day=date(2026, 12, 4)),)),
        BookingRules(grid_minutes=GRID_MINUTES, blocked=(BlockedTime(time(10), time(11), weekdays=frozenset({4})),)),
    ],
    ids=["closed", "blocked that day", "blocked every week"],
)
async def test_follows_the_rules_as_they_are_now(calendar: BuiltinCalendar, desk: Desk, rules: BookingRules) -> None:
    booking = await book(calendar, TWO)
    desk.business = replace(BUSINESS, rules=rules)

    assert NEXT_DAY not in await free(calendar)
    with pytest.raises(SlotTaken):
        await book(calendar, NEXT_DAY, SOMEBODY, key=ANOTHER_KEY)
    with pytest.raises(SlotTaken):
        await move(calendar, booking, NEXT_DAY)


async def test_what_is_booked_stays_when_the_hours_change(calendar: BuiltinCalendar, desk: Desk) -> None:
    booking = await book(calendar, TWO)
    desk.business = replace(BUSINESS, hours=())

    assert await find(calendar, TWO, KEY) == booking
    assert (await cancel(calendar, booking)).slot == TWO


async def test_without_a_grid_one_slot_follows_another(calendar: BuiltinCalendar, desk: Desk) -> None:
    desk.business = replace(BUSINESS, rules=BookingRules(grid_minutes=0))

    assert [slot.start for slot in await free(calendar)][:2] == [TWO.start, HALF_PAST_TWO.start]


async def test_says_which_event_type_the_business_file_lacks(calendar: BuiltinCalendar, desk: Desk) -> None:
    desk.business = replace(BUSINESS, actions=BUSINESS.actions[:1])

    with pytest.raises(CalendarRejected, match=r"business file has no action.*visit"):
        await calendar.event_type(VISIT)


READS: dict[str, Operation] = {
    "free slots": lambda calendar, _: free(calendar),
    "find": lambda calendar, _: find(calendar, TWO, KEY),
    "get": lambda calendar, booking: calendar.get(booking.uid),
}
WRITES: dict[str, Operation] = {
    "book": lambda calendar, _: book(calendar, NEXT_DAY, SOMEBODY, key=ANOTHER_KEY),
    "move": lambda calendar, booking: move(calendar, booking, NEXT_DAY),
    "cancel": cancel,
}


@pytest.mark.parametrize("name", READS | WRITES)
async def test_a_database_that_fails_is_a_calendar_without_an_answer(
    calendar: BuiltinCalendar, database_url: str, name: str
) -> None:
    booking = await book(calendar, TWO)
    await drop_the_table(database_url)

    with pytest.raises(CalendarUnavailable, match="the database failed") as caught:
        await (READS | WRITES)[name](calendar, booking)

    assert caught.value.is_unclear is (name in WRITES)


async def drop_the_table(database_url: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE bookings"))
    await engine.dispose()
