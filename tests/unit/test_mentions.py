"""Which days and times a sentence names, and in what sense."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.mentions import Sense, read_mentions, read_words, says_that_is_free

TUESDAY = date(2026, 12, 1)
THURSDAY = date(2026, 12, 3)
TEN, TWO, THREE = time(10), time(14), time(15)


def senses(text: str) -> set[Sense]:
    return {each.sense for each in read_mentions(text, TUESDAY)}


@pytest.mark.parametrize(
    "text",
    [
        "Three o'clock is free.",
        "Thursday, December third, at two in the afternoon, is free. Would you like that one?",
        "On Thursday I have ten in the morning or two in the afternoon.",
        "I've got three in the afternoon.",
        "There's an opening at three on Thursday.",
        "I have openings on Thursday, December third, at ten in the morning or two in the afternoon.",
        "Three in the afternoon is still open.",
        "I can offer you two thirty.",
        "I could fit you in at three.",
        "How about three o'clock?",
        "Would three o'clock work for you?",
        "Is three o'clock on Thursday okay?",
        "Would you like ten in the morning or two in the afternoon?",
        "Shall I book three o'clock for you?",
        "I'll move your consultation to Thursday at two. Is that right?",
        "Great, three o'clock works.",
        "Let me check, three o'clock is free.",
        "The next opening is on Thursday at two.",
        "I have ten, eleven or three on Thursday.",
        "Three is still free.",
        "Thursday at ten it is!",
    ],
)
def test_a_time_that_is_held_out_is_offered(text: str) -> None:
    assert senses(text) == {Sense.OFFERED}


@pytest.mark.parametrize(
    "text",
    [
        "Three o'clock, let me check.",
        "Let me see if three o'clock is free.",
        "Three in the afternoon is taken.",
        "I don't have three o'clock on Thursday.",
        "There is nothing free at two thirty.",
        "We have no openings at three in the afternoon.",
        "You said three o'clock, is that right?",
        "That's a 30-Minute Consultation on Thursday, December third, at two in the afternoon, for Maya Chen.",
        "We're open from nine in the morning to five in the afternoon.",
        "The clinic is open from 9:00 to 17:00.",
        "I'll look for two in the afternoon.",
        "You have a consultation on Thursday, December third, at two in the afternoon.",
        "I'll cancel your consultation on Thursday at two. Is that right?",
        "I'm still confirming Thursday, December third, at two in the afternoon, with our calendar.",
        "I've asked for Thursday, December third, at two in the afternoon.",
        "I have asked for Thursday at two.",
        "Do you mean two in the afternoon?",
        "Would Thursday or Friday suit you?",
        "We're fully booked on Thursday, December third.",
        "We're closed on Thursday.",
        "I can book you in from Monday to Friday.",
        "I have openings Monday to Friday.",
    ],
)
def test_a_time_that_is_asked_for_refused_or_repeated_is_only_named(text: str) -> None:
    assert senses(text) == {Sense.NAMED}


@pytest.mark.parametrize(
    "text",
    [
        "You're booked for Thursday, December third, at two in the afternoon.",
        "I've booked Thursday at two for you.",
        "Your appointment is now confirmed for Thursday at two.",
        "You're all set for two in the afternoon.",
        "Done: it's now on Thursday, December third, at two in the afternoon.",
        "I've moved it to Thursday at two.",
        "I've got you booked for Thursday at two.",
    ],
)
def test_a_time_that_is_called_booked_is_booked(text: str) -> None:
    assert senses(text) == {Sense.BOOKED}


def test_what_is_taken_and_what_is_offered_instead_are_told_apart() -> None:
    text = "Four in the afternoon is taken, but that day I have two in the afternoon or three in the afternoon."

    assert [(each.sense, each.times) for each in read_mentions(text, TUESDAY)] == [
        (Sense.NAMED, (time(16),)),
        (Sense.OFFERED, (TWO,)),
        (Sense.OFFERED, (THREE,)),
    ]


@pytest.mark.parametrize("text", ["I have Thursday.", "Thursday is free.", "There's something on Thursday."])
def test_a_day_can_be_offered_without_a_time(text: str) -> None:
    assert senses(text) == {Sense.OFFERED}


@pytest.mark.parametrize(
    "text",
    [
        "We are at twelve Harbor Street.",
        "It takes about thirty minutes.",
        "A 30-minute consultation costs 19.50 dollars.",
        "That is about twenty dollars.",
        "It costs five fifty.",
        "Our number is four fifteen, five fifty-five, oh one hundred.",
        "You can call +1 415-555-0100.",
        "We have been here since twenty fifteen.",
        "Up to ten minutes is no trouble, and after fifteen minutes we may have to shorten it.",
        "There are two or three stylists.",
        "I have two or three openings.",
        "This one is free.",
        "The second one, or the first.",
        "The third floor, room 12.",
        "Nine one one.",
        "We're here 24/7.",
        "This afternoon, next week, or in the evening?",
        "One moment, please.",
        "I have nothing free before noon.",
        "I have openings after two in the afternoon.",
        "May I have your name?",
        "",
    ],
)
def test_other_numbers_and_limits_are_no_times(text: str) -> None:
    assert read_mentions(text, TUESDAY) == ()


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Today at two.", TUESDAY),
        ("Tomorrow at two.", date(2026, 12, 2)),
        ("The day after tomorrow at two.", THURSDAY),
        ("Thursday, December third, at two.", THURSDAY),
        ("Thursday the third at two.", THURSDAY),
        ("Tomorrow, Wednesday, December second, at two.", date(2026, 12, 2)),
        ("Thursday, December third, twenty twenty-six, at two in the afternoon.", THURSDAY),
        ("Friday, January first, at two.", date(2027, 1, 1)),
        ("Monday, November thirtieth, at two.", date(2026, 11, 30)),
    ],
)
def test_a_day_is_told_from_its_words(text: str, day: date) -> None:
    (mention, *_) = read_mentions(text, TUESDAY)

    assert mention.day is not None
    assert (mention.day.on, mention.day.is_real) == (day, True)
    assert mention.times[-1] == TWO


@pytest.mark.parametrize(
    "text",
    [
        "Tuesday, December third, at two.",
        "Tuesday the third.",
        "Tomorrow, Thursday, at two.",
        "February thirtieth at two.",
        "Thursday, January first, at two.",
    ],
)
def test_a_day_that_does_not_exist_is_known(text: str) -> None:
    assert any(each.day is not None and not each.day.is_real for each in read_mentions(text, TUESDAY))


def test_ten_to_five_may_be_a_range() -> None:
    (mention,) = read_mentions("We're open ten to five.", TUESDAY)

    assert {time(16, 50), TEN, time(17)} <= set(mention.times)
    assert mention.is_about_hours


def test_a_caller_may_name_a_time_by_a_mere_number() -> None:
    words = read_words("Two would be nice, or after four on the third.", TUESDAY, may_be_bare=True)

    assert {TWO, time(16)} <= words.times
    assert [day.on for day in words.days] == [THURSDAY]


@pytest.mark.parametrize("text", ["Yes, that's free.", "That time is available.", "It is still open."])
def test_hears_that_something_named_before_is_called_free(text: str) -> None:
    assert says_that_is_free(text)


@pytest.mark.parametrize("text", ["Is that right?", "Feel free to call.", "That's all.", "We're open."])
def test_other_sentences_call_nothing_free(text: str) -> None:
    assert not says_that_is_free(text)


@given(text=st.text(alphabet="0123456789 :.,'#-?apmthursdyeiwfkxbc\n", max_size=60), today=st.dates())
def test_reads_or_passes_over_anything(text: str, today: date) -> None:
    read_mentions(text, today)
    read_words(text, today, may_be_bare=True)


WORDS = (
    "monday thursday december third second tenth thirtieth today tomorrow at ten to two thirty o'clock pm in the "
    "afternoon is free , . ? or and february twenty oh five i have"
)


@given(words=st.lists(st.sampled_from(WORDS.split(" ")), max_size=14), today=st.dates(max_value=date(9998, 1, 1)))
def test_reads_any_row_of_its_own_words(words: list[str], today: date) -> None:
    read_mentions(" ".join(words), today)
