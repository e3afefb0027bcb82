"""Texts that come in are worked through once, and answered by a text of ours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest

from agent.front_desk import FrontDesk
from agent.text_replies import LEASE, MOST_TRIES, TextReplies
from appointments.model import AppointmentStatus, BookingStatus, MessageSettings, PhoneNumber, Scope
from appointments.replies import ANSWER_WITHIN
from appointments.service import BookingService
from appointments.store.records import AT_ONCE, MessageKind, OutgoingMessage, RequestKind
from prompts.loader import REPLY_TEMPLATES, SMS_TEMPLATES, sms_template
from telephony.routes import IncomingText
from tests.factories import (
    ACTION,
    ATTENDEE,
    BUSINESS,
    CALLER,
    NOW,
    QUICK,
    STUDIO,
    ShakyCalendar,
    Step,
    a_request,
    a_slot,
    down,
)
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from datetime import datetime

    from appointments.model import Appointment, Booking
    from appointments.store.store import Store

STRANGER = "+14155550177"
TEMPLATES = {name: sms_template(name) for name in (*SMS_TEMPLATES, *REPLY_TEMPLATES)}


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, time: timedelta) -> None:
        self.now += time


class Desk:
    """A business that is texted to, and what it sends."""

    def __init__(self, store: Store, clock: Clock, calendar: ShakyCalendar) -> None:
        self.store, self.clock, self.calendar = store, clock, calendar
        self.business = STUDIO
        self.service = BookingService(calendar=calendar, store=store, clock=clock, settle=QUICK)
        self.replies = TextReplies(
            store=store,
            service=self.service,
            desk=lambda: FrontDesk(self.business, cast("Any", None), TEMPLATES),
            clock=clock,
            on_text=lambda: None,
        )

    async def booked(self, number: int = 1, **changes: Any) -> Appointment:
        appointment = await self.service.book(a_request(number, slot=a_slot(48 + number), **changes))
        self._seen = await self._bodies()
        return appointment

    async def texted(self, body: str, *, sender: str = CALLER, message_sid: str = "", opt_out_type: str = "") -> str:
        """Text `body` to the business and return what it answers, "" for nothing."""
        await self.receives(body, sender=sender, message_sid=message_sid, opt_out_type=opt_out_type)
        while await self.replies.answer_next():
            pass
        return await self.answered()

    async def receives(self, body: str, *, sender: str = CALLER, message_sid: str = "", opt_out_type: str = "") -> None:
        text = IncomingText(message_sid or f"SM{uuid4().hex}", sender, BUSINESS, body, opt_out_type)
        await self.replies.take(text)
        # Those that come in one and the same moment have no order.
        self.clock.pass_by(timedelta(milliseconds=1))

    async def answered(self) -> str:
        """Return what was added to the outbox since the last look."""
        before, self._seen = self._seen, await self._bodies()
        return "\n".join(body for outbox_id, body in self._seen.items() if outbox_id not in before)

    async def stands(self, appointment: Appointment) -> Appointment:
        found = await self.store.appointment(appointment.appointment_id)
        assert found is not None
        return found

    async def _bodies(self) -> dict[str, str]:
        return {row.outbox_id: row.body for row in await self.store.messages()}

    _seen: dict[str, str]


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    clock = Clock()
    async with opened_store(database_url, clock=clock) as store:
        desk = Desk(store, clock, ShakyCalendar([a_slot(49), a_slot(50)]))
        desk._seen = {}
        yield desk
        await desk.service.drain()


def answers_badly(desk: Desk, steps: Iterable[Step]) -> None:
    desk.calendar._on_change = list(steps)


async def test_c_confirms_it_and_is_thanked(desk: Desk) -> None:
    appointment = await desk.booked()

    answer = await desk.texted("C")

    assert answer == "Ada's Studio: thank you. We have noted that you are coming on Thu, Dec 3 at 10:00 AM."
    assert (await desk.stands(appointment)).confirmed_at is not None
    assert [entry.event for entry in await desk.store.history(appointment.appointment_id)][-1] == "confirmed"


async def test_a_text_that_is_delivered_again_is_answered_once(desk: Desk) -> None:
    await desk.booked()
    first = await desk.texted("C", message_sid="SM" + "7" * 32)

    again = await desk.texted("C", message_sid="SM" + "7" * 32)

    assert (bool(first), again) == (True, "")


async def test_x_asks_and_y_cancels_it_in_the_calendar(desk: Desk) -> None:
    appointment = await desk.booked()

    question = await desk.texted("X")
    told = await desk.texted("Y")

    assert "Reply Y to cancel it" in question
    assert "is cancelled" in told
    assert "\nAda's Studio" not in told  # the text of the cancellation, and none beside it
    assert (await desk.stands(appointment)).status is AppointmentStatus.CANCELLED
    assert appointment.booking_uid is not None
    booking = await desk.calendar.get(appointment.booking_uid)
    assert booking is not None
    assert booking.status is BookingStatus.CANCELLED


async def test_x_alone_cancels_nothing(desk: Desk) -> None:
    appointment = await desk.booked()

    await desk.texted("X")
    await desk.texted("cancel it please")

    assert (await desk.stands(appointment)).status is AppointmentStatus.ACTIVE
    assert desk.calendar.changes == 0


async def test_a_yes_after_half_an_hour_cancels_nothing(desk: Desk) -> None:
    appointment = await desk.booked()
    await desk.texted("X")
    desk.clock.pass_by(ANSWER_WITHIN)

    await desk.texted("Y")

    assert (await desk.stands(appointment)).status is AppointmentStatus.ACTIVE


async def test_a_yes_counts_from_when_it_came_not_from_when_it_is_read(desk: Desk) -> None:
    appointment = await desk.booked()
    await desk.texted("X")
    await desk.receives("Y")
    desk.clock.pass_by(ANSWER_WITHIN)

    while await desk.replies.answer_next():
        pass

    assert (await desk.stands(appointment)).status is AppointmentStatus.CANCELLED


async def test_n_keeps_it(desk: Desk) -> None:
    appointment = await desk.booked()
    await desk.texted("X")

    kept = await desk.texted("N")
    then = await desk.texted("Y")

    assert "stands" in kept
    assert "noted that you are coming" in then
    assert (await desk.stands(appointment)).status is AppointmentStatus.ACTIVE


@pytest.mark.parametrize("said", [["C"], ["X", "N"]])
async def test_what_is_not_accepted_yet_is_not_said_to_stand(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    book = desk.calendar.book

    async def request(*args: Any, **kwargs: Any) -> Booking:
        return replace(await book(*args, **kwargs), status=BookingStatus.PENDING)

    monkeypatch.setattr(desk.calendar, "book", request)
    await desk.booked()

    *_, answer = [await desk.texted(body) for body in said]

    assert "It is not booked until it has been accepted" in answer


async def test_a_process_that_died_after_cancelling_cancels_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    appointment = await desk.booked()
    await desk.texted("X")
    await desk.receives("Y")
    with monkeypatch.context() as dying:

        async def die(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        dying.setattr(desk.store, "settle_received_text", die)
        with pytest.raises(ZeroDivisionError):
            await desk.replies.answer_next()
    assert not await desk.replies.answer_next()  # its lease has not run out
    desk.clock.pass_by(LEASE)

    assert await desk.replies.answer_next()

    assert desk.calendar.changes == 1
    assert (await desk.stands(appointment)).status is AppointmentStatus.CANCELLED
    told = [row.kind for row in await desk.store.messages(appointment.appointment_id)]
    assert told.count(MessageKind.CANCELLED) == 1
    assert [row.kind for row in await desk.store.messages()].count(MessageKind.REPLY) == 1  # the question
    assert await desk.store.pending_replies() == 0


async def test_says_when_it_could_not_be_cancelled(desk: Desk) -> None:
    appointment = await desk.booked()
    answers_badly(desk, [down()])
    await desk.texted("X")

    answer = await desk.texted("Y")

    assert answer == (
        "Ada's Studio: we could not cancel your appointment on Thu, Dec 3 at 10:00 AM by text. "
        "Please call us at +1 415-555-0100."
    )
    assert (await desk.stands(appointment)).status is AppointmentStatus.ACTIVE


async def test_r_leaves_a_wish_to_be_called_back(desk: Desk) -> None:
    await desk.booked()

    answer = await desk.texted("R")

    (wish,) = await desk.store.requests()
    assert "we will call you" in answer
    assert (wish.kind, wish.number, wish.name) == (RequestKind.CALL_BACK, CALLER, ATTENDEE.name)
    assert wish.title == ACTION.title
    assert "Thursday, December 3" in wish.notes


async def test_r_brings_the_link_where_there_is_one(desk: Desk) -> None:
    appointment = await desk.booked()
    settings = MessageSettings(rebook_link="https://app.cal.com/reschedule/{booking_uid}")
    desk.business = replace(STUDIO, actions=(replace(ACTION, messages=settings),))

    answer = await desk.texted("R")

    assert answer.endswith(f"\nhttps://app.cal.com/reschedule/{appointment.booking_uid}")
    assert await desk.store.requests() == []


async def test_asks_which_of_two_and_takes_the_number(desk: Desk) -> None:
    first, second = await desk.booked(1), await desk.booked(2)

    question = await desk.texted("C")
    answer = await desk.texted("2")

    assert question.splitlines()[1:] == ["1: Thu, Dec 3 at 10:00 AM", "2: Thu, Dec 3 at 11:00 AM"]
    assert "11:00 AM" in answer
    assert (await desk.stands(first)).confirmed_at is None
    assert (await desk.stands(second)).confirmed_at is not None


async def test_an_answer_is_about_what_the_sender_was_reminded_of(desk: Desk) -> None:
    await desk.booked(1)
    second = await desk.booked(2)
    reminder = OutgoingMessage(CALLER, "Tomorrow!", "r", MessageKind.REMINDER_DAY, not_before=AT_ONCE)
    await desk.store.enqueue([reminder], appointment_id=second.appointment_id)
    for row in await desk.store.messages():
        if row.kind is MessageKind.REMINDER_DAY and row.body == "Tomorrow!":
            await desk.store.message_status(row.outbox_id, "delivered", message_sid="SM1")
    await desk.answered()

    await desk.texted("C")

    assert (await desk.stands(second)).confirmed_at is not None


async def test_what_is_not_understood_is_answered_once_a_day(desk: Desk) -> None:
    await desk.booked()

    answers = [await desk.texted("Do you have parking?") for _ in range(3)]
    desk.clock.pass_by(timedelta(hours=24))
    answers.append(await desk.texted("Do you have parking?"))

    assert [bool(answer) for answer in answers] == [True, False, False, True]
    assert "Reply C to confirm" in answers[0]
    assert "+1 415-555-0100" in answers[0]


async def test_who_is_unknown_is_pointed_to_the_phone(desk: Desk) -> None:
    answer = await desk.texted("hello?", sender=STRANGER)

    assert answer == "Ada's Studio: we cannot help you with that by text. Please call us at +1 415-555-0100."


async def test_an_understood_letter_is_answered_after_one_that_was_not(desk: Desk) -> None:
    await desk.booked()
    await desk.texted("Do you have parking?")

    assert "thank you" in await desk.texted("C")


async def test_thanks_are_not_answered(desk: Desk) -> None:
    await desk.booked()

    assert await desk.texted("Thanks!") == ""


@pytest.mark.parametrize("sender", ["22395", "HARBOR", "", "+266696687"])
async def test_what_is_no_phone_number_is_not_kept(desk: Desk, sender: str) -> None:
    assert await desk.texted("C", sender=sender) == ""
    assert await desk.store.pending_replies() == 0


async def test_a_number_that_may_not_be_texted_is_served_in_silence(desk: Desk) -> None:
    abroad = PhoneNumber("+442071838750")
    appointment = await desk.booked(attendee=replace(ATTENDEE, phone=abroad))

    answer = await desk.texted("C", sender=abroad)

    assert answer == ""
    assert (await desk.stands(appointment)).confirmed_at is not None


async def test_nobody_cancels_by_text_where_nobody_may_cancel(desk: Desk) -> None:
    await desk.booked()
    desk.business = replace(STUDIO, scopes=frozenset(Scope) - {Scope.CANCEL})

    assert "Please call us" in await desk.texted("X")


@pytest.mark.parametrize("word", ["STOP", "Cancel"])
async def test_a_word_that_ends_texting_is_mirrored_and_not_answered(desk: Desk, word: str) -> None:
    appointment = await desk.booked()

    answer = await desk.texted(word, opt_out_type="STOP")

    assert answer == ""
    assert await desk.store.has_opted_out(CALLER)
    assert (await desk.stands(appointment)).status is AppointmentStatus.ACTIVE


async def test_who_texts_cancel_is_called_for_they_may_think_it_is_off(desk: Desk) -> None:
    await desk.booked()

    await desk.texted("Cancel ", opt_out_type="STOP", message_sid="SM" + "4" * 32)
    await desk.texted("Cancel ", opt_out_type="STOP", message_sid="SM" + "4" * 32)
    await desk.texted("STOP", opt_out_type="STOP")
    await desk.texted("CANCEL", opt_out_type="STOP", sender=STRANGER)

    (wish,) = await desk.store.requests()
    assert (wish.kind, wish.number) == (RequestKind.CALL_BACK, CALLER)
    assert "Texted CANCEL" in wish.notes
    assert "December 3" in wish.notes


async def test_who_texts_cancel_and_has_two_of_a_kind_is_called_about_both(desk: Desk) -> None:
    await desk.booked(1)
    await desk.booked(2)

    await desk.texted("Cancel", opt_out_type="STOP")

    (wish,) = await desk.store.requests()
    assert "10" in wish.notes
    assert "11" in wish.notes


async def test_a_sentence_may_end_texting_too(desk: Desk) -> None:
    await desk.booked()

    assert await desk.texted("please stop texting me") == ""
    assert await desk.store.has_opted_out(CALLER)
    assert await desk.store.requests() == []


async def test_who_ends_texting_and_cannot_come_in_one_sentence_is_called(desk: Desk) -> None:
    appointment = await desk.booked()

    assert await desk.texted("I can't make it, stop texting me") == ""

    (wish,) = await desk.store.requests()
    assert (wish.kind, wish.number) == (RequestKind.CALL_BACK, CALLER)
    assert await desk.store.has_opted_out(CALLER)
    assert (await desk.stands(appointment)).status is AppointmentStatus.ACTIVE


async def test_yes_begins_texting_again_and_says_nothing_else(desk: Desk) -> None:
    appointment = await desk.booked()
    await desk.store.opt_out(CALLER)

    await desk.texted("YES", opt_out_type="START")

    assert not await desk.store.has_opted_out(CALLER)
    assert (await desk.stands(appointment)).confirmed_at is None


async def test_yes_is_an_answer_of_who_gets_texts(desk: Desk) -> None:
    appointment = await desk.booked()
    await desk.texted("X")

    await desk.texted("Yes", opt_out_type="START")

    assert (await desk.stands(appointment)).status is AppointmentStatus.CANCELLED


@pytest.mark.parametrize(("word", "opt_out_type"), [("START", "START"), ("HELP", "HELP")])
async def test_other_words_of_twilios_are_left_to_it(desk: Desk, word: str, opt_out_type: str) -> None:
    await desk.booked()

    assert await desk.texted(word, opt_out_type=opt_out_type) == ""


async def test_the_texts_of_one_sender_are_worked_through_in_turn(desk: Desk) -> None:
    await desk.booked()
    await desk.receives("X", message_sid="SM" + "1" * 32)
    await desk.receives("Y", message_sid="SM" + "2" * 32)
    await desk.receives("hello", sender=STRANGER, message_sid="SM" + "3" * 32)

    leased = [await desk.store.lease_received_text(lease=LEASE) for _ in range(3)]

    assert [text and text.body for text in leased] == ["X", "hello", None]


async def test_a_text_that_makes_everybody_crash_ends_with_the_phone_number(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.booked()
    await desk.receives("C")
    with monkeypatch.context() as crashing:

        async def crash(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        crashing.setattr(desk.service, "confirm", crash)
        for _ in range(MOST_TRIES):
            with pytest.raises(ZeroDivisionError):
                await desk.replies.answer_next()
            desk.clock.pass_by(LEASE)

    assert await desk.replies.answer_next()
    assert "Please call us" in await desk.answered()
    assert await desk.store.pending_replies() == 0
