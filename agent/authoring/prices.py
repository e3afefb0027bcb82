"""Prices that an author wrote into a text, compared with those that the business file tells in ``about``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from agent.authoring.rules import Finding
from appointments.clock_words import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.authoring.text import Passage


@dataclass(frozen=True, slots=True)
class _Price:
    """An amount, and the words around it that tell what it is for."""

    begin: int
    text: str
    amount: Decimal
    words: frozenset[str]

    def is_for_same(self, other: _Price) -> bool:
        """Claim that both are the price of one thing: most of the words around them are the same."""
        shared = self.words & other.words
        return len(shared) * 2 > len(self.words | other.words)


def check_prices(passage: Passage, about: str) -> Iterator[Finding]:
    """Find prices: an error when ``about`` has another one for the same, else a warning."""
    if passage.speaker == "caller":
        return
    known = list(_prices(about))
    for sentence in passage.sentences():
        for price in _prices(sentence.text):
            if sentence.is_negated(price.begin):
                continue
            line = sentence.line(price.begin)
            other = next((real for real in known if price.is_for_same(real)), None)
            if any(price.amount == real.amount for real in known):
                what, better = f"{price.text} repeats the business file", "leave it out: the agent is told all of about"
                yield Finding(passage.path, line, "written-price", what, better)
            elif other is not None:
                what = f"{price.text} is not true: in about of the business file it is {other.text}"
                better = "leave it out: the agent is told all of about; change it there"
                yield Finding(passage.path, line, "wrong-price", what, better)
            else:
                what = f"{price.text} stands here only, where nobody looks when prices change"
                yield Finding(passage.path, line, "written-price", what, "put it into about in the business file")


def _prices(text: str) -> Iterator[_Price]:
    for clause in _CLAUSE.finditer(text):
        words = frozenset(_WORD.findall(_PRICE.sub(" ", clause[0].casefold()))) - _EMPTY
        for found in _PRICE.finditer(clause[0]):
            stems = frozenset(word.rstrip("s") for word in words)
            yield _Price(clause.start() + found.start(), found[0].strip(), _amount(found), stems)


def _amount(found: re.Match[str]) -> Decimal:
    if found["words"]:
        return Decimal(_in_digits(found["words"]))
    return Decimal((found["after"] or found["before"]).replace(",", ""))


def _in_digits(words: str) -> int:
    """Return 120 for "one hundred twenty"."""
    total = 0
    for word in re.split("[ -]", words.lower()):
        total = (total or 1) * 100 if word == "hundred" else total + _NUMBERS[word]
    return total


_NUMBERS = {word: number for number, word in enumerate(UNITS) if word} | {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
    "hundred": 100,
}  # fmt: skip
_NUMBER = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_PRICE = re.compile(
    r"(?:US|CA)?[$€£]\ ?(?P<after>\d[\d,]*(?:\.\d{1,2})?)"
    r"|(?<![\w.])(?P<before>\d[\d,]*(?:\.\d{1,2})?)\ ?(?:dollars|bucks|euros?|USD|CAD|EUR|GBP|€|\$(?!\d))"
    rf"|\b(?P<words>(?:{_NUMBER})(?:[ -](?:{_NUMBER}))*)\ (?:dollars|euros)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"(?:[^.;,\n]|[.,](?=\d))+")
_WORD = re.compile(r"[a-z][a-z'-]{2,}")
_EMPTY = frozenset(
    re.findall(
        r"\S+",
        """
        the and for are our per each from costs cost price prices priced only about fee fees charge charges charged
        dollars dollar euros euro usd eur gbp you your they with that this will say tell answer caller callers starts
        starting it's just total flat rate minute minutes hour hours
        """,
    )
)
"""Words that do not tell what a price is for."""
