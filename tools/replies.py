"""What a tool answers: words that may be spoken, a hint that may not, and the one place that turns errors into both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from appointments.errors import (
    CalendarUnavailable,
    CallerCanFix,
    EventTypeChanged,
    MessageDeferred,
    NotChangeable,
    NotConfirmed,
    NotVerified,
    RuleViolation,
    SlotNotOffered,
    SlotTaken,
    WishNotUnderstood,
)
from appointments.model import AppointmentStatus, Proof, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError

    from appointments.errors import SlotlineError


class Status(StrEnum):
    """How a tool call ended, for the model."""

    AVAILABLE = "available"
    NOTHING_FREE = "nothing_free"
    DAY_FULL = "day_full"
    CLOSED = "closed"
    TOO_SOON = "too_soon"
    TOO_FAR = "too_far"
    PAST = "past"
    TAKEN = "taken"
    BOOKED = "booked"
    FOUND = "found"
    CONFIRMED = "confirmed"
    MOVED = "moved"
    CANCELLED = "cancelled"
    CODE_SENT = "code_sent"
    NOT_VERIFIED = "not_verified"
    NOT_CHANGEABLE = "not_changeable"
    NOTED = "noted"
    REQUESTED = "requested"
    TRANSFERRING = "transferring"
    PENDING = "pending"
    UNCONFIRMED = "unconfirmed"
    NOT_OFFERED = "not_offered"
    NOT_ALLOWED = "not_allowed"
    NOT_CONFIRMED = "not_confirmed"
    NEEDS_EMAIL = "needs_email"
    LEFT_OUT = "left_out"
    UNAVAILABLE = "unavailable"
    REJECTED = "rejected"
    INVALID = "invalid"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Reply:
    """A tool's answer to the model. `answers` is False when the model has nothing to say to it."""

    status: Status
    say: str = ""
    hint: str = ""
    slots: Sequence[Mapping[str, str]] = ()
    """The slots that may be booked now, each with `key`, `say`, `date` and `time`."""
    appointments: Sequence[Mapping[str, str]] = ()
    """The caller's own, each with `key`, `say`, `title`, `date`, `time` and `status`."""
    answers: bool = True

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object the model reads; empty parts are left out."""
        parts = {"status": self.status.value, "say": self.say, "hint": self.hint, "slots": list(self.slots)}
        parts["appointments"] = list(self.appointments)
        return {name: part for name, part in parts.items() if part}


CALENDAR_DOWN = "I'm sorry, I can't reach our calendar right now. Shall I have somebody call you back?"
NOT_BOOKABLE = "I'm sorry, we can't book that right now. Shall I have somebody call you back?"
TRY_LATER = "I'm sorry, something went wrong on our side. Please call again in a little while."


def reply_to_error(error: SlotlineError) -> Reply:
    """Turn an error of ours into words; which errors exist is drawn in `appointments/errors.py`."""
    match error:
        case NotConfirmed():
            return Reply(
                Status.NOT_CONFIRMED,
                say=error.read_back,
                hint="Nothing was done. Say this and wait for the caller's yes, then call this tool again.",
            )
        case SlotNotOffered():
            return Reply(
                Status.NOT_OFFERED, hint=f"{error}. Nothing is booked. Use find_slots and offer what it returns."
            )
        case RuleViolation():
            return _not_allowed(error.rule)
        case SlotTaken():
            return Reply(Status.TAKEN, say="I'm sorry, that time has just been taken.", hint="Nothing is booked.")
        case NotVerified():
            return _not_verified(error.ways)
        case NotChangeable():
            is_cancelled = error.status is AppointmentStatus.CANCELLED
            fact = "has been cancelled meanwhile" if is_cancelled else "can't be changed right now"
            return Reply(
                Status.NOT_CHANGEABLE,
                say=f"I'm sorry, that appointment {fact}.",
                hint=f"Nothing was changed: {error}. Say how it stands; offer to have the caller called back.",
            )
        case WishNotUnderstood() | CallerCanFix():
            return Reply(Status.INVALID, hint=str(error))
        case MessageDeferred():
            return Reply(
                Status.UNAVAILABLE,
                say="I'm sorry, I can't send texts right now.",
                hint="No code was sent. Offer to have the caller called back (request_callback).",
            )
        case CalendarUnavailable():
            return Reply(
                Status.UNAVAILABLE,
                say=CALENDAR_DOWN,
                hint="Nothing was found or done. Do not name times. For a call back use request_callback.",
            )
        case EventTypeChanged():
            return Reply(
                Status.REJECTED,
                say=NOT_BOOKABLE,
                hint="Nothing is booked, and no other time for it can be. For a call back use request_callback.",
            )
        case _:
            return Reply(Status.REJECTED, say=TRY_LATER, hint="Nothing is booked. A person has been told to look.")


def _not_verified(ways: Sequence[Proof]) -> Reply:
    """Ask for what the caller can still show. The words are the same when there is no appointment at all."""
    if Proof.CODE in ways:
        say = "Could you read me the code once more, or type it on your phone?"
        hint = "Call check_code with what the caller says or types."
    elif Proof.NAME_AND_DAY in ways:
        say = "What name is it under, and which day is it?"
        hint = "Call find_appointments with both. If the caller does not know them, offer to text a code (text_code)."
    elif Proof.NEW_CODE in ways:
        say = "Which number is it under? I can text a code to it."
        hint = "Call text_code with that number."
    else:
        say = "Shall I have somebody call you back?"
        hint = "Nothing more can be shown in this call. Offer request_callback."
    hint += " Say nothing about whether there is an appointment."
    return Reply(Status.NOT_VERIFIED, say=f"I can't find it with what I have so far. {say}", hint=hint)


def _not_allowed(rule: Rule) -> Reply:
    """Tell that a slot, offered as it was, breaks a rule now."""
    if rule is Rule.CALLER_FULL:
        return Reply(
            Status.NOT_ALLOWED,
            say="I'm sorry, you already have as many appointments with us as we can give one caller.",
            hint="Nothing is booked, and nothing more can be for this caller. Do not try again.",
        )
    fact = {
        Rule.DAY_FULL: "I'm sorry, that day has just filled up. Shall I look for another one?",
        Rule.TOO_SOON: "I'm sorry, it is too late for that time now. Shall I look for another one?",
    }
    say = fact.get(rule, "I'm sorry, that time cannot be booked any more. Shall I look for another one?")
    return Reply(Status.NOT_ALLOWED, say=say, hint="Nothing is booked. Use find_slots and offer what it returns.")


def reply_without_result(*, changes_something: bool) -> Reply:
    """Answer for a tool that came to no result; one that changes something may have done so all the same."""
    if not changes_something:
        return Reply(Status.UNAVAILABLE, say=TRY_LATER, hint="Nothing was found. Do not try again.")
    return Reply(
        Status.PENDING,
        say="I'm sorry, it isn't certain yet whether that went through. We will check it.",
        hint="It is not known yet whether it was done. Do not say that it was, and do not try again.",
    )


def reply_to_bad_arguments(error: ValidationError) -> Reply:
    """Tell the model which arguments to mend, without repeating their values."""
    problems = "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    )
    return Reply(Status.INVALID, hint=f"Nothing was done. Mend the arguments and call again: {problems}")
