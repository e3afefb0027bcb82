"""The words of callers: agreement, refusal, farewell, small talk and what the stand-in model cannot do."""

from __future__ import annotations

import re

from simulator import phrases

_GREETING = re.compile(r"\b(?:good (?:morning|afternoon|evening|day)|hello there|hi there|hello|hi|hey)\b")
_SOFTENED = re.compile(r"\b(?:no (?:problem|worries|doubt)|not bad|why not|can't wait|(?:don't|do not) mind)\b")


def _any_of(phrase_list: str) -> re.Pattern[str]:
    alternatives = (each.strip() for line in phrase_list.strip().splitlines() for each in line.split(" | "))
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b")


_YES, _NO = _any_of(phrases.YES), _any_of(phrases.NO)
_TOPIC = {topic: _any_of(phrase_list) for topic, phrase_list in phrases.TOPICS.items()}
_SURELY_NO = re.compile(
    r"\b(?:not|isn't|doesn't|don't|won't|can't|cannot|wrong|incorrect|no(?: thanks?)?(?: you)?(?: please)?$)\b"
)
_EDGE_WORDS = 4


def plain(text: str) -> str:
    """Return `text` in lower case without punctuation, so that it can be compared and searched for words."""
    text = text.lower().replace("\u2019", "'").replace("\u2018", "'").replace("e-mail", "email")
    text = re.sub(r"\bo ?'? ?clock\b", "oclock", text)
    text = re.sub(r"(?<=\d)\s*([ap])\.?m\b\.?|\b([ap])\.m\b\.?|\b([ap]) m\b", r" \1\2\3m", text)
    text = re.sub(r"(?<=\d)[.](?=\d\d\b)", ":", text)
    text = re.sub(r"[^a-z0-9':]+|(?<!\d):|:(?!\d)", " ", text)
    return " ".join(text.split())


def without_greeting(text: str) -> str:
    """Return the `plain` text without "good afternoon", which asks for no afternoon."""
    return " ".join(_GREETING.sub(" ", text).split())


def about(topic: str, text: str) -> bool:
    """Tell whether the `plain` text touches `topic`."""
    return _TOPIC[topic].search(text) is not None


def agrees(text: str) -> bool | None:
    """Return whether the `plain` text says yes or no; None when it says neither, or both."""
    text, softened = _SOFTENED.subn(" ", text)
    is_no = _NO.search(text) is not None
    is_yes = softened > 0 or _YES.search(_edges(_NO.sub(" ", text))) is not None
    if is_no:
        return None if is_yes and not _SURELY_NO.search(text) else False
    return True if is_yes else None


def _edges(text: str) -> str:
    """Return the beginning and the end: in the middle of a long sentence "right" or "good" agrees to nothing."""
    words = text.split()
    if len(words) <= 2 * _EDGE_WORDS:
        return text
    return " ".join([*words[:_EDGE_WORDS], "...", *words[-_EDGE_WORDS:]])
