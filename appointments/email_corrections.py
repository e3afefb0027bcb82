"""What a caller corrects of an address that was read back: "no, b as in bravo", "gmail not hotmail", "double l"."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from enum import StrEnum
from typing import TYPE_CHECKING

from appointments.email_domains import ENDINGS, PAIRED, PROVIDERS, is_common
from appointments.email_words import LEADS, domain_in, local_part, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Part(StrEnum):
    """One side of the at sign."""

    LOCAL = "local"
    DOMAIN = "domain"


def wrong_part(said: str) -> Part | None:
    """Return which part the caller calls wrong, None when they name none or both."""
    named = [part for part, pattern in _NAMED.items() if pattern.search(said.lower())]
    return named[0] if len(named) == 1 else None


def corrected(address: str, said: str, *, part: Part | None = None) -> str:
    """Return `address` as the caller corrects it, "" when nothing is made out or it could be meant for two places.

    Args:
        part: What the caller was asked for; what they say is all of it.
    """
    if part is Part.DOMAIN:
        return _domain(address, said, is_asked_for=True) or _name_of_domain(address, said)
    rules: Sequence[Callable[[str, str], str]] = (_sign, _swapped, _placed, _counted)
    if part is None:
        rules = (*rules, _domain, _alike)
    found = next((found for rule in rules if (found := rule(address, said))), "")
    return found or _spelled(address, said, is_asked_for=part is not None)


def _sign(address: str, said: str) -> str:
    """Take a sign out, change one for another, or put one in."""
    local, _, domain = address.partition("@")
    text = said.lower()
    for pattern in _SIGN_FOR_SIGN:
        if (found := pattern.search(text)) and (old := _SIGNS[found["old"]]) in local:
            return f"{local.replace(old, _SIGNS[found['new']])}@{domain}"
    if found := _SIGN_BETWEEN.search(text):
        before, after = found["before"], found["after"]
        if local.count(before + after) == 1:
            return f"{local.replace(before + after, before + _SIGNS[found['sign']] + after)}@{domain}"
    if (found := _NO_SIGN.search(text)) and (gone := _SIGNS[found["sign"]]) in local:
        return f"{local.replace(gone, '')}@{domain}"
    return ""


def _swapped(address: str, said: str) -> str:
    """Change a letter for another: "b not d"."""
    text = " ".join(tokens(said))
    for pattern in _LETTER_FOR_LETTER:
        if found := pattern.search(text):
            return _with_letter(address, found["old"], found["new"])
    return ""


def _placed(address: str, said: str) -> str:
    """Change the letter of a place: "the last letter is m"."""
    local, _, domain = address.partition("@")
    found = _PLACE.search(" ".join(tokens(said)))
    place = _PLACES[found["place"] or found["edge"]] if found else 0
    if found is None or place >= len(local):
        return ""
    place %= len(local)
    return f"{local[:place]}{found['letter']}{local[place + 1 :]}@{domain}"


def _counted(address: str, said: str) -> str:
    """Double a letter, or make one of two."""
    local, _, domain = address.partition("@")
    if found := _TWICE.search(said.lower()):
        letter = found["letter"] or found["plural"]
        single = re.compile(rf"(?<!{letter}){letter}(?!{letter})")
        return f"{single.sub(letter * 2, local)}@{domain}" if len(single.findall(local)) == 1 else ""
    if (found := _ONCE.search(said.lower())) and local.count(found["letter"] * 2) == 1:
        return f"{local.replace(found['letter'] * 2, found['letter'])}@{domain}"
    return ""


def _domain(address: str, said: str, *, is_asked_for: bool = False) -> str:
    """Take another domain, or another ending of the one there is."""
    local, _, domain = address.partition("@")
    words = _NOT_THIS.sub(" ", " ".join(tokens(said))).split()
    ats = [n for n, word in enumerate(words) if word in ("@", "at")]
    words = words[ats[-1] + 1 :] if ats else words
    while words and words[0] in LEADS | {"its", "thats", "is"}:
        words.pop(0)
    if words[:1] == ["."] and words[1:] and words[1] in ENDINGS:
        return f"{local}@{domain_in([_name(domain), *words])}"
    found = domain_in(words)
    is_one = is_asked_for or bool(ats) or found.partition(".")[0] in PROVIDERS or found.rpartition(".")[2] in ENDINGS
    return f"{local}@{found}" if found and is_one else ""


def _name_of_domain(address: str, said: str) -> str:
    """Take another name before the ending: "h a r b o r"."""
    local, _, domain = address.partition("@")
    said_name = local_part(tokens(said))
    if not said_name.isalnum() or _SAID_AROUND.issuperset(tokens(said)):
        return ""
    return f"{local}@{said_name}{domain.removeprefix(_name(domain))}"


def _alike(address: str, said: str) -> str:
    """Change the letter that sounds like the only one that was said: "b as in bravo" where a d was heard."""
    words = [word for word in tokens(said) if word not in LEADS | _AROUND_LETTER]
    if len(words) != 1 or len(words[0]) != 1:
        return ""
    local, _, domain = address.partition("@")
    name = "" if is_common(domain) else _name(domain)
    for heard in _ALIKE.get(words[0], ""):
        if heard in local + name:
            return _with_letter(address, heard, words[0])
    return ""


def _spelled(address: str, said: str, *, is_asked_for: bool) -> str:
    """Take the part before the at sign anew, or the piece of it that is most like what was said."""
    local, _, domain = address.partition("@")
    words = tokens(said)
    said_local = local_part(words)
    if not said_local or _SAID_AROUND.issuperset(words) or not {"at", "@"}.isdisjoint(words):
        return ""
    if is_asked_for or not said_local.isalnum():
        return f"{said_local}@{domain}"
    content = [word for word in words if word not in _SAID_AROUND]
    if len(content) > 1 and any(len(word) > 1 for word in content):
        return ""
    pieces = re.split(r"([._+-])", local)
    likeness = [SequenceMatcher(None, piece, said_local).ratio() for piece in pieces]
    best = likeness.index(max(likeness))
    if likeness[best] < _ALIKE_ENOUGH:
        return ""
    return f"{''.join([*pieces[:best], said_local, *pieces[best + 1 :]])}@{domain}"


def _with_letter(address: str, old: str, new: str) -> str:
    """Change the only `old` there is, before the at sign or else behind it; "" when there is not just one."""
    local, _, domain = address.partition("@")
    name = _name(domain)
    if local.count(old) == 1:
        return f"{local.replace(old, new)}@{domain}"
    if old not in local and name.count(old) == 1:
        return f"{local}@{name.replace(old, new)}{domain.removeprefix(name)}"
    return ""


def _name(domain: str) -> str:
    """Return `domain` without its ending, which may be of two labels."""
    labels = domain.split(".")
    count = 2 if len(labels) > 2 and labels[-1] in PAIRED.get(labels[-2], ()) else 1
    return ".".join(labels[:-count])


_ALIKE_ENOUGH = 0.6
_ALIKE = {
    "a": "8hkje", "b": "dvptgecz3", "c": "zsktbdgpev3", "d": "btpgvecz3", "e": "aibdptgcvz3", "f": "sx",
    "g": "jdtbpcvez3", "h": "a8", "i": "ye", "j": "gka", "k": "cqaj", "m": "n", "n": "m", "o": "0u", "p": "tbdvgec3",
    "q": "ku", "s": "fxcz", "t": "dpbgcvez3", "u": "qow", "v": "bpdtzgec3", "w": "u", "x": "s", "y": "i",
    "z": "cvsdtbgep3", "0": "o", "3": "etbdpvgcz", "5": "9", "8": "a", "9": "5",
}  # fmt: skip
"""What each letter is taken for on the phone, the likeliest first."""
_AROUND_LETTER = frozenset({
    "its", "is", "it", "thats", "there", "a", "an", "with", "in", "there's", "should", "be", "sorry", "wrong",
    "one", "letter", "not",
})  # fmt: skip
_SAID_AROUND = LEADS | _AROUND_LETTER | frozenset({
    "exactly", "perfect", "great", "good", "fine", "lovely", "absolutely",
})  # fmt: skip
"""What is no correction by itself."""
_NAMED = {
    Part.LOCAL: re.compile(
        r"\b(?:first|left) (?:part|half|bit|one|piece)\b|\b(?:in )?front(?: of)?\b|\bbeginning\b|\bbefore\b"
        r"|\bthe first\b|\b(?:my|the) (?:user ?)?name\b|\bname part\b"
    ),
    Part.DOMAIN: re.compile(
        r"\b(?:second|last|right|other) (?:part|half|bit|piece)\b|\bdomain\b|\bprovider\b|\bbehind\b|\bafter\b"
        r"|\bthe (?:end|second|ending|last)\b"
    ),
}
_SIGNS = {
    "dot": ".", "period": ".", "point": ".", "underscore": "_", "dash": "-", "hyphen": "-", "plus": "+",
    "apostrophe": "'",
}  # fmt: skip
_SIGN = r"(?:dot|period|point|underscore|dash|hyphen|plus|apostrophe)"
_SIGN_FOR_SIGN = (
    re.compile(rf"\b(?P<new>{_SIGN}),? (?:and )?(?:not|instead of|rather than) (?:an? |the )?(?P<old>{_SIGN})\b"),
    re.compile(rf"\bnot (?:an? |the )?(?P<old>{_SIGN}),? (?:but |it's |it is )?(?:an? )?(?P<new>{_SIGN})\b"),
)
_SIGN_BETWEEN = re.compile(
    rf"\b(?P<sign>{_SIGN}) between (?:the )?(?P<before>[a-z0-9]+) and (?:the )?(?P<after>[a-z0-9]+)\b"
)
_NO_SIGN = re.compile(
    rf"\b(?:no|without(?: an?| any| the)?|not an?|isn't an?|take out the) (?P<sign>{_SIGN})(?:e?s)?\b"
    r"(?! (?:com|org|net|co|edu)\b)"
)
_LETTER_FOR_LETTER = (
    re.compile(r"(?:^| )(?P<new>[a-z0-9]) (?:and )?(?:not|instead of|rather than) (?:an? )?(?P<old>[a-z0-9])(?: |$)"),
    re.compile(r"\bnot (?:an? )?(?P<old>[a-z0-9]) (?:but |its |it is )*(?:an? )?(?P<new>[a-z0-9])(?: |$)"),
)
_PLACES = {
    "first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1, "begins": 0, "starts": 0, "ends": -1,
}  # fmt: skip
_PLACE = re.compile(
    r"\b(?:(?P<place>first|second|third|fourth|fifth|last)(?: letter| character| one)? (?:is|its|should be|must be)"
    r"|(?P<edge>begins|starts|ends) (?:with|in)) (?:an? )?(?P<letter>[a-z0-9])(?: |$)"
)
_TWICE = re.compile(r"\bdouble (?P<letter>[a-z0-9])\b|\btwo (?P<plural>[a-z])'?s\b")
_ONCE = re.compile(r"\b(?:(?:only|just) (?:one|a single)|a single|single) (?P<letter>[a-z0-9])\b")
_NOT_THIS = re.compile(r"\b(?:and )?(?:not|instead of|rather than) (?:at )?(?:\. )?\S+(?: \. \S+)*")
