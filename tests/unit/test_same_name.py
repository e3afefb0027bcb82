"""When two names are one person's."""

from __future__ import annotations

import pytest

from appointments.identity import same_name


@pytest.mark.parametrize(
    ("said", "on_record", "is_same"),
    [
        ("maya chen", "Maya Chen", True),
        ("Chen Maya", "Maya Chen", True),
        ("Maya L Chen", "Maya Chen", True),
        ("Maya Chen", "Maya Lin Chen", True),
        ("Jose Alvarez-Ruiz", "José Álvarez Ruiz", True),
        ("Sean O'Neil", "Sean O\u2019Neil", True),
        ("Maya", "maya", True),
        ("Maya", "Maya Chen", False),
        ("Chen Chen", "Maya Chen", False),
        ("Maya Anna Lee Park Chen Fox", "Maya Chen", False),
        ("Maya Chen", "Maya", False),
        ("", "", False),
        ("...", "Maya Chen", False),
    ],
)
def test_names_are_compared_as_they_sound(said: str, on_record: str, is_same: bool) -> None:
    assert same_name(said, on_record) is is_same
