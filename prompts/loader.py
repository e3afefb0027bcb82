"""The shipped instructions, message templates and scenario files: where they are, and how instructions are checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, field_validator

from prompts.reading import FileProblem, Problem, parse_yaml, read_text, validate

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from prompts.reading import LineOf, Loc

_HOME = Path(__file__).parent
REHEARSAL_BUSINESS = _HOME / "business" / "rehearsal.toml"
FRONT_DESK = _HOME / "front_desk.md"
BOOKING_SCRIPT = _HOME / "booking_script.md"
TRANSFER_SCRIPT = _HOME / "transfer_script.md"

SMS_TEMPLATES = (
    "confirmation",
    "requested",
    "unconfirmed",
    "failed",
    "moved",
    "cancelled",
    "change_unconfirmed",
    "change_failed",
    "reminder_day",
    "reminder_hours",
    "follow_up",
    "review",
)
"""The shipped message templates about an appointment."""
CODE_TEMPLATE = "code"
"""The shipped template of the text that brings a code."""

EMAIL_TEMPLATES = ("confirmation", "moved", "cancelled")
"""The shipped templates of e-mails about an appointment; the first line of each is the subject."""

REPLY_TEMPLATES = (
    "reply_confirmed",
    "reply_link",
    "reply_call_back",
    "reply_cancel",
    "reply_which",
    "reply_kept",
    "reply_cancelled",
    "reply_not_cancelled",
    "reply_letters",
    "reply_phone",
)
"""The shipped templates of what is answered to texts that come in."""

PROMPT_PLACEHOLDERS = frozenset({"agent", "business", "recording_notice"})
"""What instructions and their greeting may name in braces."""
SCRIPT_PLACEHOLDERS = frozenset({"business", "action", "title"})
"""What a booking script may name in braces."""

_PLACEHOLDER = re.compile(r"\{(\w*)\}")


class FrontMatter(BaseModel):
    """The head of an instructions file."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    name: str = Field(min_length=1)
    voice: str = Field(min_length=1)
    language: str = "en"
    greeting: str = Field(min_length=1)
    model: str = ""
    temperature: float = Field(default=0.3, ge=0, le=2)

    @field_validator("language")
    @classmethod
    def _is_spoken(cls, language: str) -> str:
        if language != "en":
            raise ValueError(f'must be en, not "{language}": what is said and understood is English')
        return language


@dataclass(frozen=True, slots=True)
class Prompt:
    """An instructions file: its head, and the text the agent follows. `text_line` is the text's line in the file."""

    path: Path
    head: FrontMatter
    text: str
    text_line: int


@dataclass(frozen=True, slots=True)
class PromptSource:
    """An instructions file as far as it can be read, and what is wrong with its form."""

    path: Path
    head: FrontMatter | None
    values: Mapping[str, object]
    """The head as it is written; empty when it cannot be read."""
    line_of: LineOf
    text: str
    text_line: int
    problems: tuple[Problem, ...] = ()

    @property
    def greeting(self) -> str:
        """The greeting as it is written, even when another key of the head is wrong."""
        return str(self.values.get("greeting") or "")

    @property
    def greeting_line(self) -> int:
        return self.line_of(("greeting",)) or 2


def load_prompt(path: Path = FRONT_DESK) -> Prompt:
    """Return the instructions in `path`, checked; raises `FileProblem`."""
    source = read_prompt(path)
    problems = [
        *source.problems,
        *unknown_placeholders(source.greeting, PROMPT_PLACEHOLDERS, first_line=source.greeting_line),
        *unknown_placeholders(source.text, PROMPT_PLACEHOLDERS, first_line=source.text_line),
    ]
    if problems or source.head is None:
        raise FileProblem(path, problems)
    return Prompt(path, source.head, source.text, source.text_line)


def read_prompt(path: Path) -> PromptSource:
    """Return what can be read of the instructions in `path`; raises `FileProblem` when nothing can."""
    head_text, text, text_line, problems = _split(read_text(path))
    values: object = {}
    line_of: LineOf = _nowhere
    head = None
    if head_text is not None:
        try:
            values, line_of = parse_yaml(head_text, path, first_line=2)
            head = validate(FrontMatter, values, path, line_of, first_line=2)
        except FileProblem as problem:
            problems += problem.problems
    return PromptSource(
        path, head, values if isinstance(values, dict) else {}, line_of, text, text_line, tuple(problems)
    )


def _nowhere(_loc: Loc) -> None:
    """Tell no line: the head cannot be read."""


def load_booking_script(path: Path = BOOKING_SCRIPT) -> str:
    """Return the booking script that an action adds to the instructions; raises `FileProblem`."""
    text = read_text(path)
    if problems := unknown_placeholders(text, SCRIPT_PLACEHOLDERS):
        raise FileProblem(path, problems)
    return text.strip()


def load_transfer_script(path: Path = TRANSFER_SCRIPT) -> str:
    """Return what the instructions of a business say that callers can be put through at; raises `FileProblem`."""
    text = read_text(path)
    if problems := unknown_placeholders(text, ()):
        raise FileProblem(path, problems)
    return text.strip()


def sms_template_path(name: str) -> Path:
    """Return the file of a shipped message template, one of `SMS_TEMPLATES` or `CODE_TEMPLATE`."""
    return _HOME / "sms" / f"{name}.txt"


def sms_template(name: str) -> str:
    """Return the shipped message template of that name; raises `FileProblem`."""
    return read_text(sms_template_path(name)).strip()


def email_template_path(name: str) -> Path:
    """Return the file of a shipped e-mail template, one of `EMAIL_TEMPLATES`."""
    return _HOME / "email" / f"{name}.txt"


def scenario_paths() -> tuple[Path, ...]:
    """Return the shipped scenario files by name."""
    return tuple(sorted((_HOME / "scenarios").glob("*.yaml")))


def unknown_placeholders(text: str, known: Collection[str], *, first_line: int = 1) -> list[Problem]:
    """Return a problem for each placeholder of `text` that is not among `known`."""
    allowed = ", ".join(f"{{{name}}}" for name in sorted(known))
    return [
        Problem(first_line + text.count("\n", 0, found.start()), f"{found[0]} is no placeholder; there are {allowed}")
        for found in _PLACEHOLDER.finditer(text)
        if found[1] not in known
    ]


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with its placeholders filled. What is filled in is not looked at again."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _split(source: str) -> tuple[str | None, str, int, list[Problem]]:
    """Return the head, None when there is none to read, the text, the text's line, and what is wrong with both."""
    lines = source.splitlines()
    if not lines or lines[0].strip() != "---":
        what = "starts with no front matter: a line --- opens it, another closes it"
        return None, source.rstrip(), 1, [Problem(1, what)]
    for end in range(1, len(lines)):
        if lines[end].strip() == "---":
            break
    else:
        return None, "", len(lines), [Problem(1, "front matter is not closed by a line ---")]
    start = end + 1
    while start < len(lines) and not lines[start].strip():
        start += 1
    problems = [Problem(len(lines), "has no text below its front matter")] if start == len(lines) else []
    return "\n".join(lines[1:end]), "\n".join(lines[start:]).rstrip(), start + 1, problems
