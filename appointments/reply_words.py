"""What somebody says who answers a text of ours: a letter, a number or a few words, read with care."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

MOST_WORDS = 20
"""Who writes more tells something that a person should read."""


class Wish(StrEnum):
    """What is to become of an appointment."""

    CONFIRM = "confirm"
    MOVE = "move"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was made out. Nothing of it set: the words were not understood."""

    wish: Wish | None = None
    agrees: bool | None = None
    """A yes or a no, as far as the words begin with one."""
    choice: int | None = None
    """Which one, by the number it was given."""
    is_courtesy: bool = False
    """It wants no answer: thanks, or a reaction to a text."""
    wants_no_texts: bool = False
    """It says in a sentence what STOP says in a word."""


def read_reply(body: str) -> Reading:
    """Return what `body` says. Letters are taken at their word; of a sentence only what is plain in it."""
    if _REACTION.match(body.strip()):
        return Reading(is_courtesy=True)
    text = _plain(body)
    if letter := _LETTER.fullmatch(text):
        return _from_letter(letter["letter"], letter["number"])
    if chosen := _CHOICE.fullmatch(text):
        return Reading(choice=_number(chosen["number"]))
    if not text or len(text.split()) > MOST_WORDS:
        return Reading()
    if _NO_TEXTS.search(text):
        return Reading(wish=_wish(text, is_open="?" in body), wants_no_texts=True)
    if _COURTESY.fullmatch(text):
        return Reading(is_courtesy=True)
    return _from_sentence(text, is_question="?" in body)


def _from_letter(letter: str, number: str | None) -> Reading:
    choice = int(number) if number else None
    if letter in ("y", "n"):
        return Reading(agrees=letter == "y") if choice is None else Reading()
    return Reading(wish={"c": Wish.CONFIRM, "r": Wish.MOVE, "x": Wish.CANCEL}[letter], choice=choice)


def _from_sentence(text: str, *, is_question: bool) -> Reading:
    text = _NOT_A_NO.sub(" ", text).strip()
    is_open = is_question or bool(_HEDGE.search(text))
    if _MOVES_NOT.search(text):
        return Reading()
    wish = _wish(text, is_open=is_open)
    agrees = None
    if _KEEPS.search(text):
        agrees = False
    elif _NO.match(text):
        agrees = False if wish is not Wish.CONFIRM else None
    elif _YES.match(text) and not is_open and (wish is Wish.CANCEL or not _NEGATION.search(text)):
        # Of a yes with other words behind it nobody knows to what: "yes, I will get there" is none to a cancellation.
        agrees = True if wish or _YES_ALONE.fullmatch(text) else None
    return Reading(wish=wish, agrees=agrees)


def _wish(text: str, *, is_open: bool) -> Wish | None:
    """Return the wish in `text`. Moving and cancelling may be asked for, for they are asked about before anything."""
    if _MOVE.search(text):
        return Wish.MOVE
    is_plain = not (is_open or _NEGATION.search(text) or _NAMES_A_TIME.search(text))
    confirms = is_plain and bool(_CONFIRM.search(text))
    cancels = bool(_CANCEL.search(text)) and not _KEEPS.search(text) and not _IS_LATE.search(text)
    if confirms and cancels:
        return None
    if cancels:
        return Wish.CANCEL
    return Wish.CONFIRM if confirms else None


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBERS[word]


def _plain(body: str) -> str:
    """Return the words of `body` in small letters, one space between two; a thumb up is a yes."""
    text = _THUMB_UP.sub(" yes ", body).casefold().replace("\u2019", "'")
    return " ".join(re.findall(r"[a-z0-9](?:[a-z0-9']*[a-z0-9])?", text))


_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_NUMBERS |= {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
_THUMB_UP = re.compile("\N{THUMBS UP SIGN}[\U0001f3fb-\U0001f3ff]?")
# Telephones send a reaction as a text that quotes ours, with all the words that ours asks for.
_REACTION = re.compile(
    r"(?:(?:liked|loved|laughed at|emphasi[sz]ed|questioned|disliked|removed an? \w+ from|reacted \S+ to)\s|"
    r"\W{1,8} to )"
    "\\s*[\"\u201c\u2018']",
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?P<letter>[crxyn])(?: ?(?P<number>[1-9]))?(?: (?:please|thanks|thank you))?")
_CHOICE = re.compile(
    rf"(?:the |number |no |option )?(?P<number>[1-9]|{'|'.join(_NUMBERS)})(?:st|nd|rd|th)?"
    "(?: one)?(?: (?:please|thanks))?"
)
_COURTESY = re.compile(
    r"(?:(?:ok|okay|k|kk|thanks|thank you|thank u|thx|ty|great|perfect|cool|got it|noted|awesome|good|lovely|"
    r"much appreciated|so much|very much|you too|have a (?:great|good|nice) (?:day|one|evening|weekend))(?: |$))+"
)
_NO_TEXTS = re.compile(
    r"\b(?:stop|quit) (?:texting|messaging|sending|contacting|these (?:texts|messages))\b|\bunsubscribe\b|"
    r"\b(?:don't|do not|dont) (?:ever )?(?:text|message|contact) (?:me|us|this)\b|"
    r"\b(?:take|remove) me (?:off|from) (?:this|your|the) (?:list|texts|messages)\b|"
    r"\bno more (?:texts|messages)\b|\bopt (?:me )?out\b|"
    # Twilio takes STOP for itself only where nothing stands beside it, not even a full stop.
    r"^(?:please )?(?:stop|stopall|quit|optout)(?: (?:it|this|that|all|now|please|thanks|thank you|stop))*$"
)
_NOT_A_NO = re.compile(r"\b(?:no (?:problem|problems|worries|prob)|not a problem|why not|can't wait|cannot wait)\b")
_NEGATION = re.compile(r"\b(?:no|not|never|nobody|nope|cannot|cant|dont|wont|unable)\b|n't\b")
_HEDGE = re.compile(
    r"\b(?:if|maybe|might|may|unless|but|try|trying|hope|hopefully|probably|perhaps|think|guess|should)\b"
)
_IS_LATE = re.compile(r"\b(?:late|on time|before|until|till|after|earlier|early)\b")
_NAMES_A_TIME = re.compile(
    r"\d|\b(?:late|early|noon|midnight|next|oclock|o'clock)\b|"
    r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b"
)
"""Who names a time may mean another one than we do."""
_YES = re.compile(
    r"(?:y|yes|yea|yeah|yep|yup|ya|sure|correct|right|absolutely|definitely|certainly|of course)\b",
)
_YES_ALONE = re.compile(
    r"(?:(?:y|yes|yea|yeah|yep|yup|ya|ok|okay|sure|correct|right|fine|absolutely|definitely|certainly|of course|please|"
    r"thanks|thank you|thx|go ahead|(?:i )?do|do (?:it|that|so)|that's|that is|it is|i'm sure|for sure|thing)(?: +|$))+"
)
_NO = re.compile(r"(?:n|no|nope|nah)\b")
_KEEPS = re.compile(
    r"\b(?:don't|dont|do not|didn't|did not|not|never|no need to)(?: (?:want|need|wish|have|going))?(?: to)? "
    r"cancel(?:l?ing)?\b|\bkeep (?:it|my|the|this|that)\b|\bleave it\b"
)
_MOVES_NOT = re.compile(
    r"\b(?:don't|dont|do not|no need to|not|never)(?: (?:want|need|wish|have))?(?: to)? "
    r"(?:re ?schedul\w*|move|change|postpone|confirm)\b"
)
_MOVE = re.compile(
    r"\bre ?schedul(?:e|ing)\b|\bpostpon(?:e|ing)\b|"
    r"\b(?:another|different|other|new|better) (?:time|day|date|slot|week)\b|"
    r"\b(?:move|change|push|shift|switch) (?:it|this|that|my|our|the)\b"
)
_CANCEL = re.compile(
    r"\bcancel\b|\bcancell?ing\b|"
    r"\b(?:can't|cant|cannot|can not|couldn't|won't|wont|will not|unable to|not able to|not going to|not gonna)"
    r"(?: be able to)?(?: be)? (?:make|come|coming|attend|there|get there)\b|"
    r"\bnot (?:coming|attending|making it)\b"
)
_CONFIRM = re.compile(
    r"\bconfirm(?:ed|ing)?\b|\bsee (?:you|u|ya)\b|\b(?:i'll|ill|i will|we'll|we will|will) be (?:there|coming)\b|"
    r"\b(?:i'll|i will|we'll|we will) (?:come|make it)\b|\b(?:i|we) can (?:still )?(?:come|make it)\b|"
    r"\b(?:i'm|im|i am|we're|we are) (?:still )?coming\b|\blooking forward\b"
)
