"""Whether a text that books by itself, without the shipped script or beside it, tells all that booking needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.authoring.names import mentions
from agent.authoring.rules import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appointments.model import Action
    from prompts.loader import PromptSource

MOST_STEPS = 2
"""Numbered steps of a text that still leaves the booking to the shipped script."""


def check_flow(source: PromptSource, actions: Sequence[Action]) -> Iterator[Finding]:
    """Find a text that books twice over, or forgets the read-back without which nothing is booked."""
    if (
        source.text
        and not all(action.default_instructions for action in actions)
        and not _READ_BACK.search(source.text)
    ):
        what = "nothing tells the agent to read the appointment back, and the booking tool books nothing before"
        better = 'add: read back the title, the weekday, the date, the time and the name, and ask: "Is that right?"'
        yield Finding(source.path, source.text_line, "no-read-back", what, better)
    for found in _SECTION.finditer(source.text):
        steps = len(_STEP.findall(found["text"]))
        scripted = [a for a in actions if a.default_instructions and mentions(found[0], a, actions)]
        if steps > MOST_STEPS and scripted and "find_slots" in found["text"]:
            line = source.text_line + source.text.count("\n", 0, found.start("text"))
            what = (
                f'these {steps} steps book "{scripted[0].title}", and so does the shipped script that follows the text'
            )
            better = "leave the steps out, or write default_instructions = false for this action in the business file"
            yield Finding(source.path, line, "two-scripts", what, better)


_READ_BACK = re.compile(
    r"\bread(?:s|ing)?\b[^.\n]{0,40}\bback\b|\bread-?back\b|\brepeat(?:s|ing)?\b[^.\n]{0,40}\b(?:appointment|time|date|details"
    r"|everything)\b|\bis that (?:right|correct)\b|\bconfirm\b[^.\n]{0,40}\b(?:time|date|details|appointment)\b",
    re.IGNORECASE,
)
_SECTION = re.compile(r"^(?:#{1,6} .*\n)?(?P<text>(?:(?!#{1,6} ).*\n?)+)", re.MULTILINE)
_STEP = re.compile(r"^\s*\d{1,2}[.)]\s", re.MULTILINE)
