"""Instructions and a business file in which a check finds nothing, and how mistakes are planted in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import SecretStr

from agent.authoring.review import Review, review
from agent.settings import AuthorSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.authoring.rules import Finding

NOW = datetime(2026, 12, 1, 14, tzinfo=UTC)
SETTINGS = AuthorSettings.model_construct(calcom_api_key=SecretStr("cal_test"), llm_model="gpt-4.1")

PROMPT = """---
name: the front desk
voice: alloy
greeting: "Thanks for calling {business}. I'm the automated assistant. {recording_notice} How can I help you?"
temperature: 0.3
---
# Who you are
You are {agent} of {business}. Ask one thing at a time.

# Rules
Be brief.

# Examples (made up)
Caller: Do you have anything on Thursday?
You: On Thursday, December third, I have ten in the morning or two in the afternoon. Which suits you?
"""
BUSINESS = """name = "Harbor Street Clinic"
number = "+14155552671"
zone = "America/New_York"
about = \"\"\"
We are on the ground floor of 12 Harbor Street.
A consultation costs $80. A follow-up visit costs $45.
\"\"\"

[hours]
monday = ["09:00-17:00"]
tuesday = ["09:00-17:00"]
wednesday = ["09:00-17:00"]
thursday = ["09:00-17:00"]
friday = ["09:00-17:00"]

[[actions]]
event_type = "101"
title = "30-Minute Consultation"
platform = "cal_video"
fallback_email = "caller+{digits}@harborstreet.clinic"
default_instructions = true

[actions.offer]
slots_per_day = 3
"""
RULE_LINE = "Be brief."
GREETING = next(line for line in PROMPT.splitlines() if line.startswith("greeting"))


def write_files(folder: Path) -> tuple[Path, Path]:
    """Write instructions and a business file, and return where they are."""
    prompt, business = folder / "desk.md", folder / "harbor.toml"
    prompt.write_text(PROMPT, encoding="utf-8")
    business.write_text(BUSINESS, encoding="utf-8")
    return prompt, business


def plant(path: Path, old: str, new: str) -> int:
    """Write `new` in place of `old`, and return the line of what is new."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")
    return text.count("\n", 0, text.index(old)) + 1


def check(files: tuple[Path, Path], settings: AuthorSettings = SETTINGS) -> Review:
    return review(files[0], files[1], settings, NOW)


def told(findings: Sequence[Finding]) -> list[tuple[str, int, str]]:
    return [(finding.path.name, finding.line, finding.rule) for finding in findings]
