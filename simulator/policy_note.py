"""What the worker tells the stand-in model of the beginning of a long call, which it is not sent any more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from simulator.policy_answer import Asked
from simulator.policy_offer import MOST_SPOKEN, Offer, OfferedSlot
from simulator.policy_who import answered_name, introduced_name

if TYPE_CHECKING:
    from simulator.policy_desk import Desk

_CALL_IS_LONG = re.compile(r"This call is long\b")
_CHOSEN = re.compile(r"^They have chosen .+, for (?P<title>.+), slot key (?P<key>\w+); it is (?P<state>not )?", re.M)
_OFFERED = re.compile(
    r"^(?P<key>[a-z]\d+) = (?P<say>.+) \((?P<date>[\d-]+) (?P<time>[\d:]+)\), for (?P<title>.+)$", re.M
)
_NAME = re.compile(r'^The caller gave their name as "(.+)"\.$', re.M)
_ANSWERED = re.compile(r'^To ".*\bname\b.*" they said "(.+)"\.$', re.M)
_INTRODUCED = re.compile(r'^They said "(.+)"\.$', re.M)


def read_note(desk: Desk, text: str) -> bool:
    """Take in the worker's note; returns whether `text` is one."""
    if not _CALL_IS_LONG.match(text):
        return False
    slots = tuple(OfferedSlot(*found.group("key", "say", "date", "time")) for found in _OFFERED.finditer(text))
    titles = {found["key"]: found["title"] for found in _OFFERED.finditer(text)}
    desk.offer = Offer(slots=slots, spoken=slots[:MOST_SPOKEN])
    desk.asked = Asked.OFFER if slots else Asked.OPEN
    desk.name = _name(text) or desk.name
    if chosen := _CHOSEN.search(text):
        desk.action = desk.tools.action_titled(chosen["title"])
        desk.picked = next((slot for slot in slots if slot.key == chosen["key"]), None)
        desk.asked = Asked.CONFIRM if desk.name else Asked.NAME
        if not chosen["state"]:
            desk.booked.add(chosen["key"])
            desk.picked, desk.asked = None, Asked.MORE
    elif slots:
        desk.action = desk.tools.action_titled(titles[slots[0].key])
    return True


def _name(text: str) -> str:
    if found := _NAME.search(text):
        return found[1]
    said = [answered_name(found[1]) for found in _ANSWERED.finditer(text)]
    said += [introduced_name(found[1]) for found in _INTRODUCED.finditer(text)]
    return next(filter(None, said), "")
