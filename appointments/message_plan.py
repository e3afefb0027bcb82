"""What is sent about an appointment over its life: a plan that is kept with it, and the messages of each event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import structlog
from pydantic import TypeAdapter

from appointments.contact import attendee_email, may_text
from appointments.errors import ConfigError
from appointments.messages import as_sms, details, fill
from appointments.model import AppointmentStatus, OwnerChannels, OwnerEvent, QuietHours
from appointments.owner_notices import CHANGE_UNCERTAIN, UNCERTAIN, appointment_notices
from appointments.quiet_hours import later_window, reminder_window
from appointments.store.records import AT_ONCE, Channel, Invite, MessageKind, OutgoingMessage

if TYPE_CHECKING:
    from appointments.model import Action, Appointment, Business, CallSid, PhoneNumber
    from appointments.quiet_hours import Window

log = structlog.get_logger(__name__)

HELD_BACK = timedelta(seconds=10)
"""A failure is recorded with its text, and whoever waits has heard of it long before that is sent."""
DAY_BEFORE = timedelta(hours=12)
"""A reminder that is due so long before the start, or longer, has the words of the day before."""

_OF_BOOKING = (MessageKind.CONFIRMATION, MessageKind.REQUESTED, MessageKind.UNCONFIRMED, MessageKind.FAILED)
_OF_CHANGES = (MessageKind.MOVED, MessageKind.CANCELLED, MessageKind.CHANGE_UNCONFIRMED, MessageKind.CHANGE_FAILED)
_OF_REMINDERS = (MessageKind.REMINDER_DAY, MessageKind.REMINDER_HOURS)


@dataclass(frozen=True, slots=True)
class MessagePlan:
    """To whom what is sent, kept with the appointment so that any process can go on with it.

    A kind without a template is not sent: that is what a switch becomes.
    """

    to: str = ""
    """The number that is texted; "": none is."""
    email: str = ""
    """The address that e-mails go to; "": none do."""
    business: str = ""
    templates: Mapping[str, str] = field(default_factory=dict)
    """Of texts, by their kinds."""
    emails: Mapping[str, str] = field(default_factory=dict)
    """Of e-mails, by their kinds; the first line is the subject."""
    has_invites: bool = False
    title: str = ""
    """The template of an invite's title."""
    reminders: tuple[timedelta, ...] = ()
    quiet: QuietHours | None = None
    follow_up_after: timedelta | None = None
    review_link: str = ""
    review_after: timedelta = timedelta(0)
    owner: OwnerChannels = field(default_factory=OwnerChannels)

    def sends(self, kind: MessageKind) -> bool:
        """Claim that something of that kind will be sent to the attendee, by text or by e-mail."""
        return self.texts(kind) or bool(self.email and self.emails.get(kind))

    def texts(self, kind: MessageKind) -> bool:
        """Claim that a text of that kind will be sent."""
        return bool(self.to and self.templates.get(kind))

    def to_json(self) -> dict[str, Any]:
        """Return the plan as the record keeps it."""
        kept: dict[str, Any] = _PLANS.dump_python(self, mode="json")
        return kept


def plan_from(kept: Mapping[str, Any]) -> MessagePlan:
    """Return the plan that the record has kept."""
    return _PLANS.validate_python(kept)


def plan_for(
    business: Business,
    action: Action | None,
    templates: Mapping[str, str],
    *,
    phone: PhoneNumber | None,
    email: str | None = None,
    can_text: bool = True,
) -> MessagePlan:
    """Return what will be sent about an appointment of `action`, None when the business has no such action any more.

    Args:
        templates: The shipped ones: of texts by their kinds, of e-mails by `email_name` of them.
        can_text: Whether texts to `phone` would be accepted, as far as is known.
    """
    settings = action.messages if action else business.messages
    plan = MessagePlan(business=business.name, owner=business.owner)
    if email and settings.has_email and not (action and email == attendee_email(action.fallback_email, phone)):
        plan = replace(
            plan,
            email=email,
            emails={kind: templates[name] for kind in MessageKind if (name := email_name(kind)) in templates},
            has_invites=settings.has_invites,
            title=settings.invite_title,
        )
    if phone is None or not can_text or not may_text(phone, business.sms_countries):
        return plan
    return _with_texts(plan, phone, business, action, templates)


def email_name(kind: str) -> str:
    """Return the name of the e-mail's template of that kind among those of texts."""
    return f"email_{kind}"


def _with_texts(
    plan: MessagePlan,
    phone: PhoneNumber,
    business: Business,
    action: Action | None,
    templates: Mapping[str, str],
) -> MessagePlan:
    settings = action.messages if action else business.messages
    wordings = {**templates, **settings.templates}
    kinds = [*_OF_CHANGES]
    if action is None or action.sms_confirmation:
        kinds += _OF_BOOKING
    if action is not None and action.sms_template:
        wordings[MessageKind.CONFIRMATION] = action.sms_template
    if settings.reminders:
        kinds += _OF_REMINDERS
    if settings.follow_up_after is not None:
        kinds.append(MessageKind.FOLLOW_UP)
    if settings.review_link:
        kinds.append(MessageKind.REVIEW)
    return replace(
        plan,
        to=phone,
        templates={kind.value: wordings[kind] for kind in kinds if wordings.get(kind)},
        reminders=settings.reminders,
        quiet=settings.quiet,
        follow_up_after=settings.follow_up_after,
        review_link=settings.review_link,
        review_after=settings.review_after,
    )


def booked(plan: MessagePlan, appointment: Appointment, *, now: datetime) -> Sequence[OutgoingMessage]:
    """Return what is sent when the calendar has it: as booked, or as requested while its host has still to accept it.

    An accepted request is booked. `now` is the business's clock.
    """
    return (
        *_standing(plan, appointment, MessageKind.CONFIRMATION, now),
        *_to_owner(plan, OwnerEvent.BOOKED, appointment, call_sid=appointment.call_sid),
    )


def moved(
    plan: MessagePlan, appointment: Appointment, *, now: datetime, call_sid: CallSid | None = None
) -> Sequence[OutgoingMessage]:
    """Return what is sent when the calendar has moved it to where `appointment` is now.

    Args:
        call_sid: The call that asked for it; None: none did.
    """
    return (
        *_standing(plan, appointment, MessageKind.MOVED, now),
        *_to_owner(plan, OwnerEvent.MOVED, appointment, call_sid=call_sid),
    )


def cancelled(
    plan: MessagePlan, appointment: Appointment, *, call_sid: CallSid | None = None
) -> Sequence[OutgoingMessage]:
    """Return what is sent when the calendar has cancelled it; `call_sid` as with `moved`."""
    return (
        *_told(plan, appointment, MessageKind.CANCELLED),
        *_to_owner(plan, OwnerEvent.CANCELLED, appointment, call_sid=call_sid),
    )


def unconfirmed(plan: MessagePlan, appointment: Appointment) -> Sequence[OutgoingMessage]:
    """Return what is sent when nobody knows whether the calendar has it."""
    return (
        *_told(plan, appointment, MessageKind.UNCONFIRMED),
        *_to_owner(plan, OwnerEvent.FAILED, appointment, call_sid=appointment.call_sid, headline=UNCERTAIN),
    )


def failed(plan: MessagePlan, appointment: Appointment, *, may_be_heard: bool = False) -> Sequence[OutgoingMessage]:
    """Return what is sent when it could not be booked.

    Args:
        may_be_heard: Whether somebody still waits, who will take the message back when they have heard the outcome.
    """
    return _told(plan, appointment, MessageKind.FAILED, held_back=HELD_BACK if may_be_heard else timedelta(0))


def change_unconfirmed(plan: MessagePlan, appointment: Appointment, change_id: str) -> Sequence[OutgoingMessage]:
    """Return what is sent when nobody knows whether the calendar has made a change of it."""
    return (
        *_told(plan, appointment, MessageKind.CHANGE_UNCONFIRMED, of=change_id),
        *not_done(plan, appointment, of=change_id, headline=CHANGE_UNCERTAIN),
    )


def change_failed(
    plan: MessagePlan, appointment: Appointment, change_id: str, *, may_be_heard: bool = False
) -> Sequence[OutgoingMessage]:
    """Return what is sent when a change of it could not be made; `may_be_heard` as with `failed`."""
    held_back = HELD_BACK if may_be_heard else timedelta(0)
    return _told(plan, appointment, MessageKind.CHANGE_FAILED, of=change_id, held_back=held_back)


def not_done(
    plan: MessagePlan, appointment: Appointment, *, of: str, headline: str, call_sid: CallSid | None = None
) -> Sequence[OutgoingMessage]:
    """Return what the owner alone is told when a wish came to nothing, whoever of the others has heard of it.

    Args:
        of: What came to nothing; it is told of once.
    """
    told_as = f"{of}|owner_{OwnerEvent.FAILED}"
    return _to_owner(plan, OwnerEvent.FAILED, appointment, call_sid=call_sid, headline=headline, told_as=told_as)


def completed(plan: MessagePlan, appointment: Appointment) -> Sequence[OutgoingMessage]:
    """Return what is sent when it is over: thanks, and a request for a review."""
    end, zone = appointment.slot.end, ZoneInfo(appointment.attendee.zone)
    sent: list[OutgoingMessage] = []
    if plan.follow_up_after is not None:
        window = later_window(end + plan.follow_up_after, quiet=plan.quiet, zone=zone)
        sent += _timed(plan, appointment, MessageKind.FOLLOW_UP, window)
    if plan.review_link:
        window = later_window(end + plan.review_after, quiet=plan.quiet, zone=zone)
        sent += _timed(plan, appointment, MessageKind.REVIEW, window, link=plan.review_link)
    return sent


def reminders(plan: MessagePlan, appointment: Appointment, *, now: datetime) -> Sequence[OutgoingMessage]:
    """Return the reminders that are still to come."""
    planned: dict[datetime, OutgoingMessage] = {}
    for lead in sorted(plan.reminders, reverse=True):
        window = reminder_window(
            appointment.slot.start, lead, quiet=plan.quiet, zone=ZoneInfo(appointment.attendee.zone), booked_at=now
        )
        kind = MessageKind.REMINDER_DAY if lead >= DAY_BEFORE else MessageKind.REMINDER_HOURS
        minutes = round(lead.total_seconds() / 60)
        # Two that quiet hours have moved to the same moment are one: the nearer.
        planned |= {
            message.not_before: message
            for message in _timed(plan, appointment, kind, window, told_as=f"{kind}.{minutes}")
        }
    return tuple(planned.values())


def _to_owner(
    plan: MessagePlan,
    event: OwnerEvent,
    appointment: Appointment,
    *,
    call_sid: CallSid | None,
    headline: str = "",
    told_as: str = "",
) -> Sequence[OutgoingMessage]:
    return appointment_notices(
        plan.owner,
        event,
        appointment,
        business=plan.business,
        call_sid=call_sid,
        headline=headline,
        told_as=told_as,
    )


def _standing(
    plan: MessagePlan, appointment: Appointment, kind: MessageKind, now: datetime
) -> Sequence[OutgoingMessage]:
    if appointment.status is AppointmentStatus.REQUESTED:
        return _told(plan, appointment, MessageKind.REQUESTED)
    return (*_told(plan, appointment, kind), *reminders(plan, appointment, now=now))


def _told(
    plan: MessagePlan,
    appointment: Appointment,
    kind: MessageKind,
    *,
    of: str = "",
    held_back: timedelta = timedelta(0),
) -> Sequence[OutgoingMessage]:
    """Return the text and the e-mail of that kind, each once for `of`, which is the appointment if nothing else."""
    told = f"{of}|{kind}|1" if of else f"{appointment.appointment_id}|{kind}|{appointment.version}"
    return (
        *_text(plan, appointment, kind, told, held_back=held_back),
        *_email(plan, appointment, kind, told, held_back=held_back),
    )


def _timed(
    plan: MessagePlan,
    appointment: Appointment,
    kind: MessageKind,
    window: Window | None,
    *,
    told_as: str = "",
    link: str = "",
) -> Sequence[OutgoingMessage]:
    """Return the text that is sent within `window`, nothing when there is none."""
    if window is None:
        return ()
    told = f"{appointment.appointment_id}|{told_as or kind}|{appointment.version}"
    return _text(plan, appointment, kind, told, link=link, window=window)


def _text(
    plan: MessagePlan,
    appointment: Appointment,
    kind: MessageKind,
    told: str,
    *,
    link: str = "",
    held_back: timedelta = timedelta(0),
    window: Window | None = None,
) -> Sequence[OutgoingMessage]:
    if not plan.texts(kind):
        return ()
    try:
        body = as_sms(plan.templates[kind], _details(plan, appointment, link=link))
    except ConfigError as error:
        # The outcome is recorded all the same: a wrong template must not make a booking look failed.
        log.error("text_not_rendered", of=told, reason=str(error))
        return ()
    message = OutgoingMessage(
        plan.to,
        body,
        told,
        kind,
        version=appointment.version,
        held_back=held_back,
        not_before=window.opens if window else AT_ONCE,
        expires_at=window.closes if window else None,
        call_sid=appointment.call_sid,
    )
    return (message,)


def _email(
    plan: MessagePlan, appointment: Appointment, kind: MessageKind, told: str, *, held_back: timedelta
) -> Sequence[OutgoingMessage]:
    template = plan.emails.get(kind) if plan.email else None
    if not template:
        return ()
    try:
        subject, _, body = fill(template, _details(plan, appointment)).partition("\n")
        invite = _invite(plan, appointment, kind) if plan.has_invites else None
    except ConfigError as error:
        log.error("text_not_rendered", of=told, reason=str(error))
        return ()
    message = OutgoingMessage(
        plan.email,
        body.strip(),
        f"{told}|{Channel.EMAIL}",
        kind,
        channel=Channel.EMAIL,
        version=appointment.version,
        subject=subject,
        attachment=invite,
        held_back=held_back,
        call_sid=appointment.call_sid,
    )
    return (message,)


def _details(plan: MessagePlan, appointment: Appointment, *, link: str = "") -> Mapping[str, str]:
    return details(
        slot=appointment.slot,
        zone=ZoneInfo(appointment.zone),
        duration=appointment.slot.duration,
        link=link or appointment.meeting_link,
        location=appointment.location,
        name=appointment.attendee.name,
        host=appointment.host_name,
        business=plan.business,
    )


def _invite(plan: MessagePlan, appointment: Appointment, kind: MessageKind) -> Invite | None:
    """Return the calendar entry that goes with an e-mail, None where the appointment is not what it tells of."""
    if kind not in (MessageKind.CONFIRMATION, MessageKind.MOVED, MessageKind.CANCELLED):
        return None
    return Invite(
        method="CANCEL" if kind is MessageKind.CANCELLED else "REQUEST",
        uid=appointment.appointment_id,
        sequence=appointment.version,
        starts_at=appointment.slot.start,
        ends_at=appointment.slot.end,
        # A title of words that there are none for, such as a host's name, is no title.
        title=fill(plan.title, _details(plan, appointment)) or appointment.title,
        description="\n".join(filter(None, (appointment.title, appointment.host_name, appointment.meeting_link))),
        location=appointment.location or appointment.meeting_link,
        business=plan.business,
        attendee_name=appointment.attendee.name,
    )


_PLANS = TypeAdapter(MessagePlan)
NO_MESSAGES = MessagePlan()
