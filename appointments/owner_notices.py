"""What the owner is told at once of what happens: in a text, in an e-mail, and as JSON for another program."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from appointments.messages import details, gsm_clean
from appointments.model import AppointmentStatus, OwnerEvent
from appointments.store.records import Channel, MessageKind, OutgoingMessage, RequestKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appointments.model import Appointment, CallSid, OwnerChannels
    from appointments.store.records import CallerRequest

LONGEST_NOTE = 100
"""So much of what a caller said goes into a text, which is billed by its length; the rest is on record."""
LONGEST_TEXT = 306
"""What two segments hold."""

_HEADLINES = {
    OwnerEvent.BOOKED: "Booked",
    OwnerEvent.MOVED: "Moved",
    OwnerEvent.CANCELLED: "Cancelled",
    OwnerEvent.FAILED: "Not booked",
    OwnerEvent.CALL_BACK: "Wants to be called back",
    OwnerEvent.WAITLIST: "On the waitlist",
}
REQUESTED = "To be accepted by you"
UNCERTAIN = "CHECK the calendar, it may or may not be booked"
CHANGE_UNCERTAIN = "CHECK the calendar, a change may or may not be made"
WHY_NOT = {"rejected": "the calendar refused it", "unavailable": "the calendar did not answer"}
"""Why something was not done, as far as the owner can do something about it."""
_NOT_CALLS = ("SM", "MM", "owner_")
"""How the names begin of what changes an appointment as a call does: a text that came in, a command of the owner."""


@dataclass(frozen=True, slots=True)
class _Notice:
    """`lines` are for people, `facts` for programs. `told_as` says what it tells of, once on each channel."""

    event: OwnerEvent
    headline: str
    business: str
    told_as: str
    lines: Sequence[str]
    notes: str
    facts: Mapping[str, Any]
    call_sid: CallSid | None


def appointment_notices(
    channels: OwnerChannels,
    event: OwnerEvent,
    appointment: Appointment,
    *,
    business: str,
    call_sid: CallSid | None,
    headline: str = "",
    told_as: str = "",
) -> Sequence[OutgoingMessage]:
    """Return the notices of what has become of an appointment.

    Args:
        call_sid: The call in which it happened, None for none.
        headline: What it is called, where that is not the event's usual name.
        told_as: What it is told of once; left out: the event of this version of the appointment.
    """
    if not headline:
        is_requested = event is OwnerEvent.BOOKED and appointment.status is AppointmentStatus.REQUESTED
        headline = REQUESTED if is_requested else _HEADLINES[event]
    attendee, when = appointment.attendee, _details(appointment, business)
    who = ", ".join(part for part in (when["name"], attendee.phone, attendee.email) if part)
    notice = _Notice(
        event,
        headline,
        business,
        told_as or f"{appointment.appointment_id}|owner_{event}.{appointment.status}|{appointment.version}",
        (f"{headline}: {appointment.title}", who, f"{when['date']} at {when['time']}"),
        appointment.notes,
        {
            "appointment": _as_object(appointment),
            "customer": {"name": attendee.name, "phone": attendee.phone, "email": attendee.email},
        },
        call_sid,
    )
    return _on_each(channels, notice)


def _details(appointment: Appointment, business: str) -> Mapping[str, str]:
    return details(
        slot=appointment.slot,
        zone=ZoneInfo(appointment.zone),
        duration=appointment.slot.duration,
        link=appointment.meeting_link,
        location=appointment.location,
        name=appointment.attendee.name,
        host=appointment.host_name,
        business=business,
    )


def _as_object(appointment: Appointment) -> Mapping[str, Any]:
    return {
        "id": appointment.appointment_id,
        "version": appointment.version,
        "status": appointment.status.value,
        "title": appointment.title,
        "start": appointment.slot.start.astimezone(ZoneInfo(appointment.zone)).isoformat(),
        "duration_min": round(appointment.slot.duration.total_seconds() / 60),
        "zone": appointment.zone,
        "booking_uid": appointment.booking_uid,
        "host": appointment.host_name,
        "location": appointment.location,
        "meeting_link": appointment.meeting_link,
    }


def request_notices(channels: OwnerChannels, request: CallerRequest, *, business: str) -> Sequence[OutgoingMessage]:
    """Return the notices of what a caller has left; who leaves something else in the same call is told of again."""
    event = OwnerEvent.CALL_BACK if request.kind is RequestKind.CALL_BACK else OwnerEvent.WAITLIST
    left = (request.number, request.name, request.best_time, request.notes)
    fingerprint = hashlib.sha256("\n".join(left).encode()).hexdigest()[:12]
    best_time = " ".join(request.best_time.split())[:LONGEST_NOTE]
    lines = (
        ": ".join(part for part in (_HEADLINES[event], request.title) if part),
        ", ".join(part for part in (" ".join(request.name.split()), request.number) if part),
        f"Best time: {best_time}" if best_time else "",
    )
    notice = _Notice(
        event,
        _HEADLINES[event],
        business,
        f"{request.call_sid}|owner_{event}|{fingerprint}",
        tuple(line for line in lines if line),
        request.notes,
        {
            "request": {"kind": request.kind.value, "title": request.title, "best_time": request.best_time},
            "customer": {"name": request.name, "phone": request.number, "email": None},
        },
        request.call_sid,
    )
    return _on_each(channels, notice)


def _on_each(channels: OwnerChannels, notice: _Notice) -> Sequence[OutgoingMessage]:
    if notice.event not in channels.notify:
        return ()
    transcript = _transcript(notice.call_sid)
    ways = {
        Channel.SMS: (channels.sms, _as_text(notice, transcript)),
        Channel.EMAIL: (channels.email, _as_email(notice, transcript)),
        Channel.WEBHOOK: (channels.webhook, _as_json(notice, transcript)),
    }
    return tuple(
        OutgoingMessage(
            to,
            body,
            f"{notice.told_as}|{channel}",
            MessageKind.OWNER_NOTICE,
            channel=channel,
            subject=f"{notice.business}: {notice.lines[0]}" if channel is Channel.EMAIL else "",
            call_sid=notice.call_sid,
        )
        for channel, (to, body) in ways.items()
        if to
    )


def _as_text(notice: _Notice, transcript: str) -> str:
    notes = " ".join(notice.notes.split())
    clipped = notes if len(notes) <= LONGEST_NOTE else f"{notes[: LONGEST_NOTE - 3].rstrip()}..."
    return gsm_clean(_joined(notice.lines, clipped, transcript))[:LONGEST_TEXT]


def _as_email(notice: _Notice, transcript: str) -> str:
    return _joined(notice.lines, notice.notes.strip(), transcript)


def _as_json(notice: _Notice, transcript: str) -> str:
    told = {
        "event": notice.event.value,
        "headline": notice.headline,
        "business": notice.business,
        **notice.facts,
        "notes": notice.notes,
        "call_sid": notice.call_sid,
        "transcript": transcript or None,
    }
    return json.dumps(told, ensure_ascii=False)


def _joined(lines: Sequence[str], notes: str, transcript: str) -> str:
    more = (f"Notes: {notes}" if notes else "", f"Call: {transcript}" if transcript else "")
    return "\n".join((*lines, *(line for line in more if line)))


def _transcript(call_sid: CallSid | None) -> str:
    """Return where what was said stands, below DATA_DIR; "" where nothing was."""
    return f"transcripts/{call_sid}.jsonl" if call_sid and not call_sid.startswith(_NOT_CALLS) else ""
