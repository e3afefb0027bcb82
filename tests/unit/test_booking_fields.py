"""The questions of an event type: what fits the business file, what callers are asked, and which answers are taken."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.booking_fields import LOCATION, NOTES, BookingField, FieldKind, answers, asked, key, misfits, quoted
from appointments.errors import WishNotUnderstood
from tests.factories import ACTION, EVENT_TYPE

INSURANCE = BookingField("insurance", "Which insurance?", is_required=True)
SIZE = BookingField("party-size", "How many people?", FieldKind.NUMBER, is_required=True)
TERMS = BookingField("terms", "Do you agree?", FieldKind.YES_NO, is_required=True)
PLAN = BookingField("plan", "Which plan?", FieldKind.CHOICE, options=("Basic", "Plus"))
DAYS = BookingField("days", "Which days?", FieldKind.CHOICES, options=("Mon", "Tue"))
PHONE = BookingField("other-phone", "Another number?", FieldKind.PHONE)
SITE = BookingField("website", "Your website?", FieldKind.LINK, is_required=True)


def asking(*fields: BookingField, **of_action: Any) -> Any:
    """Return an action and its event type, which asks `fields`."""
    return replace(ACTION, **of_action), replace(EVENT_TYPE, fields=fields)


def said(field: BookingField, answer: object) -> object:
    """Return what is sent for a question that the caller answered so."""
    action, event_type = asking(field, questions={field.slug: "?"})
    return answers(action, event_type, {field.slug: answer}, country="US").get(field.slug)


@pytest.mark.parametrize(
    ("fields", "of_action"),
    [
        ((), {}),
        ((PLAN,), {}),
        ((INSURANCE,), {"questions": {"insurance": "Which?"}}),
        ((INSURANCE,), {"constants": {"insurance": "none"}}),
        ((SIZE, TERMS, DAYS), {"constants": {"party-size": 4, "terms": True, "days": ("Mon",)}}),
        ((SITE,), {"constants": {"website": "https://example.com"}}),
        ((BookingField(NOTES, is_required=True),), {}),
    ],
)
def test_a_business_file_that_answers_what_is_demanded_fits(fields: Any, of_action: Any) -> None:
    assert list(misfits(*asking(*fields, **of_action))) == []


@pytest.mark.parametrize(
    ("field", "of_action", "seen", "fix"),
    [
        (
            INSURANCE,
            {},
            "demands an answer to insurance ('Which insurance?')",
            'insurance = { ask = "Which insurance?" }',
        ),
        (SITE, {}, "demands an answer to website", 'website = "…"'),
        (SITE, {"questions": {"website": "Which?"}}, "nobody can say on the phone", "make the question optional"),
        (SIZE, {"constants": {"party-size": "four"}}, "has 'four' for party-size, which wants a number", "party-size"),
        (PLAN, {"constants": {"plan": "Gold"}}, "one of its options: Basic, Plus", "plan"),
        (DAYS, {"constants": {"days": ("Mon", "Sun")}}, "['Mon', 'Sun'] for days", "days"),
        (TERMS, {"constants": {"terms": False}}, "has False for terms", "terms"),
    ],
)
def test_what_keeps_all_callers_from_booking_is_told_with_the_way_out(
    field: BookingField, of_action: Any, seen: str, fix: str
) -> None:
    (misfit,) = misfits(*asking(field, **of_action))

    assert misfit.is_fatal
    assert seen in misfit.seen
    assert fix in misfit.fix


def test_an_answer_to_a_question_that_nobody_asks_is_no_more_than_a_slip() -> None:
    (misfit,) = misfits(*asking(replace(INSURANCE, is_required=False), questions={"insurence": "Which?"}))

    assert not misfit.is_fatal
    assert "fields names insurence" in misfit.seen
    assert misfit.fix == "Rename it to insurance."


def test_the_caller_is_asked_what_the_business_file_says_and_in_the_order_of_the_event_type() -> None:
    questions = {"party-size": "How many?", NOTES: "What for?", "insurance": "Which?"}
    action, event_type = asking(INSURANCE, PLAN, SIZE, BookingField(NOTES), questions=questions)

    assert [field.slug for field in asked(action, event_type)] == ["insurance", "party-size"]


@pytest.mark.parametrize(
    ("field", "answer", "sent"),
    [
        (INSURANCE, "Blue Cross", "Blue Cross"),
        (SIZE, 4.0, 4.0),
        (TERMS, True, True),
        (PLAN, "Plus", "Plus"),
        (DAYS, ["Mon", "Tue"], ("Mon", "Tue")),
        (PHONE, "four one five, five five five, oh one two three", "+14155550123"),
        (PLAN, None, None),
    ],
)
def test_an_answer_is_sent_as_its_question_takes_it(field: BookingField, answer: object, sent: object) -> None:
    assert said(field, answer) == sent


@pytest.mark.parametrize(
    ("field", "answer", "hint"),
    [
        (SIZE, True, "party-size wants a number"),
        (SIZE, float("nan"), "party-size wants a number"),
        (PLAN, "Gold", "one of its options: Basic, Plus"),
        (DAYS, ["Mon", "Sun"], "a list of its options"),
        (PHONE, "no idea", "no phone number"),
        (TERMS, False, "Without another answer to terms nothing can be booked"),
        (INSURANCE, "", "Without another answer to insurance"),
    ],
)
def test_what_calcom_would_refuse_is_asked_again(field: BookingField, answer: object, hint: str) -> None:
    with pytest.raises(WishNotUnderstood, match=hint.replace("(", r"\(")):
        said(field, answer)


def test_a_constant_is_sent_whatever_the_caller_says() -> None:
    action, event_type = asking(PLAN, SIZE, constants={"plan": "Basic", "party-size": 2})

    assert answers(action, event_type, {"plan": "Plus"}, country="US") == {"plan": "Basic", "party-size": 2}


def test_where_the_attendee_says_where_the_caller_can_be_asked() -> None:
    place = BookingField(LOCATION, "Where is it?", is_required=True)
    action, event_type = asking(place, questions={LOCATION: "What is the address?"})

    assert answers(action, event_type, {LOCATION: "12 Elm Street"}, country="US") == {LOCATION: "12 Elm Street"}


@given(st.text(min_size=1), st.text())
def test_what_is_written_for_a_business_file_is_toml(slug: str, words: str) -> None:
    written = tomllib.loads(f"{key(slug)} = {quoted(words)}")

    assert len(written) == 1


@given(st.sampled_from(list(FieldKind)), st.one_of(st.text(), st.booleans(), st.integers(), st.floats(), st.none()))
def test_no_answer_of_another_kind_is_taken(kind: FieldKind, answer: object) -> None:
    taken = BookingField("q", kind=kind).accepts(answer)

    kinds = {FieldKind.NUMBER: (int, float), FieldKind.YES_NO: bool, FieldKind.CHOICES: tuple, FieldKind.EMAILS: tuple}
    assert not taken or isinstance(answer, kinds.get(kind, str))  # type: ignore[arg-type]
