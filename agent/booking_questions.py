"""``[actions.fields]`` of a business file: what is answered to the questions of an event type."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator

from appointments.model import Answer


@dataclass(frozen=True, slots=True)
class Question:
    """What the agent asks the caller."""

    words: str


def _filler(value: object) -> Question | Answer:
    """Return the question in ``{ ask = "…" }``, or else the constant."""
    match value:
        case {"ask": str(words), **others} if words.strip() and not others:
            return Question(" ".join(words.split()))
        case bool():
            return value
        case str() if value.strip():
            return value.strip()
        case int() | float() if math.isfinite(value):
            return value
        case [*texts] if texts and all(isinstance(each, str) and each.strip() for each in texts):
            return tuple(str(each).strip() for each in texts)
        case _:
            raise ValueError('must be an answer (text, a number, true, false, a list of texts) or { ask = "…" }')


Filler = Annotated[Any, AfterValidator(_filler)]
"""What a question of an event type is answered by: a `Question` for the caller, or a constant."""
