"""Codes and phone numbers as callers say and type them."""

from __future__ import annotations

import pytest

from simulator.policy_digits import longest_digits, meant_by_keys, number_said
from simulator.policy_words import plain


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("It's four eight two, one one three.", "482113"),
        ("(typed 4 8 2 1 1 3)", "482113"),
        ("482 113", "482113"),
        ("four eight two, double one, three", "482113"),
        ("Four, um, eight, oh, one, one, three.", "480113"),
        ("No, not that one. It's 4 8 2 1 1 3.", "482113"),
        ("I don't have it.", ""),
    ],
)
def test_digits_are_read_as_they_are_said(said: str, digits: str) -> None:
    assert longest_digits(plain(said)) == digits


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("It's four one five, five five five, oh one seven seven.", "+14155550177"),
        ("415-555-0177", "+14155550177"),
        ("plus one four one five five five five zero one seven seven", "+14155550177"),
        ("+44 20 7946 0018", "+442079460018"),
        ("four eight two one one three", ""),
        ("This one.", ""),
    ],
)
def test_a_number_gets_its_country_code(said: str, number: str) -> None:
    assert number_said(plain(said)) == number


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("(typed 1, which means yes)", "yes"),
        ("(typed 2, which means no)", "no"),
        ("(typed 2, the second time offered: Thursday, at two)", "Thursday, at two"),
        ("It's (typed the phone number +14155550123)", "It's +14155550123"),
        ("(typed 4 8 2 1 1 3)", "(typed 4 8 2 1 1 3)"),
        ("Yes.", "Yes."),
    ],
)
def test_what_keys_mean_is_taken_from_the_worker(typed: str, meant: str) -> None:
    assert meant_by_keys(typed) == meant
