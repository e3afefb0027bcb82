"""What a calendar's word about one booking means for the record, and what is sent about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from appointments.errors import NotChangeable
from appointments.message_plan import booked, cancelled, completed, moved, plan_for, reminders
from appointments.model import LIVE, Appointment, AppointmentId, AppointmentStatus, BookingStatus, CallSid
from appointments.store.outside_records import OutsideChange, OutsideEvent, outside_key
from appointments.store.records import MessageKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from appointments.listed_bookings import ListedBooking
    from appointments.message_plan import MessagePlan
    from appointments.model import Action, BookingUid, Business
    from appointments.store.outside_records import Known
    from appointments.store.records import OutgoingMessage

log = structlog.get_logger(__name__)

_TOLD_BY_CALENDAR = (MessageKind.CONFIRMATION, MessageKind.REQUESTED, MessageKind.MOVED, MessageKind.CANCELLED)
"""What a calendar tells attendees itself, if it does."""
_MAY_END = frozenset({AppointmentStatus.ACTIVE, AppointmentStatus.RESCHEDULED})


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a verdict goes by, beside the booking and the record."""

    business: Business
    texts: Mapping[str, str]
    """The shipped templates, by their names."""
    now: datetime
    calendar_texts: bool = False
    """Whether the calendar itself texts attendees about what happens there."""
    is_old: bool = False
    """Whether the booking was made before anybody watched: then its making is told to nobody."""
    has_ended: bool = False


def verdict(
    known: Known | None, booking: ListedBooking, trail: Sequence[BookingUid], outlook: Outlook
) -> OutsideChange | None:
    """Return what `booking` makes of what is `known` of it, None when the record says the same already.

    One that has changed in several ways is judged again after each.

    Args:
        trail: The uids that the booking has had.

    Raises:
        NotChangeable: a call of ours is changing it; what comes of that is to be seen first.
    """
    if known is None:
        return _made_outside(booking, outlook)
    appointment = known.appointment
    if known.is_busy or appointment.status is AppointmentStatus.PENDING:
        raise NotChangeable(appointment.status, is_busy=True)
    if appointment.booking_uid is not None and appointment.booking_uid not in trail:
        # It bears our key, and another booking has taken its place since it was read.
        return None
    change = _of_status(known, booking, outlook)
    if change is None and booking.is_absent and not known.is_no_show:
        plan = replace(known.plan, follow_up_after=None, review_link="")  # nobody is thanked for not coming
        return OutsideChange(OutsideEvent.NO_SHOW, appointment, plan)
    return change


def _of_status(known: Known, booking: ListedBooking, outlook: Outlook) -> OutsideChange | None:
    """Return what becomes of an appointment by whether, when and where its booking takes place."""
    appointment = known.appointment
    if not booking.is_live:
        return _cancelled(known, booking, outlook) if appointment.status in LIVE else None
    if appointment.status not in LIVE:
        if _has_successor(appointment, booking, outlook):
            return _moved(known, booking, outlook)
        if appointment.status is AppointmentStatus.FAILED:
            log.error("failed_yet_booked", appointment_id=appointment.appointment_id, booking_uid=booking.uid)
        return None
    return _standing(known, booking, outlook)


def _has_successor(appointment: Appointment, booking: ListedBooking, outlook: Outlook) -> bool:
    """Claim that `booking` has taken the place of that of an appointment which is over.

    A host who requests a reschedule at Cal.com cancels a booking, and its attendee then chooses another time.
    """
    return appointment.booking_uid not in (None, booking.uid) and booking.slot.end > outlook.now


def _standing(known: Known, booking: ListedBooking, outlook: Outlook) -> OutsideChange | None:
    """Return what becomes of a live appointment whose booking takes place."""
    appointment = known.appointment
    told = _told(known.plan, outlook)
    is_same_time = appointment.slot == booking.slot
    is_accepted = appointment.status is AppointmentStatus.REQUESTED and booking.status is BookingStatus.ACCEPTED
    if appointment.status is AppointmentStatus.UNCONFIRMED or (is_accepted and is_same_time):
        found = replace(_as_listed(appointment, booking), status=_status(booking, AppointmentStatus.ACTIVE))
        return OutsideChange(OutsideEvent.ACCEPTED, found, known.plan, booked(told, found, now=outlook.now))
    if not is_same_time:
        return _moved(known, booking, outlook)
    if outlook.has_ended and appointment.status in _MAY_END:
        over = replace(appointment, status=AppointmentStatus.COMPLETED)
        return OutsideChange(OutsideEvent.ENDED, over, known.plan, completed(known.plan, over))
    return _refreshed(known, booking, outlook)


def _moved(known: Known, booking: ListedBooking, outlook: Outlook) -> OutsideChange:
    elsewhere = replace(
        _as_listed(known.appointment, booking),
        status=_status(booking, AppointmentStatus.RESCHEDULED),
        version=known.appointment.version + 1,
        confirmed_at=None,
    )
    messages = moved(_told(known.plan, outlook), elsewhere, now=outlook.now)
    return OutsideChange(OutsideEvent.MOVED, elsewhere, known.plan, messages, booking.reason)


def _refreshed(known: Known, booking: ListedBooking, outlook: Outlook) -> OutsideChange | None:
    """Return the appointment with another link, place or host; what is still to be sent names them."""
    before = known.appointment
    fresh = _as_listed(before, booking)
    if fresh == before:
        return None
    again = booked if fresh.version == 1 else moved
    return OutsideChange(OutsideEvent.REFRESHED, fresh, known.plan, again(known.plan, fresh, now=outlook.now))


def _cancelled(known: Known, booking: ListedBooking, outlook: Outlook) -> OutsideChange:
    gone = replace(known.appointment, status=AppointmentStatus.CANCELLED, version=known.appointment.version + 1)
    messages = cancelled(_told(known.plan, outlook), gone)
    return OutsideChange(OutsideEvent.CANCELLED, gone, known.plan, messages, booking.reason)


def _made_outside(booking: ListedBooking, outlook: Outlook) -> OutsideChange | None:
    """Return the appointment that a booking made by somebody else becomes, None for one that is none of ours."""
    action = next((each for each in outlook.business.actions if each.event_type_id == booking.event_type_id), None)
    if action is None or not booking.is_live or booking.slot.end <= outlook.now:
        return None
    appointment = _appointment(booking, action)
    # A booking with a key was made by a slotline, which sees to its texts, though not by one with this record.
    can_text = not (outlook.calendar_texts or booking.idempotency_key)
    phone = booking.attendee.phone
    plan = plan_for(outlook.business, action, outlook.texts, phone=phone, can_text=can_text)
    return OutsideChange(OutsideEvent.BOOKED, appointment, plan, _welcome(plan, appointment, outlook))


def _welcome(plan: MessagePlan, appointment: Appointment, outlook: Outlook) -> Sequence[OutgoingMessage]:
    if not outlook.is_old:
        return booked(plan, appointment, now=outlook.now)
    is_accepted = appointment.status is AppointmentStatus.ACTIVE
    return reminders(plan, appointment, now=outlook.now) if is_accepted else ()


def _appointment(booking: ListedBooking, action: Action) -> Appointment:
    attendee = booking.attendee
    return Appointment(
        appointment_id=AppointmentId(f"ap_{uuid4().hex}"),
        call_sid=CallSid(""),
        event_type_id=booking.event_type_id,
        title=action.title,
        slot=booking.slot,
        zone=action.zone.key,
        attendee=replace(attendee, zone=attendee.zone or action.zone.key),
        notes=booking.notes,
        status=_status(booking, AppointmentStatus.ACTIVE),
        idempotency_key=outside_key(booking.uid),
        booking_uid=booking.uid,
        meeting_link=booking.meeting_link,
        location=booking.location,
        host_name=booking.host_name,
    )


def _as_listed(appointment: Appointment, booking: ListedBooking) -> Appointment:
    listed = replace(
        appointment, slot=booking.slot, booking_uid=booking.uid, host_name=booking.host_name or appointment.host_name
    )
    if booking.uid == appointment.booking_uid and not (booking.meeting_link or booking.location):
        return listed  # nowhere at all is no news
    return replace(listed, meeting_link=booking.meeting_link, location=booking.location)


def _status(booking: ListedBooking, accepted: AppointmentStatus) -> AppointmentStatus:
    return AppointmentStatus.REQUESTED if booking.status is BookingStatus.PENDING else accepted


def _told(plan: MessagePlan, outlook: Outlook) -> MessagePlan:
    """Return the plan without what the calendar tells itself."""
    if not outlook.calendar_texts:
        return plan
    texts = {kind: text for kind, text in plan.templates.items() if kind not in _TOLD_BY_CALENDAR}
    return replace(plan, templates=texts)
