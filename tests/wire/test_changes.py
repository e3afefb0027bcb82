"""Moving and cancelling through the service: once, whatever the calendar, the process or the caller does meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from appointments.changing import ChangeOutcome, ChangeRequest
from appointments.errors import CalendarRejected, NotChangeable, SlotTaken
from appointments.model import AppointmentStatus, Business, CallSid, OpeningHours, PhoneNumber, Slot
from appointments.service import BookingService
from appointments.store.records import ChangeState
from appointments.store.store import Store
from tests.factories import (
    ACTION,
    BUSINESS,
    EVENT_TYPE,
    NOW,
    PLAN,
    QUICK,
    STUDIO,
    ShakyCalendar,
    a_request,
    a_slot,
    down,
)
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appointments.model import Appointment, BookingUid
    from appointments.model import Booking as Receipt

OLD, NEW, THIRD = a_slot(), a_slot(56), a_slot(60)
EVERY_HOUR = tuple(
    OpeningHours(day, datetime.min.time(), datetime.max.time().replace(microsecond=0)) for day in range(7)
)
OWNER = Business("Ada's Studio", BUSINESS, ZoneInfo("America/New_York"), EVERY_HOUR, (ACTION,))
IMPATIENT = replace(QUICK, answer_within=timedelta(milliseconds=30))


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as opened:
        yield opened


def a_calendar(**faults: Any) -> ShakyCalendar:
    return ShakyCalendar([OLD, NEW, THIRD], **faults)


def a_service(calendar: ShakyCalendar, store: Store, **changes: Any) -> BookingService:
    usual: dict[str, Any] = {"clock": lambda: NOW, "settle": QUICK}
    return BookingService(calendar=calendar, store=store, **(usual | changes))


async def book(service: BookingService, **changes: Any) -> Appointment:
    return await service.book(a_request(**changes))


def a_change(appointment: Appointment, slot: Slot | None = NEW, **changes: Any) -> ChangeRequest:
    request = ChangeRequest(CallSid("CA9"), OWNER, appointment, slot, "Customer request", PLAN)
    return replace(request, **changes)


async def bodies(store: Store, appointment: Appointment) -> list[str]:
    return [text.body for text in await store.messages(appointment.appointment_id)]


async def test_a_move_moves_the_booking_once_and_texts_it(store: Store) -> None:
    calendar = a_calendar()
    service = a_service(calendar, store)
    appointment = await book(service)

    outcome = await service.change(a_change(appointment))

    assert outcome.state is ChangeState.DONE
    assert (outcome.appointment.slot, outcome.appointment.status) == (NEW, AppointmentStatus.RESCHEDULED)
    assert [booking.slot for booking in calendar.bookings] == [NEW]
    assert await bodies(store, appointment) == [
        "Booked for Thu, Dec 3 at 2:00 PM.",
        "Moved to Thu, Dec 3 at 5:00 PM.",
    ]


async def test_a_cancellation_cancels_once_and_twice_is_success(store: Store) -> None:
    calendar = a_calendar()
    service = a_service(calendar, store)
    appointment = await book(service)

    first = await service.change(a_change(appointment, None))
    again = await service.change(a_change(appointment, None, call_sid=CallSid("CA10")))

    assert (first.state, again.state) == (ChangeState.DONE, ChangeState.DONE)
    assert again.appointment.status is AppointmentStatus.CANCELLED
    assert calendar.changes == 1
    assert await store.blocks("101", start=NOW, end=NOW + timedelta(days=5)) == []


@pytest.mark.parametrize(("slot", "expected"), [(NEW, [OLD, NEW]), (None, [OLD])], ids=["moved", "cancelled"])
async def test_a_time_that_was_given_up_can_be_booked_again_in_the_same_call(
    store: Store, slot: Slot | None, expected: list[Slot]
) -> None:
    calendar = a_calendar()
    service = a_service(calendar, store)
    first = await book(service)
    await service.change(a_change(first, slot))

    again, asked_twice = await book(service), await book(service)

    assert (again.slot, again.status) == (OLD, AppointmentStatus.ACTIVE)
    assert again.appointment_id == asked_twice.appointment_id != first.appointment_id
    live = [booking.slot for booking in calendar.bookings if booking.status.value == "accepted"]
    assert sorted(live, key=lambda each: each.start) == sorted(expected, key=lambda each: each.start)
    assert await bodies(store, again) == ["Booked for Thu, Dec 3 at 2:00 PM."]


async def test_the_same_move_asked_for_many_times_at_once_is_made_once(store: Store) -> None:
    calendar = a_calendar()
    service = a_service(calendar, store)
    appointment = await book(service)

    outcomes = await asyncio.gather(*(service.change(a_change(appointment)) for _ in range(5)))

    assert {outcome.state for outcome in outcomes} == {ChangeState.DONE}
    assert calendar.changes == 1


async def test_there_and_back_again_is_three_moves(store: Store) -> None:
    calendar = a_calendar()
    service = a_service(calendar, store)
    appointment = await book(service)

    for slot in (NEW, OLD, NEW):
        appointment = (await service.change(a_change(appointment, slot))).appointment

    assert appointment.slot == NEW
    assert calendar.changes == 3


@pytest.mark.parametrize(("slot", "expected"), [(NEW, [NEW]), (None, [])], ids=["move", "cancel"])
@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "late", "hang"])
async def test_a_lost_answer_is_looked_up_before_anything_is_repeated(
    store: Store, fault: str, slot: Slot | None, expected: list[Slot]
) -> None:
    calendar = a_calendar(on_change=[fault])
    service = a_service(calendar, store)
    appointment = await book(service)

    outcome = await service.change(a_change(appointment, slot))

    assert outcome.state is ChangeState.DONE
    live = [booking.slot for booking in calendar.bookings if booking.status.value == "accepted"]
    assert live == expected
    assert len(await store.messages(appointment.appointment_id)) == 2


async def test_a_move_onto_a_time_that_was_just_taken_leaves_the_old_one(store: Store) -> None:
    calendar = a_calendar(on_change=[SlotTaken(NEW)])
    service = a_service(calendar, store)
    appointment = await book(service)

    with pytest.raises(SlotTaken) as caught:
        await service.change(a_change(appointment))

    assert caught.value.alternatives
    kept = await store.appointment(appointment.appointment_id)
    assert kept is not None
    assert (kept.slot, kept.status) == (OLD, AppointmentStatus.ACTIVE)
    assert OLD in [booking.slot for booking in calendar.bookings]


async def test_two_callers_cannot_move_to_the_same_time(store: Store) -> None:
    calendar = a_calendar()
    service = a_service(calendar, store)
    first = await book(service)
    second = await book(service, call_sid=CallSid("CA2"), slot=THIRD)

    outcomes = await asyncio.gather(
        service.change(a_change(first)),
        service.change(a_change(second, call_sid=CallSid("CA2"))),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, ChangeOutcome) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, SlotTaken) for outcome in outcomes) == 1
    assert [booking.slot for booking in calendar.bookings].count(NEW) == 1


@pytest.mark.parametrize("error", [down(), CalendarRejected("it cannot be rescheduled")], ids=["down", "rejected"])
async def test_a_refusal_leaves_everything_as_it_was_and_may_be_tried_again(store: Store, error: Exception) -> None:
    calendar = a_calendar(on_change=[error])
    service = a_service(calendar, store)
    appointment = await book(service)

    with pytest.raises(type(error)):
        await service.change(a_change(appointment))

    assert (await service.change(a_change(appointment))).state is ChangeState.DONE


async def test_what_nobody_can_find_out_is_left_to_a_person_and_texted(store: Store) -> None:
    calendar = a_calendar(on_change=["drop_before"] * 2, on_get=[down()] * 20)
    service = a_service(calendar, store)
    appointment = await book(service)

    outcome = await service.change(a_change(appointment))

    assert outcome.state is ChangeState.UNCLEAR
    assert "still confirming" in (await bodies(store, appointment))[-1]
    blocks = await store.blocks("101", start=NOW, end=NOW + timedelta(days=5))
    assert len(blocks) == 2


async def test_a_slow_calendar_is_told_as_pending_and_the_outcome_is_texted(store: Store) -> None:
    calendar = a_calendar(on_change=["wait"])
    appointment = await book(a_service(calendar, store))
    service = a_service(calendar, store, settle=IMPATIENT)

    outcome = await service.change(a_change(appointment))
    calendar.let_go.set()
    await service.drain()

    assert outcome.state is ChangeState.PENDING
    assert len(await bodies(store, appointment)) == 2


async def test_a_refusal_nobody_waited_for_is_texted(store: Store) -> None:
    calendar = a_calendar(on_change=["hang", SlotTaken(NEW)], on_get=["lag"] * 20)
    appointment = await book(a_service(calendar, store))
    service = a_service(calendar, store, settle=IMPATIENT)

    await service.change(a_change(appointment))
    await service.drain()

    assert "could not be changed" in (await bodies(store, appointment))[-1]


async def test_who_hung_up_is_texted_that_somebody_else_has_the_time(store: Store) -> None:
    service = a_service(a_calendar(), store)
    appointment = await book(service)
    await service.holds.hold(CallSid("CA5"), PhoneNumber("+14155550199"), EVENT_TYPE.id, NEW, STUDIO)

    asking = asyncio.create_task(service.change(a_change(appointment)))
    while not asking.done() and not service._changes.in_progress.get(a_change(appointment).idempotency_key):
        await asyncio.sleep(0)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    await service.drain()

    assert "could not be changed" in (await bodies(store, appointment))[-1]
    kept = await store.appointment(appointment.appointment_id)
    assert kept is not None
    assert kept.slot == OLD


async def test_hanging_up_does_not_stop_a_move(store: Store) -> None:
    calendar = a_calendar(on_change=["wait"])
    service = a_service(calendar, store)
    appointment = await book(service)

    asking = asyncio.create_task(service.change(a_change(appointment)))
    await _until_changing(calendar)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    calendar.let_go.set()
    await service.drain()

    moved = await store.appointment(appointment.appointment_id)
    assert moved is not None
    assert moved.slot == NEW


async def _until_changing(calendar: ShakyCalendar) -> None:
    async with asyncio.timeout(5):
        while not calendar.changes:
            await asyncio.sleep(0)


async def test_a_cancelled_appointment_cannot_be_moved(store: Store) -> None:
    service = a_service(a_calendar(), store)
    appointment = await book(service)
    await service.change(a_change(appointment, None))

    with pytest.raises(NotChangeable):
        await service.change(a_change(appointment))


async def test_what_ended_is_completed_when_unfinished_work_is_settled(store: Store) -> None:
    service = a_service(a_calendar(), store)
    appointment = await book(service)

    await a_service(a_calendar(), store, clock=lambda: OLD.end).settle_unfinished()

    over = await store.appointment(appointment.appointment_id)
    assert over is not None
    assert over.status is AppointmentStatus.COMPLETED


class _Deadly(ShakyCalendar):
    """Dies at its first change, before or after it was made."""

    def __init__(self, receipt: Receipt, *, after: bool) -> None:
        super().__init__([OLD, NEW, THIRD])
        self.bookings.append(receipt)
        self._after = after

    async def reschedule(self, booking_uid: BookingUid, slot: Slot, *, reason: str) -> Receipt:
        if self._after:
            await super().reschedule(booking_uid, slot, reason=reason)
        os._exit(9)


def _move_and_die(url: str, appointment: Appointment, receipt: Receipt) -> None:
    async def move() -> None:
        await a_service(_Deadly(receipt, after=False), await Store.open(url)).change(a_change(appointment))

    asyncio.run(move())


@pytest.mark.parametrize("was_made", [True, False])
async def test_a_move_whose_worker_was_killed_is_settled_by_another(
    store: Store, database_url: str, was_made: bool
) -> None:
    calendar = a_calendar()
    appointment = await book(a_service(calendar, store))
    arguments = (database_url, appointment, calendar.bookings[0])
    victim = multiprocessing.get_context("spawn").Process(target=_move_and_die, args=arguments)
    victim.start()
    await asyncio.to_thread(victim.join, 30)
    assert victim.exitcode == 9
    if was_made:
        # What the dead worker's request has done at the calendar meanwhile.
        await calendar.reschedule(calendar.bookings[0].uid, NEW, reason="")

    later = datetime.now(UTC) + QUICK.abandoned_after
    await a_service(calendar, store, real_clock=lambda: later).settle_unfinished()

    settled = await store.appointment(appointment.appointment_id)
    assert settled is not None
    assert (settled.slot, settled.status) == (NEW, AppointmentStatus.RESCHEDULED)
    assert [booking.slot for booking in calendar.bookings] == [NEW]
    assert len(await bodies(store, appointment)) == 2
