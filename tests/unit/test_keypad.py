"""When a caller is told of the keys of their phone, and what of them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from agent.keypad import Keypad
from agent.phrases import KEYS_FOR_TIMES, KEYS_FOR_YES, SAY_AGAIN, STILL_THERE
from tests.factories import ACTION, a_slot
from tests.sessions import a_session, agent
from tools.keys import KEYS, is_misunderstanding
from tools.session import Utterance

TWO, THREE = a_slot(53), a_slot(54)
OFFER = "I have openings on Thursday, December third, at two in the afternoon or three in the afternoon. Which is best?"
BY_KEYS = (
    "You can also use the keys of your phone: press one for Thursday, December third, at two in the afternoon, "
    "or two for Thursday, December third, at three in the afternoon."
)


class Talk:
    """What the agent has said, and what it was told to add of the keys."""

    def __init__(self, *, offers: bool = True) -> None:
        session = a_session(identity=SimpleNamespace(awaits_code=False))
        if offers:
            session.offer(ACTION, [TWO, THREE])
            session.speak_of(ACTION, [TWO, THREE])
        self.heard: list[Utterance] = []
        self.keypad = Keypad(session, lambda: self.heard)

    def says(self, *texts: str) -> list[str]:
        added: list[str] = []
        for text in texts:
            self.heard.append(agent(text))
            if notice := self.keypad.notice(text):
                added.append(notice.say)
                assert notice.phrase in (KEYS_FOR_TIMES, KEYS_FOR_YES)
        return added


def test_two_misunderstandings_in_a_row_bring_the_keys() -> None:
    talk = Talk()

    assert talk.says(OFFER, SAY_AGAIN) == []
    assert talk.says("Sorry, I didn't quite get that. Which one?") == [BY_KEYS]
    assert talk.keypad.is_offered


def test_times_that_were_just_repeated_are_not_said_once_more() -> None:
    assert Talk().says(OFFER, SAY_AGAIN, f"Sorry, I didn't get that. {OFFER}") == [
        "You can also use the keys of your phone: press one for the first, or two for the second."
    ]


def test_an_answer_between_them_forgives_the_first() -> None:
    assert Talk().says(OFFER, SAY_AGAIN, "We are on Harbor Street.", SAY_AGAIN) == []


def test_asking_whether_the_caller_is_there_is_no_answer() -> None:
    assert Talk().says(OFFER, SAY_AGAIN, STILL_THERE, SAY_AGAIN) == [BY_KEYS]


def test_after_a_success_nothing_more_is_said_of_keys() -> None:
    talk = Talk()
    talk.says(OFFER, SAY_AGAIN, SAY_AGAIN, BY_KEYS)
    was_offered = talk.keypad.is_offered

    added = talk.says("Thursday at two, then. Your name?", SAY_AGAIN)

    assert (was_offered, added, talk.keypad.is_offered) == (True, [], False)


def test_the_keys_are_told_again_only_after_two_more() -> None:
    talk = Talk()

    assert talk.says(OFFER, SAY_AGAIN, SAY_AGAIN, BY_KEYS, SAY_AGAIN) == [BY_KEYS]
    assert talk.says(SAY_AGAIN) == [BY_KEYS]


@pytest.mark.parametrize("question", ["Is there anything else?", "That's Friday at nine, for Maya. Is that right?"])
def test_a_question_for_yes_or_no_is_answered_by_keys_too(question: str) -> None:
    assert Talk(offers=False).says(question, SAY_AGAIN, SAY_AGAIN) == [KEYS_FOR_YES]


def test_where_there_is_nothing_to_choose_nothing_is_said() -> None:
    assert Talk(offers=False).says("May I have your name, please?", SAY_AGAIN, SAY_AGAIN, SAY_AGAIN) == []


def test_a_press_begins_anew() -> None:
    talk = Talk()
    talk.says(OFFER, SAY_AGAIN, SAY_AGAIN)

    talk.keypad.caller_is_understood()

    assert not talk.keypad.is_offered


@pytest.mark.parametrize(
    "said",
    [
        SAY_AGAIN,
        "Sorry, I didn't catch that.",
        "I'm sorry, I could not understand that. Which day?",
        "Could you repeat that, please? Could you repeat that?",
        "Would you say that again, please?",
        "Sorry, I didn't get that: I only understand appointments. Which would you like?",
    ],
)
def test_what_shows_a_misunderstanding(said: str) -> None:
    assert is_misunderstanding(said)


@pytest.mark.parametrize(
    "said",
    ["I understand.", "I can't hear anyone, so I'll hang up now.", "You're booked.", "I'll say it to the doctor.", ""],
)
def test_what_shows_none(said: str) -> None:
    assert not is_misunderstanding(said)


def test_every_word_about_the_keys_begins_alike() -> None:
    assert all(each.casefold().startswith(KEYS) for each in (BY_KEYS, KEYS_FOR_TIMES, KEYS_FOR_YES))
