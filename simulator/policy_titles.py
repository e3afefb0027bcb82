"""Which of several titles a caller names: "a cut" is a Haircut, and what it is not, nobody asked for."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from simulator.policy_words import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

_ARTICLES = r"(?: (?:really|a|an|the|any|my|that|this|just))*"
_REFUSALS = (
    r"not|isn't|instead of|rather than|from|never ?mind|forget|(?:don't|didn't|do not|did not) (?:want|need|mean)"
)
_NOT_THIS = re.compile(rf"\b(?:(?:{_REFUSALS}){_ARTICLES}|no) [a-z']+")
_EMERGENCY = re.compile(r"\b(?:emergenc(?:y|ies)|flood(?:s|ed|ing)?|burst|gushing|pouring)\b")
_EMPTY = frozenset(
    (
        "a",
        "an",
        "and",
        "at",
        "for",
        "in",
        "of",
        "on",
        "or",
        "the",
        "to",
        "with",
        "minute",
        "minutes",
        "appointment",
        "book",
    )
)
_ENDING = re.compile(r"(?:ies|ing|ed|es|s|y|e)$")
_FIRST_PART, _LAST_PART = 4, 3
"""Letters: "cut" is the last part of "haircut", and "air" is none of "repair"."""


def best_named(text: str, titles: Sequence[str]) -> str:
    """Return the title that shares most words with `text`, "" when none stands out."""
    said = _meant(text).split()
    said += [one + other for one, other in itertools.pairwise(said)]
    ranks = {title: _rank(said, plain(title).split()) for title in titles}
    best = max(ranks.values(), default=(0, 0.0))
    named = [title for title, rank in ranks.items() if rank == best and rank[0]]
    return named[0] if len(named) == 1 else ""


def says_emergency(text: str) -> bool:
    """Claim that `text` tells of an emergency."""
    return _EMERGENCY.search(_meant(text)) is not None


def _meant(text: str) -> str:
    """Return the plain words of `text` without what it is not about."""
    # Before the commas go: "no emergency" is none, and "no, an emergency" is one.
    return plain(_NOT_THIS.sub(" ", text.lower().replace("\u2019", "'")))


def _rank(said: Sequence[str], title: Sequence[str]) -> tuple[int, float]:
    """Return how many words of the title were said, and which share of it they are."""
    words = [word for word in title if word not in _EMPTY]
    named = {word for word in words if any(_is_same(one, word) for one in said)}
    for one, other in itertools.pairwise(words):
        if one + other in said:  # "checkup" names a Check-up
            named |= {one, other}
    return len(named), len(named) / max(1, len(words))


def _is_same(said: str, word: str) -> bool:
    said, word = _stem(said), _stem(word)
    is_last_part = len(said) >= _LAST_PART and len(word) - len(said) >= _FIRST_PART and word.endswith(said)
    return said == word or is_last_part


def _stem(word: str) -> str:
    word = word.replace("colour", "color")
    return _ENDING.sub("", word) if len(word) > _LAST_PART else word
