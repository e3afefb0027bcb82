"""Which language models can hold a call, and which cannot, are weak at tools or will be gone soon."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from agent.authoring.rules import Finding
from agent.language_models import bare_name, may_reason
from agent.retirements import DEPRECATIONS, retirement_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from prompts.loader import PromptSource

WARM = 0.7
"""Up to here a temperature does no harm to tool calls."""
BETTER_MODEL = "gpt-6-luna"


def check_model(source: PromptSource, llm_model: str, today: date) -> Iterator[Finding]:
    """Find a model that cannot do the work, and a temperature that it refuses or that makes it careless.

    Args:
        llm_model: LLM_MODEL, which is used when the head names no model.
    """
    named = _named(source)
    line = (source.line_of(("model",)) if named else None) or 1
    name = f'model "{named}"' if named else f'LLM_MODEL "{llm_model}"'
    model = bare_name(named or llm_model)
    if judged := _judged(model, today):
        rule, what = judged
        yield Finding(source.path, line, rule, f"{name} {what}", f"use {BETTER_MODEL}")
    elif meant := _misspelt(model):
        better = f"did you mean {meant}? A server of your own may have a model of any name"
        yield Finding(source.path, line, "unknown-model", f"{name} is not known to us: check the spelling", better)
    if source.head is not None:
        yield from _temperature(source, source.head.temperature, model, name)


def retirement(source: PromptSource, llm_model: str, today: date) -> str:
    """Return a note on a model that OpenAI is going to shut down, "" when none is known."""
    model = _named(source) or llm_model
    retirement = retirement_of(bare_name(model))
    if retirement is None or retirement.day <= today:
        return ""
    instead = f"; {retirement.successor} takes its place" if retirement.successor else ""
    return f"OpenAI shuts {model} down on {retirement.day}{instead}: {DEPRECATIONS}"


def model_of(source: PromptSource | None, llm_model: str) -> str:
    """Return the model that calls will use."""
    return (_named(source) if source else "") or llm_model


def _named(source: PromptSource) -> str:
    return source.head.model if source.head else str(source.values.get("model") or "")


def _judged(model: str, today: date) -> tuple[str, str] | None:
    if _NO_CHAT.search(model):
        return "no-chat-model", "answers no chat completions with tools, so no call would get an answer"
    for pattern, why in _WEAK:
        if pattern.fullmatch(model):
            return "weak-model", f"is weak at calling tools: {why}"
    retirement = retirement_of(model)
    if retirement is not None and retirement.day <= today:
        return "retired-model", f"was shut down by OpenAI on {retirement.day}"
    return None


def _misspelt(model: str) -> str:
    """Return the known model whose name this one resembles, "" when it is known itself or is like none."""
    name = _DATE.sub("", model)
    if name in _KNOWN or _LATER.fullmatch(name):
        return ""
    return next(iter(difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.85)), "")


def _temperature(source: PromptSource, temperature: float, model: str, name: str) -> Iterator[Finding]:
    line = source.line_of(("temperature",)) or 1
    if _ONE_TEMPERATURE.fullmatch(model):
        if temperature != 1:
            what = f"{name} accepts no temperature but 1 and refuses every request with {temperature:g}"
            yield Finding(source.path, line, "no-temperature", what, f"use {BETTER_MODEL}, or write temperature: 1")
    elif may_reason(model):
        if source.line_of(("temperature",)):
            what = f"{name} is not sent a temperature, because models that may reason refuse it: this line does nothing"
            yield Finding(source.path, line, "unused-temperature", what, "take the line out")
    elif temperature > WARM:
        what = f"temperature {temperature:g} makes the agent inventive: it calls tools less reliably"
        yield Finding(source.path, line, "high-temperature", what, f"write 0.3, and no more than {WARM:g}")


_DATED = r"(?:-20\d\d-\d\d-\d\d|-\d{4})?"
_DATE = re.compile(rf"{_DATED}$")
_KNOWN = (
    "gpt-3.5-turbo", "gpt-4", "gpt-4-turbo", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano",
    "gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5-pro", "gpt-5.1", "gpt-5.2", "gpt-5.4", "gpt-5.4-mini", "gpt-5.5",
    "gpt-5.6-luna", "gpt-5.6-sol", "gpt-5.6-terra", "gpt-6-luna", "gpt-6-sol", "gpt-6.1-sol", "gpt-6.1-terra",
    "o1", "o1-pro", "o3", "o3-mini", "o3-pro", "o4-mini",
)  # fmt: skip
_LATER = re.compile(r"gpt-[5-9](?:\.\d)?(?:-[a-z]+)*|o\d(?:-mini|-pro)?")
"""Names that OpenAI may have given since: those of the same form."""
_NO_CHAT = re.compile(
    r"^(?:whisper|tts|dall-e|text-|omni-moderation|davinci|babbage|sora|gpt-image)"
    r"|transcribe|-tts\b|realtime|^gpt-3\.5-turbo-instruct|-search-preview|-search-api|deep-research|computer-use"
    # They reject the parameter `tools`:
    # https://community.openai.com/t/developer-role-not-accepted-for-o1-o1-mini-o3-mini/1110750/7
    r"|^o1-(?:mini|preview)|^chatgpt-4o"
)
_WEAK = (
    # 22.5 % of the airline tasks at the first try, gpt-4o 42 %: https://github.com/sierra-research/tau-bench
    (re.compile(rf"gpt-4o-mini{_DATED}"), "it solves about half as many whole tasks as gpt-4o"),
    # tau2-bench, telecom, by its maker: 12.1 %:
    # https://github.com/jakemanger/whatmodel/blob/main/pages/model/gpt-4-1-nano-2025-04-14.md
    (re.compile(rf"gpt-4\.1-nano{_DATED}"), "it solves one in eight of the tasks that take several steps"),
    # Less capable than gpt-4o-mini by its maker's own word: https://developers.openai.com/api/docs/models/gpt-3.5-turbo
    (re.compile(r"gpt-3\.5-turbo.*"), "even its maker calls gpt-4o-mini the better one"),
    # "Great for summarization and classification": https://developers.openai.com/api/docs/models/gpt-5-nano
    (re.compile(rf"gpt-5(?:\.\d)?-nano{_DATED}"), "it is made for sorting and summing up texts"),
)
"""Each: the models, and why. What counts is whole tasks solved, because a call is one."""
# "Only the default (1) value is supported": https://github.com/guardrails-ai/guardrails/issues/1353
_ONE_TEMPERATURE = re.compile(rf"gpt-5(?:-mini|-nano|-pro)?{_DATED}|o[134](?:-mini|-pro)?{_DATED}")
