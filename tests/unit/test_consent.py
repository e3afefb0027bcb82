"""A yes is a yes, and nothing else is."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tools.consent import agrees, yes_or_no

THURSDAY_AT_TWO = datetime(2026, 12, 3, 14, 0, tzinfo=ZoneInfo("America/New_York"))


@pytest.mark.parametrize(
    "answer",
    [
        "Yes.",
        "Yeah, that's fine.",
        "Yep, Thursday at two.",
        "Right.",
        "Go ahead.",
        "Sounds good, thanks!",
        "Yes, that\u2019s correct.",
        "No problem, book it.",
        "Uh, yes, two in the afternoon please.",
        "Okay, 2 PM works for me.",
        "Yes, is there parking?",
    ],
)
def test_agrees(answer: str) -> None:
    assert agrees(answer, THURSDAY_AT_TWO)


@pytest.mark.parametrize(
    "answer",
    [
        "I don't think so.",
        "Absolutely not.",
        "That's incorrect.",
        "That isn\u2019t right.",
        "Yes. No wait, not that one.",
        "Could we do Friday instead?",
        "Make it three o'clock.",
        "I'd rather have Friday.",
        "What time was that?",
        "Is that right for Thursday?",
        "I changed my mind.",
        "Yeah, no.",
        "Please don't.",
        "Yes, but at three.",
        "Yes, on Friday.",
        "Yes, two in the morning.",
        "Can you repeat that?",
        "Let me think about it.",
        "Maya Chen",
        "",
    ],
)
def test_does_not_agree(answer: str) -> None:
    assert not agrees(answer, THURSDAY_AT_TWO)


@pytest.mark.parametrize(
    "answer",
    [
        "Cancel it.",
        "Cancel.",
        "Please cancel it.",
        "Yes, cancel it.",
        "Go ahead and cancel.",
        "Cancel my appointment, please.",
        "I'd like you to cancel that.",
    ],
)
def test_to_cancel_it_agrees_to_a_cancellation_and_to_nothing_else(answer: str) -> None:
    assert agrees(answer, THURSDAY_AT_TWO, to=frozenset({"cancel"}))
    assert not agrees(answer, THURSDAY_AT_TWO)


@pytest.mark.parametrize(
    "answer",
    [
        "Don't cancel it.",
        "Please don\u2019t cancel.",
        "No, cancel nothing.",
        "Cancel it?",
        "Cancel what?",
        "Cancel the other one.",
        "Cancel the one on Friday.",
        "I have to think about whether to cancel it.",
        "Never cancel it.",
    ],
)
def test_not_every_cancel_agrees_to_a_cancellation(answer: str) -> None:
    assert not agrees(answer, THURSDAY_AT_TWO, to=frozenset({"cancel"}))


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("Yes.", True),
        ("Yeah, that's right.", True),
        ("Right?", True),
        ("No.", False),
        ("No, it's b as in bravo.", False),
        ("That's not right.", False),
        ("maya at gmail dot com", None),
        ("Is that the right one?", None),
        ("", None),
    ],
)
def test_tells_a_yes_from_a_no_where_no_time_is_agreed_to(answer: str, meant: bool | None) -> None:
    assert yes_or_no(answer) is meant
