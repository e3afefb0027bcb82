"""A held slot is the caller's until it is booked, given up or expires; no other call can pass it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from appointments.errors import CalendarUnavailable, SlotTaken
from appointments.model import CallSid, EventTypeId, PhoneNumber, Slot
from appointments.service import BookingService
from appointments.store.store import Store
from tests.factories import CALLER, EVENT_TYPE, NOW, QUICK, STUDIO, ShakyCalendar, a_request, a_slot
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from appointments.store.records import Hold

FIRST, SECOND = a_slot(), a_slot(54)
ONE, TWO = CallSid("CA1"), CallSid("CA2")
STRANGER = PhoneNumber("+14155550199")


class Clock:
    """A real time that can be put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class HoldingCalendar(ShakyCalendar):
    """Has holds of its own, as Cal.com has."""

    def __init__(self, *, fault: Exception | None = None) -> None:
        super().__init__([FIRST, SECOND])
        self.held: dict[str, Slot] = {}
        self._fault = fault

    async def hold(self, event_type_id: EventTypeId, slot: Slot, *, until: datetime) -> str:
        if self._fault:
            raise self._fault
        self.held[f"re_{len(self.held)}"] = slot
        return f"re_{len(self.held) - 1}"

    async def release(self, reservation: str) -> None:
        del self.held[reservation]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(database_url: str, clock: Clock) -> AsyncIterator[Store]:
    async with opened_store(database_url, clock=clock) as opened:
        yield opened


def a_service(store: Store, clock: Clock, calendar: ShakyCalendar | None = None) -> BookingService:
    return BookingService(
        calendar=calendar or HoldingCalendar(), store=store, clock=lambda: NOW, settle=QUICK, real_clock=clock
    )


async def hold(
    service: BookingService, call_sid: CallSid = ONE, slot: Slot = FIRST, *, caller: PhoneNumber = CALLER
) -> Hold:
    return await service.holds.hold(call_sid, caller, EVENT_TYPE.id, slot, STUDIO)


async def test_what_one_call_holds_no_other_can_hold_or_book(store: Store, clock: Clock) -> None:
    service = a_service(store, clock)
    await hold(service)

    with pytest.raises(SlotTaken) as caught:
        await hold(service, TWO, caller=STRANGER)
    with pytest.raises(SlotTaken):
        await service.book(a_request(2))

    assert caught.value.alternatives == (SECOND,)


async def test_of_many_calls_one_holds_it(store: Store, clock: Clock) -> None:
    service = a_service(store, clock)

    outcomes = await asyncio.gather(*(hold(service, CallSid(f"CA{n}")) for n in range(10)), return_exceptions=True)

    assert sum(isinstance(outcome, SlotTaken) for outcome in outcomes) == 9


async def test_the_call_that_holds_it_books_it(store: Store, clock: Clock) -> None:
    service = a_service(store, clock)
    await hold(service)

    assert (await service.book(a_request(1))).slot == FIRST
    assert await store.held_for(CALLER) is None


async def test_another_choice_gives_the_first_one_up(store: Store, clock: Clock) -> None:
    calendar = HoldingCalendar()
    service = a_service(store, clock, calendar)
    await hold(service)
    await service.holds.drain()

    await hold(service, slot=SECOND)
    await service.holds.drain()

    assert list(calendar.held.values()) == [SECOND]
    await hold(service, TWO, caller=STRANGER)


async def test_a_choice_that_is_taken_keeps_the_first_one(store: Store, clock: Clock) -> None:
    service = a_service(store, clock)
    await hold(service)
    await hold(service, TWO, SECOND, caller=STRANGER)

    with pytest.raises(SlotTaken):
        await hold(service, slot=SECOND)

    held = await store.held_for(CALLER)
    assert held is not None
    assert held.slot == FIRST


async def test_a_booked_slot_is_held_at_the_calendar_no_longer(store: Store, clock: Clock) -> None:
    calendar = HoldingCalendar()
    service = a_service(store, clock, calendar)
    await hold(service)
    await service.holds.drain()

    await service.book(a_request(1))
    await service.holds.drain()

    assert not calendar.held


async def test_an_expired_hold_keeps_nobody_out(store: Store, clock: Clock) -> None:
    service = a_service(store, clock)
    await hold(service)

    clock.ahead = timedelta(minutes=5, seconds=1)

    assert (await service.book(a_request(2))).slot == FIRST


async def test_a_released_hold_is_released_at_the_calendar_too(store: Store, clock: Clock) -> None:
    calendar = HoldingCalendar()
    service = a_service(store, clock, calendar)
    await hold(service)
    await service.holds.drain()
    assert calendar.held

    await service.holds.release(ONE)
    await service.holds.drain()

    assert not calendar.held
    assert (await hold(service, TWO)).slot == FIRST


async def test_a_calendar_that_cannot_hold_does_not_hinder(store: Store, clock: Clock) -> None:
    service = a_service(store, clock, HoldingCalendar(fault=CalendarUnavailable("down")))

    assert (await hold(service)).slot == FIRST
    await service.holds.drain()
    assert (await service.book(a_request(1))).slot == FIRST


async def test_what_is_held_is_not_offered_to_others_but_to_who_holds_it(store: Store, clock: Clock) -> None:
    service = a_service(store, clock)
    await hold(service)

    async def free_to(*calls: CallSid) -> Sequence[Slot]:
        end = NOW + timedelta(days=5)
        return await service.free_slots(a_request().action, STUDIO, start=NOW, end=end, except_of=calls)

    assert await free_to() == (SECOND,)
    assert await free_to(ONE) == (FIRST, SECOND)


async def test_what_the_calendar_hides_because_we_hold_it_is_free_to_who_holds_it(store: Store, clock: Clock) -> None:
    service = a_service(store, clock, ShakyCalendar([SECOND]))
    await hold(service)
    end = NOW + timedelta(days=5)

    free = await service.free_slots(a_request().action, STUDIO, start=NOW, end=end, except_of=[ONE], held=FIRST)

    assert free == (FIRST, SECOND)


async def test_a_caller_who_calls_back_finds_the_hold(store: Store, clock: Clock) -> None:
    calendar = HoldingCalendar()
    service = a_service(store, clock, calendar)
    await hold(service)
    await service.holds.drain()

    assert await service.holds.resume(STRANGER, TWO) is None
    resumed = await service.holds.resume(CALLER, TWO)

    assert resumed is not None
    assert (resumed.slot, resumed.call_sid) == (FIRST, TWO)
    assert (await service.book(a_request(2))).slot == FIRST
    await service.holds.drain()
    assert calendar.held == {}


async def test_a_hold_that_expired_meanwhile_is_not_passed_on(store: Store, clock: Clock) -> None:
    service = a_service(store, clock)
    await hold(service)
    clock.ahead = timedelta(minutes=6)

    assert await service.holds.resume(CALLER, TWO) is None


@pytest.mark.parametrize("fault", ["slow", "down"])
async def test_the_greeting_does_not_wait_for_a_record_that_is_slow_or_down(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    service = a_service(store, clock)
    await hold(service)

    async def held_for(_caller: PhoneNumber) -> None:
        if fault == "down":
            raise OperationalError("connect", None, OSError())
        await asyncio.Event().wait()

    monkeypatch.setattr(store, "held_for", held_for)
    monkeypatch.setattr("appointments.holding.RESUME_SECS", 0.05)

    async with asyncio.timeout(5):
        assert await service.holds.resume(CALLER, TWO) is None
