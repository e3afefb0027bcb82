"""What a caller must have heard and said before anything is booked."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.errors import NotConfirmed, RuleViolation, SlotNotOffered
from appointments.model import EventTypeId, Slot
from tests.factories import ACTION, NOW, a_slot
from tests.sessions import CLINIC, a_session, agent, caller
from tools.booking import agreement_to_book
from tools.session import Utterance

TWO, THREE, FRIDAY = a_slot(53), a_slot(54), a_slot(77)
SPOKEN = {
    TWO: "Thursday, December third, at two in the afternoon",
    THREE: "Thursday, December third, at three in the afternoon",
    FRIDAY: "Friday, December fourth, at two in the afternoon",
}
READ_BACK = agent(f"That's a 30-Minute Consultation on {SPOKEN[TWO]}, for Maya Chen. Is that right?")
OTHER_ACTION = replace(ACTION, name="Book Follow-Up", event_type_id=EventTypeId("102"), title="Follow-Up")


def is_confirmed(*heard: Utterance, name: str = "Maya Chen", slot: Slot = TWO) -> bool:
    session = a_session()
    offered = {each.slot: each for each in session.offer(ACTION, [TWO, THREE, FRIDAY])}
    try:
        session.require_confirmed(agreement_to_book(session, ACTION, offered[slot], ACTION.title, name), heard)
    except NotConfirmed:
        return False
    return True


def test_a_yes_after_the_read_back_confirms() -> None:
    assert is_confirmed(READ_BACK, caller("Yes, please."))


def test_nothing_is_confirmed_in_a_call_without_a_read_back() -> None:
    assert not is_confirmed()
    assert not is_confirmed(agent("Which works best for you?"), caller("Yes, two on Thursday for Maya Chen."))


def test_a_read_back_alone_confirms_nothing() -> None:
    assert not is_confirmed(READ_BACK)
    assert not is_confirmed(caller("Yes."), READ_BACK)


def test_silence_after_the_read_back_confirms_nothing() -> None:
    assert not is_confirmed(READ_BACK, caller("  "))


def test_the_callers_own_words_are_no_read_back() -> None:
    assert not is_confirmed(caller(READ_BACK.text), caller("Yes."))


def test_a_read_back_that_names_another_slot_too_confirms_neither() -> None:
    both = agent(f"That's {SPOKEN[TWO]}, or {SPOKEN[FRIDAY]}, for Maya Chen. Is that right?")

    assert not is_confirmed(both, caller("Yes."))
    assert not is_confirmed(both, caller("Yes."), slot=FRIDAY)


def test_a_read_back_without_the_name_confirms_nothing() -> None:
    assert not is_confirmed(agent(f"That's {SPOKEN[TWO]}. Is that right?"), caller("Yes."))


def test_a_read_back_without_the_day_confirms_nothing() -> None:
    assert not is_confirmed(agent("That's at two in the afternoon, for Maya Chen. Is that right?"), caller("Yes."))


def test_a_changed_name_needs_a_new_read_back() -> None:
    assert not is_confirmed(READ_BACK, caller("Yes."), name="Mia Chang")


@pytest.mark.parametrize("part", ["May", "Chen M", "ya", "Maya Che"])
def test_a_part_of_the_name_that_was_read_back_is_another_name(part: str) -> None:
    assert not is_confirmed(READ_BACK, caller("Yes."), name=part)


def test_the_name_may_be_written_differently() -> None:
    assert is_confirmed(READ_BACK, caller("Yes."), name="maya chen")


def test_a_changed_slot_needs_a_new_read_back() -> None:
    assert not is_confirmed(READ_BACK, caller("Yes."), slot=THREE)


@pytest.mark.parametrize(
    "refusal",
    ["No.", "no, three o'clock", "Nope.", "Wait.", "Hold on, please.", "Stop.", "Not yet.", "NO, WAIT"],
)
def test_a_refusal_confirms_nothing(refusal: str) -> None:
    assert not is_confirmed(READ_BACK, caller(refusal))


@pytest.mark.parametrize("refusal", ["No!", "No? I said three.", "No; three.", "No - three.", "No—three.", "“No.”"])
def test_a_refusal_is_understood_with_any_punctuation(refusal: str) -> None:
    assert not is_confirmed(READ_BACK, caller(refusal))


@pytest.mark.parametrize(
    "refusal",
    ["Uh, no.", "Um no, Friday.", "Oh wait, not Thursday.", "Sorry, no.", "Well, no.", "Actually no."],
)
def test_a_refusal_is_understood_after_a_hesitation(refusal: str) -> None:
    assert not is_confirmed(READ_BACK, caller(refusal))


@pytest.mark.parametrize("refusal", ["That's wrong.", "That's not right.", "Don't book that.", "Nah.", "Cancel that."])
def test_a_refusal_is_understood_without_a_no(refusal: str) -> None:
    assert not is_confirmed(READ_BACK, caller(refusal))


@pytest.mark.parametrize(
    "answer", ["Yes.", "Yeah, sure", "Go ahead.", "That's right.", "Perfect, thank you.", "Correct!", "Why not, yes."]
)
def test_a_yes_is_understood_in_many_words(answer: str) -> None:
    assert is_confirmed(READ_BACK, caller(answer))


def test_a_yes_after_a_second_read_back_makes_good_a_refusal() -> None:
    assert is_confirmed(READ_BACK, caller("No, wait."), READ_BACK, caller("Yes."))


def test_what_is_said_after_a_refusal_does_not_turn_it_into_a_yes() -> None:
    heard = (READ_BACK, caller("No, that's not me."), agent("What is your name, then?"), caller("Mia Chang."))

    assert not is_confirmed(*heard)


def test_a_yes_to_another_slot_is_no_yes_to_the_one_refused_before() -> None:
    friday = agent(f"Then that's {SPOKEN[FRIDAY]}, for Maya Chen. Is that right?")
    heard = (READ_BACK, caller("No, on Friday."), friday, caller("Yes."))

    assert is_confirmed(*heard, slot=FRIDAY)
    assert not is_confirmed(*heard, slot=TWO)


def test_a_yes_that_was_taken_back_by_another_read_back_counts_no_longer() -> None:
    friday = agent(f"Then that's {SPOKEN[FRIDAY]}, for Maya Chen. Is that right?")
    heard = (READ_BACK, caller("Yes. Or rather on Friday."), friday, caller("Yes."))

    assert not is_confirmed(*heard, slot=TWO)


def test_a_read_back_for_another_person_replaces_the_one_before() -> None:
    mia = agent(f"That's {SPOKEN[TWO]}, for Mia Chang. Is that right?")
    heard = (READ_BACK, caller("Yes. Or put it under Mia Chang."), mia, caller("Yes."))

    assert is_confirmed(*heard, name="Mia Chang")
    assert not is_confirmed(*heard, name="Maya Chen")


def test_a_request_to_wait_is_neither_a_yes_nor_a_no() -> None:
    wait = (READ_BACK, caller("Hold on, let me check my calendar."), agent("Take your time."))

    assert not is_confirmed(*wait)
    assert is_confirmed(*wait, caller("Yes, go ahead."))
    assert not is_confirmed(*wait, caller("No, that's wrong."))


def test_a_request_to_wait_after_the_yes_takes_it_back() -> None:
    assert not is_confirmed(READ_BACK, caller("Yes."), agent("One moment."), caller("Hold on."))
    assert not is_confirmed(READ_BACK, caller("Yes."), agent("One moment."), caller("Hold on."), caller("Okay."))


def test_small_talk_after_the_yes_does_not_undo_it() -> None:
    heard = (READ_BACK, caller("Yes."), agent("One moment."), caller("Is there parking?"), agent("There is."))

    assert is_confirmed(*heard)


def test_the_refusal_carries_what_must_be_said_first() -> None:
    session = a_session()
    (offered,) = session.offer(ACTION, [TWO])

    with pytest.raises(NotConfirmed) as refused:
        session.require_confirmed(agreement_to_book(session, ACTION, offered, ACTION.title, "Maya Chen"), [])

    assert refused.value.read_back == READ_BACK.text


LONGER = replace(TWO, duration=timedelta(hours=2))


@pytest.mark.parametrize(
    ("read_back", "title", "is_agreed"),
    [
        (f"That's a Colour on {SPOKEN[TWO]}, for Maya Chen. Is that right?", "Colour", True),
        (f"So a cut-and-colour on {SPOKEN[TWO]}, for Maya Chen?", "Cut and Colour", True),
        (f"That's a Haircut on {SPOKEN[TWO]}, for Maya Chen. Is that right?", "Colour", False),
        (f"That's {SPOKEN[TWO]}, for Maya Chen. Is that right?", "Colour", False),
    ],
)
def test_of_two_things_at_the_same_time_the_one_that_was_read_back_is_confirmed(
    read_back: str, title: str, is_agreed: bool
) -> None:
    colour = replace(ACTION, name=f"Book {title}", title=title)
    session = a_session(business=replace(CLINIC, actions=(ACTION, colour)))
    session.offer(ACTION, [TWO])
    (offered,) = session.offer(colour, [LONGER])
    heard = (agent(read_back), caller("Yes."))

    with contextlib.nullcontext() if is_agreed else pytest.raises(NotConfirmed):
        session.require_confirmed(agreement_to_book(session, colour, offered, title, "Maya Chen"), heard)


def test_a_slot_is_found_by_its_key_however_it_is_written() -> None:
    session = a_session()
    (offered,) = session.offer(ACTION, [TWO])

    assert session.offered(ACTION, offered.key.upper()) == offered


def test_a_key_that_was_never_given_is_refused() -> None:
    session = a_session()
    session.offer(ACTION, [TWO])

    with pytest.raises(SlotNotOffered):
        session.offered(ACTION, "a9")


def test_a_key_of_another_action_is_refused() -> None:
    session = a_session(business=replace(CLINIC, actions=(ACTION, OTHER_ACTION)))
    (offered,) = session.offer(OTHER_ACTION, [TWO])

    with pytest.raises(SlotNotOffered):
        session.offered(ACTION, offered.key)


def test_a_slot_offered_for_two_actions_can_be_booked_for_either() -> None:
    session = a_session(business=replace(CLINIC, actions=(ACTION, OTHER_ACTION)))
    (first,) = session.offer(ACTION, [TWO])
    (second,) = session.offer(OTHER_ACTION, [TWO])

    assert session.offered(ACTION, first.key).slot == TWO
    assert session.offered(OTHER_ACTION, second.key).slot == TWO


def test_each_action_says_the_slot_in_its_own_zone() -> None:
    pacific = replace(OTHER_ACTION, zone=ZoneInfo("America/Los_Angeles"))
    session = a_session(business=replace(CLINIC, actions=(ACTION, pacific)))
    (first,) = session.offer(ACTION, [TWO])
    session.offer(pacific, [TWO])

    assert session.offered(ACTION, first.key).say == SPOKEN[TWO]


def test_an_old_offer_is_refused_unless_it_was_booked() -> None:
    clock = [NOW]
    session = a_session(clock=lambda: clock[0])
    (two, three) = session.offer(ACTION, [TWO, THREE])
    session.booked_for[TWO] = "Maya Chen"

    clock[0] += timedelta(minutes=16)

    assert session.offered(ACTION, two.key) == two
    with pytest.raises(SlotNotOffered):
        session.offered(ACTION, three.key)


def test_a_slot_that_the_business_does_not_offer_any_more_is_refused() -> None:
    session = a_session()
    (offered,) = session.offer(ACTION, [TWO])
    session.business = replace(CLINIC, hours=())

    with pytest.raises(RuleViolation):
        session.offered(ACTION, offered.key)


def test_a_withdrawn_key_is_refused_until_it_is_offered_again() -> None:
    session = a_session()
    (offered,) = session.offer(ACTION, [TWO])
    session.ledger(ACTION).withdraw(TWO)

    with pytest.raises(SlotNotOffered):
        session.offered(ACTION, offered.key)
    session.offer(ACTION, [TWO])
    assert session.offered(ACTION, offered.key) == offered


Talk = tuple[Slot | None, str, Utterance]
NAMES = ("Maya Chen", "Mia Chang")
READ_BACKS = st.builds(
    lambda slot, name: (slot, name, agent(f"That's {SPOKEN[slot]}, for {name}. Is that right?")),
    st.sampled_from([TWO, THREE, FRIDAY]),
    st.sampled_from(NAMES),
)
OFFERS = st.just((None, "", agent(f"I have openings on {SPOKEN[TWO]}, or {SPOKEN[FRIDAY]}. Which works best?")))
CHAT = st.just((None, "", agent("Is there anything else?")))
YES, NO = (None, "yes", caller("Yes, please.")), (None, "no", caller("No, not that."))


@given(st.lists(st.one_of(READ_BACKS, OFFERS, CHAT, st.sampled_from([YES, NO])), max_size=8))
def test_only_the_last_word_about_slots_counts_and_only_as_a_read_back_with_a_yes(talk: list[Talk]) -> None:
    heard = [utterance for _, _, utterance in talk]
    about_slots = [position for position, (slot, _, turn) in enumerate(talk) if slot or "openings" in turn.text]
    last = about_slots[-1] if about_slots else None
    answers = [word for _, word, turn in talk[last + 1 :] if not turn.is_agent] if last is not None else []

    for slot in SPOKEN:
        for name in NAMES:
            is_last = last is not None and talk[last][:2] == (slot, name)
            may_be_booked = is_last and "yes" in answers and "no" not in answers
            if is_confirmed(*heard, slot=slot, name=name):
                assert is_last
                assert answers
                assert answers[0] == "yes"
            else:
                assert not may_be_booked
