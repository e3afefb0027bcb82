"""How the stand-in model comes to know how a caller is reached: an e-mail address, or a number they withhold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from simulator import policy_requests as requests
from simulator.policy_answer import EMAIL, Answer, Asked, ToolCall
from simulator.policy_digits import number_said
from simulator.policy_tools import NOTE_EMAIL
from simulator.policy_words import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.policy_desk import Desk
    from simulator.policy_reading import Turn


_SHORT = 6
"""Words; a "wait" among more of them comes before something else."""


@dataclass(slots=True)
class Email:
    """How far this call has come with the address."""

    said: str = ""
    """What the tool has not been told yet."""
    address: str = ""
    """The address as it was last heard."""
    question: str = EMAIL
    is_settled: bool = False
    """Whether the caller has agreed to an address, or it is left out."""

    def heard(self, address: str) -> None:
        """Take an address that the caller says, asked or not."""
        self.said = self.address = address
        self.is_settled = False


def note_email(desk: Desk) -> None:
    """Tell the tool what was said of the address; with nothing, it tells what to ask."""
    arguments: dict[str, object] = {"said": desk.email.said} if desk.email.said else {}
    desk.email.said = ""
    desk.answer = Answer(calls=(ToolCall(NOTE_EMAIL, arguments),))


def take_noted(desk: Desk, result: Mapping[str, object] | None) -> None:
    """Go on from what the tool made of it."""
    say = str((result or {}).get("say") or "")
    match (result or {}).get("status"):
        case "noted":
            _settle(desk)
        case "left_out" if "call you back" in say:
            desk.start_over()
            requests.tell_trouble(desk, say)
        case "left_out":
            _settle(desk)
            desk.answer = replace(desk.answer, text=f"{say} {desk.answer.text}".strip())
        case _:
            ask_email(desk, say)


def ask_email(desk: Desk, say: str) -> None:
    """Ask what the tool wants to know of the address."""
    desk.email.question = say or EMAIL
    desk.say(desk.email.question, Asked.EMAIL)


def _settle(desk: Desk) -> None:
    desk.email.is_settled = True
    desk.advance()


def answer_email(desk: Desk, turn: Turn) -> bool:
    """Hand on what the caller says of the address, a yes or no to its read-back too."""
    is_about_other = turn.when.day is not None or turn.has_detail
    is_moment = turn.about("hold") and len(turn.words.split()) <= _SHORT
    is_aside = is_moment or any(turn.about(topic) for topic in ("bye", "repeat", "why"))
    if desk.asked is not Asked.EMAIL or ((is_about_other or is_aside) and not desk.email.said):
        return False
    desk.email.said = turn.raw.strip()
    note_email(desk)
    return True


def answer_number(desk: Desk, turn: Turn) -> bool:
    """Take the number to reach the caller at; who gives none is asked for an address instead."""
    if desk.asked is not Asked.NUMBER:
        return False
    if number := number_said(plain(turn.raw)):
        desk.number = number
        desk.details_changed()
    elif turn.agreed is False or turn.about("withhold"):
        desk.is_number_refused = True
    else:
        return False
    desk.advance()
    return True
