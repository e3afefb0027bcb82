"""Whether a text that books by itself, without the shipped script or beside it, tells all that booking needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.authoring.names import mentions
from agent.authoring.rules import Finding
from agent.authoring.text import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.authoring.text import Passage
    from appointments.model import Action
    from prompts.loader import PromptSource

MOST_STEPS = 2
"""Numbered steps of a text that still leaves the booking to the shipped script."""


def check_flow(source: PromptSource, text: Sequence[Passage], actions: Sequence[Action]) -> Iterator[Finding]:
    """Find a text that books twice over, or forgets the read-back without which nothing is booked.

    Args:
        text: The passages of `source`.
    """
    own = [action for action in actions if not action.default_instructions]
    if source.text and own and not _READ_BACK.search(source.text):
        what = "nothing tells the agent to read the appointment back, and the booking tool books nothing before"
        better = 'add: read back the title, the weekday, the date, the time and the name, and ask: "Is that right?"'
        yield Finding(source.path, source.text_line, "no-read-back", what, better)
    found = [*_numbered_steps(source, actions)] or ([] if own else [*_told_stages(source, text)])
    for line, what in found:
        better = "leave the steps out, or write default_instructions = false for the action in the business file"
        yield Finding(source.path, line, "two-scripts", f"{what}, and so does the shipped script that follows", better)


def _numbered_steps(source: PromptSource, actions: Sequence[Action]) -> Iterator[tuple[int, str]]:
    """Yield the sections whose numbered steps book an action that has the shipped script too."""
    for found in _SECTION.finditer(source.text):
        steps = len(_STEP.findall(found["text"]))
        scripted = [a for a in actions if a.default_instructions and mentions(found[0], a, actions)]
        if steps > MOST_STEPS and scripted and "find_slots" in found["text"]:
            line = source.text_line + source.text.count("\n", 0, found.start("text"))
            yield line, f'these {steps} steps book "{scripted[0].title}"'


def _told_stages(source: PromptSource, text: Sequence[Passage]) -> Iterator[tuple[int, str]]:
    """Yield where a text begins that goes through all of a booking in plain sentences."""
    lines: dict[str, int] = {}
    for passage in text:
        if passage.is_example:
            continue
        for sentence in passage.sentences():
            for stage, pattern in _STAGES.items():
                if found := next(find(pattern, sentence), None):
                    lines.setdefault(stage, sentence.line(found.start()))
    if len(lines) == len(_STAGES):
        yield min(lines.values()), f"the text tells how to {', '.join(_STAGES)}"


_READ_BACK = re.compile(
    r"\bread(?:s|ing)?\b[^.\n]{0,40}\bback\b|\bread-?back\b|\brepeat(?:s|ing)?\b[^.\n]{0,40}\b(?:appointment|time|date|details"
    r"|everything)\b|\bis that (?:right|correct)\b|\bconfirm\b[^.\n]{0,40}\b(?:time|date|details|appointment)\b",
    re.IGNORECASE,
)
_STAGES = {
    "look for a time": re.compile(
        r"\bfind_slots\b"
        r"|\b(?:check|look for|look up|find|search)\b[^.;:]{0,30}\b(?:times?|slots?|openings|availability)\b",
        re.IGNORECASE,
    ),
    "ask for the name": re.compile(
        r"\b(?:ask|get|take|collect)\b[^.;:]{0,40}\bnames?\b|\b(?:may I have|what(?:'s| is)) your (?:full )?name\b",
        re.IGNORECASE,
    ),
    "book": re.compile(
        r"\bbooking (?:tool|action)\b|\bbook_\w+|\bBook [A-Z0-9]\S|\bbook (?:it|the (?:appointment|time|slot|visit))\b"
        r"|\b(?:then|and) book\b(?! (?:an?|nothing)\b)"
    ),
}
"""What a text that books goes through, whichever words it has for it."""
_SECTION = re.compile(r"^(?:#{1,6} .*\n)?(?P<text>(?:(?!#{1,6} ).*\n?)+)", re.MULTILINE)
_STEP = re.compile(r"^\s*\d{1,2}[.)]\s", re.MULTILINE)
