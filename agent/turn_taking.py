"""When a caller's turn ends: how long to stay silent, by what is known of the pause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipecat.turns.user_start import ExternalUserTurnStartStrategy
from pipecat.turns.user_stop import EagerUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

if TYPE_CHECKING:
    from agent.settings import Settings

START_SECS: Final = 0.16
"""How long a sound must be speech before the caller is taken to speak, and the agent to be interrupted."""
PAUSE_SECS: Final = 0.09
"""The silence after which what was said so far is transcribed, and the pause judged."""
STOP_SECS: Final = 0.2
"""The silence after which the caller is taken to have stopped, whether or not the turn is over."""
SURE: Final = 0.8
LIKELY: Final = 0.5
"""What the turn model must say for the shorter and for the longer silence below."""
FIRST_WORD_SECS: Final = 0.5
"""The turn model takes a first word for a whole turn: the "Yes" of "Yes, that is right"."""


@dataclass(frozen=True, slots=True)
class Silences:
    """How many seconds of silence end a turn.

    `sure`, `likely` and `unlikely` go by how sure the turn model is that it is over. Without the model, `unlikely` is
    all there is.
    """

    sure: float = 0.15
    likely: float = 0.22
    unlikely: float = 1.5

    @classmethod
    def of(cls, settings: Settings) -> Silences:
        if settings.turn_end == "smart_turn":
            return cls()
        return cls(unlikely=STOP_SECS + settings.speech_timeout_secs)

    def needed(self, finished: float | None, text: str, *, spoken_secs: float) -> float:
        """Return the silence that ends a turn of the words `text`.

        Args:
            finished: How likely it is over by its sound, None when that is not known.
            spoken_secs: How long there was speech in it.
        """
        if finished is None or finished < LIKELY or is_left_open(text):
            return self.unlikely
        return self.sure if finished >= SURE and spoken_secs >= FIRST_WORD_SECS else self.likely


_LEADS_ON: Final = frozenset(
    {"a", "an", "and", "at", "because", "but", "for", "from", "if", "in", "is", "my", "of", "on", "or", "so", "that's"}
    | {"the", "then", "to", "uh", "um", "was", "well", "when", "with", "would", "your", "i'd", "i'll", "i'm"}
)
"""What no English turn ends with."""
_PHRASES_THAT_LEAD_ON: Final = ("to ask", "to ask you", "to know", "tell me", "was wondering", "i was thinking")


def is_left_open(text: str) -> bool:
    """Return whether `text` breaks off where something must follow, however its last word sounds."""
    said = text.lower().replace("\u2019", "'").rstrip(" ,.\u2026-\u2013\u2014")
    return said.split(" ")[-1] in _LEADS_ON or said.endswith(_PHRASES_THAT_LEAD_ON)


def turn_strategies() -> UserTurnStrategies:
    """Return the strategies by which Pipecat follows what the ear decides."""
    return UserTurnStrategies(start=[ExternalUserTurnStartStrategy()], stop=[_TurnEnd()])


class _TurnEnd(EagerUserTurnStopStrategy):  # type: ignore[no-untyped-call]
    """Ends a turn when the ear says so, with words or without, and lets the model answer before that.

    The ear has pushed the words before it proposes the end, so there is nothing to wait for.
    """

    def __init__(self) -> None:
        super().__init__(wait_for_transcript=False, speculation_timeout=30.0)
