"""What is offered for a wish, and how it is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appointments.model import Action, OfferSettings, Slot
from appointments.offer import MOST_SPOKEN, Offer, OfferLedger, OfferReason, describe, free_range
from appointments.spoken import mentions
from appointments.wishes import PartOfDay, Wish
from tests.offers import ACTION, BUSINESS, LONDON, NEW_YORK, NOW, WEEK, at, by, offer, say, whole_day, with_settings


class TestUnasked:
    def test_offers_the_first_days_with_slots_apart(self) -> None:
        made = offer(WEEK)

        assert made.reason is OfferReason.AVAILABLE
        assert made.slots == tuple(at(f"12-0{day}T{hour}:00") for day in (2, 3) for hour in ("09", "12", "15"))
        assert made.spoken == (at("12-02T09:00"), at("12-02T15:00"), at("12-03T09:00"))
        assert made.day is None

    def test_counts_only_days_that_have_free_slots(self) -> None:
        made = offer([at("12-02T10:00"), at("12-11T10:00"), at("12-14T10:00")])

        assert made.slots == (at("12-02T10:00"), at("12-11T10:00"))

    def test_speaks_of_one_slot_of_each_of_three_days(self) -> None:
        made = offer(WEEK, action=with_settings(look_ahead_days=3))

        assert made.spoken == (at("12-02T09:00"), at("12-03T09:00"), at("12-04T09:00"))

    def test_looks_no_further_than_two_weeks(self) -> None:
        assert offer([at("12-14T10:00")]).reason is OfferReason.AVAILABLE
        assert offer([at("12-15T10:00")]).reason is OfferReason.NOTHING_FREE

    def test_offers_nothing_before_the_start_date(self) -> None:
        action = with_settings(start_date=date(2026, 12, 20))

        made = offer([*WEEK, at("12-21T10:00"), at("12-30T10:00")], action=action)

        assert made.slots == (at("12-21T10:00"), at("12-30T10:00"))

    def test_shapes_by_the_part_of_day(self) -> None:
        made = offer(WEEK, Wish(part_of_day=PartOfDay.AFTERNOON))

        assert made.spoken == (at("12-02T12:00"), at("12-02T15:00"), at("12-03T12:00"))

    def test_offers_what_there_is_when_the_part_of_day_is_never_free(self) -> None:
        made = offer(WEEK, Wish(part_of_day=PartOfDay.EVENING))

        assert made.reason is OfferReason.TAKEN
        assert say(made).startswith("I have nothing free in the evening, but I have openings on Wednesday, December")

    def test_offers_nothing_that_has_begun(self) -> None:
        made = offer([at("12-01T08:30"), at("12-01T09:00"), at("12-01T09:30")])

        assert made.slots == (at("12-01T09:30"),)

    def test_keeps_hours_apart_across_the_end_of_summer_time(self) -> None:
        now = datetime(2026, 10, 31, 20, tzinfo=NEW_YORK)
        free = [at("11-01T00:30"), at("11-01T02:30"), at("11-01T03:30")]

        made = offer(free, now=now, action=with_settings(hours_between=3))

        assert made.slots == (at("11-01T00:30"), at("11-01T02:30"))  # three hours, though the clock says two


class TestNamedDay:
    WISH = Wish(date(2026, 12, 3))

    def test_knows_the_whole_day_and_speaks_of_three_slots_spread_over_it(self) -> None:
        made = offer(whole_day("12-03")[:10], self.WISH)

        assert made.reason is OfferReason.AVAILABLE
        assert made.slots == tuple(whole_day("12-03")[:10])
        assert made.spoken == (at("12-03T09:00"), at("12-03T11:00"), at("12-03T13:30"))

    def test_knows_at_most_twelve_and_every_one_it_speaks_of(self) -> None:
        made = offer(WEEK, replace(self.WISH, part_of_day=PartOfDay.AFTERNOON))

        assert len(made.slots) == 12
        assert set(made.spoken) <= set(made.slots)
        assert made.spoken == (at("12-03T12:00"), at("12-03T14:00"), at("12-03T16:30"))

    def test_serves_a_day_before_the_start_date(self) -> None:
        made = offer(WEEK, self.WISH, action=with_settings(start_date=date(2026, 12, 20)))

        assert made.reason is OfferReason.AVAILABLE

    def test_serves_a_day_beyond_the_two_weeks(self) -> None:
        assert offer([at("12-28T10:00")], Wish(date(2026, 12, 28))).spoken == (at("12-28T10:00"),)

    def test_offers_the_day_before_and_the_day_after_a_full_one(self) -> None:
        made = offer(whole_day("12-02") + whole_day("12-04"), self.WISH)

        assert made.reason is OfferReason.DAY_FULL
        assert made.spoken == (at("12-02T09:00"), at("12-02T15:00"), at("12-04T09:00"))
        assert say(made).startswith("We're fully booked on Thursday, December third, but I have openings on Wednesday,")

    def test_offers_two_later_days_when_none_is_earlier(self) -> None:
        made = offer([at("12-04T10:00"), at("12-07T10:00")], self.WISH)

        assert made.spoken == (at("12-04T10:00"), at("12-07T10:00"))

    def test_offers_other_parts_of_the_day_when_the_named_one_is_full(self) -> None:
        made = offer([at("12-03T10:00"), at("12-03T11:00")], replace(self.WISH, part_of_day=PartOfDay.AFTERNOON))

        assert made.reason is OfferReason.TAKEN
        assert say(made) == (
            "I have nothing free in the afternoon on Thursday, December third, but that day I have ten in the morning "
            "or eleven in the morning. Which works best for you?"
        )

    def test_says_that_the_business_is_closed(self) -> None:
        made = offer(WEEK, Wish(date(2026, 12, 6)))

        assert made.reason is OfferReason.CLOSED
        assert say(made).startswith("We're closed on Sunday, December sixth, but I have openings on Friday, December")

    def test_says_that_a_day_has_passed(self) -> None:
        made = offer(WEEK, Wish(date(2026, 11, 30)))

        assert made.reason is OfferReason.PAST
        assert say(made).startswith("Monday, November thirtieth, has already passed, but I have openings on Wed")

    def test_says_that_a_day_is_too_far_off(self) -> None:
        made = offer([*WEEK, Slot(datetime(2027, 1, 4, 15, tzinfo=UTC), timedelta(minutes=30))], Wish(date(2027, 1, 4)))

        assert made.reason is OfferReason.TOO_FAR
        assert made.spoken[0] == at("12-02T09:00")
        assert say(made).startswith("We book only thirty days ahead, and Monday, January fourth, is further off, but")

    def test_says_that_nothing_is_left_today(self) -> None:
        made = offer(WEEK, Wish(date(2026, 12, 1)))

        assert say(made).startswith("We have nothing left today, but I have openings on Wednesday, December second,")

    def test_takes_the_day_for_open_when_the_hours_fall_on_it_in_the_zone_of_the_action(self) -> None:
        auckland = replace(ACTION, zone=ZoneInfo("Pacific/Auckland"))

        # Friday in New York is Friday evening to Saturday morning in Auckland.
        made = offer([at("12-02T10:00")], Wish(date(2026, 12, 5)), action=auckland)

        assert made.reason is OfferReason.DAY_FULL


class TestNamedTime:
    THURSDAY_AT_TWO = Wish(date(2026, 12, 3), time=time(14))

    def test_offers_exactly_the_slot_when_it_is_free(self) -> None:
        made = offer(WEEK, self.THURSDAY_AT_TWO)

        assert (made.reason, made.slots, made.spoken) == (
            OfferReason.AVAILABLE,
            (at("12-03T14:00"),),
            (at("12-03T14:00"),),
        )
        assert say(made) == ("Thursday, December third, at two in the afternoon is free. Would you like that one?")

    def test_offers_the_nearest_on_each_side_when_it_is_taken(self) -> None:
        free = [slot for slot in WEEK if slot != at("12-03T14:00")]

        made = offer(free, self.THURSDAY_AT_TWO)

        assert (made.reason, made.spoken) == (OfferReason.TAKEN, (at("12-03T13:30"), at("12-03T14:30")))
        assert say(made) == (
            "Two in the afternoon on Thursday, December third, is taken, but that day I have one thirty in the "
            "afternoon or two thirty in the afternoon. Which works best for you?"
        )

    def test_offers_the_two_nearest_when_only_one_side_is_free(self) -> None:
        made = offer(whole_day("12-03")[:4], self.THURSDAY_AT_TWO)

        assert made.spoken == (at("12-03T10:00"), at("12-03T10:30"))

    def test_says_that_it_is_closed_at_that_time(self) -> None:
        made = offer(WEEK, Wish(date(2026, 12, 3), time=time(20)))

        assert made.reason is OfferReason.TAKEN
        assert say(made).startswith("We're closed at eight in the evening on Thursday, December third, but that day I")

    def test_offers_the_same_time_on_the_nearest_days_when_the_day_is_full(self) -> None:
        made = offer(whole_day("12-02") + whole_day("12-04"), self.THURSDAY_AT_TWO)

        assert (made.reason, made.spoken) == (OfferReason.DAY_FULL, (at("12-02T14:00"), at("12-04T14:00")))

    def test_says_that_the_time_has_passed_today(self) -> None:
        made = offer(whole_day("12-01"), Wish(date(2026, 12, 1), time=time(9)))

        assert (made.reason, made.spoken) == (OfferReason.PAST, (at("12-01T09:30"), at("12-01T10:00")))
        assert say(made).startswith(
            "Nine in the morning on Tuesday, December first, has already passed, but that day I"
        )

    def test_offers_the_soonest_days_that_have_the_time(self) -> None:
        made = offer([slot for slot in WEEK if slot != at("12-02T14:00")], Wish(time=time(14)))

        assert made.reason is OfferReason.AVAILABLE
        assert made.spoken == (at("12-03T14:00"), at("12-04T14:00"), at("12-07T14:00"))

    def test_offers_the_nearest_times_when_no_day_has_it(self) -> None:
        made = offer([at("12-02T10:00"), at("12-02T16:00"), at("12-03T09:00")], Wish(time=time(14)))

        assert made.reason is OfferReason.TAKEN
        assert made.spoken == (at("12-02T10:00"), at("12-02T16:00"), at("12-03T09:00"))
        assert say(made).startswith("I have nothing free at two in the afternoon, but I have openings on Wednesday,")

    def test_finds_the_time_in_the_zone_of_the_action_on_both_sides_of_summer_time(self) -> None:
        london = replace(ACTION, zone=LONDON)
        # On October 28th London has left summer time and New York has not: four hours apart, then five.
        now = datetime(2026, 10, 26, 9, tzinfo=UTC)
        free = [at("10-28T10:00"), at("11-03T10:00")]

        assert offer(free, Wish(date(2026, 10, 28), time=time(14)), now=now, action=london).spoken == (free[0],)
        assert offer(free, Wish(date(2026, 11, 3), time=time(15)), now=now, action=london).spoken == (free[1],)


class TestWords:
    def test_asks_which_of_several(self) -> None:
        assert say(offer([at("12-03T10:00"), at("12-03T14:00"), at("12-04T12:00")])) == (
            "I have openings on Thursday, December third, at ten in the morning or two in the afternoon, or on Friday, "
            "December fourth, at noon. Which works best for you?"
        )

    def test_asks_whether_the_only_one_suits(self) -> None:
        assert say(offer([at("12-03T10:00")])) == (
            "I have an opening on Thursday, December third, at ten in the morning. Would that work for you?"
        )

    def test_says_that_nothing_is_free(self) -> None:
        assert say(offer([])) == (
            "I'm sorry, we have nothing free in the next two weeks. "
            "Shall I put you on the waitlist, or have somebody call you back?"
        )

    def test_says_from_when_nothing_is_free(self) -> None:
        action = with_settings(start_date=date(2026, 12, 20))

        assert "nothing free in the two weeks from Sunday, December twentieth." in say(
            offer(WEEK, action=action), action=action
        )

    def test_says_that_the_chosen_slot_was_just_taken(self) -> None:
        nearest = (at("12-03T13:30"), at("12-03T14:30"))

        assert say(Offer(OfferReason.TAKEN, nearest, nearest, day=None)) == (
            "I'm sorry, that time has just been taken, but I have openings on Thursday, December third, at one thirty "
            "in the afternoon or two thirty in the afternoon. Which works best for you?"
        )

    def test_names_the_zone_when_it_is_not_the_business_s(self) -> None:
        london = replace(ACTION, zone=LONDON)

        assert say(offer([at("12-03T10:00")], action=london), action=london) == (
            "I have an opening on Thursday, December third, at three in the afternoon, London time. "
            "Would that work for you?"
        )

    def test_names_the_zone_of_the_one_slot_wished_for(self) -> None:
        london = replace(ACTION, zone=LONDON)

        assert say(offer(WEEK, Wish(date(2026, 12, 3), time=time(15)), action=london), action=london) == (
            "Thursday, December third, at three in the afternoon, London time, is free. Would you like that one?"
        )

    def test_says_the_zone_in_the_ledger_when_asked(self) -> None:
        (offered,) = OfferLedger().add([at("12-03T10:00")], NEW_YORK, now=NOW, spoken_zone="Eastern time")

        assert offered.say == "Thursday, December third, at ten in the morning, Eastern time"

    def test_asks_for_another_day_when_it_knows_no_alternatives(self) -> None:
        assert say(Offer(OfferReason.TAKEN, (), (), day=None)) == (
            "I'm sorry, that time has just been taken. Would another day work for you?"
        )


class TestRange:
    def test_asks_for_two_weeks(self) -> None:
        assert free_range(ACTION, BUSINESS, Wish(), NOW) == (
            NOW,
            datetime(2026, 12, 15, tzinfo=NEW_YORK),
        )

    def test_asks_for_two_weeks_from_the_start_date(self) -> None:
        action = with_settings(start_date=date(2026, 12, 20))

        assert free_range(action, BUSINESS, Wish(), NOW)[1] == datetime(2027, 1, 3, tzinfo=NEW_YORK)

    def test_asks_for_a_named_day_as_far_ahead_as_is_booked(self) -> None:
        far = Wish(date(2027, 2, 15))

        assert free_range(ACTION, by(maximum_advance_days=90), far, NOW)[1] == datetime(2027, 2, 17, tzinfo=NEW_YORK)
        assert free_range(ACTION, BUSINESS, far, NOW) == free_range(ACTION, BUSINESS, Wish(), NOW)

    def test_asks_as_far_as_the_open_day_after_the_named_one(self) -> None:
        # Friday the 18th; the next open day is Monday the 21st.
        assert free_range(ACTION, BUSINESS, Wish(date(2026, 12, 18)), NOW)[1] == datetime(2026, 12, 22, tzinfo=NEW_YORK)

    @pytest.mark.parametrize("day", [date(2026, 11, 1), date(2027, 6, 1)])
    def test_asks_for_the_soonest_when_the_day_is_out_of_reach(self, day: date) -> None:
        assert free_range(ACTION, BUSINESS, Wish(day), NOW) == free_range(ACTION, BUSINESS, Wish(), NOW)


FREE = st.lists(
    st.builds(
        lambda steps: Slot(datetime(2026, 10, 20, tzinfo=UTC) + steps * timedelta(minutes=30), timedelta(minutes=30)),
        st.integers(0, 48 * 40),
    ),
    max_size=60,
)
MOMENTS = st.builds(
    lambda seconds: datetime(2026, 10, 20, tzinfo=UTC) + timedelta(seconds=seconds), st.integers(0, 31 * 24 * 3600)
)
WISHES = st.builds(
    Wish,
    st.none() | st.dates(date(2026, 10, 18), date(2026, 12, 30)),
    st.none() | st.sampled_from(PartOfDay),
    st.none() | st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30])),
)
ACTIONS = st.builds(
    lambda zone, days, slots, hours, start: replace(ACTION, zone=zone, offer=OfferSettings(days, slots, hours, start)),
    st.sampled_from([NEW_YORK, LONDON, ZoneInfo("Australia/Lord_Howe")]),
    st.integers(1, 3),
    st.integers(2, 5),
    st.integers(1, 4),
    st.none() | st.dates(date(2026, 10, 1), date(2026, 11, 30)),
)


@given(free=FREE, wish=WISHES, action=ACTIONS, now=MOMENTS)
def test_offers_only_free_slots_that_lie_ahead_and_speaks_of_at_most_three(
    free: list[Slot], wish: Wish, action: Action, now: datetime
) -> None:
    made = offer(free, wish, now=now, action=action)

    assert set(made.spoken) <= set(made.slots) <= set(free)
    assert all(slot.start > now for slot in made.slots)
    assert len(made.spoken) <= MOST_SPOKEN
    assert len(made.slots) <= 15
    assert list(made.slots) == sorted(set(made.slots))
    assert list(made.spoken) == sorted(set(made.spoken))
    assert bool(made.spoken) == (made.reason is not OfferReason.NOTHING_FREE)


@given(free=FREE, action=ACTIONS, now=MOMENTS)
def test_keeps_the_settings_in_what_is_offered_unasked(free: list[Slot], action: Action, now: datetime) -> None:
    made = offer(free, now=now, action=action)
    by_day: dict[date, list[Slot]] = {}
    for slot in made.slots:
        by_day.setdefault(slot.start.astimezone(action.zone).date(), []).append(slot)

    today = now.astimezone(action.zone).date()
    first = max(today, action.offer.start_date or today)
    assert len(by_day) <= action.offer.look_ahead_days
    assert all(first <= day < first + timedelta(days=14) for day in by_day)
    for slots in by_day.values():
        assert len(slots) <= action.offer.slots_per_day
        gaps = [later.start - earlier.start for earlier, later in pairwise(slots)]
        assert all(gap >= timedelta(hours=action.offer.hours_between) for gap in gaps)


def test_names_the_day_of_what_is_free_when_the_wish_was_too_soon() -> None:
    later = Slot(datetime(2026, 10, 20, 17, tzinfo=UTC), timedelta(minutes=30))
    soon = Offer(
        OfferReason.TOO_SOON, (later,), (later,), day=date(2026, 10, 20), wish=Wish(date(2026, 10, 20), None, time(11))
    )

    words, _ = describe(soon, action=ACTION, business=BUSINESS, now=datetime(2026, 10, 20, 14, tzinfo=UTC))

    assert mentions(words, later, ACTION.zone)
    assert "that day" not in words


@given(free=FREE, wish=WISHES, action=ACTIONS, now=MOMENTS)
def test_says_every_slot_it_speaks_of_in_two_sentences_that_ask(
    free: list[Slot], wish: Wish, action: Action, now: datetime
) -> None:
    made = offer(free, wish, now=now, action=action)

    words, hint = describe(made, action=action, business=BUSINESS, now=now)

    assert words.endswith("?")
    assert hint
    assert len([mark for mark in words if mark in ".?"]) <= 2
    assert not any(character.isdigit() for character in words)
    assert all(mentions(words, slot, action.zone) for slot in made.spoken)


@given(free=FREE, wish=WISHES, action=ACTIONS, now=MOMENTS)
def test_serves_a_named_day_and_time_that_is_free(free: list[Slot], wish: Wish, action: Action, now: datetime) -> None:
    ahead = [slot for slot in free if slot.start > now]
    assume(ahead)
    local = ahead[0].start.astimezone(action.zone)
    assume(local.date() <= now.astimezone(action.zone).date() + timedelta(days=30))

    made = offer(free, Wish(local.date(), wish.part_of_day, local.time()), now=now, action=action)

    assert made.reason is OfferReason.AVAILABLE
    assert [slot.start.astimezone(action.zone).replace(tzinfo=None) for slot in made.slots] == [
        local.replace(tzinfo=None)
    ]


@given(wish=WISHES, action=ACTIONS, now=MOMENTS)
def test_asks_the_calendar_for_a_range_that_holds_the_named_day(wish: Wish, action: Action, now: datetime) -> None:
    start, end = free_range(action, BUSINESS, wish, now)

    assert start == now < end
    today = now.astimezone(action.zone).date()
    if wish.date and today <= wish.date <= today + timedelta(days=30):
        assert end.astimezone(action.zone).date() > wish.date
