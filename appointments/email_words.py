"""E-mail addresses in what people say and type, as speech recognition writes it: "j dot o'brien plus test at …"."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING

from email_validator import EmailNotValidError, validate_email

from appointments.clock_words import TENS, UNITS
from appointments.email_domains import ENDINGS, PAIRED, PROVIDERS
from appointments.errors import WishNotUnderstood

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_STRANGE = "\N{REPLACEMENT CHARACTER}"
"""The token of a sign that no address has."""


def clean_email(said: str) -> str:
    """Return the e-mail address in `said`, typed or spoken, in lower case.

    Raises:
        WishNotUnderstood: there is none in it, or one that cannot exist; says why.
    """
    address = find_address(said)
    if not address:
        raise WishNotUnderstood("There is no whole e-mail address in that.")
    try:
        found = validate_email(address, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise WishNotUnderstood(f"That is not an e-mail address: {error}") from None
    return f"{found.ascii_local_part}@{found.ascii_domain}".lower()


def find_address(said: str) -> str:
    """Return what is said to be an address, "" when there is nothing like one in `said`; it may not be a valid one."""
    typed = _folded(said).strip(" \t\n.,;:!?<>\"'()[]")
    if _TYPED.fullmatch(typed.lower()):
        local, at, domain = typed.partition("@")
        return f"{local.replace('-', '') if _SPELLED_OUT.fullmatch(local) else local}{at}{domain}".lower()
    words = tokens(said)
    signs = [n for n, word in enumerate(words) if word == "@"]
    if len(signs) > 1:
        return ""
    for place in signs or [n for n in reversed(range(len(words))) if words[n] == "at"]:
        local, domain = local_part(words[:place]), domain_in(words[place + 1 :])
        if local and domain:
            return f"{local}@{domain}"
    return ""


def tokens(said: str) -> Sequence[str]:
    """Return the letters, words and signs of `said`: "double l", "b as in bravo" and numbers as what they stand for."""
    text = _folded(said).lower()
    for pattern, instead in _READINGS:
        text = pattern.sub(instead, text)
    words = [found[0] if _KNOWN.fullmatch(found[0]) else _STRANGE for found in _TOKEN.finditer(text)]
    return _without_links(list(_repeated(_letters(list(_numbers(words))))))


def local_part(words: Sequence[str]) -> str:
    """Return what `words` say stands before the at sign, without what leads up to it; "" for none."""
    leads = [n for n, (word, after) in enumerate(pairwise(words)) if word in _BEFORE_ADDRESS and after not in _SIGNS]
    rest = list(words[leads[-1] + 1 :] if leads else words)
    while len(rest) > 1 and rest[0] in LEADS and rest[1] not in _SIGNS:
        rest.pop(0)
    while len(rest) > 1 and rest[-1] in _TRAILS:
        rest.pop()
    if _AROUND.issuperset(rest) or _CHATTER.intersection(rest) or sum(len(word) > 1 for word in rest) > _MOST_WORDS:
        return ""
    return "".join(rest)


def domain_in(words: Sequence[str]) -> str:
    """Return the domain that `words` begin with, "" when they begin with none; what follows it is left alone."""
    return _dotted(words) or _of_provider(words)


def _dotted(words: Sequence[str]) -> str:
    name, rest = _name(words)
    labels = [name]
    while name and rest and rest[0] == ".":
        label, rest = _ending(rest[1:])
        if not label:
            break
        labels.append(label)
        if rest and rest[0] in PAIRED.get(label, ()):
            labels.append(rest[0])
            break
    return ".".join(labels) if len(labels) > 1 else ""


def _name(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the words up to the first dot as one, and the rest from there."""
    end = next((n for n, word in enumerate(words) if word == "."), len(words))
    name = words[:end]
    long = sum(len(word) > 1 for word in name)
    if long > _MOST_WORDS or _CHATTER.intersection(name) or _SIGNS.intersection(name) - {"-"}:
        return "", ()
    return "".join(name), words[end:]


def _ending(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return one label behind a dot, a word or letters in a row, and the rest."""
    count = next((n for n, word in enumerate(words) if len(word) > 1 or word in _SIGNS), len(words)) or 1
    label = "".join(words[:count])
    return (label, words[count:]) if label.isalnum() else ("", words)


def _of_provider(words: Sequence[str]) -> str:
    """Return the domain of a provider that is named without a dot: "gmail", "hot mail co uk"."""
    for count in (1, 2):
        if (provider := "".join(words[:count])) in PROVIDERS:
            rest = [word for word in words[count : count + 2] if word != "."]
            first, second = [*rest, "", ""][:2]
            if first not in ENDINGS:
                return PROVIDERS[provider]
            return ".".join([provider, first, *([second] if second in PAIRED.get(first, ()) else [])])
    return ""


def _folded(said: str) -> str:
    """Return `said` without accents and with plain apostrophes and hyphens."""
    plain = unicodedata.normalize("NFKD", said.translate(_PLAIN))
    return "".join(char for char in plain if not unicodedata.combining(char))


def _numbers(words: Sequence[str]) -> Iterator[str]:
    """Yield `words` with numbers in digits: "twenty three" is 23, "two thousand five" 2005."""
    place = 0
    while place < len(words):
        word, after = words[place], words[place + 1 : place + 2]
        if word in _TENS and after and after[0] in _UNITS and len(_UNITS[after[0]]) == 1 and after[0] != "zero":
            yield str(_TENS[word] + int(_UNITS[after[0]]))
            place += 2
        elif word in _UNITS and after == ["thousand"]:
            digits, place = _thousands(words, place)
            yield digits
        else:
            yield _UNITS.get(word) or (str(_TENS[word]) if word in _TENS else word)
            place += 1


def _thousands(words: Sequence[str], place: int) -> tuple[str, int]:
    rest = [word for word in words[place + 2 : place + 4] if word != "and"][:1]
    small = next((_UNITS[word] for word in rest if word in _UNITS), "")
    used = words[place + 2 : place + 4].index(rest[0]) + 1 if small else 0
    return f"{_UNITS[words[place]]}{small.rjust(3, '0')}", place + 2 + used


def _letters(words: Sequence[str]) -> Sequence[str]:
    """Return `words` with spelled letters as letters: "bravo" behind a b is none, "are" between letters is r."""
    found = list(words)
    for n in (*range(len(found)), *reversed(range(len(found)))):
        around = {found[near] for near in (n - 1, n + 1) if 0 <= near < len(found)}
        is_spelled = any(len(word) == 1 and word.isalpha() for word in around)
        is_spelled = is_spelled or bool(around & _TIMES.keys())
        if found[n] == "oh" and not is_spelled and any(word.isdecimal() for word in around):
            found[n] = "0"
        elif found[n] in _ALWAYS_LETTERS or (is_spelled and found[n] in _LETTER_NAMES):
            found[n] = _ALWAYS_LETTERS.get(found[n]) or _LETTER_NAMES[found[n]]
    return [*_without_code_words(found)]


def _without_code_words(words: Sequence[str]) -> Iterator[str]:
    """Yield `words` without the "bravo" of "b bravo", and "mike alpha yankee alpha" as its letters."""
    codes = [word in _CODE_WORDS for word in words]
    for n, word in enumerate(words):
        if not codes[n]:
            yield word
            continue
        if n and words[n - 1] == word[0]:
            continue
        row = 1 + next((k for k, is_code in enumerate(codes[n + 1 :]) if not is_code), len(codes) - n - 1)
        row += next((k for k, is_code in enumerate(reversed(codes[:n])) if not is_code), n)
        yield word[0] if row >= _FEWEST_CODE_WORDS else word


def _repeated(words: Sequence[str]) -> Iterator[str]:
    """Yield `words` with "double l" as two of them."""
    times = 1
    for word, after in pairwise([*words, ""]):
        if word in _TIMES and len(after) == 1:
            times = _TIMES[word]
            continue
        yield from [word] * times
        times = 1


def _without_links(words: Sequence[str]) -> Sequence[str]:
    """Return `words` without the "and" and "then" that go between letters and signs."""
    around = zip(words, ["", *words], [*words[1:], ""], strict=False)
    return [word for word, before, after in around if word not in _LINKS or 1 not in (len(before), len(after))]


_MOST_WORDS = 5
"""Of one part of an address; more of them are a sentence."""
_FEWEST_CODE_WORDS = 3
_PLAIN = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc", "'") | dict.fromkeys("\u2010\u2011", "-"))
_SIGNS = frozenset("@._-+'")
_TYPED = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_SPELLED_OUT = re.compile(r"[A-Z](?:-[A-Z]){2,}")
"""How a recogniser writes letters; what is typed with hyphens is in lower case."""
_TOKEN = re.compile(r"[a-z]+|[0-9]+|[^\sa-z0-9]")
_KNOWN = re.compile(r"[a-z]+|[0-9]+|[@._+'-]")
_UNITS = {word: str(number) for number, word in enumerate(UNITS)}
_TENS = {word: number for number, word in TENS.items()}
_TIMES = {"double": 2, "triple": 3}
_CODE_WORDS = frozenset({
    "alpha", "alfa", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "juliett",
    "kilo", "lima", "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor",
    "whiskey", "whisky", "xray", "yankee", "zulu",
})  # fmt: skip
_ALWAYS_LETTERS = {"aitch": "h", "haitch": "h", "zee": "z", "zed": "z"}
_LETTER_NAMES = {
    "ar": "r", "are": "r", "be": "b", "bee": "b", "cue": "q", "queue": "q", "dee": "d", "ee": "e", "ef": "f",
    "eff": "f", "el": "l", "ell": "l", "em": "m", "en": "n", "ess": "s", "ex": "x", "eye": "i", "gee": "g", "jay": "j",
    "kay": "k", "oh": "o", "pea": "p", "pee": "p", "sea": "c", "see": "c", "tea": "t", "tee": "t", "vee": "v",
    "why": "y", "you": "u",
}  # fmt: skip
"""What a recogniser writes for a letter; a word of its own unless it stands beside one."""
_LINKS = frozenset({"and", "then", "next", "followed", "by"})
_BEFORE_ADDRESS = frozenset({"is", "its", "thats", "address", "email"})
"""What no address begins with: all up to the last of them leads up to it."""
LEADS = frozenset({
    "actually", "ah", "alright", "at", "be", "can", "correct", "could", "er", "erm", "hello", "hey", "hi", "hm",
    "how", "it", "just", "let", "me", "mine", "my", "no", "nope", "now", "of", "oh", "ok", "okay", "on", "or",
    "please", "reach", "right", "see", "send", "should", "so", "sorry", "sure", "thank", "thanks", "that", "the",
    "then", "this", "to", "try", "uh", "uhm", "um", "use", "wait", "well", "with", "would", "yeah", "yep", "yes",
    "you",
})  # fmt: skip
_AROUND = (LEADS | _BEFORE_ADDRESS | {"but", "and"}) - {"me", "hello", "hi", "hey", "mine"}
"""What is no address by itself."""
_TRAILS = frozenset({"please", "thanks", "uh", "um", "er"})
_CHATTER = frozenset({
    "address", "because", "cannot", "cant", "didnt", "does", "doesnt", "dont", "have", "havent", "instead", "need",
    "never", "not", "rather", "sorry", "want", "what", "when", "which", "who", "why", "wont", "wouldnt", "wrong",
    "please", "thanks",
}) | {_STRANGE, "@"}  # fmt: skip
"""What stands in sentences, and in no address that is said in words."""


def _reading(
    pattern: str, instead: str | Callable[[re.Match[str]], str]
) -> tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]:
    return re.compile(pattern), instead


_WHILE_SPELLING = r"(?:it'?s |that'?s |is |are )?(?:all |in |everything )*"
_READINGS = (
    _reading(r"\be-mail", "email"),
    _reading(r"[<>\u2012-\u2015]", " "),
    _reading(rf"\b{_WHILE_SPELLING}(?:(?:lower|small)[ -]?case(?: letters)?|small letters)\b", " "),
    _reading(r"\b(?:all )?(?:as |in )?one word\b|\ball together\b", " "),
    _reading(
        r"\b(?:with )?(?:no|without(?: a| any| the)?) (?:dots?|spaces?|underscores?|dash(?:es)?|hyphens?|periods?)"
        r"(?: (?:in )?between| in the middle)?(?: (?:them|it))?\b",
        " ",
    ),
    _reading(r"\bi (?:have|use|think|guess|said|mean|am|would|want)\b|\bi'm\b", " "),
    # Whoever says a word for a letter means the word's, whatever was heard for the letter.
    _reading(r"\b[a-z]+[,.]? as in (?:the (?:word |name )?)?[\"']?([a-z])[a-z-]*", r" \1 "),
    _reading(r"\b([a-z])[,.]? (?:is )?(?:for|like(?: in)?) (?:a |an )?[\"']?\1[a-z]+", r" \1 "),
    _reading(r"\bx-ray\b", "xray"),
    _reading(r"\bdouble[ -](?:u|you)\b", " w "),
    _reading(r"\b(?:capital|upper ?case|lower ?case|small|(?:the )?(?:letter|number|digit)) (?=\w+)", " "),
    _reading(r"\bat[ -](?:sign|symbol)\b", " @ "),
    _reading(r"\b(double|triple)-", r"\1 "),
    _reading(rf"\b({'|'.join(_TENS)})-", r"\1 "),
    _reading(r"(?<![a-z0-9])[a-z0-9](?:-[a-z0-9])+(?![a-z0-9])", lambda found: found[0].replace("-", " ")),
    _reading(r"(?<![a-z0-9])[a-z](?:\.[a-z]){2,}(?![a-z0-9@])\.?", lambda found: found[0].replace(".", " ")),
    _reading(
        r"\b(?:dot|point|period|full stop)\b|(?<=[a-z0-9])\.(?=[a-z0-9])|(?<=\s)\.(?=\s)",
        " <dot> ",
    ),
    _reading(r"[,;:!?.\"()\[\]]", " "),
    _reading(r"<dot>", "."),
    _reading(r"\bunder[ -]?scores?\b", " _ "),
    _reading(r"\b(?:dash|hyphen|minus)(?: sign)?\b", " - "),
    _reading(r"\bplus(?: sign)?\b", " + "),
    _reading(r"'", ""),
    _reading(r"\bapostrophe\b", " ' "),
    _reading(r"\b(?:um+|uh+|erm?|hm+|space)\b", " "),
)
"""What is read how, one after the other."""
