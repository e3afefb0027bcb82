"""How long instructions are: their tokens, which a model reads again in every turn, against budgets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.authoring.rules import Finding
from agent.authoring.sent import TOOLS, as_sent, token_counts, tools_of
from agent.authoring.tokens import count_tokens
from agent.instructions import PromptSet, render_instructions
from prompts.loader import (
    PROMPT_PLACEHOLDERS,
    SCRIPT_PLACEHOLDERS,
    FrontMatter,
    Prompt,
    load_transfer_script,
    unknown_placeholders,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from appointments.model import Business
    from prompts.loader import PromptSource

TEXT_BUDGET = 1200
"""Of the author's text beside the shipped booking script; one that replaces the script may have its length on top.

The shipped text has some 900: what is left is room for a business's own.
"""
INSTRUCTIONS_BUDGET = 3000
"""Of the system prompt: the author's text, booking scripts, facts and calendar."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a call's model reads; None where nothing can be counted."""

    text: int | None = None
    instructions: int | None = None
    tools: int | None = None
    text_budget: int = TEXT_BUDGET
    instructions_budget: int = INSTRUCTIONS_BUDGET


def count(source: PromptSource, business: Business | None, script: str, now: datetime) -> Tokens:
    """Count the tokens of an author's text, and with a `business` of all that its calls are told."""
    text = count_tokens(source.text)
    if business is None:
        return Tokens(text)
    replaced = sum(not action.default_instructions for action in business.actions)
    budget = TEXT_BUDGET + replaced * (count_tokens(script) or 0)
    tools = tools_of(business, caller=business.number, now=now)
    instructions = render_instructions(
        PromptSet(_as_prompt(source), _fillable(script, SCRIPT_PLACEHOLDERS), load_transfer_script()),
        business,
        caller=business.number,
        now=now,
        is_recorded=True,
    )
    counts = token_counts(as_sent(instructions, tools), tools)
    if counts is None:
        return Tokens(text_budget=budget)
    told = sum(number for part, number in counts.items() if part != TOOLS)
    return Tokens(text, told, counts.get(TOOLS), budget)


def check_length(source: PromptSource, tokens: Tokens) -> Iterator[Finding]:
    """Find a text, and instructions as a whole, that are longer than their budget."""
    longest = ", ".join(f'"{title}" {number}' for title, number in _sections(source.text)[:3])
    if tokens.text is not None and tokens.text > tokens.text_budget:
        what = (
            f"the text has {tokens.text} tokens, {tokens.text_budget} are the budget; the longest sections: {longest}"
        )
        better = "leave out what the model does anyway, and what a rehearsal shows no need for"
        yield Finding(source.path, source.text_line, "long-text", what, better)
    if tokens.instructions is not None and tokens.instructions > tokens.instructions_budget:
        what = f"all instructions have {tokens.instructions} tokens, {tokens.instructions_budget} are the budget"
        better = "shorten the text or about in the business file, or offer fewer actions on this number"
        yield Finding(source.path, source.text_line, "long-instructions", what, better)


def _sections(text: str) -> list[tuple[str, int]]:
    """Return the sections of a text with their tokens, the longest first."""
    parts = re.split(r"^#{1,6} +(.+)$", text, flags=re.MULTILINE)
    titled = [("the beginning", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    return sorted(((title.strip(), count_tokens(words) or 0) for title, words in titled), key=lambda s: -s[1])


def _as_prompt(source: PromptSource) -> Prompt:
    """Return what can be counted of instructions that may be wrong."""
    head = source.head or FrontMatter(name="the front desk", voice="alloy", greeting="Hello")
    head = head.model_copy(update={"greeting": _fillable(head.greeting, PROMPT_PLACEHOLDERS)})
    return Prompt(source.path, head, _fillable(source.text, PROMPT_PLACEHOLDERS), source.text_line)


def _fillable(text: str, known: Collection[str]) -> str:
    """Return `text` without the braces that nothing fills in."""
    while unknown_placeholders(text, known):
        text = re.sub(r"\{(\w*)\}", lambda found: found[0] if found[1] in known else found[1], text)
    return text
