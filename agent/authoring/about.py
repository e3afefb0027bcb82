"""What ``about`` in the business file says: the agent is told all of it, and tends to say it as it stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.authoring.hours import check_hours
from agent.authoring.phones import check_numbers_in_about
from agent.authoring.rules import Finding
from agent.authoring.text import passages
from agent.authoring.tokens import count_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.authoring.business import BusinessReading
    from appointments.model import Business

ABOUT_BUDGET = 400
"""In tokens, which the model reads again in every turn."""


def check_about(reading: BusinessReading, business: Business) -> Iterator[Finding]:
    """Find what sounds wrong in `about`, what contradicts the rest of the business file, and too much of it."""
    first_line = reading.line("about")
    yield from _check_marks(reading, business.about.splitlines(), first_line)
    for passage in passages(business.about, reading.path, first_line):
        if "hours" not in reading.wrong:
            yield from check_hours(passage, business.hours)
        if "number" not in reading.wrong:
            yield from check_numbers_in_about(passage, business)
    if (tokens := count_tokens(business.about)) is not None and tokens > ABOUT_BUDGET:
        what = f"about has {tokens} tokens, {ABOUT_BUDGET} are the budget: the model reads it again in every turn"
        yield Finding(reading.path, first_line, "long-about", what, "keep what callers really ask")


def _check_marks(reading: BusinessReading, lines: list[str], first_line: int) -> Iterator[Finding]:
    """Find marks that are read aloud; of a list its first item only."""
    is_list = False
    for number, line in enumerate(lines, start=first_line):
        was_list, is_list = is_list, _ITEM.match(line) is not None
        found = _MARK.search(line) if was_list or not is_list else _ITEM.match(line)
        if found:
            what = f'"{found[0].strip()}" in about would be read aloud'
            yield Finding(reading.path, number, "spoken-markup", what, "write plain sentences")


_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,2}[.)])(?=\s)")
_MARK = re.compile(r"\*\*|__|^\s*#{1,6} |\[[^\]]+\]\(|https?://|[\U0001F300-\U0001FAFF]")
