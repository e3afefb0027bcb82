"""One thing a caller said, read against what is known of the call."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from simulator.policy_answer import Asked
from simulator.policy_when import When, when_said
from simulator.policy_who import answered_name, corrected_name, email_said, introduced_name, reason_said
from simulator.policy_words import about, agrees, plain, without_greeting

if TYPE_CHECKING:
    from simulator.policy_desk import Desk


_BEFORE_DAY = re.compile(r"\b(?:and (?:it's|it is|that's)|and|on|for|at)\b", re.IGNORECASE)
"""What stands between the name and the day of an appointment."""


@dataclass(slots=True)
class Turn:
    """One thing the caller said, as far as it could be read without knowing what for."""

    raw: str
    words: str
    when: When
    agreed: bool | None
    action: str = ""
    """The action that is named; "" where there is no choice of them."""
    has_detail: bool = False
    """Claims that the turn brought a name, an e-mail address or a reason."""

    @property
    def is_consent(self) -> bool:
        """Whether this is a yes that something may be booked on; "Is that right by the station?" is none."""
        return self.agreed is True and ("?" not in self.raw or agrees(self.words.partition(" ")[0]) is True)

    def about(self, topic: str) -> bool:
        return about(topic, self.words)


def read_turn(desk: Desk, text: str) -> Turn:
    """Take the caller's details out of `text` and read the rest."""
    if desk.asked is Asked.QUESTION:
        return Turn(text, plain(text), When(), agrees(plain(text)))  # whatever it is like, it answers the question
    reason, rest = reason_said(text)
    email, rest = email_said(rest)
    if reason and not desk.notes:
        desk.notes = reason
    words = without_greeting(plain(rest))
    action = desk.tools.action_named(text)
    when = when_said(words, desk.calendar)
    if action and when.is_bare and when.time_words == "one":
        when = replace(when, times=(), time_words="", is_bare=False)  # "the emergency one" is at no time
    turn = Turn(text, words, when, agrees(words), action)
    if email and email != desk.email.address:
        desk.email.heard(email)
        desk.details_changed()
    turn.has_detail = _take_name(desk, turn, rest) or bool(email or reason)
    return turn


def _take_name(desk: Desk, turn: Turn, text: str) -> bool:
    known = desk.name
    if turn.action not in ("", desk.action):
        desk.name = introduced_name(text) or known  # "a colour" in answer to a question for the name is none
    elif desk.asked in (Asked.CONFIRM, Asked.CHANGE) and known and not turn.when and _is_correction(turn):
        desk.name = corrected_name(text, known) or known
    elif desk.asked is Asked.NAME and not known:
        desk.name = answered_name(text)
    elif desk.asked is Asked.EMAIL and "name" not in turn.words:
        return False  # letters and words of an address
    elif desk.asked is Asked.WHO:
        desk.name = answered_name(_BEFORE_DAY.sub(",", text)) or known
    elif said := introduced_name(text):
        desk.name = corrected_name(said, known) if known and turn.agreed is False else said
    elif desk.asked is Asked.EMAIL and known and turn.agreed is False and "name" in turn.words:
        desk.name = corrected_name(text, known) or known
    if desk.name != known:
        desk.details_changed()
    return desk.name != known


def _is_correction(turn: Turn) -> bool:
    return turn.agreed is not True or re.search(r"\b(?:but|actually|name|with a|spelled)\b", turn.words) is not None
