"""The messages of an appointment over its life: each version is told of once, and nothing stale is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from appointments.changing import ChangeRequest
from appointments.message_plan import moved
from appointments.model import AppointmentStatus, Business, CallSid, OpeningHours, PhoneNumber, SendingLimits
from appointments.outbox import OutboxWorker
from appointments.service import BookingService
from appointments.store.outbox_records import add_messages, refresh
from appointments.store.records import Block, Change, ChangeKind, Channel, MessageKind, OutgoingMessage
from tests.factories import (
    ACTION,
    BUSINESS,
    CALLER,
    NOW,
    PLAN,
    QUICK,
    ShakyCalendar,
    a_booking,
    a_request,
    a_slot,
    an_appointment,
    claim,
)
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from datetime import datetime

    from appointments.model import Appointment, Slot
    from appointments.store.records import OutboxRow
    from appointments.store.store import Store

OLD, NEW, THIRD = a_slot(), a_slot(56), a_slot(77)
ALWAYS = tuple(OpeningHours(day, NOW.min.time(), NOW.max.time().replace(microsecond=0)) for day in range(7))
OPEN = Business("Ada's Studio", BUSINESS, ZoneInfo("America/New_York"), ALWAYS, (ACTION,))
REMINDING = replace(
    PLAN,
    templates={**PLAN.templates, "reminder_day": "Reminder of {date} at {time}.", "reminder_hours": "Soon: {time}."},
    reminders=(timedelta(hours=24), timedelta(hours=2)),
)
OTHER = PhoneNumber("+14155550177")


@dataclass
class BothClocks:
    """The business's clock and the real one, which may run apart."""

    business: datetime = NOW
    real: datetime = NOW + timedelta(days=200)

    def go(self, **time: float) -> None:
        self.business += timedelta(**time)
        self.real += timedelta(**time)


@dataclass
class Sent:
    """A channel that remembers; the next `lost` messages go out and their answers are lost."""

    rows: list[OutboxRow] = field(default_factory=list)
    lost: int = 0

    @property
    def bodies(self) -> list[str]:
        return [row.body for row in self.rows]

    async def send(self, row: OutboxRow) -> str:
        self.rows.append(row)
        if self.lost:
            self.lost -= 1
            raise asyncio.CancelledError
        return f"SM{len(self.rows)}"

    async def find(self, row: OutboxRow, *, since: datetime, other_than: Collection[str]) -> str | None:
        sids = [f"SM{number}" for number, sent in enumerate(self.rows, 1) if sent.body == row.body]
        return next((sid for sid in sids if sid not in other_than), None)


@pytest.fixture
def clocks() -> BothClocks:
    return BothClocks()


@pytest.fixture
async def store(database_url: str, clocks: BothClocks) -> AsyncIterator[Store]:
    async with opened_store(database_url, clock=lambda: clocks.real) as opened:
        yield opened


def a_service(store: Store, clocks: BothClocks, calendar: ShakyCalendar | None = None) -> BookingService:
    calendar = calendar or ShakyCalendar([OLD, NEW, THIRD])
    return BookingService(calendar=calendar, store=store, clock=lambda: clocks.business, settle=QUICK)


def an_outbox(store: Store, clocks: BothClocks, sent: Sent, business: Business = OPEN) -> OutboxWorker:
    return OutboxWorker(
        store,
        sent,
        owner="a",
        business=lambda: business,
        clock=lambda: clocks.business,
        real_clock=lambda: clocks.real,
    )


async def send_all(outbox: OutboxWorker) -> None:
    while await outbox.send_next():
        pass


async def change(service: BookingService, appointment: Appointment, slot: Slot | None, call: str) -> Appointment:
    request = ChangeRequest(CallSid(call), OPEN, appointment, slot, "Customer request", REMINDING)
    return (await service.change(request)).appointment


async def states(store: Store, appointment: Appointment) -> Sequence[tuple[str, int, str]]:
    rows = await store.messages(appointment.appointment_id)
    return sorted((row.kind.value, row.version, row.state) for row in rows)


async def test_reminders_are_sent_by_the_clock_of_the_business(store: Store, clocks: BothClocks) -> None:
    sent = Sent()
    outbox = an_outbox(store, clocks, sent)
    await a_service(store, clocks).book(a_request(plan=REMINDING))

    await send_all(outbox)
    assert [row.kind for row in sent.rows] == [MessageKind.CONFIRMATION]
    assert await store.pending_messages() == 0
    assert await store.pending_messages(by=OLD.start) == 2
    clocks.go(hours=29)
    await send_all(outbox)
    clocks.go(hours=22)
    await send_all(outbox)

    assert [row.kind.value for row in sent.rows] == ["confirmation", "reminder_day", "reminder_hours"]
    assert await store.pending_messages(by=OLD.start) == 0


async def test_a_reminder_that_is_late_is_dropped(store: Store, clocks: BothClocks) -> None:
    sent = Sent()
    outbox = an_outbox(store, clocks, sent)
    appointment = await a_service(store, clocks).book(a_request(plan=REMINDING))
    await send_all(outbox)

    clocks.go(hours=52.5)  # half an hour before the start
    await send_all(outbox)

    assert len(sent.rows) == 1
    assert await states(store, appointment) == [
        ("confirmation", 1, "sent"),
        ("reminder_day", 1, "dropped"),
        ("reminder_hours", 1, "dropped"),
    ]
    assert {row.reason for row in await store.messages() if row.state == "dropped"} == {"late"}


async def test_a_move_cancels_what_is_pending_and_reminds_of_the_new_time(store: Store, clocks: BothClocks) -> None:
    service, sent = a_service(store, clocks), Sent()
    booked = await service.book(a_request(plan=REMINDING))
    await send_all(an_outbox(store, clocks, sent))

    again = await change(service, booked, THIRD, "CA8")

    assert again.version == 2
    assert await states(store, again) == [
        ("confirmation", 1, "sent"),
        ("moved", 2, "pending"),
        ("reminder_day", 1, "cancelled"),
        ("reminder_day", 2, "pending"),
        ("reminder_hours", 1, "cancelled"),
        ("reminder_hours", 2, "pending"),
    ]


async def test_a_cancellation_is_a_version_of_its_own_and_the_last_word(store: Store, clocks: BothClocks) -> None:
    service = a_service(store, clocks)
    booked = await service.book(a_request(plan=REMINDING))
    await send_all(an_outbox(store, clocks, Sent()))

    cancelled = await change(service, booked, None, "CA8")

    assert cancelled.version == 2
    assert [each for each in await states(store, cancelled) if each[2] == "pending"] == [("cancelled", 2, "pending")]


async def test_there_and_back_again_is_told_of_three_times(store: Store, clocks: BothClocks) -> None:
    service, sent = a_service(store, clocks), Sent()
    outbox = an_outbox(store, clocks, sent, replace(OPEN, sending=SendingLimits(100, 100)))
    appointment = await service.book(a_request(plan=PLAN))
    for number, slot in enumerate((NEW, OLD, NEW)):
        appointment = await change(service, appointment, slot, f"CA{number}")
        await send_all(outbox)

    assert [(row.kind.value, row.version) for row in sent.rows] == [("moved", 2), ("moved", 3), ("moved", 4)]


async def test_a_text_like_an_older_one_is_not_taken_for_it(store: Store, clocks: BothClocks) -> None:
    """The answer to the second is lost, and the first has the same words."""
    await store.enqueue([OutgoingMessage(CALLER, "Now at two.", f"ap|moved|{n}", MessageKind.MOVED) for n in (2, 4)])
    sent = Sent()
    outbox = an_outbox(store, clocks, sent)
    await outbox.send_next()
    sent.lost = 1
    with pytest.raises(asyncio.CancelledError):
        await outbox.send_next()

    clocks.go(minutes=5)
    await send_all(outbox)

    assert sent.bodies == ["Now at two."] * 2
    assert sorted(row.message_sid for row in await store.messages()) == ["SM1", "SM2"]


async def test_what_is_being_sent_while_the_appointment_changes_is_not_tried_again(
    store: Store, clocks: BothClocks
) -> None:
    service, sent = a_service(store, clocks), Sent()
    booked = await service.book(a_request(plan=PLAN))
    leased = await store.lease_message(
        channel=Channel.SMS,
        owner="a",
        now=clocks.real,
        business_now=clocks.business,
        lease=timedelta(seconds=60),
    )
    assert leased is not None
    await change(service, booked, NEW, "CA8")
    await store.retry_message(leased, owner="a", run_at=clocks.real, may_be_sent=True)

    await send_all(an_outbox(store, clocks, sent))

    assert [row.kind.value for row in sent.rows] == ["moved"]
    assert ("confirmation", 1, "dropped") in await states(store, booked)


async def test_what_is_over_is_thanked_for_once(store: Store, clocks: BothClocks) -> None:
    plan = replace(
        PLAN,
        templates={"follow_up": "Thanks for {date}.", "review": "Well? {link}"},
        follow_up_after=timedelta(hours=1),
        review_link="https://reviews.example.com",
        review_after=timedelta(hours=20),
    )
    service, sent = a_service(store, clocks), Sent()
    await service.book(a_request(plan=plan))
    clocks.go(hours=54)
    await service.settle_unfinished()
    await service.settle_unfinished()

    clocks.go(hours=1)
    await send_all(an_outbox(store, clocks, sent))
    clocks.go(hours=20)
    await send_all(an_outbox(store, clocks, sent))

    assert sent.bodies == ["Thanks for Thu, Dec 3.", "Well? https://reviews.example.com"]


async def test_a_link_that_comes_late_is_in_what_is_still_to_be_sent(store: Store, clocks: BothClocks) -> None:
    old, new = (
        OutgoingMessage(CALLER, body, "ap_1|reminder_hours.120|1", MessageKind.REMINDER_HOURS, not_before=OLD.start)
        for body in ("Join us.", "Join us: https://meet.test/1")
    )
    await store.enqueue([old])

    async with store._write() as connection:
        await refresh(connection, [new])

    assert [row.body for row in await store.messages()] == [new.body]


async def test_a_number_gets_so_many_texts_an_hour(store: Store, clocks: BothClocks) -> None:
    sent = Sent()
    outbox = an_outbox(store, clocks, sent, replace(OPEN, sending=SendingLimits(2, 100)))
    await store.enqueue([a_text(number) for number in range(3)])
    await store.enqueue([a_text(9, to=OTHER)])

    await send_all(outbox)
    assert [row.to for row in sent.rows] == [CALLER, CALLER, OTHER]
    assert [row.reason for row in await store.messages() if row.state == "pending"] == ["hour_full"]
    clocks.go(hours=1, minutes=1)
    await send_all(outbox)

    assert len(sent.rows) == 4


async def test_the_business_sends_so_many_texts_a_day(store: Store, clocks: BothClocks) -> None:
    sent = Sent()
    outbox = an_outbox(store, clocks, sent, replace(OPEN, sending=SendingLimits(100, 2)))
    await store.enqueue([a_text(number, to=f"+1415555010{number}") for number in range(3)])

    await send_all(outbox)

    assert len(sent.rows) == 2
    assert [row.reason for row in await store.messages() if row.state == "pending"] == ["day_full"]


async def test_a_country_that_is_not_texted_is_refused_with_its_reason(store: Store, clocks: BothClocks) -> None:
    sent = Sent()
    await store.enqueue([a_text(1, to="+442079460018")])

    await send_all(an_outbox(store, clocks, sent))

    (row,) = await store.messages()
    assert (row.state, row.reason, sent.rows) == ("refused", "country", [])


async def test_the_owner_is_told_wherever_they_are(store: Store, clocks: BothClocks) -> None:
    sent = Sent()
    notice = replace(a_text(1, to="+442079460018"), kind=MessageKind.OWNER_NOTICE)
    await store.enqueue([notice])

    await send_all(an_outbox(store, clocks, sent))

    assert len(sent.rows) == 1


async def test_a_channel_takes_its_own_messages_only(store: Store, clocks: BothClocks) -> None:
    texts, mails = Sent(), Sent()
    mail = replace(a_text(1, to="maya@example.com"), channel=Channel.EMAIL, subject="Booked", dedupe_key="mail")
    await store.enqueue([a_text(2), mail])

    await send_all(an_outbox(store, clocks, texts))
    await send_all(OutboxWorker(store, mails, owner="b", channel=Channel.EMAIL))

    assert [row.channel for row in texts.rows] == [Channel.SMS]
    assert [(row.channel, row.subject) for row in mails.rows] == [(Channel.EMAIL, "Booked")]


@pytest.mark.parametrize("code", ["21614", "30006"])
async def test_a_number_that_no_text_can_reach_is_remembered(store: Store, clocks: BothClocks, code: str) -> None:
    await store.enqueue([a_text(1)])
    (row,) = await store.messages()

    await store.message_status(row.outbox_id, "undelivered", message_sid="SM1", error_code=code)

    assert not await store.takes_texts(CALLER)
    assert not await store.has_opted_out(CALLER)
    await store.enqueue([a_text(2)])
    texts = Sent()
    await send_all(an_outbox(store, clocks, texts))
    assert texts.rows == []
    assert sorted(row.reason for row in await store.messages()) == ["", "unreachable"]


async def test_a_move_that_the_calendar_told_of_first_is_told_of_once(store: Store) -> None:
    """A webhook about our own move may be worked through before its answer is recorded."""
    claimed = await claim(store, an_appointment(), plan=PLAN)
    await store.record(claimed.appointment_id, a_booking())
    change = Change("ch_1", claimed.appointment_id, ChangeKind.MOVE, "CA2:move", CallSid("CA2"), NEW)
    await store.begin_change(change, Block("101", NEW.start, NEW.end), plan=PLAN)
    async with store._write() as connection:
        there = {"starts_at": NEW.start, "ends_at": NEW.end, "version": 2}
        await store._update(connection, claimed.appointment_id, **there)

    moved_there = await store.record_move("ch_1", a_booking(NEW), messages=lambda left: moved(PLAN, left, now=NOW))

    assert moved_there.version == 2
    assert [(row.kind, row.version) for row in await store.messages()] == [(MessageKind.MOVED, 2)]


async def test_a_plan_comes_back_from_the_record(store: Store) -> None:
    claimed = await claim(store, an_appointment(), plan=REMINDING)
    await store.record(claimed.appointment_id, a_booking())

    assert await store.plan_of(claimed.appointment_id) == REMINDING
    recorded = await store.appointment(claimed.appointment_id)
    assert recorded is not None
    assert (recorded.version, recorded.status) == (1, AppointmentStatus.ACTIVE)


async def test_a_message_of_no_appointment_can_be_sent(store: Store, clocks: BothClocks) -> None:
    sent = Sent()
    async with store._write() as connection:
        await add_messages(connection, None, [a_text(1)], now=clocks.real)

    await send_all(an_outbox(store, clocks, sent))

    assert [row.appointment_id for row in sent.rows] == [None]


def a_text(number: int, *, to: str = CALLER) -> OutgoingMessage:
    return OutgoingMessage(to, f"Text {number}.", f"key {number}", MessageKind.REPLY)
