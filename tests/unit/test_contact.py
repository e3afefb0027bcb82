"""Which numbers are real, which may be texted, how they are read out, which e-mail address a template makes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.contact import (
    attendee_email,
    clean_number,
    country_of,
    may_text,
    names_number,
    spoken_number,
    valid_caller,
)
from appointments.errors import WishNotUnderstood
from appointments.model import PhoneNumber

AMERICAN = PhoneNumber("+14155550123")


@pytest.mark.parametrize("raw", ["+14155550123", "+442079460958", " +16045550123 "])
def test_takes_a_real_number(raw: str) -> None:
    assert valid_caller(raw) == raw.strip()


@pytest.mark.parametrize(
    "raw",
    [
        "+266696687",
        "+7378742833",
        "+2562533",
        "+8656696",
        "+86282452253",
        "anonymous",
        "Restricted",
        "sip:+14155550123@example.com",
        "client:maya",
        "12345",
        "+1415555",
        "14155550123",
        "+",
        "",
    ],
)
def test_takes_a_withheld_or_impossible_number_for_none(raw: str) -> None:
    assert valid_caller(raw) is None


@pytest.mark.parametrize(
    "said",
    [
        "+14155550123",
        "4155550123",
        "(415) 555-0123",
        "1 415 555 0123",
        "four one five, five five five, oh one two three",
        "it's plus one four one five triple five zero one twenty-three",
        "plus one four one five double five five zero one two three",
        "(typed 4 1 5 5 5 5 0 1 2 3)",
    ],
)
def test_understands_a_number_typed_or_spoken(said: str) -> None:
    assert clean_number(said, "US") == AMERICAN


def test_takes_a_number_for_one_of_the_country_it_is_said_in() -> None:
    assert clean_number("020 7946 0958", "GB") == "+442079460958"
    assert clean_number("+442079460958", "US") == "+442079460958"


@pytest.mark.parametrize(
    "said", ["", "the one I call from", "415 555", "555 0123", "911", "4155550123 4155550124", "+1"]
)
def test_refuses_what_is_no_number(said: str) -> None:
    with pytest.raises(WishNotUnderstood):
        clean_number(said, "US")


def test_tells_the_country() -> None:
    assert country_of(AMERICAN) == "US"
    assert country_of(PhoneNumber("+442079460958")) == "GB"
    assert country_of(PhoneNumber("nonsense")) == ""


def test_texts_a_number_of_a_listed_country() -> None:
    assert may_text(AMERICAN, ("US", "CA"))


@pytest.mark.parametrize("number", ["+442079460958", "+18005550123", "+19005551234", "+266696687", None])
def test_texts_no_foreign_toll_free_premium_or_unknown_number(number: str | None) -> None:
    assert not may_text(PhoneNumber(number) if number else None, ("US", "CA"))


def test_gives_every_caller_an_address_of_their_own() -> None:
    template = "caller+{digits}@example.com"

    assert attendee_email(template, AMERICAN) == "caller+14155550123@example.com"
    assert attendee_email(template, PhoneNumber("+14155550124")) == "caller+14155550124@example.com"


def test_has_no_address_without_a_number_or_a_template() -> None:
    assert attendee_email("caller+{digits}@example.com", None) is None
    assert attendee_email("", AMERICAN) is None


def test_reads_a_number_out_and_knows_it_again() -> None:
    said = f"Thursday at two, with the phone number {spoken_number(AMERICAN)}."

    assert spoken_number(AMERICAN) == "four one five, five five five, zero one two three"
    assert names_number(said, AMERICAN)
    assert names_number("at +1 415-555-0123", AMERICAN)
    assert not names_number(said, PhoneNumber("+14155550124"))


@given(raw=st.text(max_size=20) | st.from_regex(r"\+\d{1,16}", fullmatch=True))
def test_takes_any_text_as_a_number_or_none(raw: str) -> None:
    number = valid_caller(raw)

    assert number is None or number == raw.strip()
