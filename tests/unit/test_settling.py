"""How an unclear booking is found out about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from appointments.attempts import Book
from appointments.errors import CalendarRejected, CalendarUnavailable, SlotTaken
from appointments.settling import Settling
from tests.factories import EVENT_TYPE, QUICK, ShakyCalendar, an_appointment, down, taken

if TYPE_CHECKING:
    from appointments.model import Booking


@dataclass(frozen=True)
class Attempt(Book):
    """A booking that no record is kept of."""

    async def keep_working(self) -> None:
        pass


async def _book(calendar: ShakyCalendar) -> Booking:
    return await Settling(QUICK).carry_out(Attempt(calendar, cast("Any", None), EVENT_TYPE, an_appointment()))


async def test_a_clear_answer_is_not_looked_up() -> None:
    calendar = ShakyCalendar()

    booking = await _book(calendar)

    assert calendar.bookings == [booking]
    assert calendar.look_ups == 0


async def test_finds_the_booking_whose_answer_was_lost() -> None:
    calendar = ShakyCalendar(on_book=["drop_after"])

    booking = await _book(calendar)

    assert calendar.bookings == [booking]
    assert calendar.creates == 1


async def test_finds_a_booking_that_appears_after_the_answer_was_lost() -> None:
    calendar = ShakyCalendar(on_book=["late"])

    booking = await _book(calendar)

    assert calendar.bookings == [booking]
    assert calendar.creates == 1


async def test_books_again_with_the_same_key_when_the_last_look_ups_found_nothing() -> None:
    calendar = ShakyCalendar(on_book=["drop_before"])

    booking = await _book(calendar)

    assert calendar.bookings == [booking]
    assert (calendar.creates, calendar.look_ups) == (2, 3)


async def test_a_calendar_that_hangs_counts_as_unclear() -> None:
    calendar = ShakyCalendar(on_book=["hang"])

    booking = await _book(calendar)

    assert calendar.bookings == [booking]
    assert calendar.creates == 2


async def test_never_books_again_where_that_could_book_twice() -> None:
    calendar = ShakyCalendar(on_book=["drop_before"])
    calendar.refuses_overlap = False

    with pytest.raises(CalendarUnavailable) as caught:
        await _book(calendar)

    assert caught.value.is_unclear
    assert calendar.creates == 1


async def test_books_again_only_once() -> None:
    calendar = ShakyCalendar(on_book=["drop_before", "drop_before"])

    with pytest.raises(CalendarUnavailable) as caught:
        await _book(calendar)

    assert caught.value.is_unclear
    assert calendar.creates == 2


async def test_stays_unclear_when_the_repetition_was_refused_for_the_time_being() -> None:
    calendar = ShakyCalendar(on_book=["drop_before", down()])

    with pytest.raises(CalendarUnavailable) as caught:
        await _book(calendar)

    assert caught.value.is_unclear


async def test_does_not_book_again_when_the_look_ups_failed() -> None:
    calendar = ShakyCalendar(on_book=["drop_before"], on_find=[down(), down(), down()])

    with pytest.raises(CalendarUnavailable) as caught:
        await _book(calendar)

    assert caught.value.is_unclear
    assert calendar.creates == 1


async def test_one_empty_look_up_after_a_failed_one_is_not_enough_to_book_again() -> None:
    calendar = ShakyCalendar(on_book=["drop_before"], on_find=["ok", CalendarRejected("not allowed"), "ok"])

    with pytest.raises(CalendarUnavailable) as caught:
        await _book(calendar)

    assert caught.value.is_unclear
    assert calendar.creates == 1


async def test_a_look_up_that_hangs_counts_as_failed() -> None:
    calendar = ShakyCalendar(on_book=["drop_after"], on_find=["hang"])

    booking = await _book(calendar)

    assert calendar.bookings == [booking]


async def test_taken_by_somebody_else_is_taken() -> None:
    calendar = ShakyCalendar(on_book=["steal"])

    with pytest.raises(SlotTaken):
        await _book(calendar)

    assert (calendar.creates, calendar.look_ups) == (1, 1)


async def test_taken_by_our_own_earlier_try_is_booked() -> None:
    calendar = ShakyCalendar()
    first = await _book(calendar)

    second = await _book(calendar)

    assert second == first
    assert calendar.bookings == [first]


async def test_taken_is_settled_by_later_look_ups_when_the_first_fails() -> None:
    calendar = ShakyCalendar(on_book=[taken()], on_find=[down()])

    with pytest.raises(SlotTaken):
        await _book(calendar)

    assert calendar.creates == 1


async def test_a_repetition_refused_because_of_the_first_try_is_booked() -> None:
    refusal = CalendarRejected("too many active bookings of this attendee")
    calendar = ShakyCalendar(on_book=["drop_after", refusal], on_find=["lag", "lag", "lag"])

    booking = await _book(calendar)

    assert calendar.bookings == [booking]


async def test_unavailable_for_certain_is_not_looked_up() -> None:
    calendar = ShakyCalendar(on_book=[down()])

    with pytest.raises(CalendarUnavailable) as caught:
        await _book(calendar)

    assert not caught.value.is_unclear
    assert calendar.look_ups == 0


async def test_rejected_is_rejected() -> None:
    calendar = ShakyCalendar(on_book=[CalendarRejected("no such event type")])

    with pytest.raises(CalendarRejected):
        await _book(calendar)
