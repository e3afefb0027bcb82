"""What is said around a booking: small talk, asking again, waiting, what the stand-in model cannot do, goodbye."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from simulator.policy_answer import Asked
from simulator.policy_errands import named_errand

if TYPE_CHECKING:
    from simulator.policy_desk import Desk
    from simulator.policy_reading import Turn


def while_booking(desk: Desk, _turn: Turn) -> bool:
    if desk.is_booking:
        desk.say("I'm still confirming that. One moment, please.")
    return desk.is_booking


def farewell(desk: Desk, turn: Turn) -> bool:
    wants_out = turn.about("bye") and not (desk.asked is Asked.CONFIRM and turn.agreed)
    if desk.asked is Asked.GOODBYE:
        wants_out = wants_out or (turn.agreed is True and not turn.about("book") and not turn.when)
    elif desk.asked in _MAY_END and not turn.when:
        has_no_wish = not (turn.action or turn.about("book") or turn.about("scope") or named_errand(desk, turn))
        ends = turn.about("done") or (turn.agreed is False and desk.asked is not Asked.LEAVE)
        is_done = desk.asked is Asked.MORE and (
            turn.about("done")
            or re.fullmatch(r"(?:ok|okay|great|perfect|all right|alright|good|fine|lovely)", turn.words)
        )
        wants_out = wants_out or (
            has_no_wish and not turn.has_detail and (bool(is_done) or ends) and not _keeps_talking(turn)
        )
    if wants_out:
        desk.part()
    return wants_out


_MAY_END = (Asked.MORE, Asked.OPEN, Asked.OTHER_TIME, Asked.RETRY, Asked.ERRAND, Asked.LEAVE)


def _keeps_talking(turn: Turn) -> bool:
    topics = ("repeat", "hold", "presence", "how_are_you", "robot", "why", "others", "none")
    return any(turn.about(topic) for topic in topics) and not turn.about("done")


def hear_again(desk: Desk, turn: Turn) -> bool:
    if turn.about("recall") and desk.picked:
        desk.say(f"{desk.picked.say}. {desk.question()}")
    elif turn.about("repeat") and not turn.when and not turn.has_detail:
        desk.say(
            desk.question()
            if desk.asked is not Asked.OPEN
            else "I can book an appointment for you. Would you like one?"
        )
    else:
        return False
    return True


def hold(desk: Desk, turn: Turn) -> bool:
    if turn.about("hold") and not turn.when and not turn.has_detail:
        desk.say("Of course, take your time.")
        return True
    return False


def scope(desk: Desk, turn: Turn) -> bool:
    wants = re.search(r"\b(?:book|appointment|come in|schedule|available)\b", turn.words)
    if not turn.about("scope") or (wants and desk.asked is Asked.OPEN) or turn.has_detail:
        return False
    desk.say(f"I'm sorry, I can only help with booking appointments. {desk.question()}")
    return True


def chat(desk: Desk, turn: Turn) -> bool:
    """Answer small talk in a word and come back to the question."""
    for topic, words in _CHAT:
        if turn.about(topic):
            desk.say(f"{words} {desk.question()}")
            return True
    return False


_CHAT = (
    ("robot", "I'm an automated assistant, and I can book appointments."),
    ("how_are_you", "I'm doing well, thank you for asking."),
    ("presence", "Yes, I'm here."),
)


def greeting(desk: Desk, turn: Turn) -> bool:
    """Answer a mere "hello"."""
    if turn.words or desk.wish:
        return False
    desk.say(desk.question())
    return True


def puzzle(desk: Desk, *, is_again: bool) -> None:
    """Say what is understood here; the third time, offer to end the call."""
    desk.puzzled += 0 if is_again else 1
    question = "Would you like to book one?" if desk.asked in (Asked.OPEN, Asked.GOODBYE) else desk.question()
    if desk.puzzled <= 1:
        desk.say(f"Sorry, I didn't get that: I only understand appointments. {question}")
    elif desk.puzzled == 2:
        desk.say(f"I'm sorry, I didn't follow that. I can only help with appointments. {ask_again(desk)}")
    else:
        desk.say("I'm sorry, I can't help with that. Shall we say goodbye and end the call here?", Asked.GOODBYE)


def ask_again(desk: Desk) -> str:
    return desk.question() if desk.asked is not Asked.OPEN else "Could you say it again?"


def only_shows_presence(turn: Turn) -> bool:
    words = re.sub(
        r"\b(?:yes|yeah|yep|sorry|i'm|i am|am|still|here|there|just|thinking|a|moment|one|hm+|um|uh|ok|okay|sure)\b",
        " ",
        turn.words,
    )
    return not words.strip()
