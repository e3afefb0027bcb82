"""What follows from the answer to a text, without anything being done."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from appointments.model import Appointment, AppointmentId, AppointmentStatus
from appointments.replies import ANSWER_WITHIN, MAY_BE_MEANT, MOST_CHOICES, Act, Decision, Known, Question, decide
from appointments.reply_words import Wish, read_reply
from tests.factories import NOW, a_slot, an_appointment


def booked(number: int = 1, **changes: Any) -> Appointment:
    """Return an upcoming appointment; the next number's is an hour later."""
    standing: dict[str, Any] = {"status": AppointmentStatus.ACTIVE, "slot": a_slot(24 + number)} | changes
    return an_appointment(number, **standing)


FIRST, SECOND = booked(1), booked(2)
ONE = Known((FIRST,), NOW)
TWO = Known((SECOND, FIRST), NOW)


def asked(known: Known, question: Question | None, *, ago: timedelta = timedelta(minutes=1)) -> Known:
    """Return what is known after our `question`, so long `ago`."""
    assert question is not None
    return replace(known, question=replace(question, until=known.now + ANSWER_WITHIN - ago))


def said(body: str, known: Known) -> Decision:
    return decide(read_reply(body), known)


@pytest.mark.parametrize("body", ["C", "confirmed", "Yes see you then", "yes", "\N{THUMBS UP SIGN}"])
def test_confirms_the_only_appointment(body: str) -> None:
    assert said(body, ONE) == Decision(Act.CONFIRM, FIRST)


def test_moving_is_for_the_only_appointment() -> None:
    assert said("R", ONE) == Decision(Act.MOVE, FIRST)


@pytest.mark.parametrize("body", ["X", "can't make it", "yes, please cancel it", "Can I cancel?"])
def test_asks_before_it_cancels(body: str) -> None:
    assert said(body, ONE) == Decision(
        Act.ASK, question=Question(Wish.CANCEL, (FIRST.appointment_id,), NOW + ANSWER_WITHIN)
    )


@pytest.mark.parametrize("body", ["Y", "yes", "Yes, cancel it", "Yep please"])
def test_cancels_after_a_yes_to_the_question(body: str) -> None:
    assert said(body, asked(ONE, said("X", ONE).question)) == Decision(Act.CANCEL, FIRST)


@pytest.mark.parametrize("body", ["N", "no", "no, don't cancel", "keep it"])
def test_keeps_it_after_a_no(body: str) -> None:
    assert said(body, asked(ONE, said("X", ONE).question)) == Decision(Act.KEEP, FIRST)


@pytest.mark.parametrize(
    ("body", "act"), [("C", Act.CONFIRM), ("yes see you then", Act.CONFIRM), ("R", Act.MOVE), ("X", Act.ASK)]
)
def test_another_wish_takes_the_place_of_the_question(body: str, act: Act) -> None:
    decision = said(body, asked(ONE, said("X", ONE).question))

    assert decision.act is act
    assert not decision.is_way_out


@pytest.mark.parametrize("body", ["ok", "what?", "7", "cancel? maybe", ""])
def test_what_does_not_answer_the_question_cancels_nothing(body: str) -> None:
    question = said("X", ONE).question

    assert said(body, asked(ONE, question)).act is Act.ASK


def test_a_yes_that_comes_too_late_cancels_nothing() -> None:
    late = asked(ONE, said("X", ONE).question, ago=ANSWER_WITHIN)

    assert said("Y", late) == said("X", replace(late, question=None))
    assert said("Y", asked(ONE, said("X", ONE).question, ago=ANSWER_WITHIN + MAY_BE_MEANT)) == Decision(
        Act.CONFIRM, FIRST
    )
    assert said("yes, cancel it", late).act is Act.ASK


def test_a_yes_cancels_nothing_that_has_gone_since() -> None:
    gone = replace(asked(ONE, said("X", ONE).question), upcoming=())

    assert said("Y", gone) == Decision(Act.POINT_TO_PHONE, is_way_out=True)


@pytest.mark.parametrize("letter", ["C", "R", "X"])
def test_asks_which_of_several_earliest_first(letter: str) -> None:
    question = said(letter, TWO).question

    assert question is not None
    assert question.appointment_ids == (FIRST.appointment_id, SECOND.appointment_id)


def test_the_number_says_which() -> None:
    assert said("2", asked(TWO, said("C", TWO).question)) == Decision(Act.CONFIRM, SECOND)
    assert said("1", asked(TWO, said("R", TWO).question)) == Decision(Act.MOVE, FIRST)


def test_the_number_of_what_is_to_be_cancelled_is_asked_about_once_more() -> None:
    which = asked(TWO, said("X", TWO).question)
    question = said("2", which).question

    assert question == Question(Wish.CANCEL, (SECOND.appointment_id,), NOW + ANSWER_WITHIN)
    assert said("Y", asked(TWO, question)) == Decision(Act.CANCEL, SECOND)


@pytest.mark.parametrize("body", ["3", "9", "Y", "hm"])
def test_no_answer_to_which_chooses_nothing(body: str) -> None:
    which = said("C", TWO).question

    decision = said(body, asked(TWO, which))

    assert decision.act is Act.ASK
    assert decision.is_way_out


def test_numbers_stay_when_one_of_the_choices_has_gone() -> None:
    which = replace(asked(TWO, said("C", TWO).question), upcoming=(SECOND,))

    assert said("2", which) == Decision(Act.CONFIRM, SECOND)
    assert said("1", which).act is Act.ASK


def test_no_more_are_listed_than_a_text_holds() -> None:
    many = Known(tuple(booked(number) for number in range(1, 9)), NOW)

    question = said("C", many).question

    assert question is not None
    assert len(question.appointment_ids) == MOST_CHOICES


@pytest.mark.parametrize(("letter", "act"), [("C", Act.CONFIRM), ("R", Act.MOVE), ("yes", Act.CONFIRM)])
def test_an_answer_is_about_what_the_sender_was_reminded_of(letter: str, act: Act) -> None:
    reminded = replace(TWO, reminded=SECOND.appointment_id)

    assert said(letter, reminded) == Decision(act, SECOND)


def test_a_reminder_of_what_is_over_says_nothing() -> None:
    assert said("C", replace(ONE, reminded=AppointmentId("ap_9"))) == Decision(Act.CONFIRM, FIRST)


@pytest.mark.parametrize(
    "appointment",
    [
        booked(slot=a_slot(-0.1)),
        booked(status=AppointmentStatus.PENDING),
        booked(status=AppointmentStatus.UNCONFIRMED),
    ],
)
def test_what_has_begun_or_is_not_settled_is_for_the_phone(appointment: Appointment) -> None:
    assert said("X", Known((appointment,), NOW)) == Decision(Act.POINT_TO_PHONE, is_way_out=True)


@pytest.mark.parametrize("body", ["C", "Y", "when are you open?", "1"])
def test_who_has_no_appointment_is_pointed_to_the_phone(body: str) -> None:
    assert said(body, Known((), NOW)) == Decision(Act.POINT_TO_PHONE, is_way_out=True)


@pytest.mark.parametrize("body", ["when are you open?", "No", "2", "C 2", "maybe"])
def test_who_is_not_understood_is_told_the_letters(body: str) -> None:
    assert said(body, ONE) == Decision(Act.EXPLAIN, is_way_out=True)


def test_a_bare_yes_confirms_none_of_several() -> None:
    assert said("yes", TWO) == Decision(Act.EXPLAIN, is_way_out=True)


def test_thanks_are_not_answered() -> None:
    assert said("Thank you!", ONE) == Decision(Act.NOTHING)


def test_a_business_may_let_nobody_cancel() -> None:
    assert said("X", replace(ONE, may_cancel=False)) == Decision(Act.POINT_TO_PHONE, is_way_out=True)


def test_who_wants_no_texts_gets_none() -> None:
    assert said("please stop texting me", asked(ONE, said("X", ONE).question)) == Decision(Act.OPT_OUT)
