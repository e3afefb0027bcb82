"""Everything that can go wrong with a booking, split by who can fix it.

SlotlineError
├── CallerCanFix              the agent offers something else
│   ├── SlotTaken             somebody has it; carries alternatives
│   ├── SlotNotOffered        this key was not offered in this call
│   ├── NotConfirmed          the details were not read back and agreed to
│   └── WishNotUnderstood     the day or the time could not be made out
├── CalendarUnavailable       time fixes it; retried with the same idempotency key
├── MessageUnclear            a text may have been sent; look before sending again
├── MessageDeferred           a text was certainly not sent; try again later
└── PersonMustFix             a person must look
    ├── CalendarRejected      the calendar refuses and will go on refusing
    ├── MessageRefused        a text will never be accepted
    └── ConfigError           a setting or a file is wrong; says which and what to do
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.model import Slot


class SlotlineError(Exception):
    """Any error of ours."""


class CallerCanFix(SlotlineError):
    """The caller picks something else and the call goes on."""


class SlotTaken(CallerCanFix):
    """Somebody has the slot. `alternatives` are free slots near it, fresh from the calendar when known."""

    def __init__(self, slot: Slot, alternatives: Sequence[Slot] = ()) -> None:
        super().__init__(f"the slot at {slot.start.isoformat()} is taken")
        self.slot = slot
        self.alternatives = tuple(alternatives)


class SlotNotOffered(CallerCanFix):
    """The key names no slot that was offered in this call."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no slot {key!r} was offered in this call")
        self.key = key


class NotConfirmed(CallerCanFix):
    """The details were not read back to the caller, or the caller has not agreed. `read_back` is what to say."""

    def __init__(self, read_back: str) -> None:
        super().__init__("the caller has not confirmed the details after they were read back")
        self.read_back = read_back


class WishNotUnderstood(CallerCanFix):
    """A day or time that cannot be resolved. The message says what is wrong, for the model to ask about."""


class CalendarUnavailable(SlotlineError):
    """The calendar did not answer usefully. `is_unclear` claims that the work may have been done all the same."""

    def __init__(self, message: str, *, is_unclear: bool = False) -> None:
        super().__init__(message)
        self.is_unclear = is_unclear


class PersonMustFix(SlotlineError):
    """Neither the caller nor time can fix it."""


class CalendarRejected(PersonMustFix):
    """The calendar refuses and would refuse again: a wrong key, event type or field."""


class ConfigError(PersonMustFix):
    """A setting or a file is wrong. The message names it and the way out."""


class MessageRefused(PersonMustFix):
    """The text will never be accepted. `is_opt_out` claims that the receiver said STOP (Twilio's 21610)."""

    def __init__(self, message: str, *, code: int = 0, is_opt_out: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.is_opt_out = is_opt_out


class MessageUnclear(SlotlineError):
    """The text may have been sent: look before sending again."""


class MessageDeferred(SlotlineError):
    """The text was certainly not sent. `retry_after_secs` is the sender's advice."""

    def __init__(self, message: str, *, retry_after_secs: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after_secs = retry_after_secs
