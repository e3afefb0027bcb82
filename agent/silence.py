"""The worst silence of a call: how long the caller, having finished, heard nothing from us."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Silence:
    """Finds the longest stretch of one call in which an answer was owed and neither side was heard.

    A stretch begins where the caller's words or keys end, or where our own sound ends while more of the answer is to
    come: a filler was all so far, a tool runs, or the model or the voice is behind. It ends with our next sound,
    fillers included, with the caller's next words, or with the line.

    A pause of the caller inside their turn is theirs and does not count, nor does a stretch that no answer of ours
    was to end: they think, they asked to be left alone, or what was taken for words was noise.
    The time before the greeting is another figure.

    Args:
        is_owed: Claims that the caller is to hear from us without saying more.
    """

    def __init__(self, is_owed: Callable[[], bool]) -> None:
        self._is_owed = is_owed
        self._since: float | None = None
        self._is_turn_over = False
        self._is_caller_speaking = False
        self._is_sounding = False
        self._is_closed = False
        self.worst_secs: float | None = None
        """None while there was none."""

    def caller_speaks(self, at: float) -> None:
        """End a stretch with the caller's words; told before anybody who decides what is owed hears of them."""
        self._end_unanswered(at)
        self._is_caller_speaking = True

    def caller_stopped(self, at: float) -> None:
        """Begin a stretch: the caller is silent since `at`, if perhaps not for long."""
        self._is_caller_speaking = self._is_turn_over = False
        self._since = None if self._is_sounding else at

    def turn_ended(self, at: float) -> None:
        """Take what the caller said for a whole turn, however it came in."""
        self._is_turn_over = True
        if self._since is None and not self._is_sounding and not self._is_caller_speaking:
            self._since = at

    def sound_began(self, at: float) -> None:
        """End a stretch with a sound of ours."""
        if self._since is not None:
            self._count(at)
        self._is_sounding = True

    def sound_ended(self, at: float) -> None:
        """Begin a stretch if there is more to come."""
        self._is_sounding = False
        if not self._is_caller_speaking and self._is_owed():
            self._since = at

    def sound_resumed(self, at: float, *, fell_silent: float) -> None:
        """Count a gap inside a sound of ours that has not been told as its end."""
        if not self._is_caller_speaking:
            self._since = fell_silent
            self._count(at)

    def nothing_owed(self) -> None:
        """Forget the stretch that has begun: what we say next answers nothing."""
        self._since = None

    def line_closed(self, at: float) -> None:
        """End a stretch with the call: nothing after this is heard."""
        if not self._is_closed:
            self._end_unanswered(at)
        self._is_closed = True

    def _end_unanswered(self, at: float) -> None:
        if self._since is not None and self._is_turn_over and self._is_owed():
            self._count(at)
        self._since = None

    def _count(self, at: float) -> None:
        assert self._since is not None
        if not self._is_closed:
            self.worst_secs = max(self.worst_secs or 0.0, at - self._since)
        self._since = None
