"""What others do at a calendar reaches the record whoever fails on the way, and when nobody heard of it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from appointments import outside as module
from appointments.errors import CalendarUnavailable
from appointments.listed_bookings import News
from appointments.model import AppointmentStatus, BookingStatus, CallSid
from appointments.outside import SYNC_EVERY
from appointments.store.records import Change, ChangeKind
from tests.factories import NOW, a_block, a_slot
from tests.outside import Watched, a_listed_booking, watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appointments.model import Appointment


@pytest.fixture
async def watched(database_url: str) -> AsyncIterator[Watched]:
    async with watching(database_url) as watched:
        yield watched


# What goes wrong on the way.


async def test_a_delivery_that_comes_again_is_known(watched: Watched) -> None:
    assert await watched.hears(delivery_id="d")
    assert not await watched.hears(delivery_id="d")
    await watched.works()
    assert not await watched.hears(delivery_id="d")

    assert await watched.store.pending_deliveries() == 0


async def test_a_calendar_that_does_not_answer_is_asked_again(watched: Watched) -> None:
    watched.source.put(a_listed_booking())
    watched.source.down = CalendarUnavailable("down")
    await watched.hears()

    await watched.works()
    assert await watched.store.pending_deliveries() == 1
    watched.source.down = None
    watched.passes(timedelta(seconds=10))
    await watched.works()

    assert await watched.store.pending_deliveries() == 0
    await watched.only()


async def test_what_was_not_tried_while_the_calendar_did_not_answer_has_as_many_tries_left(watched: Watched) -> None:
    watched.source.down = CalendarUnavailable("down")
    for number in range(3):
        await watched.hears(f"bk_{number}")

    await watched.works()
    watched.passes(timedelta(seconds=10))

    leased = await watched.store.lease_deliveries(lease=timedelta(minutes=2), at_most=50)
    assert [each.attempts for each in leased] == [2, 1, 1]


async def test_a_process_that_died_leaves_its_deliveries_to_the_next(watched: Watched) -> None:
    watched.source.put(a_listed_booking())
    await watched.hears()
    assert await watched.store.lease_deliveries(lease=timedelta(minutes=2), at_most=50)

    await watched.works()
    assert await watched.store.appointments() == []
    watched.passes(timedelta(minutes=3))
    await watched.works()

    await watched.only()


async def test_many_bookings_are_looked_up_in_one_list(watched: Watched) -> None:
    for number in range(20):
        watched.source.put(a_listed_booking(f"bk_{number}", slot=a_slot(30 + number)))
        await watched.hears(f"bk_{number}")

    await watched.works()

    assert len(await watched.store.appointments()) == 20
    assert watched.source.asked == ["list"]


async def test_a_storm_of_deliveries_leaves_the_calendar_to_the_calls(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ASKED", 10)
    for number in range(30):
        watched.source.put(a_listed_booking(f"bk_{number}", slot=a_slot(30 + number)))
        await watched.hears(f"bk_{number}")
        await watched.outside.work_through()

    assert len(watched.source.asked) == 10
    assert watched.source.asked.count("list") == 4

    monkeypatch.setattr(module, "MINUTE_SECS", 0.0)
    await watched.works()

    assert len(await watched.store.appointments()) == 30


async def test_many_deliveries_that_no_list_tells_of_leave_the_calendar_to_the_calls_too(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.source.put(a_listed_booking("bk_0", slot=a_slot(30)))
    await watched.reconciles()
    for number in range(1, 21):
        watched.source.put(a_listed_booking(f"bk_{number}", slot=a_slot(30 + number)))
        await watched.hears(f"bk_{number}")
    await watched.store.reach("calcom", NOW + timedelta(days=1))
    watched.source.asked.clear()
    monkeypatch.setattr(module, "MOST_ASKED", 10)

    await watched.works()

    assert len(watched.source.asked) <= 10
    monkeypatch.setattr(module, "MINUTE_SECS", 0.0)
    watched.passes(timedelta(seconds=10))
    await watched.works()
    assert len(await watched.store.appointments()) == 21


# What was not heard of.


async def test_what_was_missed_is_found_by_asking(watched: Watched) -> None:
    await watched.booked_by_phone()
    await watched.reconciles()
    watched.source.move("bk_1", "bk_2", slot=a_slot(54))
    watched.source.put(a_listed_booking("bk_3", slot=a_slot(56)))
    watched.passes(SYNC_EVERY)

    await watched.outside.reconcile()

    assert {each.slot for each in await watched.store.appointments()} == {a_slot(54), a_slot(56)}
    assert await watched.sent() == ["confirmation", "moved"]


async def test_nothing_is_asked_before_the_first_turn_and_only_one_worker_takes_each(watched: Watched) -> None:
    assert not await watched.outside.reconcile()
    watched.passes(SYNC_EVERY)

    assert await watched.outside.reconcile()
    assert not await watched.outside.reconcile()


async def test_what_was_booked_before_anybody_watched_is_taken_over_silently(watched: Watched) -> None:
    watched.source.put(a_listed_booking())

    await watched.reconciles()

    assert (await watched.only()).status is AppointmentStatus.ACTIVE
    assert await watched.sent() == []


async def test_what_was_booked_before_is_told_to_nobody_even_when_the_first_look_fails_halfway(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.source.put(a_listed_booking("bk_1"))
    watched.source.put(a_listed_booking("bk_3", slot=a_slot(60), moved_from="bk_2"))
    watched.source._now += timedelta(hours=1)
    watched.source.put(a_listed_booking("bk_4", slot=a_slot(70)))
    await watched.outside.reconcile()
    watched.passes(SYNC_EVERY)

    async def does_not_answer(_uid: str) -> None:
        raise CalendarUnavailable("the answer was lost")

    with monkeypatch.context() as failing:
        failing.setattr(watched.source, "listed", does_not_answer)
        with pytest.raises(CalendarUnavailable):
            await watched.outside.reconcile()
    watched.passes(SYNC_EVERY)
    await watched.outside.reconcile()

    assert len(await watched.store.appointments()) == 3
    assert await watched.sent() == []


async def test_what_a_call_is_changing_is_asked_for_again(watched: Watched) -> None:
    booked = await watched.booked_by_phone()
    await watched.reconciles()
    change = Change("ch_1", booked.appointment_id, ChangeKind.MOVE, "k1", CallSid("CA1"), a_slot(54))
    await watched.store.begin_change(change, a_block(replace(booked, slot=a_slot(54))))
    watched.passes(timedelta(minutes=30))
    watched.source._now += timedelta(minutes=20)
    watched.source.put(a_listed_booking(status=BookingStatus.CANCELLED))
    watched.source._now += timedelta(minutes=5)
    watched.source.put(a_listed_booking("bk_7", slot=a_slot(70)))
    await watched.outside.reconcile()
    await watched.store.fail_change("ch_1", reason="taken")
    watched.passes(SYNC_EVERY)

    await watched.outside.reconcile()

    statuses = {each.booking_uid: each.status for each in await watched.store.appointments()}
    assert statuses == {"bk_1": AppointmentStatus.CANCELLED, "bk_7": AppointmentStatus.ACTIVE}


async def test_what_was_done_and_undone_in_any_order_ends_as_the_calendar_has_it(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deliveries shuffled, repeated and lost, over many bookings: after reconciling the record says what is."""
    monkeypatch.setattr(module, "MOST_ASKED", 10_000)
    fate = random.Random(6)  # noqa: S311 -- chooses what goes wrong, and must do so again
    heard: list[tuple[str, News]] = []
    await watched.reconciles()
    for number in range(40):
        uid, hours = f"bk_{number}", 24.0 + number
        watched.source.put(a_listed_booking(uid, slot=a_slot(hours), meeting_link=""))
        heard.append((uid, News.CHANGED))
        if fate.random() < 0.5:
            watched.source.move(uid, uid := f"{uid}_moved", slot=a_slot(hours + 0.5))
            heard.append((uid, News.CHANGED))
        if fate.random() < 0.4:
            watched.source.put(replace(watched.source.bookings[uid], status=BookingStatus.CANCELLED))
            heard.append((uid, News.CANCELLED))
    deliveries = [each for each in heard if fate.random() > 0.05 for _ in range(fate.choice((1, 1, 2)))]
    fate.shuffle(deliveries)

    for uid, news in deliveries:
        await watched.hears(uid, news, delivery_id=f"{uid} {news}")
        if fate.random() < 0.3:
            await watched.works()
    await watched.works()
    watched.passes(SYNC_EVERY)
    await watched.outside.reconcile()

    live = {str(each.uid): each.slot for each in watched.source.bookings.values() if each.is_live}
    recorded = await watched.store.appointments()
    assert {str(each.booking_uid): each.slot for each in recorded if _is_live(each)} == live
    confirmations = [row.appointment_id for row in await watched.store.messages() if row.kind == "confirmation"]
    assert len(confirmations) == len(set(confirmations))


def _is_live(appointment: Appointment) -> bool:
    return appointment.status in (AppointmentStatus.ACTIVE, AppointmentStatus.RESCHEDULED)
