"""What the stand-in model answers with: words, tool calls, and what it has asked about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GOODBYE = "Thank you for calling. Goodbye!"
MORE = "Is there anything else?"
NAME = "May I have your name, please?"
EMAIL = "What is your e-mail address?"
OTHER_TIME = "What other day or time would suit you?"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model wants run."""

    name: str
    arguments: dict[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says, and what it calls; both may be empty."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()


class Asked(StrEnum):
    """What the agent's last question was about."""

    OPEN = "open"
    ACTION = "action"
    OFFER = "offer"
    OTHER_TIME = "other_time"
    NAME = "name"
    EMAIL = "email"
    QUESTION = "question"
    """One of the event type's own."""
    CONFIRM = "confirm"
    CHANGE = "change"
    RETRY = "retry"
    MORE = "more"
    RESUME = "resume"
    """Whether to go on where the last call broke off."""
    GOODBYE = "goodbye"
    ERRAND = "errand"
    """What to do with an appointment that exists."""
    WHICH = "which"
    """Which of several that exist."""
    WHO = "who"
    """The name and the day of one that exists."""
    CODE_NUMBER = "code_number"
    """The number to text a code to."""
    CODE = "code"
    WHY = "why"
    LEAVE = "leave"
    """Whether to be called back, or put on the waitlist."""
    BEST_TIME = "best_time"
    NUMBER = "number"
    """The number to reach the caller at, for a booking."""
    REACH = "reach"
    """The number to reach the caller at."""
