"""What the keys mean that a caller presses: decided here, so that the model is told and need not guess."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from appointments.clock_words import ORDINALS
from appointments.contact import clean_number, country_of
from appointments.digits import digit_runs
from appointments.errors import WishNotUnderstood
from appointments.model import PhoneNumber
from appointments.spoken import mentions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.model import Action, Business
    from appointments.offer import OfferedSlot
    from tools.session import BookingSession, Utterance

FEWEST_OF_A_NUMBER = 7
"""Digits; fewer are no phone number."""
YES, NO = "1", "2"

KEYS = "you can also use the keys"
"""How every word about the keys begins, in lower case."""

_NOT_UNDERSTOOD = re.compile(
    r"\b(?:did|do|could|can)(?:n't|not| not) (?:quite |really |fully )?(?:catch|get|hear|understand|follow|make out)\b"
    r"|\b(?:say|repeat) (?:it|that)(?: for me)?(?: again| once more| one more time)?\?"
    r"|\b(?:say|repeat) (?:it|that) again\b"
)
_TYPED_NUMBER = re.compile(r"\(typed the phone number (\+\d+)\)")


def meaning(digits: str, session: BookingSession, heard: Sequence[Utterance]) -> str:
    """Return what the model is told of the `digits` that the caller has typed."""
    plain = f"(typed {' '.join(digits)})"
    if session.identity.awaits_code:
        return plain
    if len(digits) >= FEWEST_OF_A_NUMBER:
        return _number(digits, session.business) or f"{plain[:-1]}, which is no phone number)"
    if digits in (YES, NO) and is_yes_or_no_asked(session, heard):
        return f"(typed {digits}, which means {'yes' if digits == YES else 'no'})"
    place, choices = int(digits), options(session, heard)
    if 1 <= place <= len(choices):
        return f"(typed {digits}, the {ORDINALS[place]} time offered: {choices[place - 1].say})"
    return plain


def number_given(words: str | None, heard: Sequence[Utterance], business: Business) -> PhoneNumber | None:
    """Return the number that the caller gave last: as it was typed, or as the model has it when it was said.

    Raises:
        WishNotUnderstood: `words` are no phone number.
    """
    if typed := _typed_last(heard):
        return typed
    return clean_number(words, country_of(business.number)) if words else None


def has_said_number(heard: Sequence[Utterance], business: Business) -> bool:
    """Claim that the caller has said or typed a phone number in this call."""
    country = country_of(business.number)
    return any(_is_number(run.digits, country) for turn in heard if not turn.is_agent for run in digit_runs(turn.text))


def _is_number(digits: str, country: str) -> bool:
    try:
        return len(digits) >= FEWEST_OF_A_NUMBER and bool(clean_number(digits, country))
    except WishNotUnderstood:
        return False


def options(session: BookingSession, heard: Sequence[Utterance]) -> Sequence[OfferedSlot]:
    """Return the slots among which the caller may choose, in the order in which they hear them.

    Those the agent named last count; of what was cut off, the rest of the offer belongs to it.
    """
    offer = [offered for _, offered in session.last_offer]
    named = named_in(_last_of_agent(heard), session)
    if len(named) > 1 and [each.slot for each in named] != [each.slot for each in offer[: len(named)]]:
        return named
    return offer if len(named) > 1 or not session.has_chosen else ()


def is_yes_or_no_asked(session: BookingSession, heard: Sequence[Utterance]) -> bool:
    """Claim that the agent's last question is to be answered with yes or no, as that of a read-back is."""
    last = _last_of_agent(heard)
    named = named_in(last, session)
    if len(named) > 1:
        return False
    # A key stops the agent, who may not have come to the question of a read-back.
    return _asks_yes_or_no(last) or (session.has_chosen and len(named) == 1)


def _number(digits: str, business: Business) -> str:
    try:
        return f"(typed the phone number {clean_number(digits, country_of(business.number))})"
    except WishNotUnderstood:
        return ""


def _typed_last(heard: Sequence[Utterance]) -> PhoneNumber | None:
    """Return the number that was typed, when none was said since."""
    for turn in reversed(heard):
        runs = [run for run in digit_runs(turn.text) if len(run.digits) >= FEWEST_OF_A_NUMBER]
        if turn.is_agent or not runs:
            continue
        typed = [found for found in _TYPED_NUMBER.finditer(turn.text) if found.end() >= runs[-1].end]
        return PhoneNumber(typed[-1][1]) if typed else None
    return None


def is_misunderstanding(said: str) -> bool:
    """Claim that the agent has `said` that it did not understand."""
    return _NOT_UNDERSTOOD.search(_lowered(said)) is not None


def _last_of_agent(heard: Sequence[Utterance]) -> str:
    """Return what the agent said last, but that it did not understand and how to use the keys: that asks nothing."""
    for turn in reversed(heard):
        sentences = re.split(r"(?<=[.?!])\s+", turn.text) if turn.is_agent else ()
        asking = [each for each in sentences if not (is_misunderstanding(each) or _lowered(each).startswith(KEYS))]
        if asking:
            return " ".join(asking)
    return ""


def named_in(text: str, session: BookingSession) -> list[OfferedSlot]:
    """Return what can be booked and is named in `text`, in that order; what is found at once, by its time."""
    words = text.split(" ")
    named = [(action, each) for action, each in session.bookable() if mentions(text, each.slot, action.zone)]
    # Two things at the same time sound the same.
    distinct = {each.slot.start: (action, each) for action, each in named}
    placed = [(_words_to(words, action, each), each.slot.start, each) for action, each in distinct.values()]
    return [each for *_, each in sorted(placed, key=lambda found: found[:2])]


def _words_to(words: Sequence[str], action: Action, offered: OfferedSlot) -> int:
    """Return how many of the `words` must be heard to know that the slot is named."""
    return next(
        count
        for count in range(1, len(words) + 1)
        if count == len(words) or mentions(" ".join(words[:count]), offered.slot, action.zone)
    )


def _asks_yes_or_no(text: str) -> bool:
    """Claim that the last question in `text` is one: "Is that right?", but not "May I have your name?"."""
    questions = re.findall(r"[^.?!]*\?", text)
    return bool(questions) and _YES_OR_NO.search(_lowered(questions[-1])) is not None


def _lowered(text: str) -> str:
    return text.casefold().replace("\u2019", "'")


_YES_OR_NO = re.compile(
    r"(?:^|[,;:]|\b(?:so|and|or)\b)\s*"
    r"(?:(?:is|isn't|are|aren't|does|do|did|was|would|will|shall|should|(?:can|may) i (?:book|go ahead))\b"
    r"(?!.*\b(?:which|what|when|who|how|where|or)\b)"
    r"|(?:right|correct|okay|ok)\s*\?)"
)
