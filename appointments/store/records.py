"""What goes into the record and comes out of it, besides appointments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from appointments.model import AppointmentId, CallSid


@dataclass(frozen=True, slots=True)
class OutgoingText:
    """A text to be sent once. `dedupe_key` is ``appointment_id|kind|version``; a second one with it is dropped."""

    to: str
    body: str
    dedupe_key: str


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
    """A call, live while `ended_at` is None."""

    call_sid: CallSid
    caller: str | None
    called: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One side's go, `at_ms` after the call's start. `took_ms` is its voice-to-voice latency or the tool's time."""

    who: str
    text: str
    at_ms: int
    tool: str | None
    took_ms: int | None
