"""How long a silence ends a turn."""

from __future__ import annotations

import pytest

from agent.turn_taking import Silences, is_left_open

SILENCES = Silences(sure=0.1, likely=0.2, unlikely=1.5)


@pytest.mark.parametrize(
    ("finished", "secs"), [(None, 1.5), (0.0, 1.5), (0.49, 1.5), (0.5, 0.2), (0.79, 0.2), (0.8, 0.1), (1.0, 0.1)]
)
def test_the_surer_the_model_the_shorter_the_silence(finished: float | None, secs: float) -> None:
    assert SILENCES.needed(finished, "Tuesday at two.", spoken_secs=1) == secs


def test_a_first_word_is_never_surely_all() -> None:
    assert SILENCES.needed(1.0, "Yes.", spoken_secs=0.3) == 0.2


@pytest.mark.parametrize("finished", [0.6, 1.0])
def test_words_that_lead_on_are_waited_for_however_they_sound(finished: float) -> None:
    assert SILENCES.needed(finished, "I would like to", spoken_secs=1) == 1.5


@pytest.mark.parametrize(
    "text",
    [
        "I would like to",
        "Could you please tell me",
        "I would like to know,",
        "My name is",
        "Yes, and",
        "Well,",
        "Tuesday or...",
        "It\u2019s for my",
        "So, um\u2026",
        "I'd",
    ],
)
def test_an_english_sentence_does_not_end_like_that(text: str) -> None:
    assert is_left_open(text)


@pytest.mark.parametrize(
    "text",
    ["", "Tuesday at two.", "Yes.", "No", "The second one, please.", "Is that my appointment?", "Ann Lee", "Why?"],
)
def test_a_sentence_may_end_like_that(text: str) -> None:
    assert not is_left_open(text)
