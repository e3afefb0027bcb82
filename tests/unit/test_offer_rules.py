"""What the booking rules make of an offer, and how it is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from appointments.model import BlockedTime
from appointments.offer import Offer, OfferReason
from appointments.wishes import Wish
from tests.offers import ACTION, WEEK, at, by, offer, say, whole_day


class TestRules:
    TODAY_AT_TEN = Wish(date(2026, 12, 1), time=time(10))
    LATER = (at("12-01T14:00"), at("12-01T15:00"))

    def test_says_how_much_notice_is_needed_for_a_time_that_is_too_soon(self) -> None:
        made = offer(list(self.LATER), self.TODAY_AT_TEN)

        assert (made.reason, made.slots) == (OfferReason.TOO_SOON, self.LATER)
        assert say(made) == (
            "We need two hours' notice, but I have openings on Tuesday, December first, at two in the afternoon or "
            "three in the afternoon. Which works best for you?"
        )

    def test_says_so_where_the_day_has_nothing_else(self) -> None:
        made = offer(WEEK, self.TODAY_AT_TEN)

        assert made.reason is OfferReason.TOO_SOON
        assert say(made).startswith("We need two hours' notice, but I have openings on Wednesday, December second,")

    def test_says_so_of_a_day_whose_hours_are_all_too_soon(self) -> None:
        business = by(minimum_notice=timedelta(days=2))

        made = offer(whole_day("12-03"), Wish(date(2026, 12, 2)), business=business)

        assert made.reason is OfferReason.TOO_SOON
        assert say(made, business=business).startswith("We need two days' notice, but I have openings on Thursday,")

    def test_says_that_nothing_is_left_of_a_day_that_would_be_late_enough(self) -> None:
        assert offer(WEEK, Wish(date(2026, 12, 1))).reason is OfferReason.DAY_FULL

    @pytest.mark.parametrize(
        ("minutes", "words"),
        [
            (30, "thirty minutes' notice"),
            (60, "one hour's notice"),
            (90, "ninety minutes' notice"),
            (36 * 60, "thirty-six hours' notice"),
            (24 * 60, "one day's notice"),
            (30 * 24 * 60, "thirty days' notice"),
            (30 * 24 * 60 - 1, "thirty days' notice"),
        ],
    )
    def test_says_the_notice_in_its_largest_unit(self, minutes: int, words: str) -> None:
        made = Offer(OfferReason.TOO_SOON, (), (), day=None)

        assert words in say(made, business=by(minimum_notice=timedelta(minutes=minutes)))

    def test_says_how_far_ahead_is_booked(self) -> None:
        week, today = by(maximum_advance_days=7), by(maximum_advance_days=0)
        wish = Wish(date(2026, 12, 9))

        assert say(offer(WEEK, wish, business=week), business=week).startswith("We book only seven days ahead, and")
        assert say(offer(WEEK, wish, business=today), business=today).startswith("We book only for today, and Wedn")
        assert offer([at("12-08T10:00")], Wish(date(2026, 12, 8)), business=week).reason is OfferReason.AVAILABLE

    def test_a_day_is_too_far_off_only_when_all_of_it_is(self) -> None:
        auckland = replace(ACTION, zone=ZoneInfo("Pacific/Auckland"))

        # The first of January in Auckland begins on the last day of the year in New York.
        assert offer([], Wish(date(2027, 1, 1)), action=auckland).reason is not OfferReason.TOO_FAR
        assert offer(WEEK, Wish(date(2027, 1, 2)), action=auckland).reason is OfferReason.TOO_FAR

    def test_looks_no_further_than_is_booked(self) -> None:
        assert "nothing free in the next ten days." in say(offer([]), business=by(maximum_advance_days=10))
        assert "nothing free today or tomorrow." in say(offer([]), business=by(maximum_advance_days=1))
        assert "nothing free today." in say(offer([]), business=by(maximum_advance_days=0))

    def test_says_that_it_is_closed_on_a_closed_date(self) -> None:
        business = by(closed=frozenset({date(2026, 12, 3)}))

        made = offer(whole_day("12-02"), Wish(date(2026, 12, 3)), business=business)

        assert made.reason is OfferReason.CLOSED
        assert say(made, business=business).startswith("We're closed on Thursday, December third, but")

    @pytest.mark.parametrize("wanted", [time(12), time(10, 15), time(16, 45)])
    def test_does_not_call_a_time_taken_at_which_nothing_is_ever_booked(self, wanted: time) -> None:
        business = by(blocked=(BlockedTime(time(12), time(13), frozenset(range(5))),))

        free = [at("12-03T11:30"), at("12-03T16:30")]

        made = offer(free, Wish(date(2026, 12, 3), time=wanted), business=business)

        assert made.reason is OfferReason.TAKEN
        assert say(made, business=business).startswith("I have nothing at ")
        assert "taken" not in say(made, business=business)
