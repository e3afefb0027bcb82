"""The domains of e-mail addresses: which are common, and which is a slip for a common one."""

from __future__ import annotations

from typing import Final

PROVIDERS: Final = {
    "aol": "aol.com",
    "bellsouth": "bellsouth.net",
    "btinternet": "btinternet.com",
    "charter": "charter.net",
    "comcast": "comcast.net",
    "cox": "cox.net",
    "earthlink": "earthlink.net",
    "gmail": "gmail.com",
    "gmx": "gmx.com",
    "googlemail": "googlemail.com",
    "hotmail": "hotmail.com",
    "icloud": "icloud.com",
    "live": "live.com",
    "msn": "msn.com",
    "outlook": "outlook.com",
    "protonmail": "protonmail.com",
    "rogers": "rogers.com",
    "sbcglobal": "sbcglobal.net",
    "shaw": "shaw.ca",
    "sympatico": "sympatico.ca",
    "telus": "telus.net",
    "verizon": "verizon.net",
    "yahoo": "yahoo.com",
    "ymail": "ymail.com",
}
"""Providers that need no spelling, each with the domain that is meant by its name alone."""

ENDINGS: Final = frozenset({
    "at", "au", "be", "biz", "br", "ca", "cat", "ch", "clinic", "cloud", "co", "com", "cz", "de", "dental", "dev",
    "dk", "edu", "email", "es", "eu", "fi", "fr", "gov", "health", "hk", "id", "ie", "il", "in", "info", "io", "it",
    "jp", "kr", "law", "me", "mil", "mx", "net", "nl", "no", "nz", "online", "org", "ph", "pl", "pro", "pt", "ro",
    "se", "sg", "shop", "site", "store", "studio", "tech", "tr", "tv", "tw", "uk", "us", "xyz", "za",
})  # fmt: skip
"""Endings by which the domain in an answer is known from the part before the at sign."""

PAIRED: Final = {
    "co": frozenset({"uk", "nz", "za", "jp", "in", "kr", "il", "id"}),
    "com": frozenset({"au", "br", "mx", "sg", "tr", "hk", "tw"}),
}
"""What may follow a first ending without a "dot" between them: "hotmail co uk"."""

_OFTEN_MISTYPED = (
    "gmail.com",
    "hotmail.com",
    "yahoo.com",
    "outlook.com",
    "icloud.com",
    "googlemail.com",
    "protonmail.com",
)
_INTERNATIONAL = frozenset({"aol", "gmx", "googlemail", "hotmail", "live", "msn", "outlook", "yahoo"})
_MOST_ENDINGS = 2
_ALIKE_AND_REAL = frozenset({"mail.com", "ymail.com", "gmx.com"})


def is_common(domain: str) -> bool:
    """Claim that `domain` is a well-known provider's, in any of its countries."""
    name, *endings = domain.split(".")
    is_elsewhere = name in _INTERNATIONAL and len(endings) <= _MOST_ENDINGS and ENDINGS.issuperset(endings)
    return domain in PROVIDERS.values() or is_elsewhere


def likely_domain(domain: str) -> str:
    """Return the common domain that `domain` is one slip away from, "" when it may well be what is meant."""
    if domain in _ALIKE_AND_REAL or domain in _OFTEN_MISTYPED:
        return ""
    return next((common for common in _OFTEN_MISTYPED if _is_one_slip(domain, common)), "")


def _is_one_slip(written: str, meant: str) -> bool:
    """Claim that one letter is missing, too many or wrong, or that two neighbours are swapped."""
    begin = _shared(written, meant)
    end = _shared(written[begin:][::-1], meant[begin:][::-1])
    ours, theirs = written[begin : len(written) - end], meant[begin : len(meant) - end]
    if len(ours) <= 1 and len(theirs) <= 1:
        return True
    return len(ours) == len(theirs) == 2 and ours == theirs[::-1]


def _shared(one: str, other: str) -> int:
    """Return how many letters at the beginning are the same."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
