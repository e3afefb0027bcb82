"""The rules that `slotline prompts check` knows, and what it finds by them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Severity(StrEnum):
    ERROR = "error"
    """It does not work, or a caller is told something untrue."""
    WARNING = "warning"
    """It works, and there is a better way."""


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

RULES: Final[Mapping[str, Severity]] = {
    # The files themselves.
    "unreadable": _ERROR,
    "front-matter": _ERROR,
    "placeholder": _ERROR,
    "blank": _WARNING,
    "business-file": _ERROR,
    "text-template": _ERROR,
    # The greeting.
    "not-disclosed": _ERROR,
    "recording-notice": _WARNING,
    "long-greeting": _WARNING,
    # Tools and actions.
    "unknown-tool": _ERROR,
    "unknown-action": _ERROR,
    "unmentioned-action": _WARNING,
    "no-read-back": _WARNING,
    "two-scripts": _WARNING,
    # Facts that the business file has.
    "wrong-hours": _ERROR,
    "written-hours": _WARNING,
    "wrong-date": _ERROR,
    "written-date": _WARNING,
    "wrong-price": _ERROR,
    "written-price": _WARNING,
    "wrong-number": _ERROR,
    "written-number": _WARNING,
    "wrong-zone": _ERROR,
    "wrong-name": _WARNING,
    "no-address": _WARNING,
    # What would be read aloud.
    "spoken-markup": _WARNING,
    "spoken-link": _WARNING,
    "spoken-email": _WARNING,
    "spoken-symbol": _WARNING,
    "spoken-abbreviation": _WARNING,
    "spoken-time": _WARNING,
    "spoken-capitals": _WARNING,
    "asks-for-markup": _WARNING,
    # How the agent is told to behave.
    "two-questions": _WARNING,
    "many-options": _WARNING,
    "hides-the-machine": _ERROR,
    "told-to-invent": _WARNING,
    "told-to-stall": _WARNING,
    "asks-for-number": _WARNING,
    "asks-for-secret": _ERROR,
    "cannot-do": _WARNING,
    "never-say-list": _WARNING,
    # Length and model.
    "long-text": _WARNING,
    "long-instructions": _WARNING,
    "no-chat-model": _ERROR,
    "no-temperature": _ERROR,
    "unused-temperature": _WARNING,
    "weak-model": _WARNING,
    "retired-model": _WARNING,
    "unknown-model": _WARNING,
    "high-temperature": _WARNING,
    # The business file, as far as it can be read.
    "no-hours": _WARNING,
    "night-hours": _WARNING,
    "long-about": _WARNING,
    "example-email": _WARNING,
    "fictional-number": _WARNING,
    "fallback-loop": _WARNING,
    "sms-countries": _WARNING,
    "long-sms": _WARNING,
    "past-start-date": _WARNING,
    "fixed-zone": _WARNING,
    "same-event-type": _WARNING,
    "no-calcom-key": _WARNING,
    "no-room": _WARNING,
}
"""How bad it is to break each rule. docs/reference/checks.md explains them."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake: where it is, what is wrong and what to write instead; line 0 is the file as a whole."""

    path: Path
    line: int
    rule: str
    text: str
    better: str

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"there is no rule {self.rule!r}")

    @property
    def severity(self) -> Severity:
        return RULES[self.rule]
