"""Booking through the record: once, truthfully, and whatever becomes of the call or the process."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from appointments.errors import CalendarRejected, CalendarUnavailable, SlotTaken
from appointments.model import AppointmentStatus, BookingStatus, CallSid
from appointments.service import BookingService
from appointments.store import sqlite
from appointments.store.store import Store
from tests.factories import (
    ACTION,
    ATTENDEE,
    EVENT_TYPE,
    NOW,
    QUICK,
    STUDIO,
    ShakyCalendar,
    a_request,
    a_slot,
    an_appointment,
    claim,
    down,
)
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, MutableMapping, Sequence
    from pathlib import Path

    from appointments.model import Appointment, Booking, Slot
    from appointments.settling import SettleTimes

IMPATIENT = replace(QUICK, answer_within=timedelta(milliseconds=30))
INSISTENT = replace(IMPATIENT, claim_again=timedelta(milliseconds=10))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/record.db"


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as opened:
        yield opened


def _service(calendar: ShakyCalendar, store: Store, *, settle: SettleTimes = QUICK) -> BookingService:
    return BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=settle)


async def _free(service: BookingService, *, days: int = 14) -> Sequence[Slot]:
    """Return what is free in the next `days`."""
    return await service.free_slots(ACTION, STUDIO, start=NOW, end=NOW + timedelta(days=days))


async def _bodies(store: Store) -> list[str]:
    return [text.body for text in await store.messages()]


async def _until_asked(calendar: ShakyCalendar) -> None:
    async with asyncio.timeout(5):
        await calendar.asked.wait()


async def test_books_records_and_texts(store: Store) -> None:
    calendar = ShakyCalendar()

    appointment = await _service(calendar, store).book(a_request())

    assert appointment.status is AppointmentStatus.ACTIVE
    assert appointment.booking_uid == calendar.bookings[0].uid
    assert await store.appointments(CallSid("CA1")) == [appointment]
    assert [text.startswith("Booked for") for text in await _bodies(store)] == [True]


async def test_asking_again_returns_the_first_result(store: Store) -> None:
    calendar = ShakyCalendar()
    service = _service(calendar, store)
    first = await service.book(a_request())

    again = await service.book(a_request(notes="and again"))

    assert again == first
    assert calendar.creates == 1


async def test_asking_while_it_runs_joins(store: Store) -> None:
    calendar = ShakyCalendar(on_book=["wait"])
    service = _service(calendar, store)
    asking = [asyncio.create_task(service.book(a_request())) for _ in range(3)]
    await _until_asked(calendar)
    calendar.let_go.set()

    answers = await asyncio.gather(*asking)

    assert len({answer.appointment_id for answer in answers}) == 1
    assert calendar.creates == 1


async def test_hanging_up_does_not_stop_the_booking(store: Store) -> None:
    calendar = ShakyCalendar(on_book=["wait"])
    service = _service(calendar, store)
    asking = asyncio.create_task(service.book(a_request()))
    await _until_asked(calendar)

    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    calendar.let_go.set()
    await service.drain()

    (appointment,) = await store.appointments()
    assert appointment.status is AppointmentStatus.ACTIVE
    assert len(await _bodies(store)) == 1


async def test_a_caller_who_hung_up_is_texted_that_it_failed(store: Store) -> None:
    calendar = ShakyCalendar([a_slot(), a_slot(54)], on_book=["wait"])
    service = _service(calendar, store)
    asking = asyncio.create_task(service.book(a_request()))
    await _until_asked(calendar)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking

    await ShakyCalendar.book(calendar, EVENT_TYPE, a_slot(), ATTENDEE, notes="", idempotency_key="somebody else")
    calendar.let_go.set()
    await service.drain()

    (appointment,) = await store.appointments()
    assert appointment.status is AppointmentStatus.FAILED
    assert ["could not be booked" in body for body in await _bodies(store)] == [True]


async def test_a_second_try_that_nobody_waits_for_is_texted_when_it_is_taken(store: Store) -> None:
    calendar = ShakyCalendar(on_book=[down()])
    service = _service(calendar, store)
    with pytest.raises(CalendarUnavailable):
        await service.book(a_request())
    await claim(store, an_appointment(2))
    asking = asyncio.create_task(service.book(a_request()))
    await asyncio.sleep(0)

    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    await service.drain()

    assert ["could not be booked" in body for body in await _bodies(store)] == [True]


async def test_taken_offers_the_nearest_on_each_side_and_sends_no_text(store: Store) -> None:
    free = [a_slot(hours) for hours in (24, 49, 51, 53, 53.5, 55.5, 56)]
    calendar = ShakyCalendar(free, on_book=["steal"])

    with pytest.raises(SlotTaken) as caught:
        await _service(calendar, store).book(a_request())

    assert caught.value.alternatives == (a_slot(51), a_slot(53.5), a_slot(55.5))
    assert await _bodies(store) == []


async def test_a_slot_that_another_call_has_claimed_is_taken(store: Store) -> None:
    await claim(store, an_appointment(2))
    calendar = ShakyCalendar([a_slot(), a_slot(54)])

    with pytest.raises(SlotTaken) as caught:
        await _service(calendar, store).book(a_request())

    assert caught.value.alternatives == (a_slot(54),)
    assert calendar.creates == 0


async def test_many_callers_race_for_one_slot_and_one_gets_it(store: Store) -> None:
    calendar = ShakyCalendar()
    service = _service(calendar, store)

    answers = await asyncio.gather(*(service.book(a_request(n)) for n in range(20)), return_exceptions=True)

    assert len([answer for answer in answers if isinstance(answer, SlotTaken)]) == 19
    assert len(calendar.bookings) == 1


async def test_what_failed_for_certain_can_be_tried_again_in_the_same_call(store: Store) -> None:
    calendar = ShakyCalendar(on_book=[down()])
    service = _service(calendar, store)
    with pytest.raises(CalendarUnavailable):
        await service.book(a_request())

    appointment = await service.book(a_request(attendee=replace(ATTENDEE, name="Maya Chan")))

    assert appointment.status is AppointmentStatus.ACTIVE
    assert appointment.attendee.name == "Maya Chan"
    assert len(await _bodies(store)) == 1


async def test_rejected_frees_the_slot(store: Store) -> None:
    calendar = ShakyCalendar(on_book=[CalendarRejected("wrong field")])
    service = _service(calendar, store)

    with pytest.raises(CalendarRejected):
        await service.book(a_request())

    assert (await service.book(a_request(2))).status is AppointmentStatus.ACTIVE


async def test_the_owner_sees_why_a_booking_was_rejected(store: Store) -> None:
    service = _service(ShakyCalendar(on_book=[CalendarRejected("Cal.com knows no event type '7'.")]), store)

    with structlog.testing.capture_logs() as logs, pytest.raises(CalendarRejected):
        await service.book(a_request())

    (rejected,) = [each for each in logs if each["event"] == "booking_rejected"]
    assert (rejected["log_level"], rejected["reason"]) == ("error", "Cal.com knows no event type '7'.")


async def test_a_lost_answer_is_a_booking(store: Store) -> None:
    calendar = ShakyCalendar(on_book=["drop_after"])

    appointment = await _service(calendar, store).book(a_request())

    assert appointment.status is AppointmentStatus.ACTIVE
    assert len(calendar.bookings) == 1


async def test_nobody_can_find_out_keeps_the_claim_and_texts_the_truth(store: Store) -> None:
    calendar = ShakyCalendar(on_book=["drop_after"], on_find=[down()] * 3)
    service = _service(calendar, store)

    appointment = await service.book(a_request())

    assert appointment.status is AppointmentStatus.UNCONFIRMED
    assert ["still confirming" in body for body in await _bodies(store)] == [True]
    with pytest.raises(SlotTaken):
        await service.book(a_request(2))


async def test_a_booking_the_host_must_accept_is_not_called_booked(store: Store) -> None:
    calendar = ShakyCalendar()

    class Asking(ShakyCalendar):
        async def book(self, *args: object, **kwargs: object) -> Booking:
            booking = await calendar.book(*args, **kwargs)  # type: ignore[arg-type]  # passes on what it is given
            return replace(booking, status=BookingStatus.PENDING)

    appointment = await _service(Asking(), store).book(a_request())

    assert appointment.status is AppointmentStatus.REQUESTED
    assert appointment.booking_uid == calendar.bookings[0].uid


async def test_a_slow_settlement_is_answered_as_pending_and_texted_when_it_is_booked(store: Store) -> None:
    calendar = ShakyCalendar(on_book=["drop_before"])
    service = _service(calendar, store, settle=IMPATIENT)

    appointment = await service.book(a_request())
    assert appointment.status is AppointmentStatus.PENDING
    await service.drain()

    (settled,) = await store.appointments()
    assert settled.status is AppointmentStatus.ACTIVE
    assert ["Booked for" in body for body in await _bodies(store)] == [True]


async def test_a_slow_settlement_that_fails_is_texted(store: Store) -> None:
    calendar = ShakyCalendar(on_book=["drop_before", "steal"])
    service = _service(calendar, store, settle=IMPATIENT)

    appointment = await service.book(a_request())
    assert appointment.status is AppointmentStatus.PENDING
    await service.drain()

    assert ["could not be booked" in body for body in await _bodies(store)] == [True]


async def test_a_broken_template_does_not_make_a_booking_look_failed(store: Store) -> None:
    plan = replace(a_request().plan, templates={"confirmation": "{nonsense}"})

    appointment = await _service(ShakyCalendar(), store).book(a_request(plan=plan))

    assert appointment.status is AppointmentStatus.ACTIVE


@pytest.fixture
async def hasty(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """A store that waits but a moment for a lock."""
    monkeypatch.setitem(sqlite._CONNECT, "timeout", 0.1)
    async with opened_store(url) as opened:
        yield opened


@contextmanager
def _locked(url: str) -> Iterator[None]:
    connection = sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


async def _until_logged(logs: list[MutableMapping[str, Any]], event: str, *, times: int = 1) -> None:
    async with asyncio.timeout(5):
        while [each["event"] for each in logs].count(event) < times:
            await asyncio.sleep(0.005)


async def test_who_was_told_to_wait_is_booked_when_the_record_can_be_written_again(hasty: Store, url: str) -> None:
    calendar = ShakyCalendar()
    service = _service(calendar, hasty, settle=INSISTENT)

    with structlog.testing.capture_logs() as logs, _locked(url):
        answer = await service.book(a_request())
        await _until_logged(logs, "record_not_written", times=2)
    await service.drain()

    assert answer.status is AppointmentStatus.PENDING
    assert len(calendar.bookings) == 1
    assert ["Booked for" in body for body in await _bodies(hasty)] == [True]


async def test_who_still_waits_hears_that_nothing_is_booked(hasty: Store, url: str) -> None:
    calendar = ShakyCalendar()
    service = _service(calendar, hasty)

    with _locked(url), pytest.raises(CalendarUnavailable) as caught:
        await service.book(a_request())

    await service.drain()
    assert not caught.value.is_unclear
    assert calendar.creates == 0
    assert await hasty.appointments() == []
    assert await _bodies(hasty) == []


async def _ask_again_and_again(service: BookingService) -> None:
    while True:
        await service.book(a_request())


async def test_who_asks_again_meanwhile_hears_that_nothing_is_booked(hasty: Store, url: str) -> None:
    calendar = ShakyCalendar()
    service = _service(calendar, hasty, settle=replace(INSISTENT, answer_within=timedelta(milliseconds=50)))

    with structlog.testing.capture_logs(), _locked(url):  # to write the tracebacks out would take its time
        await service.book(a_request())
        with pytest.raises(CalendarUnavailable):
            await asyncio.wait_for(_ask_again_and_again(service), 5)

    await service.drain()
    assert calendar.creates == 0
    assert await _bodies(hasty) == []


async def test_a_claim_that_comes_too_late_books_nothing_and_is_texted(hasty: Store, url: str) -> None:
    calendar = ShakyCalendar()
    service = _service(calendar, hasty, settle=replace(INSISTENT, claim_within=timedelta(0)))

    with structlog.testing.capture_logs() as logs, _locked(url):
        await service.book(a_request())
        await _until_logged(logs, "record_not_written")
    await service.drain()

    (appointment,) = await hasty.appointments()
    assert appointment.status is AppointmentStatus.FAILED
    assert calendar.creates == 0
    assert ["could not be booked" in body for body in await _bodies(hasty)] == [True]


async def test_a_record_that_cannot_be_written_for_too_long_is_given_up_aloud(hasty: Store, url: str) -> None:
    service = _service(ShakyCalendar(), hasty, settle=replace(INSISTENT, give_up_after=timedelta(0)))

    with structlog.testing.capture_logs() as logs, _locked(url):
        await service.book(a_request())
        await service.drain()

    (lost,) = [each for each in logs if each["event"] == "booking_lost"]
    assert lost["log_level"] == "error"
    assert lost["pii_promised_to"] == a_request().plan.to


async def test_the_text_of_a_failure_waits_for_the_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fail = store.fail
    refusals = [OperationalError("UPDATE", None, sqlite3.OperationalError("database is locked"))]

    async def locked_once(*args: Any, **texts: Any) -> Appointment:
        if refusals:
            raise refusals.pop()
        return await fail(*args, **texts)

    monkeypatch.setattr(store, "fail", locked_once)
    calendar = ShakyCalendar(on_book=["drop_before", "steal"])
    service = _service(calendar, store, settle=INSISTENT)

    await service.book(a_request())
    await service.drain()
    await _settle(calendar, store)

    assert ["could not be booked" in body for body in await _bodies(store)] == [True]


async def test_a_failure_that_is_heard_is_not_texted_and_one_that_nobody_heard_is(store: Store) -> None:
    service = _service(ShakyCalendar(on_book=[CalendarUnavailable("it is down")]), store)
    with pytest.raises(CalendarUnavailable):
        await service.book(a_request())
    heard = await store.messages()

    service = _service(ShakyCalendar(on_book=[CalendarUnavailable("it is down")]), store)
    asking = asyncio.create_task(service.book(a_request()))
    fail = store.fail

    async def hang_up_first(*args: Any, **texts: Any) -> Appointment:
        failed = await fail(*args, **texts)
        asking.cancel()
        return failed

    store.fail = hang_up_first  # type: ignore[method-assign]
    with suppress(asyncio.CancelledError):
        await asking
    await service.drain()

    assert heard == []
    assert ["could not be booked" in body for body in await _bodies(store)] == [True]


class _BrokenCalendar(ShakyCalendar):
    async def book(self, *args: object, **kwargs: object) -> Booking:
        raise ZeroDivisionError


async def test_a_crash_after_the_claim_is_pending_and_settled_later(store: Store) -> None:
    appointment = await _service(_BrokenCalendar(), store).book(a_request())
    assert appointment.status is AppointmentStatus.PENDING

    await _settle(ShakyCalendar(), store)

    (settled,) = await store.appointments()
    assert settled.status is AppointmentStatus.ACTIVE


async def test_what_cannot_be_settled_does_not_stay_open(store: Store) -> None:
    await claim(store, an_appointment(), plan=a_request().plan)

    class Broken(ShakyCalendar):
        async def find(self, *args: object, **kwargs: object) -> Booking | None:
            raise ZeroDivisionError

    await _settle(Broken(), store)

    (settled,) = await store.appointments()
    assert settled.status is AppointmentStatus.UNCONFIRMED
    assert ["still confirming" in body for body in await _bodies(store)] == [True]


async def _settle(calendar: ShakyCalendar, store: Store) -> None:
    """Settle as a process that starts some time later."""
    later = datetime.now(UTC) + timedelta(minutes=1)
    service = BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK, real_clock=lambda: later)
    await service.settle_unfinished()


@pytest.mark.parametrize("was_booked", [True, False])
async def test_a_claim_of_a_dead_process_is_settled_and_texted(store: Store, *, was_booked: bool) -> None:
    claimed = await claim(store, an_appointment(), plan=a_request().plan)
    calendar = ShakyCalendar()
    if was_booked:
        key = claimed.idempotency_key
        await calendar.book(EVENT_TYPE, claimed.slot, claimed.attendee, notes="", idempotency_key=key)

    await _settle(calendar, store)

    (settled,) = await store.appointments()
    assert settled.status is AppointmentStatus.ACTIVE
    assert calendar.creates == 1
    assert ["Booked for" in body for body in await _bodies(store)] == [True]


async def test_a_claim_of_a_dead_process_that_somebody_else_got_is_texted_as_failed(store: Store) -> None:
    await claim(store, an_appointment(), plan=a_request().plan)

    await _settle(ShakyCalendar(on_book=["steal"]), store)

    assert ["could not be booked" in body for body in await _bodies(store)] == [True]


async def test_a_claim_that_is_worked_on_is_left_alone(store: Store) -> None:
    await claim(store, an_appointment())
    calendar = ShakyCalendar()

    await _service(calendar, store, settle=replace(QUICK, margin=timedelta(minutes=1))).settle_unfinished()

    assert (calendar.creates, calendar.look_ups) == (0, 0)


class _DeadlyCalendar(ShakyCalendar):
    async def book(self, *args: object, **kwargs: object) -> Booking:
        os._exit(9)


def _book_and_die(url: str) -> None:
    async def book() -> None:
        await _service(_DeadlyCalendar(), await Store.open(url)).book(a_request())

    asyncio.run(book())


async def test_a_worker_killed_between_claim_and_record_leaves_nothing_unsettled(
    store: Store, database_url: str
) -> None:
    victim = multiprocessing.get_context("spawn").Process(target=_book_and_die, args=(database_url,))
    victim.start()
    await asyncio.to_thread(victim.join, 60)
    assert victim.exitcode == 9

    await _settle(ShakyCalendar(), store)

    (settled,) = await store.appointments()
    assert settled.status is AppointmentStatus.ACTIVE
    assert settled.attendee == ATTENDEE
    assert len(await _bodies(store)) == 1


async def test_free_slots_are_asked_for_once_and_ahead(store: Store) -> None:
    calendar = ShakyCalendar()
    service = _service(calendar, store)
    service.prefetch(ACTION)

    await _free(service)
    await _free(service, days=3)

    assert calendar.fetches == 1


async def test_free_slots_are_asked_for_anew_after_a_booking(store: Store) -> None:
    calendar = ShakyCalendar()
    service = _service(calendar, store)
    await _free(service)
    await service.book(a_request())

    free = await _free(service)

    assert free == ()
    assert calendar.fetches == 2


@pytest.mark.parametrize(("age_secs", "fetches"), [(14, 1), (16, 2), (31, 2)])
async def test_free_slots_are_refreshed_before_they_are_old(store: Store, age_secs: int, fetches: int) -> None:
    calendar, now = ShakyCalendar(), [NOW]
    service = BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK, real_clock=lambda: now[0])
    await _free(service)
    now[0] += timedelta(seconds=age_secs)

    service.prefetch(ACTION)
    service.prefetch(ACTION)
    await _free(service)

    assert calendar.fetches == fetches


async def test_nobody_waits_for_free_slots_to_be_refreshed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calendar, now = ShakyCalendar(), [NOW]
    service = BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK, real_clock=lambda: now[0])
    known = await _free(service)
    now[0] += timedelta(seconds=16)

    async def wait(*_: object, **__: object) -> list[Slot]:
        await calendar.let_go.wait()
        return []

    with monkeypatch.context() as patched:
        patched.setattr(calendar, "free_slots", wait)
        service.prefetch(ACTION)
        while_asking = await _free(service)
        calendar.let_go.set()
        async with asyncio.timeout(5):
            while await _free(service):
                await asyncio.sleep(0)

    assert while_asking == known != ()


async def test_what_was_asked_before_a_booking_is_not_gone_by_after_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    calendar, now = ShakyCalendar(), [NOW]
    service = BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK, real_clock=lambda: now[0])
    await _free(service)
    now[0] += timedelta(seconds=16)
    before, answered = calendar.free_slots, asyncio.Event()

    async def stale(*_: object, **__: object) -> list[Slot]:
        await calendar.let_go.wait()
        answered.set()
        return [a_slot(hours=77)]

    with monkeypatch.context() as patched:
        patched.setattr(calendar, "free_slots", stale)
        service.prefetch(ACTION)
        patched.setattr(calendar, "free_slots", before)
        await service.book(a_request())
        calendar.let_go.set()
        async with asyncio.timeout(5):
            await answered.wait()
        for _ in range(5):  # until it would have been taken for the newest
            await asyncio.sleep(0)
        assert await _free(service) == ()


async def test_a_failed_prefetch_is_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calendar = ShakyCalendar()
    service = _service(calendar, store)

    async def fail(*_: object, **__: object) -> list[object]:
        raise down()

    with monkeypatch.context() as patched:
        patched.setattr(calendar, "free_slots", fail)
        with pytest.raises(CalendarUnavailable):
            await _free(service)

    assert await _free(service) == (a_slot(),)


async def test_an_event_type_is_asked_for_once(store: Store) -> None:
    service = _service(ShakyCalendar(), store)

    first = await service.event_type(ACTION)

    assert await service.event_type(ACTION) is first is EVENT_TYPE
