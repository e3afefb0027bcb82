"""What asks the agent to wait, and what only sounds like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.waiting import asks_to_wait


@pytest.mark.parametrize(
    "said",
    [
        "Hold on.",
        "Hold on a second.",
        "Oh, hold on a sec, please.",
        "Hang on.",
        "Wait.",
        "Wait a minute.",
        "Um, wait a minute, please.",
        "One second.",
        "One moment, please.",
        "Just a moment.",
        "Just one second",
        "Just a sec, let me check my calendar.",
        "Let me check my calendar.",
        "Let me just check my calendar first.",
        "Let me see.",
        "Let me think.",
        "Let me think about it for a moment.",
        "Let me ask my husband.",
        "Let me grab a pen.",
        "Give me a moment.",
        "Give me a minute to look at my calendar.",
        "I need a minute.",
        "Could you hold on for a moment?",
        "Can you wait a second, please?",
        "Okay, hold on, I'm just opening my calendar.",
        "Hold on while I get my calendar.",
        "Yeah, hold on.",
        "Bear with me.",
        "I'll be right back.",
        "One sec, I'll be right back.",
        "I'm still looking.",
        "HOLD ON!",
        "hold on\u2026",
        "Hm, let me see, one second.",
    ],
)
def test_a_request_to_wait_is_known(said: str) -> None:
    assert asks_to_wait(said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Hold on, is that Tuesday?",
        "Wait, what?",
        "Wait, no, Thursday.",
        "No, wait.",
        "Wait, that's wrong.",
        "Hold on, I said three.",
        "Is there a wait?",
        "How long is the wait?",
        "Can I wait there?",
        "Could you wait until Thursday?",
        "Put me on the waitlist.",
        "I can't wait.",
        "The second.",
        "A second one.",
        "The second one.",
        "One.",
        "One thirty.",
        "Thirty minutes.",
        "Five minutes.",
        "In a minute.",
        "Let me get the two o'clock.",
        "Let me have the first one.",
        "Let me see the afternoon times.",
        "Let me see what you have on Friday.",
        "Let me think, do you have anything on Friday?",
        "Let me ask you something.",
        "Let me book that.",
        "Let me get that.",
        "I'll think about it.",
        "I'll have to ask my wife.",
        "I have to check my calendar and call you back.",
        "To check my papers.",
        "I need a moment of your time to ask about prices.",
        "I need an appointment.",
        "I'm checking whether you're open.",
        "I'm looking for an appointment.",
        "I'm still looking for a time on Friday.",
        "Check my calendar.",
        "Yes.",
        "Okay.",
        "Thanks, one moment at nine.",
        "Hold the two o'clock for me.",
        "Please hold that time.",
        "Hold on 5 minutes from now I have a meeting.",
        "Un momento.",
    ],
)
def test_what_wants_an_answer_is_no_request_to_wait(said: str) -> None:
    assert not asks_to_wait(said)


@given(st.text("abdeghilmnorstw ,.?'", max_size=60))
def test_any_words_are_read_in_good_time(said: str) -> None:
    asks_to_wait(said)


@pytest.mark.parametrize("words", ["hold on okay ", "wait ", "okay ", "let me check "])
def test_a_long_stammer_is_read_in_good_time(words: str) -> None:
    assert not asks_to_wait(words * 200 + "x")
    assert not asks_to_wait(words * (20 // len(words.split())) + "x")
