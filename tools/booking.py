"""The booking tools: find free slots, book the one the caller agreed to."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import structlog
from pydantic import Field, create_model

from appointments.booking import BookingRequest
from appointments.booking_fields import answers
from appointments.contact import attendee_email, country_of
from appointments.email_capture import Stage
from appointments.errors import SlotTaken
from appointments.message_plan import plan_for
from appointments.model import AppointmentStatus, Attendee, Scope
from appointments.offer import Offer, OfferReason, describe, free_range, make_offer
from appointments.store.records import MessageKind
from appointments.wishes import resolve_wish
from tools.booking_questions import question_arguments, said
from tools.email import about_email, email_reply, email_to_book_with
from tools.keys import number_given
from tools.registry import Arguments, Tool
from tools.replies import Reply, Status
from tools.session import Agreement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.message_plan import MessagePlan
    from appointments.model import Action, Appointment, EventType, PhoneNumber, Slot
    from appointments.offer import OfferedSlot
    from tools.session import BookingSession, Utterance

log = structlog.get_logger(__name__)

FIND_SECS = 6.0
_NUMBER = (
    str | None,
    Field(
        None,
        description=(
            "The phone number to reach the caller at, as +14155550123: they withhold theirs, so ask for it and read it "
            "back. Leave out when they would rather give an e-mail address, with note_email."
        ),
        max_length=60,
    ),
)
ONLY_CHECK = (
    "You can only check what is free: you cannot book. Say so, and offer to have the caller called back "
    "(request_callback). Only an existing appointment may be moved to one of these slots, with a tool for it."
)
BOOK_SECS = 12.0
CHECK_WITH_US = " Please call us to check on it."
"""Said where no text will tell."""
TEXTS_ARE_BLOCKED = " Texts to your number are blocked, so please make a note of it."
"""Said to who would have been texted."""


class FindSlots(Arguments):
    """The arguments of `find_slots`, when there is one thing to book."""

    date: str | None = Field(
        None,
        description="The day wanted, as YYYY-MM-DD copied from the calendar table. Leave out when none was said.",
    )
    part_of_day: str | None = Field(
        None,
        description="The part of the day in the caller's words, such as 'afternoon'. Leave out when none was said.",
    )
    time: str | None = Field(
        None,
        description="The clock time in the caller's words, such as 'half past two'. Leave out when none was said.",
    )


class BookAppointment(Arguments):
    """The arguments of a booking tool."""

    slot: str = Field(description="The key of the slot, as find_slots returned it.", min_length=1, max_length=8)
    name: str = Field(description="The caller's full name, as they gave it.", min_length=1, max_length=120)
    notes: str | None = Field(None, description="What the appointment is about, if the caller said so.", max_length=500)


def find_slots(session: BookingSession) -> Tool:
    """Return the tool that looks for free slots of any of the business's actions."""
    names = [action.name for action in session.actions]
    fields: dict[str, Any] = {}
    if len(names) > 1:
        fields["appointment"] = (Literal[tuple(names)], Field(description="What the caller wants to book."))
    if Scope.RESCHEDULE in session.business.scopes:
        moving = "When an appointment is to be moved: its key, as find_appointments returned it. Leave out otherwise."
        fields["moving"] = (str | None, Field(None, description=moving, max_length=8))
    arguments = create_model("FindSlots", __base__=FindSlots, **fields)

    async def run(wanted: FindSlots, _heard: Sequence[Utterance]) -> Reply:
        name = getattr(wanted, "appointment", names[0])
        action = next(action for action in session.actions if action.name == name)
        if not (key := getattr(wanted, "moving", None)):
            return await _find(session, action, wanted)
        appointment = await session.known_appointment(key)
        return await _find(session, session.action_of(appointment) or action, wanted, moving=appointment)

    return Tool(
        name="find_slots",
        description=(
            "Look up free times. Use it before you name any time, and again whenever the caller asks for another "
            "day or time. Say its `say` to the caller; only the slots it returns exist."
        ),
        arguments=arguments,
        run=run,
        deadline_secs=FIND_SECS,
    )


async def _find(
    session: BookingSession, action: Action, wanted: FindSlots, *, moving: Appointment | None = None
) -> Reply:
    now, business = session.clock(), session.business
    wish = resolve_wish(
        date=wanted.date,
        part_of_day=wanted.part_of_day,
        time=wanted.time,
        business=business,
        zone=action.zone,
        now=now,
    )
    start, end = free_range(action, business, wish, now)
    if session.held and session.held[0] != action:
        await session.service.holds.give_up(session.call_sid, action.event_type_id)
        session.held = None
    held = session.held[1] if session.held else None
    free = await session.service.free_slots(
        action, business, start=start, end=end, except_of=[session.call_sid], held=held, moving=moving
    )
    return _offered(session, action, make_offer(free, wish, action=action, business=business, now=now))


def _offered(session: BookingSession, action: Action, offer: Offer) -> Reply:
    """Put the offer in the ledger and into words."""
    offered = session.offer(action, offer.slots)
    session.speak_of(action, offer.spoken)
    say, hint = describe(offer, action=action, business=session.business, now=session.clock())
    if Scope.CREATE not in session.business.scopes:
        hint = ONLY_CHECK
    return Reply(Status(offer.reason.value), say=say, hint=hint, slots=[_wire(slot, action) for slot in offered])


def _wire(offered: OfferedSlot, action: Action) -> dict[str, str]:
    local = offered.slot.start.astimezone(action.zone)
    return {"key": offered.key, "say": offered.say, "date": local.date().isoformat(), "time": local.strftime("%H:%M")}


def book_appointment(session: BookingSession, action: Action, event_type: EventType) -> Tool:
    """Return the tool that books `action`, named after its event type."""
    fields = question_arguments(action, event_type)
    asks = " Before that, ask what its `answer` arguments want to know, one question a turn." if fields else ""
    asks += about_email(session, action, event_type)
    if session.caller is None:
        fields = {"number": _NUMBER, **fields}
    arguments = create_model("BookAppointment", __base__=BookAppointment, **fields)

    async def run(wanted: BookAppointment, heard: Sequence[Utterance]) -> Reply:
        return await _book(session, action, event_type, wanted, heard)

    return Tool(
        name=tool_name(action),
        description=(
            f"{action.name}. Use it only after you have read back the day, the time and the caller's name and the "
            f"caller has said yes.{asks} Books once; calling it again for the same slot returns the first result."
        ),
        arguments=arguments,
        run=run,
        deadline_secs=BOOK_SECS,
        is_cancellable=False,
    )


def tool_name(action: Action) -> str:
    """Return the function name of an action: "Book 30-Minute Consultation" gives `book_30_minute_consultation`."""
    return re.sub(r"[^a-z0-9]+", "_", action.name.casefold()).strip("_")[:64]


async def _book(
    session: BookingSession, action: Action, event_type: EventType, wanted: BookAppointment, heard: Sequence[Utterance]
) -> Reply:
    offered = session.offered(action, wanted.slot)
    booked_for = session.booked_for.get(offered.slot)
    phone = session.caller or number_given(getattr(wanted, "number", None), heard, session.business)
    email = await email_to_book_with(session, action, phone, heard)
    if booked_for is None:
        if missing := _missing(session, event_type, phone, email):
            return missing
        agreement = agreement_to_book(session, action, offered, event_type.title, wanted.name)
        session.require_confirmed(agreement if session.caller else agreement.with_number(phone), heard)
    elif booked_for.casefold() != wanted.name.casefold():
        return Reply(Status.INVALID, hint="This slot is booked for another name already. Nothing was changed.")
    attendee = Attendee(
        name=wanted.name,
        zone=action.zone.key,
        phone=phone,
        email=email,
        answers=answers(
            action, event_type, said(wanted, action, event_type), country=country_of(session.business.number)
        ),
    )
    request = BookingRequest(
        call_sid=session.call_sid,
        business=session.business,
        action=action,
        event_type=event_type,
        slot=offered.slot,
        attendee=attendee,
        notes=wanted.notes or "",
        plan=plan_of(session, action, attendee),
    )
    try:
        appointment = await session.service.book(request)
    except SlotTaken as taken:
        return taken_reply(session, action, offered.slot, taken)
    session.booked_for[offered.slot] = wanted.name
    host = appointment.host_name if event_type.assigns_host else ""
    reply = booked_reply(session, action, appointment, when=f"{offered.say} with {host}" if host else offered.say)
    return _with_length(reply, offered.slot, appointment.slot)


def _missing(
    session: BookingSession, event_type: EventType, phone: PhoneNumber | None, email: str | None
) -> Reply | None:
    """Ask for what the calendar must know of the attendee, None when it is known."""
    if event_type.requires_email and email is None:
        return email_reply(session.email, is_needed=True)
    if phone or email:
        return None
    # A calendar wants one way to reach who comes.
    other = "" if session.email.stage is Stage.LEFT_OUT else " If they would rather not, come to an e-mail address."
    return Reply(
        Status.INVALID,
        say="What phone number can we reach you at?",
        hint=f"Nothing is booked. Ask for the caller's number, and pass it when you book.{other}",
    )


def _with_length(reply: Reply, offered: Slot, booked: Slot) -> Reply:
    """Add how long it takes where that is not what was offered: the event type has changed since."""
    if booked.duration == offered.duration:
        return reply
    minutes = round(booked.duration.total_seconds() / 60)
    return replace(reply, say=f"{reply.say} It takes {minutes} minutes now.")


def agreement_to_book(
    session: BookingSession, action: Action, offered: OfferedSlot, title: str, name: str
) -> Agreement:
    """Return what the caller must have agreed to; where several things can be booked, the title too."""
    read_back = f"That's {a(title)} on {offered.say}, for {name}. Is that right?"
    return Agreement(read_back, offered.slot, action.zone, (name, title) if len(session.actions) > 1 else (name,))


def plan_of(session: BookingSession, action: Action, attendee: Attendee | None = None) -> MessagePlan:
    """Return what will be sent about a booking of `action`, and to whom; texts go to nobody but who calls."""
    is_theirs = attendee and attendee.email != attendee_email(action.fallback_email, attendee.phone)
    return plan_for(
        session.business,
        action,
        session.templates,
        phone=session.caller,
        email=attendee.email if attendee and is_theirs else None,
        can_text=session.can_text,
    )


def taken_reply(session: BookingSession, action: Action, slot: Slot, taken: SlotTaken) -> Reply:
    """Tell that a slot is gone, and offer what is near it."""
    session.ledger(action).withdraw(slot)
    if not taken.alternatives:
        return Reply(
            Status.TAKEN,
            say="I'm sorry, that time has just been taken. Shall I look for another one?",
            hint="Nothing is booked. Use find_slots to offer other times.",
        )
    nearest = tuple(taken.alternatives)
    return _offered(session, action, Offer(OfferReason.TAKEN, nearest, nearest[:3], day=None))


def booked_reply(session: BookingSession, action: Action, appointment: Appointment, *, when: str) -> Reply:
    """Tell how a booking stands, promising a text only when one will be sent."""
    plan = plan_of(session, action, appointment.attendee)
    match appointment.status:
        case AppointmentStatus.ACTIVE:
            return Reply(
                Status.BOOKED,
                say=f"You're booked for {when}.{_details_promise(session, action, plan)}",
                hint="Ask if there is anything else.",
            )
        case AppointmentStatus.REQUESTED:
            promise = " You'll get a text." if plan.texts(MessageKind.REQUESTED) else ""
            return Reply(
                Status.REQUESTED,
                say=f"I've asked for {when}. It is not booked until it has been accepted.{promise}",
                hint="The calendar has the request. Do not say that it is booked, and do not book it again.",
            )
        case AppointmentStatus.PENDING:
            is_texted = plan.texts(MessageKind.CONFIRMATION)
            promise = " You'll get a text as soon as it is settled." if is_texted else CHECK_WITH_US
            return Reply(
                Status.PENDING,
                say=f"I'm still confirming {when} with our calendar.{promise}",
                hint="It is not known yet whether it is booked. Do not say that it is, and do not book it again.",
            )
        case _:
            promise = " We'll text you once we know." if plan.texts(MessageKind.UNCONFIRMED) else CHECK_WITH_US
            return Reply(
                Status.UNCONFIRMED,
                say=f"I couldn't confirm {when} with our calendar, so a person will check it.{promise}",
                hint="It is not known whether it is booked. Do not say that it is, and do not book it again.",
            )


def _details_promise(session: BookingSession, action: Action, plan: MessagePlan) -> str:
    if plan.texts(MessageKind.CONFIRMATION):
        return " I'm texting the details to the number you're calling from."
    if plan.sends(MessageKind.CONFIRMATION):
        return " I'm e-mailing you the details."
    return TEXTS_ARE_BLOCKED if session.texts_are_blocked and action.sms_confirmation else ""


def a(title: str) -> str:
    """Return "a consultation", "an emergency visit"."""
    return f"{'an' if title[:1].casefold() in 'aeiou' else 'a'} {title}"
