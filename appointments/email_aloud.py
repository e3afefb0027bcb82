"""E-mail addresses as the agent says them: letter by letter, or masked for who has not shown that they are theirs."""

from __future__ import annotations

from appointments.clock_words import UNITS
from appointments.email_domains import is_common

SIGNS = {
    ".": "dot",
    "_": "underscore",
    "-": "dash",
    "+": "plus",
    "'": "apostrophe",
    "&": "ampersand",
    "!": "exclamation mark",
    "#": "hash",
    "$": "dollar sign",
    "%": "percent sign",
    "*": "star",
    "/": "slash",
    "=": "equals sign",
    "?": "question mark",
    "^": "caret",
    "`": "backtick",
    "{": "opening brace",
    "|": "bar",
    "}": "closing brace",
    "~": "tilde",
}
"""Every sign that may stand before the at sign, as it is said."""

_SHORTEST_WORD = 3


def spell(address: str) -> str:
    """Return ``m, a, y, a, dot, c, h, e, n, at gmail dot com``."""
    local, _, domain = address.partition("@")
    return f"{_letters(local)}, at {spell_domain(domain)}"


def spell_domain(domain: str) -> str:
    """Return a common provider's as words (``gmail dot com``), and others with their names spelled."""
    name, *endings = domain.split(".")
    said = name if is_common(domain) else _letters(name)
    last = len(endings) - 1
    return " dot ".join([said, *(_ending(each, is_last=n == last) for n, each in enumerate(endings))])


def mask(address: str) -> str:
    """Return what tells it to its owner and to nobody else: ``the one that begins with m, at gmail dot com``."""
    local, _, domain = address.partition("@")
    where = f", at {spell_domain(domain)}" if is_common(domain) else ""
    return f"the one that begins with {_letters(local[:1])}{where}"


def _ending(label: str, *, is_last: bool) -> str:
    """Return ``com`` and ``co`` as words, but a country's two letters, and what is no ending at all, spelled."""
    is_ending = label in ("co", "com", "org") or (is_last and len(label) >= _SHORTEST_WORD)
    return label if is_ending and label.isalpha() else _letters(label)


def _letters(part: str) -> str:
    return ", ".join(UNITS[int(char)] if char.isdecimal() else SIGNS.get(char, char) for char in part)
