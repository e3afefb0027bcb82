"""Instructions and promises of what the agent cannot do: e-mail, take payment, change or transfer where it may not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.authoring.rules import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.authoring.text import Passage


def check_abilities(
    passage: Passage, *, sends_email: bool, may_change: bool, may_transfer: bool, is_for_calcom: bool
) -> Iterator[Finding]:
    """Find what the agent is told to do, or to promise, and cannot keep.

    Args:
        sends_email: Whether callers may get an e-mail from the calendar, because they are asked for an address.
        may_change: Whether the business lets the agent move and cancel appointments.
        may_transfer: Whether the business has a number that callers may be put through to.
        is_for_calcom: Whether Cal.com's workflows can do what slotline does not.
    """
    if passage.speaker == "caller":
        return
    able = {"email": sends_email, "change": may_change, "task": may_change, "transfer": may_transfer}
    for sentence in passage.sentences():
        if sentence.is_negated() or _REFUSED.search(sentence.text):
            continue
        stated = sentence.stated()
        # In what is spoken "you" is the caller, who may cancel.
        told = "" if passage.speaker else sentence.prose
        for name, pattern, what, better in _ABILITIES:
            text = told if name == "task" else stated
            found = None if able.get(name) else pattern.search(text)
            if found and not _WISH.search(f"{passage.lead.rstrip(':')} {text[: found.start()]}"):
                line = sentence.line(found.start())
                instead = better + (_AT_CALCOM.get(name, "") if is_for_calcom else "")
                yield Finding(passage.path, line, "cannot-do", f'"{found[0].strip()}": {what}', instead)
                break


_CANCEL = r"(?:reschedul(?:es?|ing)|cancel(?:s|l?ing)?|modif(?:y|ies|ying)|look(?:s|ing)? up)"
_MOVE = r"(?:moves?|moving|changes?|changing)"
_PUT_OFF = r"(?:reschedul(?:es?|ing)|cancel(?:s|l?ing)?)"
_CHANGES_NONE = (
    "the scopes of the business file do not let the agent change appointments",
    "add read, reschedule and cancel to scopes, or say that changes go through a person",
)
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
        "whether an e-mail goes out depends on the address, the calendar and the settings",
        "leave it out: the booking tool says what the caller will get",
    ),
    (
        "transfer",
        re.compile(
            r"\b(?:transfer|transferring|connect|connecting|forward|patch|put|hand)\s+"
            rf"(?:{_OBJECT}|the call|calls?|it)\b[^.;?]{{0,20}}\b(?:to|through|over|with)\b"
            r"|\btransfer to (?:a|an|the|our)\b",
            re.IGNORECASE,
        ),
        "the business file names nobody to put callers through to",
        "add transfer_number to the business file, or offer a call back (request_callback)",
    ),
    (
        "change",
        re.compile(
            rf"\b{_CANCEL}\b(?:,? (?:or|and|and/or) (?:{_CANCEL}|{_MOVE})\b)?\s+"
            r"(?:(?!(?:to|on|from|with|when|for|in|at|about)\b)[\w'-]+\s+){0,3}(?:appointments?|bookings?)\b"
            rf"|\b{_MOVE}\s+(?:an?|the|their|your|any|existing)\s+(?:[\w'-]+\s+)?(?:appointments?|bookings?)\b"
            # Of appointments that an earlier sentence speaks of.
            rf"|\b{_PUT_OFF}\s+(?:it|them|one|theirs|for (?:them|the caller|callers))\b"
            rf"|\b(?:we|I)(?:'ll| can| will| may| also| gladly)*\s+{_PUT_OFF}\b",
            re.IGNORECASE,
        ),
        *_CHANGES_NONE,
    ),
    (
        "task",
        re.compile(
            rf"\byou\b(?: (?:can|may|will|also|even|to|help (?:callers|them|people)|book|move|change|and|or)\b|,)*"
            rf"\s+{_PUT_OFF}\b"
            r"|\b(?:job|task|role|goal|help|helps|assist|assists|handle)\b"
            rf"(?:(?!\b(?:who|wants?|asks?|if|when)\b)[^.;:]){{0,60}}?\b{_PUT_OFF}\b"
            r"|^\W*(?:also |then )?(?:cancel|reschedule)\b(?![^.]{0,30}:)",
            re.IGNORECASE,
        ),
        *_CHANGES_NONE,
    ),
    (
        "reminder",
        re.compile(r"\b(?:send|sends|get|gets|receive|text)\b[^.;?]{0,30}\breminders?\b", re.IGNORECASE),
        "slotline sends no reminders",
        "leave it out",
    ),
    (
        "message",
        re.compile(
            r"\b(?:take|takes|taking|leave|pass on|relay) (?:an?|the|their|any) (?:\w+ )?messages?\b", re.IGNORECASE
        ),
        "slotline passes no messages on",
        "offer a call back: what it is about is kept with it (request_callback)",
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
_AT_CALCOM = {"reminder": "; Cal.com's workflows can send them"}
"""What Cal.com does instead."""
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
