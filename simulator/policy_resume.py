"""A caller whose last call broke off: what the instructions tell of it, and whether to go on with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from simulator.policy_answer import Asked
from simulator.policy_offer import Offer, OfferedSlot
from simulator.policy_when import when_said
from simulator.policy_words import plain

if TYPE_CHECKING:
    from simulator.policy_desk import Desk
    from simulator.policy_reading import Turn

QUESTION = "Shall we go on with it?"

_BROKE_OFF = re.compile(r"\blast call broke off\b")
_KEPT = re.compile(r"\bkept for them: (?P<say>.+), for (?P<title>.+), slot key (?P<key>\w+)\.")


def read_last_call(desk: Desk, instructions: str) -> None:
    """Take in what the instructions tell of the last call; the time that is kept of it counts as offered."""
    desk.has_broken_off = _BROKE_OFF.search(instructions) is not None
    if kept := _KEPT.search(instructions):
        when = when_said(plain(kept["say"]), desk.calendar)
        day, time = when.day.isoformat() if when.day else "", next(iter(when.times), "")
        slot = OfferedSlot(kept["key"], kept["say"], day, time)
        desk.offer, desk.action = Offer(slots=(slot,), spoken=(slot,)), desk.tools.action_titled(kept["title"])
        if not desk.has_broken_off:
            # It is this call that broke off, and the caller has just been asked about it.
            desk.asked = Asked.OFFER


def ask(desk: Desk, turn: Turn) -> bool:
    """Ask about the last call before anything else, unless the caller says by themselves when they want to come."""
    is_first, desk.has_broken_off = desk.has_broken_off, False
    if not is_first or turn.when:
        return False
    if desk.offer.spoken:
        desk.say(f"Your last call broke off. I still have {desk.offer.spoken[0].say}. {QUESTION}", Asked.OFFER)
    else:
        desk.say(f"Your last call broke off. {QUESTION}", Asked.RESUME)
    return True


def go_on(desk: Desk, turn: Turn) -> bool:
    """Take yes or no where nobody may be told what was picked: then the caller has to name it."""
    if desk.asked is not Asked.RESUME or turn.when or turn.agreed is None:
        return False
    if turn.agreed:
        desk.say("Which day and time had you picked?", Asked.OTHER_TIME)
    else:
        desk.say("All right. How can I help you?", Asked.OPEN)
    return True
