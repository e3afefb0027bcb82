"""Which of a business's appointments the stand-in model takes a caller's words for."""

from __future__ import annotations

import pytest

from simulator.policy_titles import best_named

PLUMBER = ["Emergency Visit", "Repair Visit", "Quote Visit"]
SALON = ["Haircut", "Colour", "Colour Consultation"]
DENTIST = ["Check-up", "Cleaning"]


@pytest.mark.parametrize(
    ("titles", "text", "title"),
    [
        (PLUMBER, "I need an emergency visit.", "Emergency Visit"),
        (PLUMBER, "It's an emergency!", "Emergency Visit"),
        (PLUMBER, "Two repairs, please.", "Repair Visit"),
        (PLUMBER, "Could somebody quote for a new bathroom?", "Quote Visit"),
        (PLUMBER, "It is not an emergency, a repair will do.", "Repair Visit"),
        (PLUMBER, "No, a repair.", "Repair Visit"),
        (PLUMBER, "no emergency", ""),
        (PLUMBER, "I'd like a visit.", ""),
        (PLUMBER, "My pipe burst.", ""),
        (PLUMBER, "It's about the air conditioning.", ""),
        (SALON, "A cut, please.", "Haircut"),
        (SALON, "Just a hair cut.", "Haircut"),
        (SALON, "I want my hair coloured.", "Colour"),
        (SALON, "A color.", "Colour"),
        (SALON, "A colour consultation.", "Colour Consultation"),
        (SALON, "Change it from a haircut to a colour.", "Colour"),
        (SALON, "I don\u2019t want a haircut but a colour.", "Colour"),
        (SALON, "A haircut and a colour.", ""),
        (DENTIST, "And a checkup on Monday.", "Check-up"),
        (DENTIST, "A check up, please.", "Check-up"),
        (DENTIST, "The check-up.", "Check-up"),
        (["30-Minute Talk", "60-Minute Talk"], "The 60 minutes, please.", "60-Minute Talk"),
        ([], "A haircut.", ""),
    ],
)
def test_a_title_is_named_by_its_words(titles: list[str], text: str, title: str) -> None:
    assert best_named(text, titles) == title
