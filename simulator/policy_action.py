"""Which of the business's appointments the caller wants, and what becomes of the call when that changes."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from simulator.policy_answer import MORE, Asked
from simulator.policy_offer import Offer
from simulator.policy_titles import best_named, says_emergency
from simulator.policy_when import When

if TYPE_CHECKING:
    from simulator.policy_desk import Desk
    from simulator.policy_reading import Turn

_PLACES = (
    re.compile(r"\b(?:first|1st)\b"),
    re.compile(r"\b(?:second|2nd)\b"),
    re.compile(r"\b(?:third|3rd)\b"),
)


def choose_action(desk: Desk, turn: Turn) -> bool:
    """Take what the caller names; another appointment than before is looked for at once, at the same time."""
    if turn.action in ("", desk.action) or desk.existing.errand:
        return False
    if not desk.action:
        desk.action = turn.action
        return _emergency_first(desk, turn)
    if turn.about("scope"):
        return False  # "how much is a colour?" asks for none
    desk.action = turn.action
    desk.wish = turn.when if turn.when.day else turn.when.over(_time_in_question(desk))
    desk.drop_pick()
    desk.offer = Offer()
    desk.advance()
    return True


def _emergency_first(desk: Desk, turn: Turn) -> bool:
    """Look for the soonest emergency when something else is named too: the day in the same breath is that other's."""
    others = [tool.title for tool in desk.tools.books if not says_emergency(tool.title)]
    if not says_emergency(turn.action) or not best_named(turn.raw, others):
        return False
    desk.wish = When()
    desk.advance()
    return True


def _time_in_question(desk: Desk) -> When:
    if desk.picked is None:
        return desk.wish or desk.looked_for
    return When(date.fromisoformat(desk.picked.day), (desk.picked.time,), desk.picked.clock_words)


def which_action(desk: Desk, turn: Turn) -> bool:
    """Take "the second one" or "neither" as the answer to which appointment is meant."""
    if desk.asked is not Asked.ACTION or turn.action or turn.when:
        return False
    places = [place for place, words in enumerate(_PLACES) if words.search(turn.words)]
    if len(places) == 1 and places[0] < len(desk.tools.books):
        desk.action = desk.tools.books[places[0]].action
        desk.advance()
    elif turn.agreed is False or turn.about("drop"):
        desk.wish = None
        desk.say(f"All right. {MORE}", Asked.MORE)
    else:
        return False
    return True
