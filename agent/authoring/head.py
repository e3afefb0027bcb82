"""The head of instructions: its keys, the greeting that callers hear first, and the voice."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from agent.authoring.cures import better_head
from agent.authoring.rules import Finding
from agent.authoring.text import GREETING, joined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.authoring.text import Passage
    from prompts.loader import PromptSource

VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse",
)  # fmt: skip
"""OpenAI's. What another server calls its voice is a setting, TTS_VOICE, that takes the place of these."""
GREETING_WORDS = 40
"""Some fifteen seconds, in which no caller may say why they call."""


def check_form(source: PromptSource) -> Iterator[Finding]:
    """Find what the loader refuses in an instructions file, other than placeholders."""
    for problem in source.problems:
        rule = "unreadable" if problem.text.startswith(_NO_FORM) else "front-matter"
        yield Finding(source.path, problem.line, rule, problem.text, better_head(problem))
    if source.head and (found := re.search(r"\{\w*\}", source.head.name)):
        what = f"{found[0]} is filled in by nobody in name, and the agent would call itself that"
        yield Finding(source.path, source.line_of(("name",)) or 2, "placeholder", what, "write the words themselves")


def check_greeting(spoken: Passage) -> Iterator[Finding]:
    """Find a greeting that hides what answers, speaks of a recording by itself, or goes on for too long."""
    path, text, line = spoken.path, spoken.text, spoken.line(0)
    if not text:
        return
    if not _DISCLOSED.search(text):
        what = "the greeting does not tell callers that they speak to an automated assistant"
        yield Finding(path, line, "not-disclosed", what, 'write "I\'m the automated assistant."')
    if found := _RECORDED.search(text):
        what = f'"{found[0]}" is said whether calls are recorded or not, and twice when they are'
        yield Finding(
            path, spoken.line(found.start()), "recording-notice", what, "write {recording_notice} in its place"
        )
    if (count := len(text.split())) > GREETING_WORDS:
        what = f"the greeting has {count} words, and the caller waits for its end"
        better = f"keep it under {GREETING_WORDS} words: the name, the automated assistant, one question"
        yield Finding(path, line, "long-greeting", what, better)


def greeting(source: PromptSource) -> Passage:
    """Return the greeting as a passage that the agent speaks."""
    lines = enumerate(source.greeting.splitlines() or [""], start=source.greeting_line)
    return joined(lines, source.path, section=GREETING, speaker="agent")


def check_voice(source: PromptSource) -> Iterator[Finding]:
    """Find a voice that there is not."""
    voice = source.head.voice if source.head else str(source.values.get("voice") or "")
    if voice and voice not in VOICES:
        close = difflib.get_close_matches(voice.casefold(), VOICES, n=1, cutoff=0.75)
        better = f"write {close[0]}" if close else "write alloy, or try the others"
        what = f'voice "{voice}" is refused by the speech service; there are {", ".join(VOICES)}'
        yield Finding(source.path, source.line_of(("voice",)) or 2, "front-matter", what, better)


_NO_FORM = ("starts with", "front matter is", "has no text", "is not YAML", "YAML aliases")
_DISCLOSED = re.compile(
    r"\b(?:automated|automatic|virtual|digital|artificial|AI|A\.I\.|robot|bot|computer|machine"
    r"|voice (?:assistant|agent))\b|\bnot an? (?:human|person|real person)\b",
    re.IGNORECASE,
)
_RECORDED = re.compile(
    r"\b(?:calls?|conversations?|lines?)\b[^.?!]{0,30}\b(?:recorded|monitored|taped)\b|\brecorded (?:line|call)\b",
    re.IGNORECASE,
)
