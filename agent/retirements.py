"""When OpenAI shuts models down, as its page of deprecations said in October 2026."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

DEPRECATIONS = "https://developers.openai.com/api/docs/deprecations"


@dataclass(frozen=True, slots=True)
class Retirement:
    """The last day of a model, and what takes its place without any other change, "" where nothing does."""

    day: date
    successor: str = ""


def retirement_of(model: str) -> Retirement | None:
    """Return what is known of the end of `model`, which is spelt as OpenAI spells it."""
    return next((retirement for retirement, pattern in _RETIRED if pattern.fullmatch(model)), None)


_DATED = r"(?:-20\d\d-\d\d-\d\d|-\d{4})?"
_RETIRED = tuple(
    (Retirement(day, successor), re.compile(f"(?:{models}){_DATED}"))
    for day, models, successor in (
        (date(2026, 10, 23), r"gpt-4|gpt-4-1106-preview|gpt-4-turbo|gpt-4o-2024-05-13|gpt-3\.5-turbo", ""),
        (date(2026, 10, 23), r"o1|o1-pro|o3-mini|o4-mini|gpt-4\.1-nano", ""),
        (date(2026, 12, 11), r"gpt-5|gpt-5-mini|gpt-5-nano|gpt-5-pro|o3|o3-pro", ""),
        (date(2027, 1, 6), r"tts-1|tts-1-hd|gpt-4o-mini-tts", ""),
        (date(2027, 1, 14), r"gpt-4o|gpt-4o-mini|gpt-4\.1|gpt-4\.1-mini", "gpt-6-luna"),
        (date(2027, 2, 26), r"whisper-1|gpt-4o-transcribe(?:-diarize)?|gpt-4o-mini-transcribe", "gpt-transcribe"),
        (date(2027, 4, 1), r"gpt-5\.1", ""),
    )
)
