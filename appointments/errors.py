"""Everything that can go wrong with a booking, split by who can fix it.

SlotlineError
├── CallerCanFix              the agent offers something else
│   ├── SlotTaken             somebody has it; carries alternatives
│   ├── NotChangeable         the appointment is over, unsettled, or being changed already
│   ├── SlotNotOffered        this key was not offered in this call, or too long ago
│   ├── RuleViolation         the slot breaks a rule of the business; says which
│   ├── NotConfirmed          the details were not read back and agreed to
│   ├── WishNotUnderstood     the day or the time could not be made out
│   └── NotVerified           it is not known whose appointments the caller may hear about, or there are none
├── CalendarUnavailable       time fixes it; retried with the same idempotency key
├── MessageUnclear            a message may have been sent; look before sending again
├── MessageDeferred           a message was certainly not sent; try again later
└── PersonMustFix             a person must look
    ├── CalendarRejected      the calendar refuses and will go on refusing
    │   └── EventTypeChanged  what is booked is gone, or wants something else than it did
    ├── MessageRefused        a message will never be accepted
    └── ConfigError           a setting or a file is wrong; says which and what to do
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.model import AppointmentStatus, Proof, Rule, Slot


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


class NotChangeable(CallerCanFix):
    """The appointment cannot be moved or cancelled now. `is_busy` claims that another change of it is under way."""

    def __init__(self, status: AppointmentStatus, *, is_busy: bool = False) -> None:
        super().__init__("another change of it is under way" if is_busy else f"the appointment is {status.value}")
        self.status = status
        self.is_busy = is_busy


class SlotNotOffered(CallerCanFix):
    """The key names no slot that was offered in this call, or one whose offer `is_old`."""

    def __init__(self, key: str, *, is_old: bool = False) -> None:
        super().__init__(
            f"the offer of slot {key!r} is too old" if is_old else f"no slot {key!r} was offered in this call"
        )
        self.key = key
        self.is_old = is_old


class RuleViolation(CallerCanFix):
    """The slot breaks a rule of the business, which is `rule`."""

    def __init__(self, slot: Slot, rule: Rule) -> None:
        super().__init__(f"the slot at {slot.start.isoformat()} cannot be booked: {rule.value}")
        self.slot = slot
        self.rule = rule


class NotConfirmed(CallerCanFix):
    """The details were not read back to the caller, or the caller has not agreed. `read_back` is what to say."""

    def __init__(self, read_back: str) -> None:
        super().__init__("the caller has not confirmed the details after they were read back")
        self.read_back = read_back


class WishNotUnderstood(CallerCanFix):
    """A day or time that cannot be resolved. The message says what is wrong, for the model to ask about."""


class NotVerified(CallerCanFix):
    """The caller has not shown whose appointments they may hear about, or there are none: never told which of the two.

    `ways` are what can still be tried; empty: nothing in this call.
    """

    def __init__(self, ways: Sequence[Proof]) -> None:
        super().__init__("the caller has not shown that they may hear about appointments, or there are none")
        self.ways = tuple(ways)


class CalendarUnavailable(SlotlineError):
    """The calendar did not answer usefully. `is_unclear` claims that the work may have been done all the same."""

    def __init__(self, message: str, *, is_unclear: bool = False) -> None:
        super().__init__(message)
        self.is_unclear = is_unclear


class PersonMustFix(SlotlineError):
    """Neither the caller nor time can fix it."""


class CalendarRejected(PersonMustFix):
    """The calendar refuses and would refuse again: a wrong key, event type or field."""


class EventTypeChanged(CalendarRejected):
    """What was to be booked is gone at the calendar, or wants something else than when the agent last asked."""


class ConfigError(PersonMustFix):
    """A setting or a file is wrong. The message names it and the way out."""


class MessageRefused(PersonMustFix):
    """The message will never be accepted. `is_opt_out` claims that the receiver said STOP (Twilio's 21610).

    `code` is the sender's word for why, `reason` ours where it was not even asked.
    """

    def __init__(self, message: str, *, code: int = 0, is_opt_out: bool = False, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.is_opt_out = is_opt_out
        self.reason = reason


class MessageUnclear(SlotlineError):
    """The message may have been sent: look before sending again."""


class MessageDeferred(SlotlineError):
    """The message was certainly not sent. `retry_after_secs` is the sender's advice."""

    def __init__(self, message: str, *, retry_after_secs: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after_secs = retry_after_secs
