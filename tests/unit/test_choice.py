"""What a caller has chosen is seen from what was said, and nothing is chosen that they have not answered to."""

from __future__ import annotations

import pytest

from tests.factories import ACTION, a_slot
from tests.sessions import a_session, agent, caller
from tools.choice import chosen
from tools.session import Utterance

TWO, THREE = a_slot(53), a_slot(54)
OFFER = agent("On Thursday, December third, I have two in the afternoon or three in the afternoon. Which suits you?")
PICKED = agent("Thursday, December third, at two in the afternoon. May I have your name?")
ONE = agent("Thursday, December third, at two in the afternoon is free. Would you like that one?")


@pytest.mark.parametrize(
    ("heard", "slot"),
    [
        ([OFFER], None),
        ([ONE], None),
        ([OFFER, caller("Thursday at two works.")], TWO),
        ([OFFER, caller("Not at two on Thursday, please.")], None),
        ([OFFER, caller("Two in the afternoon, please.")], TWO),
        ([OFFER, caller("The three o'clock.")], THREE),
        ([OFFER, caller("Two or three, I'm not sure.")], None),
        ([OFFER, caller("At four, perhaps?")], None),
        ([OFFER, caller("Until two I'm at work.")], None),
        ([OFFER, caller("Two on Friday.")], None),
        ([OFFER, PICKED, caller("Three, please.")], None),
        ([caller("Two in the afternoon.")], None),
        ([OFFER, caller("The first one.")], None),
        ([OFFER, caller("The first one."), PICKED], TWO),
        ([ONE, caller("Yes."), PICKED], TWO),
        ([ONE, caller("Yes."), agent("May I have your name?")], None),
        ([PICKED], None),
        ([caller("I'd like Thursday at two in the afternoon.")], None),
        ([caller("I'd like Thursday at two in the afternoon."), ONE], None),
        ([OFFER, caller("Hm, let me see."), OFFER], None),
        ([], None),
    ],
)
def test_the_choice_is_the_one_slot_spoken_of_after_the_offer_was_heard(heard: list[Utterance], slot: object) -> None:
    session = a_session()
    session.offer(ACTION, [TWO, THREE])

    choice = chosen(session, heard)

    assert (choice[1].slot if choice else None) == slot


def test_what_was_never_offered_is_no_choice() -> None:
    session = a_session()
    session.offer(ACTION, [THREE])

    assert chosen(session, [ONE, caller("Yes."), PICKED]) is None
