"""What callers say over the agent that is no turn of theirs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.asides import is_aside, unsaid_of

OFFER = "or on Thursday at eleven in the morning. Which works best for you?"


@pytest.mark.parametrize(
    "text", ["Uh-huh.", "Mm-hmm.", "Mhm", "Hmm...", "Oh.", "Okay.", "Yeah, okay.", "I see.", "Got it!"]
)
def test_a_nod_while_being_told_something_is_no_turn(text: str) -> None:
    assert is_aside(text, OFFER)


@pytest.mark.parametrize(
    "text",
    ["No.", "Wait.", "Hold on.", "The first one.", "Tuesday.", "Okay, Tuesday.", "Yes, the second one.", "Two", ""],
)
def test_what_asks_for_something_is_a_turn(text: str) -> None:
    assert not is_aside(text, OFFER)


def test_a_nod_at_the_question_is_its_answer() -> None:
    assert not is_aside("Yes.", "Is that right?")
    assert not is_aside("Okay.", "Shall I book it?")


def test_a_mere_sound_at_the_question_is_none() -> None:
    assert is_aside("Uh-huh.", "Which works best for you?")


@pytest.mark.parametrize("text", ["Uh-huh.", "Okay."])
def test_when_the_agent_was_not_speaking_everything_is_a_turn(text: str) -> None:
    assert not is_aside(text, "")


@given(
    st.sampled_from(["uh", "okay", "yeah"]), st.sampled_from(["no", "stop", "tuesday", "two", "cancel", "not", "later"])
)
def test_a_nod_with_a_wish_is_a_turn(nod: str, wish: str) -> None:
    assert not is_aside(f"{nod} {wish}", OFFER)
    assert not is_aside(f"{wish}, {nod}", OFFER)


ANSWER = "I have Tuesday at two. Or Friday at ten. Which suits you?"
ASKED = {"role": "user", "content": "When?"}


@pytest.mark.parametrize(
    ("said", "unsaid"),
    [
        ([], ANSWER),
        (["I have Tuesday at two."], "Or Friday at ten. Which suits you?"),
        (["I have Tuesday at two.", "Or Friday at ten."], "Which suits you?"),
        ([ANSWER], ""),
        (["Let me look at the calendar again."], None),
    ],
)
def test_what_is_left_of_an_answer_is_what_was_not_said(said: list[str], unsaid: str | None) -> None:
    before = [{"role": "assistant", "content": "I have Tuesday at two."}, ASKED]

    assert unsaid_of(ANSWER, [*before, *({"role": "assistant", "content": text} for text in said)]) == unsaid
