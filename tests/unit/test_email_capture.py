"""The way to a caller's e-mail address: heard, read back, corrected, agreed to, or left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.email_capture import (
    ASK,
    ASK_AGAIN,
    ASK_ALL_THE_SAME,
    ASK_PART,
    MOST_TRIES,
    WHICH_PART,
    EmailCapture,
    Stage,
)
from appointments.email_corrections import Part


def heard(*said: tuple[str, bool | None] | str) -> EmailCapture:
    """Return the capture after the caller said this; what comes with an answer is a yes or a no."""
    capture = EmailCapture()
    for each in said:
        words, answer = (each, None) if isinstance(each, str) else each
        capture.hear(words, answer=answer)
    return capture


def test_asks_for_the_address_first() -> None:
    assert EmailCapture().question == ASK


def test_reads_back_letter_by_letter_what_was_heard() -> None:
    capture = heard("maya dot chen at gmail dot com")

    assert capture.stage is Stage.READ_BACK
    assert capture.question == "That's m, a, y, a, dot, c, h, e, n, at gmail dot com. Is that right?"
    assert capture.agreed == ""


def test_has_an_address_only_after_the_yes() -> None:
    capture = heard("maya at gmail dot com")
    capture.agree()

    assert (capture.agreed, capture.question) == ("maya@gmail.com", "")


def test_asks_about_a_slip_and_changes_it_only_on_a_yes() -> None:
    capture = heard("maya at gmial dot com")
    assert capture.question == "I have g, m, i, a, l dot com after the at sign. Did you mean gmail dot com?"

    meant, not_meant = (heard("maya at gmial dot com", ("word", answer)) for answer in (True, False))

    assert "at gmail dot com" in meant.question
    assert "at g, m, i, a, l dot com" in not_meant.question


def test_asks_about_a_slip_once() -> None:
    capture = heard("maya at gmial dot com", ("no", False), "no, it's naya at gmial dot com")

    assert capture.stage is Stage.READ_BACK


def test_reads_a_corrected_address_back_again() -> None:
    capture = heard("den at gmail dot com", ("No, it's b as in bravo.", False))

    assert capture.question == "That's b, e, n, at gmail dot com. Is that right?"


def test_asks_which_part_is_wrong_and_then_for_that_part_alone() -> None:
    capture = heard("maya at hotmail dot com", ("No.", False))
    assert capture.question == WHICH_PART

    capture.hear("The second part is wrong.", answer=False)
    assert capture.question == ASK_PART[Part.DOMAIN]

    capture.hear("gmail dot com")
    assert capture.question == "That's m, a, y, a, at gmail dot com. Is that right?"


def test_puts_an_address_together_that_comes_in_two_pieces() -> None:
    capture = heard("j dot o'brien at")
    assert capture.question == ASK_PART[Part.DOMAIN]

    capture.hear("gmail dot com")

    assert "o, b, r, i, e, n, at gmail dot com" in capture.question


def test_takes_a_whole_address_again_where_only_its_end_was_asked_for() -> None:
    capture = heard("j dot o'brien", "j dot o'brien at gmail dot com")

    assert "j, dot, o, b, r, i, e, n, at gmail dot com" in capture.question


def test_asks_again_for_what_was_not_understood_and_gives_up_the_third_time() -> None:
    capture = heard("What do you mean?")
    assert capture.question == ASK_AGAIN

    for _ in range(MOST_TRIES - 1):
        capture.hear("I told you already, at the office.")

    assert (capture.stage, capture.question) == (Stage.LEFT_OUT, "")


def test_gives_up_after_three_read_backs_that_were_wrong() -> None:
    capture = heard("den at gmail dot com", ("no, b not d", False), ("no, double n", False), ("no, only one n", False))

    assert capture.stage is Stage.LEFT_OUT


def test_does_not_count_a_yes_to_what_was_not_heard_out() -> None:
    capture = heard("maya at gmail dot com", *[("yes yes", True)] * 5)

    assert capture.stage is Stage.READ_BACK


def test_asks_once_more_when_a_needed_address_is_refused_and_then_leaves_it_out() -> None:
    capture = heard("I'd rather not give you that.")
    assert capture.question == ASK_ALL_THE_SAME

    capture.hear("No.", answer=False)

    assert capture.stage is Stage.LEFT_OUT


@pytest.mark.parametrize("said", ["I don't have one.", "I don\u2019t have an e-mail", "No, thanks.", "skip that"])
def test_leaves_out_an_address_that_is_not_needed_at_the_first_refusal(said: str) -> None:
    capture = EmailCapture()
    capture.hear(said, is_needed=False)

    assert capture.stage is Stage.LEFT_OUT


def test_asks_whether_to_use_the_address_on_record() -> None:
    capture = EmailCapture()
    capture.propose("maya@gmail.com", is_masked=True)

    assert capture.question == (
        "Shall I use the e-mail address we have for you, the one that begins with m, at gmail dot com?"
    )
    capture.agree()
    assert capture.agreed == "maya@gmail.com"


def test_asks_for_another_when_the_one_on_record_is_not_to_be_used_and_does_not_propose_it_again() -> None:
    capture = EmailCapture()
    capture.propose("maya@gmail.com", is_masked=True)
    capture.hear("No, use another one.", answer=False)
    assert capture.question == ASK

    capture.propose("maya@gmail.com", is_masked=True)

    assert capture.question == ASK


def test_asks_for_another_when_a_yes_to_the_one_on_record_is_taken_back() -> None:
    capture = EmailCapture()
    capture.propose("maya@gmail.com", is_masked=True)
    capture.agree()

    capture.hear("No, not that one.", answer=False)

    assert (capture.stage, capture.question) == (Stage.UNKNOWN, ASK)


def test_takes_a_whole_address_after_it_was_left_out_and_nothing_less() -> None:
    capture = EmailCapture()
    capture.decline(is_needed=False)

    capture.hear("m a y a")
    before = capture.stage
    capture.hear("All right, it's maya at gmail dot com.")

    assert (before, capture.read_back) == (Stage.LEFT_OUT, "m, a, y, a, at gmail dot com")


def test_corrects_nothing_of_an_address_that_is_masked() -> None:
    capture = EmailCapture()
    capture.propose("maya@gmail.com", is_masked=True)
    capture.hear("double y")

    assert capture.read_back == "the one that begins with m, at gmail dot com"


def test_stays_agreed_whatever_else_is_said() -> None:
    capture = heard("maya at gmail dot com")
    capture.agree()
    for said in ("yes", "My name is Maya Chen.", "Thursday at ten"):
        capture.hear(said, answer=None)

    assert capture.agreed == "maya@gmail.com"


def test_takes_another_address_after_the_yes_and_has_it_agreed_to_anew() -> None:
    capture = heard("maya at gmail dot com")
    capture.agree()
    capture.hear("Actually, use maya at example dot com.", answer=False)

    assert (capture.agreed, capture.stage) == ("", Stage.READ_BACK)


def test_knows_a_yes_with_another_address_in_it() -> None:
    capture = heard("maya at gmail dot com")

    assert not capture.changes("Yes, maya at gmail dot com.")
    assert not capture.changes("Yes, that's right.")
    assert capture.changes("Yes, but at hotmail dot com.")


WORDS = st.sampled_from(
    ["maya", "at gmail dot com", "no", "not", "b", "d", "as in", "bravo", "double l", "second part", "yes"]
)


@given(said=st.lists(st.tuples(st.lists(WORDS, max_size=6), st.sampled_from([True, False, None])), max_size=12))
def test_always_has_a_question_or_is_done_and_gives_up_in_the_end(said: list[tuple[list[str], bool | None]]) -> None:
    capture = EmailCapture()

    for words, answer in said:
        capture.hear(" ".join(words), answer=answer)

        assert bool(capture.question) == (capture.stage is not Stage.LEFT_OUT)
        assert capture.agreed == ""
