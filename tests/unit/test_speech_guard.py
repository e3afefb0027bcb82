"""Which sentences may be said in a call, and what is said instead of the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.model import BlockedTime, BookingRules, OpeningHours, Slot
from appointments.offer import Offer, OfferReason, describe
from appointments.spoken import say_slot
from tests.factories import ACTION, NOW, ZONE, a_slot
from tests.sessions import CLINIC, a_session, agent, caller
from tools.replies import CALENDAR_DOWN, Reply, Status
from tools.session import Utterance
from tools.speech_guard import LET_ME_CHECK, NO_TIMES_YET, Reason, SpeechGuard, say_hours

TEN, TWO, FRIDAY = a_slot(49), a_slot(53), a_slot(77)
WEEK = tuple(OpeningHours(day, time(9), time(17)) for day in range(5))
LUNCH = BlockedTime(time(12, 30), time(13, 15), weekdays=frozenset(range(5)))
OPEN_CLINIC = replace(CLINIC, hours=WEEK, rules=BookingRules(closed=frozenset({date(2027, 2, 12)}), blocked=(LUNCH,)))
OFFERED = "I have openings on Thursday, December third, at ten in the morning or two in the afternoon"


class Call:
    """A call of which the guard sees what was said and what tools answered."""

    def __init__(self, *said: Utterance, facts: tuple[str, ...] = (), **session: Any) -> None:
        self.heard = list(said)
        self.now = NOW
        self.session = a_session(**{"business": OPEN_CLINIC, "clock": lambda: self.now, **session})
        self.guard = SpeechGuard(self.session, facts=facts, heard=lambda: self.heard)

    def finds(self, *slots: Slot) -> Call:
        """Let `find_slots` offer `slots`."""
        now = self.session.clock()
        offer = Offer(OfferReason.AVAILABLE, slots, slots, day=None)
        say, _ = describe(offer, action=ACTION, business=self.session.business, now=now)
        self.session.offer(ACTION, slots)
        return self.answers(Status.AVAILABLE, say)

    def books(self, slot: Slot, status: Status = Status.BOOKED) -> Call:
        self.session.booked_for[slot] = "Maya Chen"
        said = "You're booked for" if status is Status.BOOKED else "I'm still confirming"
        return self.answers(status, f"{said} {say_slot(slot, ZONE)}.")

    def answers(self, status: Status, say: str = "") -> Call:
        self.guard.tool_answered(Reply(status, say=say))
        return self

    def reason(self, sentence: str, *, before: str = "") -> Reason | None:
        objection = self.guard.objection(sentence, before=before)
        return objection.reason if objection else None

    def instead(self, sentence: str) -> str:
        objection = self.guard.objection(sentence)
        assert objection is not None
        return objection.instead


@pytest.mark.parametrize(
    "sentence",
    [
        f"{OFFERED}. Which works best for you?",
        "On Thursday I have 10 AM or 2:00 p.m.",
        "Thursday, December third, at two in the afternoon is free.",
        "How about ten o'clock on the third of December?",
        "In two days, on Thursday, I could do two o'clock.",
        "There's something on Thursday.",
        "That's a 30-Minute Consultation on Thursday, December third, at two in the afternoon, for Maya Chen.",
        "Ten in the morning, or two in the afternoon?",
    ],
)
def test_what_was_offered_may_be_offered_and_read_back(sentence: str) -> None:
    assert Call().finds(TEN, TWO).reason(sentence) is None


@pytest.mark.parametrize(
    "sentence",
    [
        "Three in the afternoon is free.",
        "I have ten or three on Thursday.",
        "On Friday, December fourth, I have two in the afternoon.",
        "Tomorrow at two is available.",
        "How about two thirty?",
        "I have openings on Friday.",
    ],
)
def test_what_was_not_offered_is_not_called_free(sentence: str) -> None:
    assert Call().finds(TEN, TWO).reason(sentence) is Reason.NOT_OFFERED


def test_nothing_is_called_free_before_a_tool_has_looked() -> None:
    assert Call().reason("I have ten in the morning.") is Reason.NOT_OFFERED


def test_an_opening_hour_is_no_free_slot() -> None:
    assert Call().finds(TEN).reason("Nine in the morning is free.") is Reason.NOT_OFFERED


def test_a_slot_that_was_withdrawn_is_not_offered_again() -> None:
    call = Call().finds(TEN, TWO)

    call.session.ledger(ACTION).withdraw(TWO)

    assert call.reason("Two in the afternoon is free.") is Reason.NOT_OFFERED
    assert call.reason("Two in the afternoon has just been taken, I'm sorry.") is None


def test_an_offer_that_is_too_old_is_not_repeated() -> None:
    call = Call().finds(TEN, TWO)

    call.now += timedelta(minutes=16)

    assert call.reason(f"{OFFERED}.") is Reason.NOT_OFFERED


def test_a_slot_that_this_call_has_booked_is_not_free_any_more() -> None:
    call = Call().finds(TEN, TWO).books(TWO)

    assert call.reason("Two in the afternoon is free.") is Reason.NOT_OFFERED
    assert call.reason("See you on Thursday at two in the afternoon!") is None


@pytest.mark.parametrize(
    "sentence", ["Three o'clock, let me check.", "You said three o'clock on Thursday, is that right?"]
)
def test_what_the_caller_said_may_be_repeated(sentence: str) -> None:
    assert Call(caller("Could I come on Thursday around three?")).reason(sentence) is None
    assert Call(caller("Could I come on Thursday?")).reason(sentence) is Reason.UNKNOWN


@pytest.mark.parametrize(
    "sentence",
    ["Three o'clock is free.", "Great, three o'clock works.", "Would three in the afternoon suit you?"],
)
def test_what_the_caller_said_is_not_free_for_that(sentence: str) -> None:
    call = Call(caller("Three o'clock would be good."))

    assert call.reason(sentence) is Reason.NOT_OFFERED
    assert call.finds(TEN).reason(sentence) is Reason.NOT_OFFERED


def test_what_was_named_a_sentence_before_is_not_called_free_either() -> None:
    call = Call(caller("Is three o'clock on Thursday free?")).finds(TEN)

    assert call.reason("Yes, that's free.", before="Is three o'clock on Thursday free?") is Reason.NOT_OFFERED
    assert call.reason("Yes, that's free.", before="Ten o'clock?") is None
    assert call.reason("Yes, it's free.", before="Is the quote free?") is None


def test_the_same_time_on_a_day_of_the_callers_may_be_looked_for() -> None:
    call = Call(caller("Do you have the same time on Friday?")).finds(TWO)

    assert call.reason("Friday at two, let me look.") is None
    assert call.reason("Monday at two, let me look.") is Reason.UNKNOWN


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("Could we make it an hour later?", "An hour later would be three in the afternoon, let me check."),
        ("And a week later?", "A week later is Thursday, December tenth, at two in the afternoon, let me look."),
        ("At lunchtime?", "Around noon, let me see if there is something."),
    ],
)
def test_a_time_that_the_caller_described_may_be_named(asked: str, sentence: str) -> None:
    assert Call(caller(asked)).finds(TWO).reason(sentence) is None
    assert Call(caller("And then?")).finds(TWO).reason(sentence) is Reason.UNKNOWN


def test_a_read_back_with_the_wrong_day_is_held_back() -> None:
    read_back = "That's a consultation on Friday, December fourth, at two in the afternoon, for Maya Chen."

    assert Call().finds(TEN, TWO).reason(read_back) is Reason.UNKNOWN


def test_a_weekday_that_does_not_belong_to_the_date_is_held_back() -> None:
    call = Call().finds(TEN, TWO)

    assert call.reason("Tuesday, December third, at two in the afternoon is free.") is Reason.NO_SUCH_DAY
    assert call.reason("Let me check Tuesday, December third.") is Reason.NO_SUCH_DAY


def test_a_callers_wrong_weekday_may_be_spoken_of_but_not_offered() -> None:
    call = Call(caller("Tuesday, December third, please.")).finds(TEN, TWO)

    assert call.reason("You said Tuesday, December third, but the third is a Thursday.") is None
    assert call.reason("Tuesday, December third, at two is free.") is Reason.NO_SUCH_DAY


@pytest.mark.parametrize("sentence", ["You're booked for Thursday at two.", "I've booked Thursday at ten for you."])
def test_nothing_is_called_booked_before_it_is(sentence: str) -> None:
    call = Call().finds(TEN, TWO)

    assert call.reason(sentence) is Reason.NOT_BOOKED


def test_what_was_booked_may_be_called_so_and_nothing_else() -> None:
    call = Call().finds(TEN, TWO).books(TWO)

    assert call.reason("You're booked for Thursday, December third, at two in the afternoon.") is None
    assert call.reason("You're booked for Thursday, December third, at ten in the morning.") is Reason.NOT_BOOKED


def test_what_is_being_confirmed_is_not_called_booked() -> None:
    call = Call().finds(TEN, TWO).books(TWO, Status.PENDING)

    assert call.reason("I'm still confirming Thursday, December third, at two in the afternoon.") is None
    assert call.reason("You're booked for Thursday at two.") is Reason.NOT_BOOKED


@pytest.mark.parametrize(
    "sentence",
    [
        "We're open Monday to Friday, from nine in the morning to five in the afternoon.",
        "We open at nine and close at five.",
        "Our hours are 9:00 to 17:00.",
        "We're open nine to five on weekdays.",
        "We have a lunch break from twelve thirty to a quarter past one.",
        "We're closed on Saturday and on Sunday.",
        "We're closed on Friday, February twelfth.",
    ],
)
def test_opening_hours_and_closed_days_may_be_told(sentence: str) -> None:
    assert Call().reason(sentence) is None


def test_invented_opening_hours_are_held_back_for_the_true_ones() -> None:
    assert Call().instead("We open at eight in the morning.") == (
        "We're open Monday to Friday from nine in the morning to five in the evening."
    )


def test_what_is_written_about_the_business_may_be_told() -> None:
    call = Call(facts=("The pharmacy next door is open at night, from eight in the evening.",))

    assert call.reason("The pharmacy is there from eight in the evening.") is None
    assert call.reason("The pharmacy is there from eleven in the evening.") is Reason.UNKNOWN


def test_a_day_beyond_the_calendar_table_is_only_named_by_who_asked_for_it() -> None:
    sentence = "Let me look at Monday, March eighth."

    assert Call().reason(sentence) is Reason.UNKNOWN
    assert Call(caller("Do you have anything on March eighth?")).reason(sentence) is None
    told = Call().answers(Status.TOO_FAR, "We book only thirty days ahead, and Monday, March eighth, is further off.")
    assert told.reason("Monday, March eighth, is too far ahead.") is None


@pytest.mark.parametrize(
    "sentence",
    [
        "We're at twelve Harbor Street, and parking is behind the building.",
        "A 30-minute consultation is free of charge.",
        "Our number is four one five, five five five, oh one hundred.",
        "It takes about thirty minutes and costs fifty dollars.",
        "Would you like a morning or an afternoon, this week or next week?",
        "Tomorrow, or the day after tomorrow?",
        "Is there anything else?",
        "",
    ],
)
def test_sentences_without_a_time_may_be_said(sentence: str) -> None:
    assert Call().reason(sentence) is None


def test_the_last_words_of_a_tool_are_said_instead() -> None:
    assert Call().finds(TEN, TWO).instead("Three o'clock is free.") == f"{OFFERED}. Which works best for you?"


def test_a_calendar_that_is_down_is_told_instead() -> None:
    call = Call().answers(Status.UNAVAILABLE, CALENDAR_DOWN)

    assert call.instead("I have three in the afternoon.") == CALENDAR_DOWN


def test_what_is_left_of_the_offer_is_said_when_the_last_words_are_out_of_date() -> None:
    call = Call().finds(TEN, TWO)

    call.session.ledger(ACTION).withdraw(TEN)

    assert call.instead("Three o'clock is free.") == (
        "I have an opening on Thursday, December third, at two in the afternoon. Would that work for you?"
    )


def test_after_a_booking_an_invented_offer_is_answered_from_the_ledger() -> None:
    call = Call().finds(TEN, TWO).books(TWO)

    assert call.instead("Three o'clock is free as well.").startswith(
        "I have an opening on Thursday, December third, at ten"
    )


def test_a_booking_that_is_none_is_answered_with_the_last_words() -> None:
    call = Call().finds(TEN, TWO).books(TWO, Status.PENDING)

    assert call.instead("You're booked for Thursday at two.").startswith("I'm still confirming Thursday")


def test_without_an_offer_the_model_is_sent_to_look_once_a_turn() -> None:
    call = Call(caller("Do you have time on Thursday?"))

    first, second = call.guard.objection("Ten is free."), call.guard.objection("Ten is available.")
    call.heard += [agent(NO_TIMES_YET), caller("Thursday, as I said.")]
    third = call.guard.objection("Ten o'clock is free.")

    assert first is not None
    assert (first.instead, first.must_look) == (LET_ME_CHECK, True)
    assert second is not None
    assert (second.instead, second.must_look) == (NO_TIMES_YET, False)
    assert third is not None
    assert third.must_look


def test_the_model_is_told_what_was_held_back_and_what_was_heard() -> None:
    objection = Call().guard.objection("Three o'clock is free.")

    assert objection is not None
    note = objection.note("Three o'clock is free.")
    assert "Three o'clock is free." in note
    assert objection.instead in note
    assert "Call find_slots now." in note


def test_times_are_known_in_the_zone_they_are_spoken_in() -> None:
    chicago = replace(ACTION, zone=ZoneInfo("America/Chicago"))
    call = Call(business=replace(OPEN_CLINIC, actions=(chicago,)))
    call.session.offer(chicago, [TWO])

    assert call.reason("Thursday, December third, at one in the afternoon, Central time, is free.") is None
    assert call.reason("I have three o'clock, Central time.") is Reason.NOT_OFFERED
    assert "at one in the afternoon, Central time" in call.instead("I have three o'clock.")


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (WEEK, "We're open Monday to Friday from nine in the morning to five in the evening."),
        (
            (*WEEK[:2], OpeningHours(5, time(8), time(12)), OpeningHours(5, time(13), time(14, 30))),
            "We're open Monday and Tuesday from nine in the morning to five in the evening, and Saturday from eight "
            "in the morning to noon and from one in the afternoon to two thirty in the afternoon.",
        ),
    ],
)
def test_says_the_hours(hours: tuple[OpeningHours, ...], said: str) -> None:
    assert say_hours(replace(CLINIC, hours=hours)) == said


HALF_HOURS = st.integers(18, 33).map(lambda half_hours: time(*divmod(half_hours * 30, 60)))


@given(offered=st.lists(st.tuples(st.integers(1, 28), HALF_HOURS), min_size=1, max_size=6, unique=True))
def test_every_offer_may_be_said_in_the_words_of_the_tool(offered: list[tuple[int, time]]) -> None:
    slots = [Slot(datetime.combine(NOW + timedelta(days=n), at, ZONE), timedelta(minutes=30)) for n, at in offered]
    call = Call().finds(*sorted(slots))

    for reply in (call.guard._last.say if call.guard._last else "", *(f"{say_slot(s, ZONE)} is free." for s in slots)):
        assert call.reason(reply) is None


@given(offered=HALF_HOURS, invented=HALF_HOURS, days=st.integers(1, 28))
def test_no_other_time_is_ever_offered(offered: time, invented: time, days: int) -> None:
    day = NOW + timedelta(days=days)
    slot, other = (Slot(datetime.combine(day, at, ZONE), timedelta(minutes=30)) for at in (offered, invented))
    call = Call().finds(slot)

    assert (call.reason(f"I have {say_slot(other, ZONE)}.") is None) == (offered == invented)
