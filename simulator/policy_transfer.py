"""A caller who wants a person: put through where there is one, else offered a call back; and what follows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from simulator import policy_requests as requests
from simulator.policy_answer import Answer, Asked, ToolCall
from simulator.policy_requests import Leaving
from simulator.policy_tools import CALL_BACK, TRANSFER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.policy_desk import Desk
    from simulator.policy_reading import Turn

NOBODY_HERE = "I'm sorry, I can't put you through to anybody from here."

_SOMEBODY = (
    r"(?:(?:an?|the|your|some) )?(?:(?:real|actual|live|human) )?(?:person|human(?: being)?|someone|somebody|anyone"
    r"|anybody|one of you|manager|owner|boss|representative|operator|receptionist|staff|team|office)"
)
_WANTS = re.compile(
    rf"\b(?<!am i )(?:speak|talk|speaking|talking) (?:to|with) {_SOMEBODY}\b"
    r"|\b(?:put|transfer|connect|hand) me (?:through|over|to)\b"
    rf"|\b(?:get|give) me {_SOMEBODY}\b|\b(?:want|need|like|prefer) (?:an?|the) (?:real |actual )?(?:person|human)\b"
)
_ABOUT = re.compile(r"\babout (?P<reason>[^.?!]+)", re.IGNORECASE)
_NOT_TAKEN = re.compile(r"\bnobody took the call\b")


def read_return(desk: Desk, instructions: str) -> None:
    """Take in that the caller comes back from a person who did not take the call, and what they were asked."""
    if _NOT_TAKEN.search(instructions) and desk.tools.has(CALL_BACK):
        desk.leaving = Leaving(choice=(CALL_BACK,))
        desk.asked = Asked.LEAVE


def want_person(desk: Desk, turn: Turn) -> bool:
    """Put a caller through who asks for it, or say that it cannot be done."""
    goes_on = desk.is_put_through and not (turn.agreed is False or turn.when or turn.action)
    desk.is_put_through = False
    if not (goes_on or _WANTS.search(turn.words)) or not desk.tools.has_any(TRANSFER, CALL_BACK):
        return False
    if not desk.tools.has(TRANSFER):
        requests.offer(desk, NOBODY_HERE, can_wait=False)
        return True
    about = _ABOUT.search(turn.raw)
    said = {"name": desk.name, "reason": about["reason"].strip() if about else desk.notes}
    desk.answer = Answer(calls=(ToolCall(TRANSFER, {name: words for name, words in said.items() if words}),))
    return True


def take_put_through(desk: Desk, result: Mapping[str, object] | None) -> None:
    """Say no more to a caller who is put through, and to the others why they are not."""
    if (result or {}).get("status") == "transferring":
        desk.is_put_through = True
        desk.answer = Answer()
    else:
        requests.tell_trouble(desk, str((result or {}).get("say") or NOBODY_HERE))
