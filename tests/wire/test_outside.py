"""What others do at a calendar reaches the record once, in whatever order it is heard of."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from appointments.listed_bookings import News
from appointments.message_plan import plan_for
from appointments.model import AppointmentStatus, BookingStatus, CallSid
from appointments.store.records import Change, ChangeKind
from tests.factories import CALLER, EVENT_TYPE, NOW, a_block, a_slot, an_appointment
from tests.outside import TEMPLATES, TEXTING, Watched, a_listed_booking, watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def watched(database_url: str) -> AsyncIterator[Watched]:
    async with watching(database_url) as watched:
        yield watched


# Our own bookings.


async def test_our_own_booking_is_known_and_changes_nothing(watched: Watched) -> None:
    booked = await watched.booked_by_phone()

    await watched.hears()
    await watched.works()

    assert await watched.only() == booked
    assert await watched.sent() == []
    assert await watched.store.pending_deliveries() == 0


async def test_a_cancellation_by_the_host_frees_the_time_and_is_texted_once(watched: Watched) -> None:
    await watched.booked_by_phone()
    watched.source.put(a_listed_booking(status=BookingStatus.CANCELLED, reason="Ill"))

    for _ in range(3):
        await watched.hears(news=News.CANCELLED)
        await watched.works()

    assert (await watched.only()).status is AppointmentStatus.CANCELLED
    assert await watched.sent() == ["cancelled"]
    assert await watched.store.blocks(EVENT_TYPE.id, start=NOW, end=a_slot(99).end) == []
    history = await watched.store.history((await watched.only()).appointment_id)
    assert [(each.event, each.call_sid, each.reason) for each in history][-1] == ("cancelled_outside", None, "Ill")


async def test_a_cancellation_is_believed_before_the_calendar_shows_it(watched: Watched) -> None:
    await watched.booked_by_phone()

    await watched.hears(news=News.CANCELLED)
    await watched.works()

    assert (await watched.only()).status is AppointmentStatus.CANCELLED


async def test_a_move_by_the_host_moves_the_appointment_and_what_it_keeps(watched: Watched) -> None:
    booked = await watched.booked_by_phone()
    watched.source.move("bk_1", "bk_2", slot=a_slot(54))

    await watched.hears("bk_2")
    await watched.works()

    moved = await watched.only()
    assert moved.appointment_id == booked.appointment_id
    assert (moved.status, moved.slot, moved.booking_uid) == (AppointmentStatus.RESCHEDULED, a_slot(54), "bk_2")
    (block,) = await watched.store.blocks(EVENT_TYPE.id, start=NOW, end=a_slot(99).end)
    assert block.start < a_slot(54).start < block.end
    assert await watched.sent() == ["moved"]


@pytest.mark.parametrize("hours", [48.0, 54.0])
async def test_who_was_asked_to_choose_another_time_and_did_has_an_appointment(watched: Watched, hours: float) -> None:
    """Cal.com's "Request reschedule" cancels the booking; the one that the attendee then makes comes in its place."""
    booked = await watched.booked_by_phone()
    watched.source.put(a_listed_booking(status=BookingStatus.CANCELLED))
    await watched.hears(news=News.CANCELLED)
    await watched.works()
    watched.source.put(a_listed_booking("bk_2", slot=a_slot(hours), moved_from="bk_1"))
    watched.source.put(a_listed_booking(status=BookingStatus.CANCELLED, moved_to="bk_2"))

    await watched.hears("bk_2")
    await watched.works()

    again = await watched.only()
    assert again.appointment_id == booked.appointment_id
    assert (again.status, again.slot, again.booking_uid) == (AppointmentStatus.RESCHEDULED, a_slot(hours), "bk_2")
    (block,) = await watched.store.blocks(EVENT_TYPE.id, start=NOW, end=a_slot(99).end)
    assert block.start <= a_slot(hours).start < block.end
    assert await watched.sent() == ["moved"]


@pytest.mark.parametrize("heard", [["bk_1"], ["bk_2"], ["bk_3"], ["bk_3", "bk_1", "bk_2"]])
async def test_of_several_moves_only_the_last_counts(watched: Watched, heard: list[str]) -> None:
    await watched.booked_by_phone()
    watched.source.move("bk_1", "bk_2", slot=a_slot(54))
    watched.source.move("bk_2", "bk_3", slot=a_slot(55))

    for uid in heard:
        await watched.hears(uid)
        await watched.works()

    moved = await watched.only()
    assert (moved.slot, moved.booking_uid) == (a_slot(55), "bk_3")
    assert await watched.sent() == ["moved"]


async def test_what_a_call_is_changing_waits_until_that_is_settled(watched: Watched) -> None:
    booked = await watched.booked_by_phone()
    change = Change("ch_1", booked.appointment_id, ChangeKind.CANCEL, "k1", CallSid("CA1"))
    await watched.store.begin_change(change)

    await watched.hears(news=News.CANCELLED)
    await watched.works()

    assert await watched.store.pending_deliveries() == 1
    assert (await watched.only()).status is AppointmentStatus.ACTIVE

    await watched.store.record_cancel("ch_1")
    watched.passes(timedelta(seconds=10))
    await watched.works()

    assert await watched.store.pending_deliveries() == 0
    assert await watched.sent() == []


async def test_what_nobody_knew_of_is_settled_by_the_calendars_word(watched: Watched) -> None:
    appointment = an_appointment()
    plan = plan_for(TEXTING, TEXTING.actions[0], TEMPLATES, phone=CALLER)
    await watched.store.claim(appointment, a_block(appointment), plan=plan)
    await watched.store.leave_unconfirmed(appointment.appointment_id)
    watched.source.put(a_listed_booking(idempotency_key=appointment.idempotency_key))

    await watched.hears()
    await watched.works()

    settled = await watched.only()
    assert (settled.status, settled.booking_uid) == (AppointmentStatus.ACTIVE, "bk_1")
    assert await watched.sent() == ["confirmation"]


async def test_an_unclear_move_is_clear_when_the_calendar_shows_it(watched: Watched) -> None:
    booked = await watched.booked_by_phone()
    change = Change("ch_1", booked.appointment_id, ChangeKind.MOVE, "k1", CallSid("CA1"), a_slot(54))
    await watched.store.begin_change(change, a_block(replace(booked, slot=a_slot(54))))
    await watched.store.leave_unclear("ch_1", reason="the answer was lost")
    watched.source.move("bk_1", "bk_2", slot=a_slot(54))

    await watched.hears("bk_2")
    await watched.works()

    assert (await watched.only()).slot == a_slot(54)
    assert await watched.store.unclear_changes() == []


async def test_a_link_that_comes_late_is_in_what_is_still_to_be_sent(watched: Watched) -> None:
    watched.source.put(a_listed_booking(meeting_link=""))
    await watched.hears()
    await watched.works()
    watched.source.put(a_listed_booking(meeting_link="https://meet.test/late"))

    await watched.hears()
    await watched.works()

    bodies = [row.body for row in await watched.store.messages()]
    assert len(bodies) == 3
    assert all("https://meet.test/late" in body for body in bodies)


async def test_a_booking_that_was_moved_and_then_not_come_to_is_both(watched: Watched) -> None:
    await watched.booked_by_phone()
    later = a_listed_booking("bk_2", slot=a_slot(75), moved_from="bk_1", is_absent=True)
    watched.source.put(a_listed_booking(status=BookingStatus.CANCELLED, moved_to="bk_2"), later)

    await watched.reconciles()

    appointment = await watched.only()
    assert (appointment.booking_uid, appointment.slot) == ("bk_2", later.slot)
    assert [each.event for each in await watched.store.history(appointment.appointment_id)][-2:] == [
        "moved_outside",
        "no_show",
    ]


# Bookings that others made.


async def test_a_booking_made_outside_is_confirmed_once(watched: Watched) -> None:
    watched.source.put(a_listed_booking())

    for _ in range(3):
        await watched.hears()
        await watched.works()
    await watched.reconciles()

    made = await watched.only()
    assert (made.status, made.call_sid) == (AppointmentStatus.ACTIVE, "")
    assert await watched.sent() == ["confirmation"]
    assert len(await watched.store.blocks(EVENT_TYPE.id, start=NOW, end=a_slot(99).end)) == 1


async def test_a_booking_that_overlaps_one_of_ours_is_recorded_all_the_same(watched: Watched) -> None:
    await watched.booked_by_phone()
    watched.source.put(a_listed_booking("bk_9"))

    await watched.hears("bk_9")
    await watched.works()

    assert len(await watched.store.appointments()) == 2
    assert len(await watched.store.blocks(EVENT_TYPE.id, start=NOW, end=a_slot(99).end)) == 1


async def test_who_was_seen_only_after_a_move_is_one_appointment(watched: Watched) -> None:
    watched.source.put(a_listed_booking())
    watched.source.move("bk_1", "bk_2", slot=a_slot(54))

    for uid in ("bk_2", "bk_1", "bk_2"):
        await watched.hears(uid)
        await watched.works()

    assert (await watched.only()).slot == a_slot(54)
    assert await watched.sent() == ["confirmation"]


async def test_a_stale_look_at_a_booking_that_was_moved_since_changes_nothing(watched: Watched) -> None:
    watched.source.put(a_listed_booking())
    stale = watched.source.bookings["bk_1"]
    await watched.hears()
    await watched.works()
    watched.source.move("bk_1", "bk_2", slot=a_slot(54))
    await watched.hears("bk_2")
    await watched.works()

    assert await watched.outside.apply(stale) is None

    assert (await watched.only()).slot == a_slot(54)


async def test_a_request_is_confirmed_when_its_host_accepts_it(watched: Watched) -> None:
    watched.source.put(a_listed_booking(status=BookingStatus.PENDING))
    await watched.hears()
    await watched.works()
    watched.source.put(a_listed_booking())

    await watched.hears()
    await watched.works()

    assert (await watched.only()).status is AppointmentStatus.ACTIVE
    assert await watched.sent() == ["confirmation"]


async def test_a_rejected_request_is_cancelled(watched: Watched) -> None:
    watched.source.put(a_listed_booking(status=BookingStatus.PENDING))
    await watched.hears()
    await watched.works()

    await watched.hears(news=News.REJECTED)
    await watched.works()

    assert (await watched.only()).status is AppointmentStatus.CANCELLED


async def test_what_was_called_off_before_it_was_known_is_never_confirmed(watched: Watched) -> None:
    watched.source.put(a_listed_booking())

    await watched.hears(news=News.CANCELLED)
    await watched.works()
    await watched.hears()
    await watched.works()

    assert await watched.store.appointments() == []
    assert await watched.store.messages() == []


async def test_a_meeting_that_ended_is_completed(watched: Watched) -> None:
    watched.source.put(a_listed_booking())
    await watched.hears()
    await watched.works()

    await watched.hears(news=News.ENDED)
    await watched.works()

    assert (await watched.only()).status is AppointmentStatus.COMPLETED


async def test_who_is_read_under_two_uids_at_once_is_one_appointment(watched: Watched) -> None:
    watched.source.put(a_listed_booking())
    watched.source.move("bk_1", "bk_2", slot=a_slot(54))
    old, new = watched.source.bookings["bk_1"], watched.source.bookings["bk_2"]

    await asyncio.gather(*(watched.outside.apply(each) for each in (old, new) * 4))

    assert (await watched.only()).booking_uid == "bk_2"
    assert await watched.sent() == ["confirmation"]
