"""The questions of an event type: what the booking tool's arguments want to know, and what callers answer to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.policy_answer import Asked
from simulator.policy_words import agrees, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.policy_desk import Desk
    from simulator.policy_reading import Turn

_PREFIX = "answer_"
_WORDS = re.compile(r"answers to (['\"])(.+)\1")
_LEAD = re.compile(r"^(?:(?:well|um|uh|so|yes|it's|it is|that's|that is|i have|i've got|we have)[, ]+)+", re.I)
_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_MOST_TRIES = 2


@dataclass(frozen=True, slots=True)
class Question:
    """What one argument wants to know. `kind` is JSON's; without `options` any answer of that kind will do."""

    argument: str
    words: str
    kind: str
    options: tuple[str, ...] = ()

    def answer(self, text: str) -> object:
        """Return the answer in what the caller said, None when there is none."""
        words = plain(text)
        match self.kind:
            case "boolean":
                return agrees(words)
            case "number":
                return _number(words)
            case "array":
                return [option for option in self.options if plain(option) in words] or None
            case _ if self.options:
                named = [option for option in self.options if plain(option) in words]
                return max(named, key=len) if named else None
            case _:
                return _LEAD.sub("", text.strip()).strip(" .!") or None


def questions_of(schema: Mapping[str, Any]) -> tuple[Question, ...]:
    """Return the questions among the arguments of a tool."""
    properties = schema.get("properties") or {}
    return tuple(_question(name, part) for name, part in properties.items() if name.startswith(_PREFIX))


def _question(name: str, part: Mapping[str, Any]) -> Question:
    asked = _WORDS.search(str(part.get("description") or ""))
    words = asked[2] if asked else f"What about {name.removeprefix(_PREFIX).replace('_', ' ')}?"
    options = part.get("enum") or (part.get("items") or {}).get("enum") or ()
    return Question(name, words, str(part.get("type") or "string"), tuple(map(str, options)))


def _number(words: str) -> float | None:
    if digits := re.search(r"\d+", words):
        return float(digits[0])
    return next((float(_NUMBERS.index(word)) for word in words.split() if word in _NUMBERS), None)


def next_question(desk: Desk) -> Question | None:
    """Return what the caller has still to be asked before the booking is read back."""
    asked = desk.tool.questions if desk.tool else ()
    return next((question for question in asked if question.argument not in desk.answers), None)


def answer_question(desk: Desk, turn: Turn) -> bool:
    """Take the answer to a question of the event type; one that nobody understands is left out in the end."""
    question = next_question(desk)
    if desk.asked is not Asked.QUESTION or question is None or turn.about("repeat"):
        return False
    answer = question.answer(turn.raw)
    desk.unanswered += answer is None
    if answer is None and desk.unanswered < _MOST_TRIES:
        choice = f" It can be {', or '.join(question.options)}." if question.options else ""
        desk.say(f"Sorry, I didn't get that.{choice} {question.words}", Asked.QUESTION)
        return True
    desk.unanswered = 0
    desk.answers[question.argument] = answer
    desk.advance()
    return True


def ask_again(desk: Desk, hint: str) -> bool:
    """Ask again what the tool has refused, when its `hint` names a question."""
    for question in desk.tool.questions if desk.tool else ():
        if plain(question.argument.removeprefix(_PREFIX).replace("_", " ")) in plain(hint.replace("_", " ")):
            desk.answers.pop(question.argument, None)
            desk.say(f"I'm sorry, that answer can't be taken. {question.words}", Asked.QUESTION)
            return True
    return False
