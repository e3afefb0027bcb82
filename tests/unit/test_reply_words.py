"""What is made out of an answer to a text: a letter at once, a sentence only when it is plain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.reply_words import MOST_WORDS, Reading, Wish, read_reply

CONFIRMS, MOVES, CANCELS = (Reading(wish=wish) for wish in (Wish.CONFIRM, Wish.MOVE, Wish.CANCEL))
AGREES, REFUSES = Reading(agrees=True), Reading(agrees=False)
COURTESY = Reading(is_courtesy=True)
NOT_UNDERSTOOD = Reading()


@pytest.mark.parametrize(
    ("body", "reading"),
    [
        ("C", CONFIRMS),
        (" c. ", CONFIRMS),
        ('"R"', MOVES),
        ("'x'", CANCELS),
        ("X please", CANCELS),
        ("Y", AGREES),
        ("n", REFUSES),
        ("2", Reading(choice=2)),
        ("#1", Reading(choice=1)),
        ("The second one, please", Reading(choice=2)),
        ("two", Reading(choice=2)),
        ("C 2", Reading(wish=Wish.CONFIRM, choice=2)),
        ("x1", Reading(wish=Wish.CANCEL, choice=1)),
    ],
)
def test_takes_letters_and_numbers_at_their_word(body: str, reading: Reading) -> None:
    assert read_reply(body) == reading


@pytest.mark.parametrize(
    "body",
    [
        "Confirmed!",
        "See you then",
        "I\u2019ll be there",
        "no problem, see you tomorrow",
        "can't wait, see you!",
        "Looking forward to it",
        "I can make it",
        "I'm still coming",
    ],
)
def test_understands_who_will_come(body: str) -> None:
    assert read_reply(body) == CONFIRMS


@pytest.mark.parametrize(
    "body",
    [
        "Can't make it",
        "I won\u2019t be able to make it, sorry",
        "We are not coming",
        "cancel it please",
        "Can I cancel?",
        "I have to cancel my appointment",
        "I will not be there",
    ],
)
def test_understands_who_will_not_come(body: str) -> None:
    assert read_reply(body).wish is Wish.CANCEL


@pytest.mark.parametrize(
    "body",
    [
        "Reschedule",
        "can't make it, can we re-schedule?",
        "Could we find another time?",
        "yes but I need to move it to 3",
        "Please change my appointment",
    ],
)
def test_understands_who_wants_another_time(body: str) -> None:
    assert read_reply(body).wish is Wish.MOVE


@pytest.mark.parametrize(
    ("body", "reading"),
    [
        ("Yes!!", AGREES),
        ("Yep, thanks", AGREES),
        ("\N{THUMBS UP SIGN}\U0001f3fd", AGREES),
        ("yes cancel it", Reading(wish=Wish.CANCEL, agrees=True)),
        ("Yes, I can't make it", Reading(wish=Wish.CANCEL, agrees=True)),
        ("Yes see you then", Reading(wish=Wish.CONFIRM, agrees=True)),
        ("Yes I will come", Reading(wish=Wish.CONFIRM, agrees=True)),
        ("Yes, please do. No problem, thanks", AGREES),
        ("Yes, that's right", AGREES),
        ("No", REFUSES),
        ("No, keep it", REFUSES),
        ("please don't cancel!", REFUSES),
        ("I don't want to cancel", REFUSES),
    ],
)
def test_tells_a_yes_from_a_no(body: str, reading: Reading) -> None:
    assert read_reply(body) == reading


@pytest.mark.parametrize(
    "body",
    [
        "",
        "   ",
        "?",
        "who is this?",
        "maybe",
        "C?" * 3,
        "Yes if I can find parking",
        "See you on Thursday at 3",
        "see you at two",
        "I'll be there late",
        "I won't make it on time",
        "not sure I can confirm",
        "I don't need to reschedule",
        "please take me off the schedule for Thursday",
        "Is it cancelled?",
        "See you there? I can't make it before 5",
        "Is that right?",
        "Yes I want it",
        "Yes we get there all right",
        "Yeah, which door is it again",
        "\N{PILE OF POO}",
        "yes " * (MOST_WORDS + 1),
    ],
)
def test_guesses_nothing(body: str) -> None:
    assert read_reply(body) == NOT_UNDERSTOOD


@pytest.mark.parametrize("body", ["Thanks!", "ok", "Ok, thank you so much", "Great, you too"])
def test_thanks_want_no_answer(body: str) -> None:
    assert read_reply(body) == COURTESY


@pytest.mark.parametrize(
    "body",
    [
        "Liked \u201cReply C to confirm, R to reschedule, X to cancel\u201d",
        'Loved "Reply Y to cancel"',
        "\N{THUMBS UP SIGN} to \u201cReply X to cancel\u201d",
    ],
)
def test_a_reaction_that_quotes_our_text_says_none_of_its_words(body: str) -> None:
    assert read_reply(body) == COURTESY


@pytest.mark.parametrize(
    "body",
    [
        "Please stop texting me",
        "don't text this number",
        "Unsubscribe me",
        "Stop.",
        "please stop",
        "STOP IT!",
        "Stop, thanks",
    ],
)
def test_a_sentence_may_say_what_stop_says(body: str) -> None:
    assert read_reply(body) == Reading(wants_no_texts=True)


@given(st.text())
def test_reads_whatever_comes(body: str) -> None:
    reading = read_reply(body)

    assert not (reading.is_courtesy and reading.wish)
