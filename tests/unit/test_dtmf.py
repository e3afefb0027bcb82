"""When keys make an entry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dtmf import Entry


def entries(keys: str, *, expected: int | None = None) -> list[str]:
    entry = Entry(lambda: expected)
    return [done for key in keys if (done := entry.press(key))]


@pytest.mark.parametrize(
    ("keys", "expected", "done"),
    [
        ("12#", None, ["12"]),
        ("12#34#", None, ["12", "34"]),
        ("482113", None, []),
        ("482113", 6, ["482113"]),
        ("482113#", 6, ["482113"]),
        ("4821139", 6, ["482113"]),
        ("48#", 6, ["48"]),
        ("99*482113", 6, ["482113"]),
        ("99*#", None, []),
        ("#", None, []),
        ("***", None, []),
    ],
)
def test_an_entry_ends_with_a_hash_or_with_as_many_as_are_expected(
    keys: str, expected: int | None, done: list[str]
) -> None:
    assert entries(keys, expected=expected) == done


def test_what_is_expected_may_change_while_keys_are_pressed() -> None:
    expected: list[int | None] = [None]
    entry = Entry(lambda: expected[0])
    entry.press("1")

    expected[0] = 2

    assert entry.press("2") == "12"
    assert not entry


def test_what_was_pressed_can_be_taken_before_it_is_complete() -> None:
    entry = Entry(lambda: None)
    for key in "48":
        entry.press(key)

    assert (bool(entry), entry.take(), bool(entry)) == (True, "48", False)


@given(st.text("0123456789*#", max_size=40), st.sampled_from([None, 1, 6]))
def test_no_entry_is_empty_or_holds_anything_but_digits(keys: str, expected: int | None) -> None:
    assert all(done.isdigit() and len(done) <= (expected or len(keys)) for done in entries(keys, expected=expected))
