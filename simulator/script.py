"""The scripted caller's mind: which line is said when, given what the agent said. No audio, no clock, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

SMS_CODE = "{sms_code}"
"""Stands in a line for the code that was texted last."""

_MOST_AGAINS = 2
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing the caller does: says something, presses keys, keeps silent or hangs up. Or their line breaks."""

    when: str | None = None
    say: str | None = None
    press: str | None = None
    silence: float | None = None
    hang_up: bool = False
    line_breaks: bool = False
    barge_in: float | str | None = None
    then: Literal["hang_up"] | None = None

    @property
    def ends_call(self) -> bool:
        return self.hang_up or self.then == "hang_up"

    @property
    def needs_code(self) -> bool:
        return SMS_CODE in (self.say or self.press or "")

    def with_code(self, code: str) -> Line:
        """Return the line with `code` in it: pressed as it is, said digit by digit."""
        if self.say is not None:
            return replace(self, say=self.say.replace(SMS_CODE, " ".join(_DIGITS[int(digit)] for digit in code)))
        return replace(self, press=self.press.replace(SMS_CODE, code)) if self.press else self

    def fits(self, heard: str) -> bool:
        return self.when is None or re.search(self.when, heard, re.IGNORECASE) is not None

    def waits_for(self, tool: str) -> bool:
        """Whether this line barges in when `tool` starts: its function name, or a booking tool's common name."""
        if not isinstance(self.barge_in, str):
            return False
        return self.barge_in == tool or (self.barge_in == "book_appointment" and tool.startswith("book_"))


class Script:
    """The caller's lines, each used once; `heard` is always all the agent said since the caller's last line."""

    def __init__(self, lines: Iterable[Line], again: str = "Sorry?") -> None:
        self._unused = list(lines)
        self._again = again
        self._agains = 0
        self._tools: set[str] = set()

    @property
    def is_exhausted(self) -> bool:
        return not self._unused

    def fitting(self, heard: str) -> Line | None:
        """Return the line `next_line` would take out of the script now, without taking it."""
        return next((line for line in self._unused if self._is_due(line) and line.fits(heard)), None)

    def next_line(self, heard: str) -> Line | None:
        """Return what the caller does after the agent's turn, None once every line is used.

        When no line fits, the caller says `again`, at most twice in the call, and then hangs up.
        """
        if self.is_exhausted:
            return None
        if line := self.fitting(heard):
            return self._take(line)
        if self._agains == _MOST_AGAINS:
            return Line(hang_up=True)
        self._agains += 1
        return Line(say=self._again)

    def barge_in_line(self, heard: str, speaking_secs: float) -> Line | None:
        """Return the line to say over the agent, who has been speaking for `speaking_secs`; most often None."""
        line = self.fitting(heard)
        if line is None or not isinstance(line.barge_in, int | float) or speaking_secs < line.barge_in:
            return None
        # Without `when` a line fits at once, even while the words an earlier line waits for are still to come.
        if line.when is None and line is not self._unused[0]:
            return None
        return self._take(line)

    def tool_line(self, tool: str, heard: str, *, can_speak: bool = True) -> Line | None:
        """Return the line to say because `tool` has started, if one waits for it.

        A line whose moment comes while the caller cannot speak stays, to be said like any other.
        """
        self._tools.add(tool)
        if not can_speak:
            return None
        line = next((line for line in self._unused if line.waits_for(tool) and line.fits(heard)), None)
        return self._take(line) if line else None

    def _is_due(self, line: Line) -> bool:
        return not isinstance(line.barge_in, str) or any(line.waits_for(tool) for tool in self._tools)

    def _take(self, line: Line) -> Line:
        # By identity: two equal lines are two lines.
        self._unused = [other for other in self._unused if other is not line]
        return line
