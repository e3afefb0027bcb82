"""Answers the texts that come in: keeps each, works it through once, and puts the answer into the outbox."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from agent.owner.words import moment
from appointments.changing import ChangeRequest
from appointments.contact import may_text, valid_caller
from appointments.errors import CalendarRejected, CalendarUnavailable, NotChangeable
from appointments.model import AppointmentStatus, CallSid, PhoneNumber, Scope
from appointments.replies import Act, Decision, Known, decide
from appointments.reply_texts import render_reply
from appointments.reply_words import Wish, read_reply
from appointments.store.records import (
    CallerRequest,
    ChangeState,
    MessageKind,
    OutgoingMessage,
    ReceivedText,
    RequestKind,
)
from tools.appointments import change_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.front_desk import FrontDesk
    from appointments.model import Appointment, MessageSettings
    from appointments.ports import Clock
    from appointments.replies import Question
    from appointments.service import BookingService
    from appointments.store.store import Store
    from telephony.routes import IncomingText

log = structlog.get_logger(__name__)

POLL_SECS = 5.0
"""How soon a text is taken up that a dead process has left."""
LEASE = timedelta(seconds=60)
"""Longer than a cancellation may take."""
MOST_TRIES = 5
"""A text that has been begun so often and never finished makes whoever works at it crash."""
WAY_OUT_EVERY = timedelta(days=1)
"""Two machines that answer each other must fall silent."""
REASON = "Cancelled by text message"


class TextReplies:
    """One process's share in answering texts; any number of them may share a record."""

    def __init__(
        self,
        *,
        store: Store,
        service: BookingService,
        desk: Callable[[], FrontDesk],
        clock: Clock,
        on_text: Callable[[], None],
    ) -> None:
        """Go by the business's `clock`; `on_text` is called when an answer was added to the outbox."""
        self._store = store
        self._service = service
        self._desk = desk
        self._clock = clock
        self._on_text = on_text
        self._woken = asyncio.Event()

    async def take(self, text: IncomingText) -> None:
        """Mirror who wants texts and who does not, and keep what may be an answer for `run`."""
        if text.opt_out_type == "STOP":
            await self._store.opt_out(text.sender)
            if text.body.strip().casefold() == "cancel":
                note = "Texted CANCEL, which ends all texts and cancels nothing."
                await self._have_called_back(text.sender, text.message_sid, note)
        elif text.opt_out_type == "START" and await self._store.has_opted_out(text.sender):
            await self._store.opt_in(text.sender)
        # YES is a word that begins texting again, and an answer of whoever gets texts.
        elif valid_caller(text.sender) and (not text.opt_out_type or read_reply(text.body).agrees):
            kept = ReceivedText(text.message_sid, text.sender, text.called, text.body, received_at=self._clock())
            await self._store.receive_text(kept)
            self._woken.set()

    async def _have_called_back(self, sender: str, message_sid: str, note: str) -> None:
        """Have somebody call who gets no answer any more, and may think that their appointment is off."""
        number, now = valid_caller(sender), self._clock()
        upcoming = await self._store.upcoming(number, now) if number else ()
        # The record keeps one wish of a text for each thing asked for.
        by_title: dict[str, list[Appointment]] = {}
        for appointment in Known(upcoming, now).changeable.values():
            by_title.setdefault(appointment.title, []).append(appointment)
        for appointments in by_title.values():
            moments = " and on ".join(map(self._moment, appointments))
            await self._leave_wish(appointments[0], message_sid, sender, f"{note} Booked on {moments}.")

    async def run(self) -> None:
        """Work through what is kept, until cancelled."""
        while True:
            self._woken.clear()
            try:
                did_one = await self.answer_next()
            except Exception:
                # One bad text must not end all answering; its lease brings it back.
                log.exception("text_reply_crashed")
                did_one = False
            if not did_one:
                await self._pause()

    async def answer_next(self) -> bool:
        """Work through the text that waits longest; False when none does."""
        text = await self._store.lease_received_text(lease=LEASE)
        if text is None:
            return False
        decision = await self._decision(text)
        is_silent = decision.is_way_out and await self._was_shown_the_way_out(text)
        await self._settle(text, decision, "" if is_silent else await self._carry_out(decision, text))
        return True

    async def _decision(self, text: ReceivedText) -> Decision:
        if text.tries >= MOST_TRIES:
            log.error("text_given_up", message_sid=text.message_sid)
            return Decision(Act.POINT_TO_PHONE, is_way_out=True)
        reading, known = read_reply(text.body), await self._known(text)
        if text.tries and reading.agrees and (cancelled := await self._cancelled_before(known)):
            return Decision(Act.CANCEL, cancelled)
        return decide(reading, known)

    async def _cancelled_before(self, known: Known) -> Appointment | None:
        """Return the appointment that was asked about and is cancelled: by whoever began with the text and died."""
        question = known.question
        if question is None or question.is_which or question.wish is not Wish.CANCEL or known.now >= question.until:
            return None
        asked = await self._service.appointment(question.appointment_ids[0])
        return asked if asked is not None and asked.status is AppointmentStatus.CANCELLED else None

    async def _settle(self, text: ReceivedText, decision: Decision, answer: str) -> None:
        countries = self._desk().business.sms_countries
        messages = []
        if answer and may_text(PhoneNumber(text.number), countries):
            messages = [OutgoingMessage(text.number, answer, f"{text.message_sid}|reply|1", MessageKind.REPLY)]
        await self._store.settle_received_text(
            text,
            act=decision.act,
            is_way_out=decision.is_way_out and bool(messages),
            question=decision.question,
            messages=messages,
        )
        self._on_text()
        log.info("text_worked_through", message_sid=text.message_sid, act=decision.act.value)

    async def _was_shown_the_way_out(self, text: ReceivedText) -> bool:
        since = text.received_at - WAY_OUT_EVERY
        return await self._store.was_shown_the_way_out(text.number, since=since)

    async def _known(self, text: ReceivedText) -> Known:
        """Return what is known of the sender at the time when the text came."""
        number = PhoneNumber(text.number)
        return Known(
            upcoming=await self._store.upcoming(number, text.received_at),
            now=text.received_at,
            question=await self._store.question_to(number),
            reminded=await self._store.last_reminded(number),
            may_cancel=Scope.CANCEL in self._desk().business.scopes,
        )

    async def _carry_out(self, decision: Decision, text: ReceivedText) -> str:
        """Do what was decided and return the answer, "" for none."""
        match decision.act, decision.appointment:
            case Act.OPT_OUT, _:
                await self._store.opt_out(text.number)
                if read_reply(text.body).wish in (Wish.CANCEL, Wish.MOVE):
                    note = "Wants no more texts, and another time or none. Nothing was changed."
                    await self._have_called_back(text.number, text.message_sid, note)
                return ""
            case Act.CONFIRM, appointment if appointment:
                await self._service.confirm(appointment, call_sid=_sid(text))
                return self._standing("reply_confirmed", appointment)
            case Act.CANCEL, appointment if appointment:
                return await self._cancel(appointment, text)
            case Act.MOVE, appointment if appointment:
                return await self._move(appointment, text)
            case Act.KEEP, appointment if appointment:
                return self._standing("reply_kept", appointment)
            case Act.ASK, _:
                return await self._ask(decision.question)
            case Act.EXPLAIN, _:
                return self._worded("reply_letters")
            case Act.POINT_TO_PHONE, _:
                return self._worded("reply_phone")
            case _:
                return ""

    async def _cancel(self, appointment: Appointment, text: ReceivedText) -> str:
        """Cancel it; the change tells of itself, where such texts are sent."""
        desk = self._desk()
        plan = change_plan(appointment, desk.business, desk.texts)
        request = ChangeRequest(
            call_sid=_sid(text), business=desk.business, appointment=appointment, reason=REASON, plan=plan
        )
        try:
            outcome = await self._service.change(request)
        except (NotChangeable, CalendarRejected, CalendarUnavailable) as error:
            log.warning("text_not_followed", message_sid=text.message_sid, error=type(error).__name__)
            return self._worded("reply_not_cancelled", appointment)
        is_done = outcome.state is ChangeState.DONE
        if plan.texts(MessageKind.CANCELLED if is_done else MessageKind.CHANGE_UNCONFIRMED):
            return ""
        return self._worded("reply_cancelled" if is_done else "reply_not_cancelled", appointment)

    async def _move(self, appointment: Appointment, text: ReceivedText) -> str:
        """Say where another time can be picked; where there is no such place, somebody calls back."""
        if link := self._rebook_link(appointment):
            return self._worded("reply_link", appointment, link=link)
        note = f"Asked by text to move it from {self._moment(appointment)}."
        await self._leave_wish(appointment, text.message_sid, text.number, note)
        return self._worded("reply_call_back", appointment)

    async def _leave_wish(self, appointment: Appointment, message_sid: str, number: str, note: str) -> None:
        """Leave the wish to be called back about an appointment, for the owner."""
        wish = CallerRequest(
            call_sid=CallSid(message_sid),
            kind=RequestKind.CALL_BACK,
            number=PhoneNumber(number),
            name=appointment.attendee.name,
            title=appointment.title,
            notes=note,
        )
        await self._service.leave_request(wish, self._desk().business)

    def _moment(self, appointment: Appointment) -> str:
        return moment(appointment.slot.start.astimezone(self._desk().business.zone))

    async def _ask(self, question: Question | None) -> str:
        assert question is not None
        found = [await self._service.appointment(each) for each in question.appointment_ids]
        asked = [each for each in found if each is not None]
        if question.is_which:
            return render_reply(self._desk().texts["reply_which"], self._desk().business, choices=asked)
        return self._worded("reply_cancel", asked[0])

    def _standing(self, template: str, appointment: Appointment) -> str:
        """Say that it stands; one that its host has still to accept does not, whatever the sender makes of it."""
        if appointment.status is not AppointmentStatus.REQUESTED:
            return self._worded(template, appointment)
        desk = self._desk()
        own = self._settings(appointment).templates.get(MessageKind.REQUESTED)
        return render_reply(own or desk.texts[MessageKind.REQUESTED], desk.business, appointment=appointment)

    def _worded(self, template: str, appointment: Appointment | None = None, *, link: str = "") -> str:
        desk = self._desk()
        return render_reply(desk.texts[template], desk.business, appointment=appointment, link=link)

    def _rebook_link(self, appointment: Appointment) -> str:
        return self._settings(appointment).rebook_link.replace("{booking_uid}", appointment.booking_uid or "")

    def _settings(self, appointment: Appointment) -> MessageSettings:
        business = self._desk().business
        action = business.action_of(appointment.event_type_id)
        return action.messages if action else business.messages

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), POLL_SECS)


def _sid(text: ReceivedText) -> CallSid:
    """Return what stands for the call in which something is asked: a text is none, and has a name of its own."""
    return CallSid(text.message_sid)
