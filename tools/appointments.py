"""The tools for appointments that exist: hear about them, confirm, move and cancel one."""

from __future__ import annotations

from datetime import date as Day
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pydantic import Field

from appointments.changing import ChangeRequest
from appointments.errors import SlotNotOffered, SlotTaken
from appointments.message_plan import plan_for
from appointments.model import AppointmentStatus
from appointments.spoken import say_slot, say_zone
from appointments.store.records import ChangeState, MessageKind
from tools.booking import CHECK_WITH_US, TEXTS_ARE_BLOCKED, a, taken_reply
from tools.registry import Arguments, Tool
from tools.replies import Reply, Status
from tools.session import Agreement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appointments.changing import ChangeOutcome
    from appointments.message_plan import MessagePlan
    from appointments.model import Appointment, Business, Slot
    from tools.session import BookingSession, Utterance

FIND_SECS = 4.0
CHANGE_SECS = 12.0
NO_REASON, NEW_TIME = "Customer request", "Customer requested a new time"
"""What stands in for a reason: a calendar wants one, and nobody is made to give one."""


class FindAppointments(Arguments):
    """The arguments of `find_appointments`."""

    name: str | None = Field(None, description="The name it is booked under, if the caller said it.", max_length=120)
    date: Day | None = Field(None, description="The day of the appointment as YYYY-MM-DD, if the caller said it.")


class OneAppointment(Arguments):
    """The argument of a tool about one appointment."""

    appointment: str = Field(description="The key of the appointment, as find_appointments returned it.", max_length=8)


class MoveAppointment(OneAppointment):
    """The arguments of `move_appointment`."""

    slot: str = Field(description="The key of the new slot, as find_slots returned it.", min_length=1, max_length=8)
    reason: str | None = Field(None, description="Why, if the caller said so.", max_length=300)


class CancelAppointment(OneAppointment):
    """The arguments of `cancel_appointment`."""

    reason: str | None = Field(None, description="Why, if the caller said so. Ask once, never insist.", max_length=300)


def find_appointments(session: BookingSession) -> Tool:
    async def run(wanted: FindAppointments, _heard: Sequence[Utterance]) -> Reply:
        if session.identity.known is None and wanted.name and wanted.date:
            await session.identity.prove(wanted.name, wanted.date)
        return await told(session)

    return Tool(
        name="find_appointments",
        description=(
            "Look up the caller's own appointments. Use it when they ask what they have, or want to confirm, move or "
            "cancel one. Only the appointments it returns exist."
        ),
        arguments=FindAppointments,
        run=run,
        deadline_secs=FIND_SECS,
    )


async def told(session: BookingSession) -> Reply:
    """Tell the appointments that the caller may hear about; raises `NotVerified` as `Identity` does."""
    keys = session.know(await session.identity.appointments())
    told = [_wire(session, key) for key in keys]
    says = [each["say"] for each in told]
    say = f"You have {says[0]}." if len(says) == 1 else f"You have {len(says)} appointments: {'; '.join(says)}."
    hint = "Say it and ask what they would like to do. Tell nothing else about anybody."
    return Reply(Status.FOUND, say=say, hint=hint, appointments=told)


def _wire(session: BookingSession, key: str) -> dict[str, str]:
    appointment = session.found[key]
    local = appointment.slot.start.astimezone(ZoneInfo(appointment.zone))
    return {
        "key": key,
        "say": f"{a(appointment.title)} on {say_when(session, appointment, appointment.slot)}{_standing(appointment)}",
        "title": appointment.title,
        "date": local.date().isoformat(),
        "time": local.strftime("%H:%M"),
        "status": appointment.status.value,
    }


def _standing(appointment: Appointment) -> str:
    match appointment.status:
        case AppointmentStatus.REQUESTED:
            return ", which has still to be accepted"
        case AppointmentStatus.PENDING | AppointmentStatus.UNCONFIRMED:
            return ", which we are still confirming"
        case _:
            return ""


def confirm_appointment(session: BookingSession) -> Tool:
    async def run(wanted: OneAppointment, _heard: Sequence[Utterance]) -> Reply:
        appointment = await session.known_appointment(wanted.appointment)
        confirmed = await session.service.confirm(appointment, call_sid=session.call_sid)
        session.know([confirmed])
        when = say_when(session, appointment, appointment.slot)
        return Reply(
            Status.CONFIRMED, say=f"Thank you, I've noted that you're coming on {when}.{_still_open(appointment)}"
        )

    return Tool(
        name="confirm_appointment",
        description="Record that the caller will come to an appointment. It accepts nothing on the host's behalf.",
        arguments=OneAppointment,
        run=run,
        deadline_secs=FIND_SECS,
        is_cancellable=False,
    )


def _still_open(appointment: Appointment) -> str:
    is_open = appointment.status is AppointmentStatus.REQUESTED
    return " It has still to be accepted on our side; you'll hear from us." if is_open else ""


def move_appointment(session: BookingSession) -> Tool:
    async def run(wanted: MoveAppointment, heard: Sequence[Utterance]) -> Reply:
        appointment = await session.known_appointment(wanted.appointment)
        action = session.action_of(appointment)
        if action is None:
            raise SlotNotOffered(wanted.slot)
        offered = session.offered(action, wanted.slot)
        if offered.slot == appointment.slot:
            return Reply(Status.INVALID, hint="That is the time it has already. Ask for another one.")
        read_back = f"I'll move your {appointment.title} to {offered.say}. Is that right?"
        session.require_confirmed(
            Agreement(
                read_back,
                offered.slot,
                action.zone,
                parts=(appointment.title,) if len(session.actions) > 1 else (),
                leaves=appointment.slot,
                words=frozenset({"change", "changed", "instead", "other", "another", "later", "earlier", "different"}),
            ),
            heard,
        )
        request = _change(session, appointment, offered.slot, wanted.reason or NEW_TIME)
        try:
            outcome = await session.service.change(request)
        except SlotTaken as taken:
            return taken_reply(session, action, offered.slot, taken)
        session.changed(appointment, outcome)
        return _moved(session, outcome, when=offered.say, texts=_tells(session, request, MessageKind.MOVED))

    return Tool(
        name="move_appointment",
        description=(
            "Move an appointment to a slot that find_slots offered for the same kind of appointment. Use it only after "
            "you have read back the new day and time and the caller has said yes. Moves once."
        ),
        arguments=MoveAppointment,
        run=run,
        deadline_secs=CHANGE_SECS,
        is_cancellable=False,
    )


def cancel_appointment(session: BookingSession) -> Tool:
    async def run(wanted: CancelAppointment, heard: Sequence[Utterance]) -> Reply:
        appointment = await session.known_appointment(wanted.appointment)
        when = say_when(session, appointment, appointment.slot)
        if appointment.status is not AppointmentStatus.CANCELLED:
            session.require_confirmed(
                Agreement(
                    f"I'll cancel your {appointment.title} on {when}. Is that right?",
                    appointment.slot,
                    ZoneInfo(appointment.zone),
                    parts=("cancel",),
                    words=frozenset({"cancel"}),
                ),
                heard,
            )
        request = _change(session, appointment, None, wanted.reason or NO_REASON)
        outcome = await session.service.change(request)
        session.changed(appointment, outcome)
        was_cancelled = appointment.status is AppointmentStatus.CANCELLED
        texts = _tells(session, request, MessageKind.CANCELLED) and not was_cancelled
        return _cancelled(outcome, when=when, texts=texts)

    return Tool(
        name="cancel_appointment",
        description=(
            "Cancel an appointment. Use it only after you have said which one you will cancel and the caller has said "
            "yes. Cancels once; calling it again is harmless."
        ),
        arguments=CancelAppointment,
        run=run,
        deadline_secs=CHANGE_SECS,
        is_cancellable=False,
    )


def _change(session: BookingSession, appointment: Appointment, slot: Slot | None, reason: str) -> ChangeRequest:
    return ChangeRequest(
        call_sid=session.call_sid,
        business=session.business,
        appointment=appointment,
        slot=slot,
        reason=reason,
        plan=change_plan(appointment, session.business, session.templates),
    )


def change_plan(appointment: Appointment, business: Business, templates: Mapping[str, str]) -> MessagePlan:
    """Return what is sent from a change on: to number and e-mail on record, which are told whoever asks for it."""
    attendee = appointment.attendee
    return plan_for(
        business,
        business.action_of(appointment.event_type_id),
        templates,
        phone=attendee.phone,
        email=attendee.email,
    )


def _tells(session: BookingSession, request: ChangeRequest, kind: MessageKind) -> bool:
    """Claim that the caller will be told of the change by a text, as far as is known."""
    is_blocked = session.texts_are_blocked and request.appointment.attendee.phone == session.caller
    return request.plan.texts(kind) and not is_blocked


def _moved(session: BookingSession, outcome: ChangeOutcome, *, when: str, texts: bool) -> Reply:
    if outcome.state is not ChangeState.DONE:
        return _not_settled(outcome.state, f"move it to {when}", texts=texts)
    if outcome.appointment.status is AppointmentStatus.REQUESTED:
        say = f"I've asked to move it to {when}. It has still to be accepted."
        return Reply(Status.REQUESTED, say=say, hint="Do not say that it is moved for certain.")
    blocked = TEXTS_ARE_BLOCKED if session.texts_are_blocked else ""
    promise = " I'm texting you the new time." if texts else blocked
    return Reply(Status.MOVED, say=f"Done: it's now on {when}.{promise}", hint="Ask if there is anything else.")


def _cancelled(outcome: ChangeOutcome, *, when: str, texts: bool) -> Reply:
    if outcome.state is not ChangeState.DONE:
        return _not_settled(outcome.state, f"cancel {when}", texts=texts)
    promise = " You'll get a text about it." if texts else ""
    return Reply(
        Status.CANCELLED,
        say=f"Your appointment on {when} is cancelled.{promise}",
        hint="Ask if there is anything else.",
    )


def _not_settled(state: ChangeState, what: str, *, texts: bool) -> Reply:
    promise = " You'll get a text as soon as it is settled." if texts else CHECK_WITH_US
    hint = "It is not known yet whether it is done. Do not say that it is, and do not try again."
    if state is ChangeState.PENDING:
        return Reply(Status.PENDING, say=f"I'm still trying to {what}.{promise}", hint=hint)
    return Reply(
        Status.UNCONFIRMED, say=f"I couldn't confirm that we {what}, so a person will check it.{promise}", hint=hint
    )


def say_when(session: BookingSession, appointment: Appointment, slot: Slot) -> str:
    """Say when `slot` is by the clock that `appointment` goes by, naming it where it is not the business's."""
    zone = ZoneInfo(appointment.zone)
    is_elsewhere = zone.key != session.business.zone.key
    return say_slot(slot, zone, spoken_zone=say_zone(zone, slot.start) if is_elsewhere else "")
