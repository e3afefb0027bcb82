"""Instructions and promises of what slotline cannot do: e-mail, call back, transfer, change a booking, take payment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.authoring.rules import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.authoring.text import Passage


def check_abilities(passage: Passage, *, sends_email: bool) -> Iterator[Finding]:
    """Find what the agent is told to do, or to promise, and cannot keep.

    Args:
        sends_email: Whether callers may get an e-mail from the calendar, because they are asked for an address.
    """
    if passage.speaker == "caller":
        return
    for sentence in passage.sentences():
        if sentence.is_negated() or _REFUSED.search(sentence.text):
            continue
        stated = sentence.stated()
        for name, pattern, what, better in _ABILITIES:
            found = None if name == "email" and sends_email else pattern.search(stated)
            if found and not _WISH.search(stated, 0, found.start()):
                line = sentence.line(found.start())
                yield Finding(passage.path, line, "cannot-do", f'"{found[0].strip()}": {what}', better)
                break


_CANCEL = r"(?:reschedul(?:es?|ing)|cancel(?:s|l?ing)?|modif(?:y|ies|ying)|look(?:s|ing)? up)"
_MOVE = r"(?:moves?|moving|changes?|changing)"
_OBJECT = r"(?:you|them|the caller|callers|him or her|her|him)"
_ABILITIES = (
    (
        "email",
        re.compile(
            r"\b(?:send|sends|sent|receive|receives|get|gets|expect)\b[^.;?]{0,50}?"
            r"\be-?mail(?!\s+address)(?!s?\s+addresses)\b"
            r"|\be-?mail(?:s|ed)?\s+(?:(?:you|them|the caller)\s+)?(?:(?:a|the|your|their)\s+)?confirmation\b"
            r"|\b(?:we|I|will|we'll|I'll)\s+e-?mail\s+(?:you|them|the caller)\b"
            r"|\bconfirmation\s+e-?mail\b|\bconfirm(?:s|ed)?\b[^.;?]{0,30}\bby e-?mail\b",
            re.IGNORECASE,
        ),
        "slotline sends texts and no e-mail",
        "leave it out: the booking tool says what the caller will get",
    ),
    (
        "call-back",
        re.compile(
            rf"\b(?:call|calls|phone|ring)\s+{_OBJECT}\s+back\b"
            r"|\b(?:arrange|schedule|offer|promise|set up|request)\b[^.;?]{0,15}\bcall-?\s?backs?\b",
            re.IGNORECASE,
        ),
        "slotline calls nobody back and tells nobody to",
        "ask the caller to call again later, or offer an appointment",
    ),
    (
        "transfer",
        re.compile(
            r"\b(?:transfer|transferring|connect|connecting|forward|patch|put|hand)\s+"
            rf"(?:{_OBJECT}|the call|calls?|it)\b[^.;?]{{0,20}}\b(?:to|through|over|with)\b"
            r"|\btransfer to (?:a|an|the|our)\b",
            re.IGNORECASE,
        ),
        "slotline transfers no calls",
        "give the number to call in about, or offer an appointment",
    ),
    (
        "change",
        re.compile(
            rf"\b{_CANCEL}\b(?:,? (?:or|and|and/or) (?:{_CANCEL}|{_MOVE})\b)?\s+"
            r"(?:(?!(?:to|on|from|with|when|for|in|at|about)\b)[\w'-]+\s+){0,3}(?:appointments?|bookings?)\b"
            rf"|\b{_MOVE}\s+(?:an?|the|their|your|any|existing)\s+(?:[\w'-]+\s+)?(?:appointments?|bookings?)\b",
            re.IGNORECASE,
        ),
        "slotline books new appointments and changes none",
        "say that changes go through a person, or through the link in the e-mail of Cal.com",
    ),
    (
        "reminder",
        re.compile(r"\b(?:send|sends|get|gets|receive|text)\b[^.;?]{0,30}\breminders?\b", re.IGNORECASE),
        "slotline sends no reminders",
        "leave it out; Cal.com's workflows can send them",
    ),
    (
        "message",
        re.compile(
            r"\b(?:take|takes|taking|leave|pass on|relay) (?:an?|the|their|any) (?:\w+ )?messages?\b", re.IGNORECASE
        ),
        "slotline passes no messages on",
        "ask the caller to call again in the opening hours, or offer an appointment",
    ),
    (
        "keys",
        re.compile(r"\bpress(?:es)? (?:one|two|three|four|zero|\d|star|pound)\b", re.IGNORECASE),
        "there is no menu of keys",
        "let callers say what they want",
    ),
    (
        "payment",
        re.compile(
            r"\b(?:take|takes|collect|process) (?:an?|the|their|any)?\s?(?:payments?|deposits?)\b", re.IGNORECASE
        ),
        "slotline takes no payments",
        "leave it out",
    ),
)
"""Each: its name, what it finds, why it is impossible, and what to write instead."""
_REFUSED = re.compile(
    r"\b(?:sorry|unfortunately)\b|\b(?:outside|beyond) (?:of )?(?:what|your)\b|\b(?:link|online|themselves)\b",
    re.IGNORECASE,
)
_WISH = re.compile(
    r"\b(?:callers?|they|someone|somebody|anyone|customers?|patients?|clients?|people|who)\s+$|"
    r"\b(?:callers?|they|someone|anyone|customers?|patients?|clients?|people|who)\b[^.;:]{0,25}"
    r"\b(?:want|wants|wish|wishes|ask|asks|would like|need|needs|like|try|tries|request|requests|to)\b[^.;:]{0,25}$"
    r"|\b(?:requests?|wish|asked|asking|asks|wants) (?:to|for)\b[^.;:]{0,15}$|\bhow to\s*$",
    re.IGNORECASE,
)
