"""What a caller hears who has waited too long: what is true, and a way out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.phrases import SLOW, SLOW_BOOKING, SLOW_CHANGE, SLOW_LOOKUP
from agent.slow_words import slow_words
from tests.factories import ACTION
from tests.sessions import CLINIC, a_session

BOOK = "book_30_minute_consultation"


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        ({BOOK}, SLOW_BOOKING),
        ({BOOK, "find_slots"}, SLOW_BOOKING),
        ({"move_appointment"}, SLOW_CHANGE),
        ({"find_slots"}, SLOW_LOOKUP),
        ({"find_slots", "find_appointments"}, SLOW_LOOKUP),
        (set(), SLOW),
    ],
)
def test_what_is_true_depends_on_what_is_waited_for(tools: set[str], words: str) -> None:
    assert slow_words(a_session(), tools) == words


@pytest.mark.parametrize(
    "session",
    [
        a_session(caller=None),
        a_session(can_text=False),
        a_session(business=replace(CLINIC, actions=(replace(ACTION, sms_confirmation=False),))),
    ],
    ids=["withheld", "takes no texts", "sends no texts"],
)
def test_no_text_is_promised_that_is_not_sent(session: object) -> None:
    assert slow_words(session, {BOOK}) == SLOW_CHANGE  # type: ignore[arg-type]
