"""Moves and cancellations in the record: the appointment, its claims and its history change together or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from appointments.errors import NotChangeable, SlotTaken
from appointments.model import AppointmentStatus, BookingStatus, BookingUid, CallSid, PhoneNumber, Slot
from appointments.store.records import Change, ChangeKind, ChangeState, MessageKind, OutgoingMessage
from appointments.store.store import Store
from tests.factories import CALLER, PLAN, a_block, a_booking, a_slot, an_appointment, claim
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appointments.model import Appointment

LATER = a_slot(53.25)
"""Overlaps the half hour that `an_appointment` has."""
TEXT = OutgoingMessage(CALLER, "Moved.", "ch_1|confirmed|1", MessageKind.CONFIRMATION)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as opened:
        yield opened


@pytest.fixture
async def booked(store: Store) -> Appointment:
    claimed = await claim(store, an_appointment())
    return await store.record(claimed.appointment_id, a_booking())


def a_move(appointment: Appointment, slot: Slot | None = LATER, *, number: int = 1, **changes: Any) -> Change:
    change = Change(
        change_id=f"ch_{number}",
        appointment_id=appointment.appointment_id,
        kind=ChangeKind.MOVE,
        idempotency_key=f"CA{number}:move",
        call_sid=CallSid(f"CA{number}"),
        slot=slot,
    )
    return replace(change, **changes)


def a_cancellation(appointment: Appointment, **changes: Any) -> Change:
    return a_move(appointment, kind=ChangeKind.CANCEL, slot=None, idempotency_key="CA1:cancel", **changes)


async def begin(store: Store, change: Change) -> Change:
    block = a_block(replace(an_appointment(), slot=change.slot)) if change.slot else None
    return await store.begin_change(change, block, plan=PLAN)


async def kept(store: Store) -> list[tuple[datetime, datetime]]:
    blocks = await store.blocks(an_appointment().event_type_id, start=a_slot(0).start, end=a_slot(1000).end)
    return [(block.start, block.end) for block in blocks]


async def events(store: Store, appointment: Appointment) -> list[str]:
    return [entry.event for entry in await store.history(appointment.appointment_id)]


async def test_a_move_keeps_both_times_until_the_calendar_has_spoken(store: Store, booked: Appointment) -> None:
    await begin(store, a_move(booked))

    assert await kept(store) == [(booked.slot.start, booked.slot.end), (LATER.start, LATER.end)]


async def test_a_move_that_is_done_frees_the_old_time_and_keeps_the_id(store: Store, booked: Appointment) -> None:
    change = await begin(store, a_move(booked))

    moved = await store.record_move(
        change.change_id, replace(a_booking(LATER), uid=BookingUid("bk_2")), messages=lambda _: [TEXT]
    )

    assert (moved.appointment_id, moved.slot, moved.booking_uid) == (booked.appointment_id, LATER, "bk_2")
    assert moved.status is AppointmentStatus.RESCHEDULED
    assert await kept(store) == [(LATER.start, LATER.end)]
    assert await events(store, booked) == ["active", "rescheduled"]
    assert [text.body for text in await store.messages(booked.appointment_id)] == ["Moved."]


async def test_a_move_that_awaits_the_host_says_so(store: Store, booked: Appointment) -> None:
    change = await begin(store, a_move(booked))

    moved = await store.record_move(change.change_id, replace(a_booking(LATER), status=BookingStatus.PENDING))

    assert moved.status is AppointmentStatus.REQUESTED


async def test_a_move_that_failed_leaves_everything_as_it_was(store: Store, booked: Appointment) -> None:
    change = await begin(store, a_move(booked))

    unmoved = await store.fail_change(change.change_id, reason="taken")

    assert unmoved == booked
    assert await kept(store) == [(booked.slot.start, booked.slot.end)]
    assert await events(store, booked) == ["active", "change_failed"]


async def test_a_move_that_failed_may_be_tried_again(store: Store, booked: Appointment) -> None:
    change = await begin(store, a_move(booked))
    await store.fail_change(change.change_id, reason="unavailable")

    again = await begin(store, a_move(booked, change_id="ch_9"))

    assert again.state is ChangeState.PENDING
    assert len(await kept(store)) == 2


async def test_a_move_nobody_could_settle_keeps_both_times(store: Store, booked: Appointment) -> None:
    change = await begin(store, a_move(booked))

    left = await store.leave_unclear(change.change_id, reason="no answer")

    assert left.slot == booked.slot
    assert len(await kept(store)) == 2


async def test_a_move_onto_somebody_elses_time_is_refused(store: Store, booked: Appointment) -> None:
    await claim(store, an_appointment(2, slot=a_slot(60)))

    with pytest.raises(SlotTaken):
        await begin(store, a_move(booked, a_slot(59.75)))

    assert len(await kept(store)) == 2


async def test_a_cancelled_appointment_frees_its_time_for_good(store: Store, booked: Appointment) -> None:
    change = await begin(store, a_cancellation(booked))

    cancelled = await store.record_cancel(change.change_id, messages=lambda _: [TEXT])

    assert cancelled.status is AppointmentStatus.CANCELLED
    assert await kept(store) == []
    with pytest.raises(NotChangeable, match="cancelled"):
        await begin(store, a_move(booked, number=2))
    assert (await store.record(booked.appointment_id, a_booking())).status is AppointmentStatus.CANCELLED


async def test_asking_again_for_the_same_change_returns_it(store: Store, booked: Appointment) -> None:
    change = await begin(store, a_move(booked))

    assert await begin(store, a_move(booked, change_id="ch_9")) == change

    await store.record_move(change.change_id, a_booking(LATER))
    assert (await begin(store, a_move(booked, change_id="ch_9"))).state is ChangeState.DONE


async def test_one_change_of_an_appointment_at_a_time(store: Store, booked: Appointment) -> None:
    changes = [a_move(booked, number=number) for number in range(1, 6)]

    outcomes = await asyncio.gather(*(begin(store, change) for change in changes), return_exceptions=True)

    assert sum(isinstance(outcome, Change) for outcome in outcomes) == 1
    assert all(outcome.is_busy for outcome in outcomes if isinstance(outcome, NotChangeable))


async def test_what_is_not_booked_cannot_be_changed(store: Store) -> None:
    claimed = await claim(store, an_appointment())

    with pytest.raises(NotChangeable, match="pending"):
        await begin(store, a_move(claimed))


async def test_an_outcome_is_recorded_once(store: Store, booked: Appointment) -> None:
    change = await begin(store, a_move(booked))

    await store.record_move(change.change_id, a_booking(LATER), messages=lambda _: [TEXT])
    again = await store.fail_change(
        change.change_id, reason="late", messages=lambda _: [replace(TEXT, dedupe_key="other")]
    )

    assert again.slot == LATER
    assert len(await store.messages(booked.appointment_id)) == 1
    assert await events(store, booked) == ["active", "rescheduled"]


async def test_an_abandoned_change_is_taken_over_by_one(store: Store, booked: Appointment) -> None:
    change = await begin(store, a_move(booked))
    soon = store.now() + timedelta(milliseconds=1)

    assert await store.unsettled_changes(soon - timedelta(hours=1)) == []
    assert await store.unsettled_changes(soon + timedelta(hours=1)) == [change]
    taken = await asyncio.gather(*(store.take_over_change(change.change_id, older_than=soon) for _ in range(5)))

    assert [texts for texts in taken if texts] == [PLAN]


async def test_a_caller_who_confirms_is_recorded_once(store: Store, booked: Appointment) -> None:
    first = await store.confirm(booked.appointment_id, call_sid=CallSid("CA1"))
    again = await store.confirm(booked.appointment_id, call_sid=CallSid("CA2"))

    assert first.confirmed_at is not None
    assert first == again
    assert await events(store, booked) == ["active", "confirmed"]


async def test_what_has_ended_is_completed(store: Store, booked: Appointment) -> None:
    assert await store.complete_past(booked.slot.start) == 0
    assert await store.complete_past(booked.slot.end) == 1

    completed = await store.appointment(booked.appointment_id)
    assert completed is not None
    assert completed.status is AppointmentStatus.COMPLETED
    assert await kept(store) == []


async def test_the_upcoming_appointments_of_a_number_are_its_live_ones(store: Store, booked: Appointment) -> None:
    others = replace(an_appointment(2, slot=a_slot(60)).attendee, phone=PhoneNumber("+14155550199"))
    await claim(store, an_appointment(2, slot=a_slot(60), attendee=others))
    failed = await claim(store, an_appointment(3, slot=a_slot(70)))
    await store.fail(failed.appointment_id, reason="taken")

    assert await store.upcoming(CALLER, booked.slot.start) == [booked]
    assert await store.upcoming(CALLER, booked.slot.end) == []


async def test_a_change_stays_unclear_until_a_later_one_is_done(store: Store, booked: Appointment) -> None:
    await begin(store, a_move(booked))
    await store.leave_unclear("ch_1", reason="lost")
    await begin(store, a_move(booked, a_slot(56), number=2))
    await store.fail_change("ch_2", reason="taken")
    unclear = [change.change_id for change in await store.unclear_changes()]
    await begin(store, a_cancellation(booked, number=3))
    await store.record_cancel("ch_3")

    assert unclear == ["ch_1"]
    assert await store.unclear_changes() == []
