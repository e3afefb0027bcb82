"""What a request to a language model must say, so that it answers at once and with tools."""

from __future__ import annotations

import re
from typing import Any

_REASONS = re.compile(r"gpt-(?:5\.[1-9]|[6-9](?:\.\d)?)(?!.*-(?:chat|pro|codex))(?:-[\w-]+)?")


def bare_name(model: str) -> str:
    """Return ``gpt-6-luna`` for ``openai/GPT-6-Luna``."""
    return model.casefold().rpartition("/")[2]


def may_reason(model: str) -> bool:
    """Whether `model` is one of OpenAI's that reason before they answer, unless they are told not to."""
    return _REASONS.fullmatch(bare_name(model)) is not None


def request_settings(model: str, temperature: float) -> dict[str, Any]:
    """Return the settings of Pipecat's service that depend on the model.

    One that may reason is told not to: a caller waits for its first word, and it takes tools in chat completions only
    so (https://github.com/itzcrazykns/vane/issues/1173). Nor is it sent a temperature, which some of them refuse
    (https://github.com/BerriAI/litellm/pull/39631) and others take (https://github.com/anomalyco/models.dev/issues/6639).
    """
    return {"extra": {"reasoning_effort": "none"}} if may_reason(model) else {"temperature": temperature}
