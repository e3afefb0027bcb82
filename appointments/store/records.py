"""What goes into the record and comes out of it, besides appointments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

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


@dataclass(frozen=True, slots=True)
class OutgoingText:
    """A text to be sent once. `dedupe_key` is ``appointment_id|kind|version``; a second one with it is dropped."""

    to: str
    body: str
    dedupe_key: str
    held_back: timedelta = timedelta(0)
    """It is not sent before: whoever hears meanwhile what it tells takes it back."""


@dataclass(frozen=True, slots=True)
class BookingTexts:
    """The templates of what is texted when a booking is settled, kept with the claim so that any process can send it.

    An empty template, or an empty `to`, means no text.
    """

    to: str = ""
    business: str = ""
    confirmed: str = ""
    unconfirmed: str = ""
    failed: str = ""


NO_TEXTS = BookingTexts()


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A text in the outbox. `tried_at` is when an earlier try may have gone out, None when none has."""

    outbox_id: str
    appointment_id: AppointmentId
    to: str
    body: str
    state: str
    """``pending``, ``leased``, ``sent`` (accepted by the sender) or ``refused``."""
    status: str
    """The sender's last word (``queued``, ``delivered``, …), "" before there is one."""
    attempts: int
    created_at: datetime
    tried_at: datetime | None
    message_sid: str
    error_code: str


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
