"""When a caller is told of the keys of their phone: after two misunderstandings in a row, and with what they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent import phrases
from appointments.clock_words import ORDINALS, cardinal
from appointments.spoken import either
from tools.keys import KEYS, is_misunderstanding, is_yes_or_no_asked, named_in, options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tools.session import BookingSession, Utterance

MISUNDERSTANDINGS: Final = 2
"""In a row, before the keys are spoken of."""

_TELLS_NOTHING = frozenset(phrases.ALL) - {phrases.SAY_AGAIN}
"""Said without the model, whether the caller is understood or not."""


@dataclass(frozen=True, slots=True)
class KeysNotice:
    """What to say of the keys, and a phrase that says as much without a voice."""

    say: str
    phrase: str


class Keypad:
    """Follows how well the two sides understand each other.

    Args:
        heard: Returns what each side has been heard to say so far.
    """

    def __init__(self, session: BookingSession, heard: Callable[[], Sequence[Utterance]]) -> None:
        self._session = session
        self._heard = heard
        self._misunderstood = 0
        self.is_offered = False
        """Whether the caller has just been told of the keys: one of them is an answer then."""

    def caller_is_understood(self) -> None:
        self._misunderstood = 0
        self.is_offered = False

    def notice(self, said: str) -> KeysNotice | None:
        """Take note of what the agent has `said`; returns what to add to it of the keys."""
        if said in _TELLS_NOTHING or said.casefold().startswith(KEYS):
            return None
        if not is_misunderstanding(said):
            self.caller_is_understood()
            return None
        self._misunderstood += 1
        if self._misunderstood < MISUNDERSTANDINGS or (notice := self._of_what_is_asked(said)) is None:
            return None
        self._misunderstood = 0
        self.is_offered = True
        return notice

    def _of_what_is_asked(self, said: str) -> KeysNotice | None:
        """Return how to answer by keys what is being asked, None when there is nothing to choose."""
        heard = self._heard()
        choices = options(self._session, heard)
        if len(choices) > 1:
            # Nobody wants to hear all the times twice.
            names_times = len(named_in(said, self._session)) < len(choices)
            names = [each.say if names_times else f"the {ORDINALS[at]}" for at, each in enumerate(choices, 1)]
            keys = either([f"{cardinal(at)} for {name}" for at, name in enumerate(names, 1)], before_or=", ")
            return KeysNotice(f"You can also use the keys of your phone: press {keys}.", phrases.KEYS_FOR_TIMES)
        if is_yes_or_no_asked(self._session, heard):
            return KeysNotice(phrases.KEYS_FOR_YES, phrases.KEYS_FOR_YES)
        return None
