"""What goes into the record and comes out of it, besides appointments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from appointments.model import Appointment

if TYPE_CHECKING:
    from appointments.model import AppointmentId, CallSid, EventTypeId, PhoneNumber, Slot


@dataclass(frozen=True, slots=True)
class Block:
    """What a claim keeps for its owner: a time of one resource, with the buffers around the slot."""

    resource: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """How many appointments there may be, the one to be claimed included; None: any number."""

    day: tuple[datetime, datetime]
    """The day of the appointment, from its first moment to the one after its last."""
    most_a_day: int | None
    most_per_caller: int | None


@dataclass(frozen=True, slots=True)
class Hold:
    """A slot kept for a caller who has not agreed to the booking yet."""

    call_sid: CallSid
    caller: PhoneNumber | None
    event_type_id: EventTypeId
    slot: Slot
    until: datetime
    reservation: str = ""
    """The calendar's own hold, "" when it has none."""


class ChangeKind(StrEnum):
    MOVE = "move"
    CANCEL = "cancel"


class ChangeState(StrEnum):
    PENDING = "pending"
    """On its way to the calendar."""
    DONE = "done"
    FAILED = "failed"
    """The calendar refused it, or never got it: the appointment is as it was."""
    UNCLEAR = "unclear"
    """Nobody could find out; a person must look."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an appointment. `slot` is where a move goes."""

    change_id: str
    appointment_id: AppointmentId
    kind: ChangeKind
    idempotency_key: str
    call_sid: CallSid
    slot: Slot | None = None
    reason: str = ""
    state: ChangeState = ChangeState.PENDING


class RequestKind(StrEnum):
    CALL_BACK = "call_back"
    WAITLIST = "waitlist"


@dataclass(frozen=True, slots=True)
class CallerRequest:
    """What a caller leaves for the owner. `title` is what they would have booked, `best_time` in their own words."""

    call_sid: CallSid
    kind: RequestKind
    number: PhoneNumber
    name: str = ""
    title: str = ""
    best_time: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """What a caller has left, as it is kept: open while `done_at` is None."""

    request_id: str
    left: CallerRequest
    created_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """Something that happened to an appointment. `starts_at` is the time it was about, None when it was about none."""

    event: str
    at: datetime
    call_sid: CallSid | None
    starts_at: datetime | None
    reason: str


class Channel(StrEnum):
    """By what a message is sent."""

    SMS = "sms"
    EMAIL = "email"
    WEBHOOK = "webhook"


class MessageKind(StrEnum):
    """What a message tells. Most have a template of that name."""

    CONFIRMATION = "confirmation"
    REQUESTED = "requested"
    UNCONFIRMED = "unconfirmed"
    FAILED = "failed"
    MOVED = "moved"
    CANCELLED = "cancelled"
    CHANGE_UNCONFIRMED = "change_unconfirmed"
    CHANGE_FAILED = "change_failed"
    REMINDER_DAY = "reminder_day"
    REMINDER_HOURS = "reminder_hours"
    FOLLOW_UP = "follow_up"
    REVIEW = "review"
    REPLY = "reply"
    """An answer to a text that came in."""
    OWNER_NOTICE = "owner_notice"
    """To the owner: never superseded by a later change, and sent whatever the country and the hour's number."""


@dataclass(frozen=True, slots=True)
class Invite:
    """An entry for the receiver's own calendar, sent with an e-mail; `sequence` is the appointment's version."""

    method: Literal["REQUEST", "CANCEL"]
    uid: str
    sequence: int
    starts_at: datetime
    ends_at: datetime
    title: str
    description: str
    location: str
    business: str
    attendee_name: str


AT_ONCE: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The `not_before` of what waits for no time, and the `expires_at` of what is never to be sent again."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to be sent once. `dedupe_key` is ``appointment_id|kind|version``; a second one with it is dropped.

    `not_before` and `expires_at` go by the business's clock: what is late by then is not sent at all.
    """

    to: str
    """A phone number, an e-mail address or a URL, as `channel` has it."""
    body: str
    dedupe_key: str
    kind: MessageKind
    channel: Channel = Channel.SMS
    version: int = 1
    subject: str = ""
    attachment: Invite | None = None
    held_back: timedelta = timedelta(0)
    """It is not sent before: whoever hears meanwhile what it tells takes it back."""
    not_before: datetime = AT_ONCE
    expires_at: datetime | None = None
    call_sid: CallSid | None = None


Compose: TypeAlias = Callable[[Appointment], Sequence[OutgoingMessage]]
"""Returns what is sent about an event, of the appointment as the event leaves it."""


def nothing(_appointment: Appointment) -> Sequence[OutgoingMessage]:
    """Send nothing."""
    return ()


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message in the outbox. `tried_at` is when an earlier try may have gone out, None when none has."""

    outbox_id: str
    appointment_id: AppointmentId | None
    call_sid: CallSid | None
    channel: Channel
    kind: MessageKind
    version: int
    to: str
    subject: str
    body: str
    attachment: Invite | None
    state: str
    """``pending``, ``leased``, ``sent`` (accepted by the sender), ``refused``, ``cancelled`` (superseded by a change of
    the appointment) or ``dropped`` (its time was over)."""
    status: str
    """The sender's last word (``queued``, ``delivered``, …), "" before there is one."""
    reason: str
    """Why it was refused, dropped, cancelled or put back; "" when the sender's `error_code` says it, or none was."""
    attempts: int
    not_before: datetime
    expires_at: datetime | None
    created_at: datetime
    tried_at: datetime | None
    message_sid: str
    error_code: str


@dataclass(frozen=True, slots=True)
class ReceivedText:
    """A text that came in, at a time of the business's clock; `tries` is how often it was begun to be answered."""

    message_sid: str
    number: str
    called: str
    body: str
    received_at: datetime
    tries: int = 0


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call, live while `ended_at` is None. `handover` is what a person who takes it over is told, "" for nobody.

    `resumes` is how often it was taken up again.
    """

    call_sid: CallSid
    caller: str | None
    called: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    handover: str = ""
    resumes: int = 0


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One side's go, `at_ms` after the call's start. `took_ms` is its voice-to-voice latency or the tool's time."""

    who: str
    text: str
    at_ms: int
    tool: str | None
    took_ms: int | None


STAGES: Final = ("turn_end", "stt", "llm", "tts", "play")
"""What an answer waits for, as `TurnTimes` names it."""


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """How long the caller waited for one answer, and for what; None where it is not known.

    `turn_end_ms`, `llm_ms`, `tts_ms` and `play_ms` follow each other. `stt_ms` lies within the first of them.
    """

    at_ms: int
    """When the caller's words ended, after the start of the call."""
    voice_to_voice_ms: int
    """From the end of the caller's words to our first sound, be it a filler."""
    turn_end_ms: int | None = None
    """From the end of the words to the decision that the turn is over."""
    stt_ms: int | None = None
    """From the end of the words to the last of their transcript; 0 when it was there by then."""
    llm_ms: int | None = None
    """From there to the first word of the answer, the tools before it included."""
    tts_ms: int | None = None
    """From there to the first audio of the answer."""
    play_ms: int | None = None
    """From there to its way to the caller; unknown where a filler was being heard."""


@dataclass(frozen=True, slots=True)
class CallTimes:
    """What was measured of one call. Without a sound of ours, or a silence, there is no number for it."""

    greeting_ms: int | None = None
    """From the open stream to the first sound of the greeting."""
    worst_silence_ms: int | None = None
    """The longest stretch in which the caller had finished, was owed an answer and heard nothing."""
    turns: tuple[TurnTimes, ...] = ()
