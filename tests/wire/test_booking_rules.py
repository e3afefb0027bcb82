"""The booking rules in the record: what is offered beside what is kept, and how many appointments there may be."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from appointments.errors import CalendarUnavailable, RuleViolation, SlotTaken
from appointments.model import AppointmentStatus, BookingRules, CallSid, PhoneNumber, Rule
from appointments.service import BookingService
from appointments.store.records import Hold
from appointments.store.store import Store
from tests.factories import (
    ACTION,
    ATTENDEE,
    CALLER,
    EVENT_TYPE,
    NOW,
    QUICK,
    STUDIO,
    ShakyCalendar,
    a_block,
    a_request,
    a_slot,
    an_appointment,
    claim,
    down,
)
from tests.stores import at_once, opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from appointments.model import Business, Slot


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as opened:
        yield opened


def _service(calendar: ShakyCalendar, store: Store) -> BookingService:
    return BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK)


async def _free(
    service: BookingService, business: Business = STUDIO, *, except_of: Sequence[str] = ()
) -> Sequence[Slot]:
    """Return what is free in the next two weeks."""
    return await service.free_slots(ACTION, business, start=NOW, end=NOW + timedelta(days=14), except_of=except_of)


async def test_free_slots_leave_out_what_breaks_a_rule_and_what_is_ours(store: Store) -> None:
    too_soon, off_grid, closed, outside_the_range = (0, 1.5), (24.25,), (32,), (24 * 14,)
    calendar = ShakyCalendar(
        [a_slot(hours) for hours in (*too_soon, 2, *off_grid, *closed, 53, 54, *outside_the_range)]
    )
    await claim(store, an_appointment())

    free = await _free(_service(calendar, store))

    assert free == (a_slot(2), a_slot(54))


async def test_free_slots_keep_their_buffers_from_what_is_ours(store: Store) -> None:
    service = _service(ShakyCalendar([a_slot(hours) for hours in (52, 52.5, 53, 53.5, 54)]), store)
    await service.book(a_request())

    assert await _free(service) == (a_slot(52), a_slot(54))
    assert await _free(service, _by(buffer_after=timedelta(0))) == (a_slot(52), a_slot(54))


async def test_who_asks_does_not_stand_in_their_own_way(store: Store) -> None:
    service = _service(ShakyCalendar(), store)
    await store.hold(
        Hold(CallSid("CA1"), CALLER, EVENT_TYPE.id, a_slot(), until=datetime.now(UTC) + timedelta(hours=1)),
        a_block(an_appointment()),
    )

    assert await _free(service) == ()
    assert await _free(service, except_of=["CA1"]) == (a_slot(),)


def _by(**rules: Any) -> Business:
    """Return the studio with other rules."""
    return replace(STUDIO, rules=BookingRules(**rules))


async def test_two_appointments_never_come_nearer_than_their_buffers(store: Store) -> None:
    service = _service(ShakyCalendar([a_slot(53), a_slot(53.5), a_slot(54)]), store)
    await service.book(a_request())

    with pytest.raises(SlotTaken) as caught:
        await service.book(a_request(2, slot=a_slot(53.5)))

    assert caught.value.alternatives == (a_slot(54),)


class TestLimits:
    SLOTS = tuple(a_slot(hours) for hours in (24, 28, 48, 52))

    async def test_a_day_takes_as_many_appointments_as_it_may_have(self, store: Store) -> None:
        service, business = _service(ShakyCalendar(self.SLOTS), store), _by(most_a_day=1)
        await service.book(a_request(business=business, slot=self.SLOTS[0]))

        with pytest.raises(RuleViolation) as caught:
            await service.book(a_request(2, business=business, slot=self.SLOTS[1]))

        assert caught.value.rule is Rule.DAY_FULL
        assert await _free(service, business) == self.SLOTS[2:]
        assert (await store.appointments())[-1].status is AppointmentStatus.FAILED
        assert len(await at_once(store)) == 1

    async def test_of_many_at_once_a_day_takes_no_more(self, store: Store) -> None:
        starts = [a_slot(24 + hours) for hours in range(8)]
        services = [_service(ShakyCalendar(starts), store) for _ in starts]
        requests = [a_request(n, business=_by(most_a_day=3), slot=slot) for n, slot in enumerate(starts)]

        answers = await asyncio.gather(
            *(service.book(request) for service, request in zip(services, requests, strict=True)),
            return_exceptions=True,
        )

        assert len([answer for answer in answers if isinstance(answer, RuleViolation)]) == 5

    async def test_what_is_over_counts_for_its_day_still(self, store: Store) -> None:
        service, business = _service(ShakyCalendar(self.SLOTS), store), _by(most_a_day=1)
        await service.book(a_request(business=business, slot=self.SLOTS[0]))
        await store.complete_past(self.SLOTS[0].end)

        with pytest.raises(RuleViolation):
            await service.book(a_request(2, business=business, slot=self.SLOTS[1]))

    async def test_a_caller_has_as_many_upcoming_appointments_as_one_may_have(self, store: Store) -> None:
        service, business = _service(ShakyCalendar(self.SLOTS), store), _by(most_per_caller=2)
        for number in (1, 2):
            await service.book(a_request(number, business=business, slot=self.SLOTS[number]))

        with pytest.raises(RuleViolation) as caught:
            await service.book(a_request(3, business=business, slot=self.SLOTS[3]))
        somebody_else = replace(ATTENDEE, phone=PhoneNumber("+14155550177"))
        other = await service.book(a_request(4, business=business, slot=self.SLOTS[3], attendee=somebody_else))

        assert caught.value.rule is Rule.CALLER_FULL
        assert other.status is AppointmentStatus.ACTIVE

    async def test_who_withholds_their_number_is_counted_by_the_call(self, store: Store) -> None:
        service, business = _service(ShakyCalendar(self.SLOTS), store), _by(most_per_caller=1)
        withheld = replace(ATTENDEE, phone=None, email="maya@example.com")
        request = a_request(business=business, slot=self.SLOTS[0], attendee=withheld)
        await service.book(request)

        with pytest.raises(RuleViolation):
            await service.book(replace(request, slot=self.SLOTS[1]))
        assert await service.book(replace(request, call_sid=CallSid("CA2"), slot=self.SLOTS[1]))

    async def test_what_failed_or_was_asked_for_twice_counts_once(self, store: Store) -> None:
        service = _service(ShakyCalendar(self.SLOTS, on_book=[down()]), store)
        request = a_request(business=_by(most_a_day=1, most_per_caller=1), slot=self.SLOTS[0])
        with pytest.raises(CalendarUnavailable):
            await service.book(request)

        booked = await service.book(request)

        assert booked.status is AppointmentStatus.ACTIVE
        assert await service.book(request) == booked
