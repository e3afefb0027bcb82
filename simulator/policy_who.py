"""Names, e-mail addresses and reasons in what a caller says."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from simulator import phrases
from simulator.policy_words import plain

_LEADS = frozenset(phrases.BEFORE_NAME.split())
_TRAILS = frozenset(phrases.AFTER_NAME.split())
_NO_NAME = frozenset(phrases.NO_NAME.split())
# Ann-Marie and O'Neil are names, "that's" is not.
_NAME = re.compile(r"[^\W\d_]+(?:(?:-|['\u2019](?=[A-Z]))[^\W\d_]+)*")
_SAID_NAME = re.compile(
    r"\b(?P<lead>my (?:full |first |last )?name(?:'s| is|,)|name is|call me|under the name(?: of)?|the name is|this is"
    r"|i'm|i am|it's(?: for)?|it is)\s*[.,:]?\s+(?P<rest>[^.,;!?]+)",
    re.IGNORECASE,
)
_SAYS_WHO = re.compile(r"(?P<rest>[^.,;!?]+?)\s+(?:here|speaking)\b", re.IGNORECASE)
_SPELLED = re.compile(r"\b[A-Za-z](?:(?:\s*[-,.]\s*|\s+)[A-Za-z]\b(?!')){2,}")
_HINT = re.compile(r"\b(?:spelled |written )?with (?:a|an|two|double)\b.*$|\bas in\b.*$", re.IGNORECASE)
_NOT_THIS = re.compile(r"\b(?:and )?not\s+[\w'-]+", re.IGNORECASE)
_REASON = re.compile(
    r"(?<!what )(?<!how )\b(?:it's |it is |that's |this is |is |i'm calling |i want to talk |i'd like to talk )?"
    r"(?:about|regarding|concerning|to discuss|the reason is|because(?: of)?)\s+(?P<reason>[^.,;!?]+)",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_DIGITS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9",
}  # fmt: skip
_SIGNS = {
    "dot": ".", "period": ".", "point": ".", "underscore": "_", "dash": "-", "hyphen": "-", "minus": "-", "plus": "+",
}  # fmt: skip
_BEFORE_EMAIL = _LEADS | frozenset(["email", "address", "mail", "use", "to", "send", "at", "with", "as", "text"])


def introduced_name(text: str) -> str:
    """Return the name a caller gives unasked ("this is Maya Chen"), "" when there is none."""
    for match in (*_SAID_NAME.finditer(text), *_SAYS_WHO.finditer(text)):
        name = _leading_name(match["rest"])
        lead = match["lead"].lower() if match.re is _SAID_NAME else ""
        if name and (_is_capitalised(name) or "name" in lead or (lead == "this is" and len(name) > 1)):
            return _joined(name, text)
    return ""


def _is_capitalised(words: list[str]) -> bool:
    return all(word[0].isupper() for word in words)


def answered_name(text: str) -> str:
    """Return the name in the answer to "May I have your name?", "" when there is none."""
    text = _HINT.sub(" ", text)
    if introduced := introduced_name(text):
        return introduced
    spelled = _SPELLED.search(text)
    candidates = [_bare_name(piece) for piece in re.split(r"[.,;!?]", _SPELLED.sub(" ", text))]
    best = max(candidates, key=len, default=[])
    if not best and spelled:
        return _word(spelled)
    return _joined(best, text)


def corrected_name(text: str, known: str) -> str:
    """Return `known` as the caller corrects it ("no, it's Chen with a C-H"), "" when no name is said."""
    said = answered_name(_NOT_THIS.sub(" ", text)).split()
    if len(said) != 1 or len(known.split()) < 2:
        return " ".join(said)
    parts = known.split()
    likeness = [SequenceMatcher(None, part.lower(), said[0].lower()).ratio() for part in parts]
    # A word unlike both is a surname: that is the one that is misheard.
    place = likeness.index(max(likeness)) if max(likeness) > 0.4 else len(parts) - 1
    return " ".join([*parts[:place], said[0], *parts[place + 1 :]])


def _leading_name(text: str) -> list[str]:
    words: list[str] = []
    for word in text.split():
        if not _may_be_name(word) or len(words) == 4:
            break
        words.append(word)
    return words


def _bare_name(piece: str) -> list[str]:
    words = piece.split()
    while words and words[0].lower() in _LEADS:
        words.pop(0)
    while words and words[-1].lower() in _TRAILS:
        words.pop()
    return words if len(words) <= 4 and all(map(_may_be_name, words)) else []


def _may_be_name(word: str) -> bool:
    return plain(word) not in _NO_NAME and _NAME.fullmatch(word) is not None


def _joined(words: list[str], text: str) -> str:
    """Return the words as a name; a word the caller spells in `text` replaces the one most like it."""
    name = [word if word != word.lower() else word.capitalize() for word in words]
    if name and (spelled := _SPELLED.search(text)):
        word = _word(spelled)
        likeness = [SequenceMatcher(None, part.lower(), word.lower()).ratio() for part in name]
        if max(likeness) >= 0.5:
            name[likeness.index(max(likeness))] = word
    return " ".join(name)


def _word(spelled: re.Match[str]) -> str:
    return re.sub(r"[^A-Za-z]", "", spelled[0]).capitalize()


def email_said(text: str) -> tuple[str, str]:
    """Return the e-mail address in `text`, typed or spoken ("maya at example dot com"), and the text without it."""
    if typed := _EMAIL.search(text):
        return typed[0].lower(), text.replace(typed[0], " ")
    for piece in re.split(r"[,;!?]|\.(?:\s|$)", text):
        words = [word for word in re.split(r"[\s-]+", piece.lower().replace("\u2019", "'")) if word]
        for place, word in enumerate(words):
            if (
                word == "at"
                and "dot" in words[place + 2 :]
                and (address := _address(words[:place], words[place + 1 :]))
            ):
                return address, text.replace(piece, " ")
    return "", text


def _address(local: list[str], domain: list[str]) -> str:
    start = max((n + 1 for n, word in enumerate(local) if word in _BEFORE_EMAIL), default=0)
    last_dot = max(n for n, word in enumerate(domain) if word == "dot")
    address = f"{_written(local[start:])}@{_written(domain[: last_dot + 2])}"
    return address if _EMAIL.fullmatch(address) else ""


def _written(words: list[str]) -> str:
    return "".join(_SIGNS.get(word) or _DIGITS.get(word) or word for word in words)


def reason_said(text: str) -> tuple[str, str]:
    """Return what the appointment is about, "" when that is not said, and the text without it."""
    match = _REASON.search(text)
    if match is None:
        return "", text
    reason = re.split(r"\s+(?:on (?=\w+day)|and (?=i|this|my|can)|at (?=\w+ ?(?:in|$)))", match["reason"].strip())[0]
    is_reason = len(reason) > 2 and plain(reason).split()[0] not in _NO_NAME - frozenset(
        ["a", "an", "the", "my", "our", "some"]
    )
    if not is_reason:
        return "", text
    begin = match.start("reason")
    return reason, f"{text[: match.start()]} {text[begin + len(reason) :]}"
