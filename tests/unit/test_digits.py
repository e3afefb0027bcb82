"""Digits in what callers say and type."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.digits import HIDDEN, digit_runs, in_words, spoken_code, without_digits

CODES = st.text("0123456789", min_size=6, max_size=6)


@pytest.mark.parametrize(
    "said",
    [
        "482113",
        "four eight two one one three",
        "Four, eight, two. One, one, three.",
        "4 8 2 1 1 3",
        "48 21 13",
        "48-21-13",
        "482-113",
        "482, 113",
        "four eighty-two, one thirteen",
        "forty-eight twenty-one thirteen",
        "forty eight twenty one thirteen",
        "four eight two double one three",
        "it's four eight two, um, and then one one three, thanks",
        "(typed 4 8 2 1 1 3)",
        "The code is 482113.",
        "I'm 2 minutes away; it says 482113",
        "four eight two one one five, no, sorry: four eight two one one three",
    ],
)
def test_a_code_is_understood_however_it_is_said(said: str) -> None:
    assert spoken_code(said) == "482113"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("oh four oh oh one nine", "040019"),
        ("zero four, triple zero nine", "040009"),
        ("O-4-O-O-1-9", "040019"),
        ("ninety ten nineteen", "901019"),
        ("double 4 seven seven six six", "447766"),
        ("nought one two three four five", "012345"),
    ],
)
def test_zeros_and_doubles_have_many_names(said: str, code: str) -> None:
    assert spoken_code(said) == code


@pytest.mark.parametrize(
    "said",
    [
        "",
        "I have not got it yet",
        "48211",
        "4821134",
        "four eight two",
        "at ten thirty on the twenty-first",
        "one moment please",
        "the first one, at two",
        "482113rd street",
        "x482113",
        "four hundred eighty-two",
    ],
)
def test_what_is_no_code_is_none(said: str) -> None:
    assert spoken_code(said) is None


@given(CODES)
def test_what_is_read_out_is_understood(code: str) -> None:
    assert spoken_code(in_words(code)) == code


@given(CODES, st.lists(st.integers(1, 5), max_size=3), st.sampled_from([" ", ", ", "-", ". ", " and then "]))
def test_a_code_is_understood_in_groups_of_any_size(code: str, cuts: list[int], gap: str) -> None:
    edges = [0, *sorted(set(cuts)), len(code)]
    groups = [code[begin:end] for begin, end in pairwise(edges)]

    assert spoken_code(f"It is {gap.join(groups)}, I think.") == code


@given(st.text(max_size=60))
def test_nothing_that_is_said_breaks_it(said: str) -> None:
    for run in digit_runs(said):
        assert run.digits.isdigit()
        assert said[run.begin : run.end].strip()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("It's four eight two one one three, right?", f"It's {HIDDEN}, right?"),
        ("(typed 4 8 2 1 1 3)", f"(typed {HIDDEN})"),
        ("four eight two", HIDDEN),
        ("Two of us, at 10.", "Two of us, at 10."),
        ("no digits here", "no digits here"),
    ],
)
def test_half_a_code_is_hidden_and_no_day(said: str, shown: str) -> None:
    assert without_digits(said, fewest=3) == shown


def test_times_may_be_left_readable() -> None:
    said = f"At ten thirty, and the code was {in_words('482113')}."

    assert without_digits(said, fewest=6) == f"At ten thirty, and the code was {HIDDEN}."


@given(CODES, st.sampled_from(["{}", "It's {}.", "{} and then some", "I said {}, didn't I?"]), st.booleans())
def test_no_code_is_left_readable(code: str, sentence: str, is_spoken: bool) -> None:
    said = sentence.format(in_words(code) if is_spoken else code)

    assert list(digit_runs(without_digits(said, fewest=3))) == []
