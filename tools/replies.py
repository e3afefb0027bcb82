"""What a tool answers: words that may be spoken, a hint that may not, and the one place that turns errors into both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from appointments.errors import (
    CalendarUnavailable,
    CallerCanFix,
    NotConfirmed,
    SlotNotOffered,
    SlotTaken,
    WishNotUnderstood,
)

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
    TOO_FAR = "too_far"
    PAST = "past"
    TAKEN = "taken"
    BOOKED = "booked"
    PENDING = "pending"
    UNCONFIRMED = "unconfirmed"
    NOT_OFFERED = "not_offered"
    NOT_CONFIRMED = "not_confirmed"
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
    answers: bool = True

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object the model reads; empty parts are left out."""
        parts = {"status": self.status.value, "say": self.say, "hint": self.hint, "slots": list(self.slots)}
        return {name: part for name, part in parts.items() if part}


CALENDAR_DOWN = "I'm sorry, I can't reach our calendar right now. Please call again in a little while."
TRY_LATER = "I'm sorry, something went wrong on our side. Please call again in a little while."


def reply_to_error(error: SlotlineError) -> Reply:
    """Turn an error of ours into words; which errors exist is drawn in `appointments/errors.py`."""
    match error:
        case NotConfirmed():
            return Reply(
                Status.NOT_CONFIRMED,
                say=error.read_back,
                hint="Nothing is booked. Say this and wait for the caller's yes, then call this tool again.",
            )
        case SlotNotOffered():
            return Reply(
                Status.NOT_OFFERED, hint=f"{error}. Nothing is booked. Use find_slots and offer what it returns."
            )
        case SlotTaken():
            return Reply(Status.TAKEN, say="I'm sorry, that time has just been taken.", hint="Nothing is booked.")
        case WishNotUnderstood() | CallerCanFix():
            return Reply(Status.INVALID, hint=str(error))
        case CalendarUnavailable():
            return Reply(Status.UNAVAILABLE, say=CALENDAR_DOWN, hint="Nothing was found or booked. Do not name times.")
        case _:
            return Reply(Status.REJECTED, say=TRY_LATER, hint="Nothing is booked. A person has been told to look.")


def reply_without_result(*, changes_something: bool) -> Reply:
    """Answer for a tool that came to no result; one that changes something may have done so all the same."""
    if not changes_something:
        return Reply(Status.UNAVAILABLE, say=TRY_LATER, hint="Nothing was found. Do not try again.")
    return Reply(
        Status.PENDING,
        say="I'm sorry, it isn't certain yet whether that is booked. We will check it.",
        hint="It is not known yet whether it is booked. Do not say that it is, and do not book it again.",
    )


def reply_to_bad_arguments(error: ValidationError) -> Reply:
    """Tell the model which arguments to mend, without repeating their values."""
    problems = "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    )
    return Reply(Status.INVALID, hint=f"Nothing was done. Mend the arguments and call again: {problems}")
