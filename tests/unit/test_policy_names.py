"""What the stand-in model takes for a caller's name."""

from __future__ import annotations

import pytest

from simulator.policy_who import answered_name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Ann-Marie O'Neil", "Ann-Marie O'Neil"),
        ("my name is Jean-Luc D\u2019Arcy", "Jean-Luc D\u2019Arcy"),
        ("It's Maya", "Maya"),
        ("That's right", ""),
    ],
)
def test_a_name_may_have_a_hyphen_or_an_apostrophe(said: str, name: str) -> None:
    assert answered_name(said) == name
