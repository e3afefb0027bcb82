"""The e-mails of an appointment over its life: the attendee's calendar ends up with what the record has."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from agent.business import load_email_template
from agent.mail_sender import MailSender
from appointments.changing import ChangeRequest
from appointments.message_plan import email_name, plan_for
from appointments.model import CallSid
from appointments.outbox import OutboxWorker
from appointments.service import BookingService
from appointments.store.records import Channel
from prompts.loader import EMAIL_TEMPLATES
from tests.factories import ACTION, ATTENDEE, CALLER, NOW, QUICK, STUDIO, ShakyCalendar, a_request, a_slot
from tests.letters import MAYA, served_mail
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from appointments.model import Appointment, Slot
    from appointments.store.store import Store
    from tests.letters import MailStandIns

OLD, NEW = a_slot(), a_slot(56)
RETRY = timedelta(minutes=1)
SHIPPED = {email_name(kind): load_email_template(kind) for kind in EMAIL_TEMPLATES}
PLAN = plan_for(STUDIO, ACTION, SHIPPED, phone=CALLER, email=MAYA, can_text=False)


class Clock:
    """A real clock that is set on by hand."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(database_url: str, clock: Clock) -> AsyncIterator[Store]:
    async with opened_store(database_url, clock=clock) as opened:
        yield opened


@pytest.fixture
async def mail() -> AsyncIterator[MailStandIns]:
    async with served_mail() as served:
        yield served


@pytest.fixture
def outbox(store: Store, mail: MailStandIns, clock: Clock) -> OutboxWorker:
    sender = MailSender(mail.smtp())
    return OutboxWorker(store, sender, owner="a", channel=Channel.EMAIL, clock=clock, real_clock=clock)


@pytest.fixture
def service(store: Store, clock: Clock) -> BookingService:
    return BookingService(calendar=ShakyCalendar([OLD, NEW]), store=store, clock=clock, settle=QUICK)


async def send_all(outbox: OutboxWorker) -> None:
    while await outbox.send_next():
        pass


async def book(service: BookingService) -> Appointment:
    return await service.book(a_request(attendee=replace(ATTENDEE, email=MAYA), plan=PLAN))


async def change(service: BookingService, appointment: Appointment, slot: Slot | None, call: str) -> Appointment:
    request = ChangeRequest(CallSid(call), STUDIO, appointment, slot, "Customer request", PLAN)
    return (await service.change(request)).appointment


async def test_an_appointment_is_entered_moved_and_taken_out(
    service: BookingService, outbox: OutboxWorker, mail: MailStandIns
) -> None:
    appointment = await book(service)
    await send_all(outbox)
    appointment = await change(service, appointment, NEW, "CA2")
    await send_all(outbox)
    await change(service, appointment, None, "CA3")
    await send_all(outbox)

    invites = [taken["invite"] for taken in await mail.mails()]
    assert [(invite["method"], invite["sequence"]) for invite in invites] == [
        ("REQUEST", 1),
        ("REQUEST", 2),
        ("CANCEL", 3),
    ]
    assert {invite["uid"] for invite in invites} == {appointment.appointment_id}
    assert [invite["start"] for invite in invites] == [slot.start.isoformat() for slot in (OLD, NEW, NEW)]
    assert [invite["problem"] for invite in invites] == ["", "", ""]


async def test_what_was_moved_before_it_was_told_is_told_once(
    service: BookingService, outbox: OutboxWorker, mail: MailStandIns
) -> None:
    await change(service, await book(service), NEW, "CA2")
    await send_all(outbox)

    (taken,) = await mail.mails()
    assert (taken["invite"]["sequence"], taken["invite"]["start"]) == (2, NEW.start.isoformat())


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
async def test_a_lost_answer_leaves_nobody_without_and_the_calendar_with_one_event(
    service: BookingService, outbox: OutboxWorker, mail: MailStandIns, clock: Clock, kind: str
) -> None:
    await mail.break_down(kind)
    await book(service)
    await send_all(outbox)
    clock.now += RETRY
    await send_all(outbox)

    taken = await mail.mails()
    assert len({each["message_id"] for each in taken}) == 1
    assert len({(each["invite"]["uid"], each["invite"]["sequence"]) for each in taken}) == 1


async def test_a_worker_that_dies_while_it_sends_leaves_the_letter_to_the_next(
    service: BookingService, outbox: OutboxWorker, mail: MailStandIns, store: Store, clock: Clock
) -> None:
    await book(service)
    await store.lease_message(channel=Channel.EMAIL, owner="dead", now=clock(), business_now=clock(), lease=RETRY)
    await send_all(outbox)
    clock.now += RETRY
    await send_all(outbox)

    assert len(await mail.mails()) == 1
