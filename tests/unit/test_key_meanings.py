"""What keys mean: an option of the offer, yes or no, a phone number; and that code decides it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.errors import WishNotUnderstood
from appointments.offer import Offer, OfferReason, describe
from appointments.spoken import mentions
from tests.factories import ACTION, NOW, STUDIO, a_slot
from tests.sessions import a_session, agent, caller
from tools.choice import chosen
from tools.consent import agrees, refuses
from tools.keys import meaning, number_given

if TYPE_CHECKING:
    from appointments.model import Slot
    from tools.session import BookingSession, Utterance

TWO, THREE, FOUR = a_slot(53), a_slot(54), a_slot(55)
OFFER = agent(
    "I have openings on Thursday, December third, at two in the afternoon, three in the afternoon, or four in the "
    "afternoon. Which works best for you?"
)
PICKED = agent("Thursday, December third, at three in the afternoon. May I have your name?")
READ_BACK = agent("That's a haircut on Thursday, December third, at three in the afternoon, for Maya. Is that right?")
THURSDAY = "Thursday, December third, at"


def offering(*slots: Slot, awaits_code: bool = False, **changes: Any) -> BookingSession:
    """Return the session of a call in which the tool has just offered `slots`."""
    session = a_session(identity=SimpleNamespace(awaits_code=awaits_code), **changes)
    session.offer(ACTION, slots)
    session.speak_of(ACTION, slots)
    return session


@pytest.mark.parametrize(
    ("digits", "heard", "means"),
    [
        ("1", [OFFER], f"(typed 1, the first time offered: {THURSDAY} two in the afternoon)"),
        ("3", [OFFER], f"(typed 3, the third time offered: {THURSDAY} four in the afternoon)"),
        ("4", [OFFER], "(typed 4)"),
        ("0", [OFFER], "(typed 0)"),
        ("12", [OFFER], "(typed 1 2)"),
        # The key has cut the offer off, early or late.
        ("2", [agent("Certainly.")], f"(typed 2, the second time offered: {THURSDAY} three in the afternoon)"),
        (
            "3",
            [agent(f"I have openings on {THURSDAY} two in the afternoon, three in the afternoon,")],
            f"(typed 3, the third time offered: {THURSDAY} four in the afternoon)",
        ),
        (
            "2",
            [agent(f"I have openings on {THURSDAY} two in the afternoon")],
            f"(typed 2, the second time offered: {THURSDAY} three in the afternoon)",
        ),
        # The agent has named others of the offer, in an order of its own.
        (
            "2",
            [
                OFFER,
                caller("Later."),
                agent(f"{THURSDAY} four in the afternoon, or three in the afternoon. Which one?"),
            ],
            f"(typed 2, the second time offered: {THURSDAY} three in the afternoon)",
        ),
        ("1", [agent("Are you still there?")], "(typed 1, which means yes)"),
        ("2", [agent("Shall I have somebody call you back?")], "(typed 2, which means no)"),
        ("1", [agent("Shall I put you on the waitlist, or have somebody call you back?")], None),
        ("1", [agent(f"{THURSDAY} four in the afternoon, right?")], "(typed 1, which means yes)"),
        ("2", [agent(f"So {THURSDAY} four in the afternoon. Correct?")], "(typed 2, which means no)"),
        ("1", [agent(f"May I book {THURSDAY} four in the afternoon?")], "(typed 1, which means yes)"),
        ("1", [agent("Which of them is right?")], None),
        ("3", [agent("Is there anything else?")], None),
        (
            "1",
            [agent("Is that right? Sorry, I didn't catch that. Could you say it again? You can also use the keys.")],
            "(typed 1, which means yes)",
        ),
        (
            "2",
            [OFFER, caller("Blue."), agent("Sorry, could you repeat that? You can also use the keys: press one for …")],
            f"(typed 2, the second time offered: {THURSDAY} three in the afternoon)",
        ),
    ],
)
def test_a_number_chooses_what_was_heard(digits: str, heard: list[Utterance], means: str | None) -> None:
    said = meaning(digits, offering(TWO, THREE, FOUR), heard)

    assert said == means if means else "which means" not in said


@pytest.mark.parametrize(
    ("digits", "heard", "means"),
    [
        ("1", [OFFER, caller("Three."), READ_BACK], "(typed 1, which means yes)"),
        ("2", [OFFER, caller("Three."), READ_BACK], "(typed 2, which means no)"),
        ("3", [OFFER, caller("Three."), READ_BACK], "(typed 3)"),
        # Cut off before its question.
        ("1", [OFFER, caller("Three."), agent(f"That's a haircut on {THURSDAY} three in the afternoon")], "yes"),
        ("2", [OFFER, caller("Three."), PICKED, caller("Maya"), agent("Thank you.")], "(typed 2)"),
    ],
)
def test_after_a_choice_a_number_answers_the_read_back(digits: str, heard: list[Utterance], means: str) -> None:
    session = offering(TWO, THREE, FOUR)
    session.has_chosen = True

    assert means in meaning(digits, session, heard)


def test_a_new_offer_is_chosen_from_anew() -> None:
    session = offering(TWO, THREE, FOUR)
    session.has_chosen = True

    session.speak_of(ACTION, [FOUR, THREE])

    assert "three in the afternoon" in meaning("1", session, [PICKED])


def test_one_time_alone_is_taken_or_refused() -> None:
    session = offering(TWO)
    one = agent(f"{THURSDAY} two in the afternoon is free. Would you like that one?")

    assert [meaning(digit, session, [one]) for digit in "12"] == [
        "(typed 1, which means yes)",
        "(typed 2, which means no)",
    ]


def test_what_is_typed_while_a_code_is_awaited_is_left_alone() -> None:
    session = offering(TWO, THREE, awaits_code=True)

    assert meaning("1", session, [OFFER]) == "(typed 1)"
    assert meaning("4155550123", session, [OFFER]) == "(typed 4 1 5 5 5 5 0 1 2 3)"


@pytest.mark.parametrize(
    ("digits", "means"),
    [
        ("4155550123", "(typed the phone number +14155550123)"),
        ("14155550123", "(typed the phone number +14155550123)"),
        ("011442079460018", "(typed the phone number +442079460018)"),
        ("5555555", "(typed 5 5 5 5 5 5 5, which is no phone number)"),
        ("123456", "(typed 1 2 3 4 5 6)"),
    ],
)
def test_a_phone_number_is_read_as_one_of_the_businesss_country(digits: str, means: str) -> None:
    assert meaning(digits, offering(TWO), [OFFER]) == means


TYPED = caller("(typed the phone number +14155550123)")


@pytest.mark.parametrize(
    ("words", "heard", "number"),
    [
        ("+14155550124", [TYPED], "+14155550123"),
        (None, [TYPED], "+14155550123"),
        ("+14155550123", [TYPED, agent("At +1 415 555 0199, then?"), caller("Tomorrow at nine.")], "+14155550123"),
        ("415 555 0199", [TYPED, caller("No, four one five, five five five, oh one nine nine.")], "+14155550199"),
        ("415 555 0199", [caller("415 555 0199"), TYPED], "+14155550123"),
        ("415 555 0199", [caller("It is 415 555 0199.")], "+14155550199"),
        (None, [caller("Tomorrow.")], None),
    ],
)
def test_the_number_typed_last_reaches_the_tool_as_it_was_typed(
    words: str | None, heard: list[Utterance], number: str | None
) -> None:
    assert number_given(words, heard, STUDIO) == number


def test_what_the_model_makes_up_is_no_number() -> None:
    with pytest.raises(WishNotUnderstood):
        number_given("the usual one", [caller("Tomorrow.")], STUDIO)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=3, unique=True), st.data())
def test_a_key_holds_the_time_that_it_stands_for(hours: list[int], data: st.DataObject) -> None:
    slots = sorted(a_slot(hour) for hour in hours)
    session = offering(*slots)
    place = data.draw(st.integers(1, len(slots)))
    said, _ = describe(
        Offer(OfferReason.AVAILABLE, tuple(slots), tuple(slots), day=None), action=ACTION, business=STUDIO, now=NOW
    )
    nth = ("first", "second", "third")[place - 1]
    typed = caller(f"(typed {place}, the {nth} time offered: {session.last_offer[place - 1][1].say})")

    named = [each for each in slots if mentions(typed.text, each, ACTION.zone)]

    choice = chosen(session, [agent(said), typed])
    assert named == [slots[place - 1]]
    assert choice is not None
    assert choice[1].slot == slots[place - 1]
    assert not refuses(typed.text)
    assert not agrees(typed.text, slots[place - 1].start)
    if len(slots) > 1:
        assert meaning(str(place), session, [agent(said)]) == typed.text


def test_a_typed_yes_agrees_and_a_typed_no_refuses() -> None:
    yes, no = "(typed 1, which means yes)", "(typed 2, which means no)"

    assert agrees(yes, TWO.start.astimezone(ACTION.zone))
    assert refuses(no)
    assert not refuses(yes)
    assert not agrees(no, TWO.start.astimezone(ACTION.zone))
