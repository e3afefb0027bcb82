"""Instructions that lead the agent astray: to invent, to stall, to ask for secrets, to recite what it must not say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.authoring.rules import Finding
from agent.authoring.text import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.authoring.text import Passage, Span

MOST_BANNED = 4
"""So many phrases may be forbidden word for word; more put them into the model's mouth."""


def check_conduct(passage: Passage) -> Iterator[Finding]:
    """Find instructions that lead the agent astray."""
    if passage.speaker == "caller":
        return
    for sentence in passage.sentences():
        for rule, pattern, what, better in _ASTRAY:
            if found := next(find(pattern, sentence), None):
                yield _finding(sentence, found, rule, f'"{found[0].strip()}" {what}', better)
        yield from _hiding(sentence)
        yield from _stalling(sentence)
        yield from _questions_for_numbers(sentence)


def check_never_say(all_passages: Sequence[Passage]) -> Iterator[Finding]:
    """Find long lists of forbidden phrases."""
    banned: dict[tuple[str, str], list[Span]] = {}
    for passage in all_passages:
        if passage.is_example:
            continue
        for sentence in passage.sentences():
            for quote in sentence.quotes():
                if sentence.is_negated(quote.begin - sentence.begin):
                    banned.setdefault((passage.section, passage.lead), []).append(quote)
    for quotes in banned.values():
        if len(quotes) > MOST_BANNED:
            what = f"{len(quotes)} phrases are forbidden word for word: a model that reads them says them more often"
            better = "say in one sentence how it shall sound instead"
            yield Finding(quotes[0].passage.path, quotes[0].line(), "never-say-list", what, better)


def _finding(sentence: Span, found: re.Match[str], rule: str, what: str, better: str) -> Finding:
    return Finding(sentence.passage.path, sentence.line(found.start()), rule, what, better)


def _hiding(sentence: Span) -> Iterator[Finding]:
    """Find the order to pass for a person."""
    if found := _HIDING.search(sentence.prose):
        what = f'"{found[0]}" deceives callers, which many places forbid'
        yield _finding(sentence, found, "hides-the-machine", what, "write: you say that you are automated when asked")


def _stalling(sentence: Span) -> Iterator[Finding]:
    """Find what the agent shall say while it works: code says it, at the right moment."""
    better = 'leave it out: slotline says "One moment, please." by itself when a tool takes long'
    for quote in sentence.quotes():
        if (found := _STALL.search(quote.text)) and _is_said(sentence, quote):
            what = f'"{found[0]}" is said before every look-up, however quick'
            yield Finding(sentence.passage.path, quote.line(found.start()), "told-to-stall", what, better)
            return
    if found := next(find(_FILLER, sentence), None):
        yield _finding(sentence, found, "told-to-stall", f'"{found[0]}" makes the agent talk while it waits', better)


def _is_said(sentence: Span, quote: Span) -> bool:
    """Claim that the agent shall say it when it looks something up, not when the caller asks for a moment."""
    return sentence.wants_said(quote) and not re.search(r"\bcaller asks you to\b", sentence.prose)


def _questions_for_numbers(sentence: Span) -> Iterator[Finding]:
    if _NEEDS_NUMBER.search(f"{sentence.passage.lead} {sentence.text}"):
        return
    better = "leave it out: texts go to the number the caller calls from; only a code and a call back take another"
    found = next(find(_ASKS_NUMBER, sentence), None)
    if found is None and not sentence.is_negated():
        found = _NUMBER_QUESTION.search(sentence.stated())
    if found is not None:
        what = f'"{found[0].strip()}" asks for a number that no booking uses'
        yield _finding(sentence, found, "asks-for-number", what, better)


_ASTRAY = (
    (
        "told-to-invent",
        re.compile(
            r"\b(?:invent|improvi[sz]e|fabricate|make up|guess)\s+(?:an?|the|some|one|any|it|something|what|which|when"
            r"|times?|names?|prices?|answers?|their|details?)\b|\b(?:make (?:it|one|something|them) up)\b"
            r"|\b(?:pick|choose|suggest|offer)\s+(?:an?y?|some)\s+(?:random|plausible|likely|reasonable)\s+\w+"
            r"|\buse your (?:own )?(?:general |best )?(?:knowledge|judge?ment|imagination)\b"
            r"|\b(?:from|with) general knowledge\b",
            re.IGNORECASE,
        ),
        "lets the model make something up, and it sounds as sure as the truth",
        "say what the agent shall do when it does not know: say so, and offer an appointment",
    ),
    (
        "asks-for-secret",
        re.compile(
            r"\b(?:ask|collect|get|take|request|obtain|verify|confirm|read back|need|note)\b[^.;?]{0,60}"
            r"\b(?:credit cards?|debit cards?|card numbers?|card details|cvv|cvc|social security|ssn"
            r"|passwords?|bank account|routing numbers?)\b"
            r"|\b(?:what is|what's|may I have|can I have|could I get|give me)\b[^.;?]{0,30}"
            r"\b(?:card number|cvv|social security|ssn|password|bank account)\b",
            re.IGNORECASE,
        ),
        "puts a secret into recordings, transcripts and another company's servers",
        "leave it out; payment and identity are for a safer place than a phone call",
    ),
)
"""Each: the rule, what it finds, what is wrong, and what to write instead."""
_MACHINE = r"(?:AI|A\.I\.|robot|bot|automated|artificial|machine|computer|virtual)"
_YOU_ARE = r"(?:you are|you're|to be|being)"
_HIDING = re.compile(
    r"\b(?:never|do not|don't|avoid|must not)\s+(?:ever\s+)?"
    r"(?:say|saying|admit|admitting|reveal|revealing|disclose|disclosing|tell|mention)\b"
    rf"[^.;,]{{0,30}}\b{_YOU_ARE}\b[^.;,]{{0,12}}\b{_MACHINE}\b(?! language)(?![^.;]*\b(?:unless|until)\b)"
    r"|(?<!never )(?<!not )(?<!n't )\b(?:pretend|claim|insist|say|act as if)\b"
    rf"[^.;,]{{0,12}}\b{_YOU_ARE}\s+(?:an? )?(?:real |actual )?(?:human|person)\b",
    re.IGNORECASE,
)
_STALL = re.compile(
    r"\b(?:(?:one|just a|a) (?:moment|second|minute)|hold on|hang on|bear with me|please (?:hold|wait)"
    r"|let me (?:just )?(?:check|look|see|pull|find)|give me a (?:moment|second|minute)"
    r"|while I (?:check|look|search|find|pull))\b",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"\b(?:use|add|say|insert)\b[^.;]{0,30}\bfillers?(?: words| phrases)?\b"
    r"|\b(?:tell|let|inform)\b[^.;]{0,20}\b(?:caller|them)\b[^.;]{0,25}"
    r"\b(?:to hold|to wait|you(?:'re| are) (?:checking|looking))\b",
    re.IGNORECASE,
)
_ASKS_NUMBER = re.compile(
    r"\b(?:ask|collect|get|take|request|obtain|need|confirm|verify|record|note|write down)\b"
    r"(?:(?!\b(?:from|which|about|to (?:call|dial|hang)|dial|hang|until)\b)[^.;:?]){0,60}"
    r"\b(?:phone|telephone|mobile|cell(?:phone)?|callback|call-back|contact)[ -]?numbers?\b"
    r"(?! (?:that )?(?:they|the caller|you|he|she)(?:'re| are| is|'s)? call)",
    re.IGNORECASE,
)
_NEEDS_NUMBER = re.compile(
    r"\bcall (?:them|the caller|him|her|somebody|anybody) back\b|\bcall(?:ed)?[- ]?backs?\b|\bwait(?:ing)? ?list\b"
    r"|\bcodes?\b",
    re.IGNORECASE,
)
"""What takes a number other than the one that calls."""
_NUMBER_QUESTION = re.compile(
    r"\b(?:your|a good|the best|a) (?:(?:phone|telephone|mobile|cell|callback|contact|best) )?number\b"
    r"(?: (?:to (?:reach|call)|where|for you)\b[^?]*)?\?",
    re.IGNORECASE,
)
