"""How long a silent caller is left in peace, and what is said to one who asks the agent to wait."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pipecat.frames.frames import Frame, LLMContextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from agent import phrases

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipecat.processors.aggregators.llm_context import LLMContext

NUDGE_SECS: Final = 7.0
NUDGES: Final = 2
NUDGES_FOR_A_CODE: Final = 6
"""A text may take most of a minute."""
HOLD_SECS: Final = 45.0
"""How long a caller who has asked to wait is left alone; then they hear that the agent is still there, once."""

_TAKE_YOUR_TIME = re.compile(r"\btake (?:all )?(?:the time you need|your time)\b", re.IGNORECASE)


class Patience:
    """Knows whether a silent caller is asked if they are there, or has asked for a moment themselves."""

    def __init__(self) -> None:
        self._nudges = 0
        self._is_holding = False
        self._has_reminded = False

    @property
    def is_holding(self) -> bool:
        """Whether the caller has asked to wait, and has not come back yet."""
        return self._is_holding

    @property
    def secs(self) -> float:
        """How long the caller may be silent from now on."""
        return HOLD_SECS if self._is_holding else NUDGE_SECS

    def caller_is_back(self) -> None:
        """Take note that the caller has said or typed something."""
        self._nudges = 0
        self._is_holding = self._has_reminded = False

    def caller_asked_to_wait(self) -> None:
        self._nudges = 0
        self._is_holding, self._has_reminded = True, False

    def nudge(self, *, awaits_code: bool) -> str:
        """Return what to say to the caller who has been silent for `secs`; "" when it is time to hang up."""
        if self._is_holding and not self._has_reminded:
            self._has_reminded = True
            return phrases.STILL_HERE
        self._is_holding = False
        self._nudges += 1
        return phrases.STILL_THERE if self._nudges <= (NUDGES_FOR_A_CODE if awaits_code else NUDGES) else ""


def tells_to_wait(said: str) -> bool:
    """Claim that the agent has `said` that the caller may take their time, and has asked nothing."""
    return _TAKE_YOUR_TIME.search(said) is not None and "?" not in said


class TurnsWithoutModel(FrameProcessor):
    """Keeps from the model what is answered without it. Stands right before the model.

    An early guess at a turn is kept from it too: whether it was right shows when the turn has ended.

    Args:
        is_answered: Claims that the agent answers these words of the caller by itself.
    """

    def __init__(self, is_answered: Callable[[str], bool]) -> None:
        # It has nothing to wait for, and every frame of the call passes it.
        super().__init__(enable_direct_mode=True)
        self._is_answered = is_answered
        self._has_kept = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame) and direction is FrameDirection.DOWNSTREAM:
            self._has_kept = self._is_answered(_said_last(frame.context))
            if self._has_kept:
                return
        await self.push_frame(frame, direction)

    def has_kept(self) -> bool:
        """Return whether the model was not asked about the turn that has just ended; the next is another one."""
        kept, self._has_kept = self._has_kept, False
        return kept


def _said_last(context: LLMContext) -> str:
    """Return what the caller has said since the agent spoke."""
    said: list[str] = []
    for message in reversed(context.messages):
        if not isinstance(message, dict) or message.get("role") != "user":
            break
        said.append(str(message.get("content") or ""))
    return " ".join(reversed(said))
