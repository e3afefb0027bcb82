"""What a caller may leave when nothing can be booked: a wish to be called back, a place on the waitlist."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.policy_answer import MORE, NAME, Answer, Asked, ToolCall
from simulator.policy_digits import number_said, says_this_number
from simulator.policy_tools import CALL_BACK, WAITLIST
from simulator.policy_words import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.policy_desk import Desk
    from simulator.policy_reading import Turn

REACH = "What number can we reach you at?"
BEST_TIME = {
    WAITLIST: "Which days or times would suit you?",
    CALL_BACK: "When is a good time to call you?",
}
QUESTION = {
    (CALL_BACK,): "Shall I have somebody call you back?",
    (WAITLIST,): "Shall I put you on the waitlist?",
    (WAITLIST, CALL_BACK): "Shall I put you on the waitlist, or have somebody call you back?",
}

_WAITLIST = re.compile(r"\bwait(?:ing)? ?list\b|\bif (?:something|anything) opens up\b")
_CALL_BACK = re.compile(
    r"\b(?:(?:call|ring|phone) (?:me|us) back|get back to (?:me|us)|a call ?back|give (?:me|us) a (?:call|ring)"
    r"|(?:somebody|someone|anybody|anyone) (?:please )?(?:call|ring|phone) (?:me|us))\b"
)
_NO_TIME = re.compile(r"\b(?:doesn't|does not|don't|do not) (?:matter|mind|care|know)\b|\bno preference\b")


@dataclass(slots=True)
class Leaving:
    """What the caller is about to leave."""

    kind: str = ""
    """The tool for it; "": nothing is to be left."""
    choice: tuple[str, ...] = ()
    """What was offered last."""
    best_time: str = ""
    is_time_asked: bool = False
    is_nameless: bool = False
    """Whether the caller would not say their name."""
    number: str = ""


def offer(desk: Desk, say: str, *, can_wait: bool) -> None:
    """Say how it stands and offer what can be left; `can_wait` claims that a free time would help."""
    choice = tuple(each for each in (WAITLIST, CALL_BACK) if desk.tools.has(each) and (can_wait or each == CALL_BACK))
    desk.leaving = Leaving(choice=choice)
    if not choice:
        desk.say(say if "?" in say else f"{say} {MORE}", Asked.MORE)
        return
    desk.say(say if "?" in say else f"{say} {QUESTION[choice]}", Asked.LEAVE)


def tell_trouble(desk: Desk, say: str) -> None:
    """Say what went wrong; where the tool asks whether to call back, go by the answer."""
    if "call you back" in say and desk.tools.has(CALL_BACK):
        offer(desk, say, can_wait=False)
    else:
        desk.say(say if "anything else" in say.lower() else f"{say} {MORE}", Asked.MORE)


def go_on(desk: Desk) -> None:
    """Take the next step towards what is to be left."""
    leaving = desk.leaving
    if not desk.name and not leaving.is_nameless:
        desk.say(NAME, Asked.NAME)
    elif not leaving.is_time_asked:
        leaving.is_time_asked = True
        desk.say(BEST_TIME[leaving.kind], Asked.BEST_TIME)
    else:
        said = {
            "name": desk.name,
            "number": leaving.number,
            "best_time": leaving.best_time,
            "notes": desk.notes,
            "appointment": desk.action if leaving.kind == WAITLIST else "",
        }
        arguments: dict[str, object] = {name: value for name, value in said.items() if value}
        desk.answer = Answer(calls=(ToolCall(leaving.kind, arguments),))


def take_noted(desk: Desk, result: Mapping[str, object] | None) -> None:
    """Go on from what became of it."""
    result = result or {}
    say = str(result.get("say") or "")
    if result.get("status") == "invalid":
        desk.leaving.number = ""
        desk.say(REACH, Asked.REACH)
        return
    desk.leaving, desk.unsaid, desk.notes = Leaving(), say, ""
    desk.existing.end()
    desk.start_over()
    desk.say(f"{say or 'I am sorry, I could not note that.'} {MORE}", Asked.MORE)


# What the caller says


def want_request(desk: Desk, turn: Turn) -> bool:
    """Take what the caller would leave, asked or not."""
    words = plain(turn.raw)
    kind = WAITLIST if _WAITLIST.search(words) else CALL_BACK if _CALL_BACK.search(words) else ""
    is_asked = desk.asked is Asked.LEAVE
    if desk.leaving.kind or (kind and not desk.tools.has(kind)) or not (kind or is_asked):
        return False
    choice = desk.leaving.choice
    if kind or (turn.agreed and len(choice) == 1):
        desk.leaving.kind = kind or choice[0]
        go_on(desk)
    elif turn.agreed:
        desk.say("Which would you like, the waitlist or a call back?")
    elif turn.agreed is False and not turn.when:
        desk.say(f"All right. {MORE}", Asked.MORE)
    else:
        return False
    return True


def answer_request(desk: Desk, turn: Turn) -> bool:
    """Take the name, the number or the best time for what is being left."""
    leaving = desk.leaving
    if not leaving.kind or turn.about("bye") or turn.about("repeat") or turn.about("hold"):
        return False
    match desk.asked:
        case Asked.BEST_TIME:
            is_any = turn.agreed is False or _NO_TIME.search(turn.words)
            leaving.best_time = "" if is_any else turn.raw.strip()
        case Asked.NAME if turn.agreed is False or turn.about("withhold"):
            leaving.is_nameless = not turn.has_detail
        case Asked.NAME if not turn.has_detail:
            return False
        case Asked.REACH:
            leaving.number = number_said(plain(turn.raw))
            if not leaving.number and not says_this_number(turn.words):
                return False
        case Asked.NAME:
            pass
        case _:
            return False
    go_on(desk)
    return True
