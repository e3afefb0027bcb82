"""What the bench of lives expects, and that it finds what is lost, sent twice or not asked for."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from appointments.model import Slot
from bench.life_checks import compared
from bench.life_model import LifeModel, Seen
from bench.life_worker import Deed, Wish
from bench.world import NOW, ZONE

HALF_AN_HOUR = timedelta(minutes=30)
WEDNESDAY, THURSDAY = (Slot(datetime(2026, 12, day, 15, tzinfo=UTC), HALF_AN_HOUR) for day in (2, 3))
"""At ten in the morning in New York."""


def does(wish: Wish, number: int = 1, *, slot: Slot | None = None, body: str = "") -> Deed:
    return Deed(0, number, wish, slot, body)


def booked() -> LifeModel:
    model = LifeModel(ZONE.key)
    model.live(NOW, [does(Wish.BOOK, slot=WEDNESDAY)], Seen(done=frozenset({1})))
    return model


def test_a_booking_is_confirmed_and_reminded_of_at_its_time() -> None:
    model = booked()
    for hours in (23, 1.5):
        model.live(WEDNESDAY.start - timedelta(hours=hours), [], Seen())

    about = "Wed, Dec 2 at 10:00 AM"
    assert set(model.sure) == {f"confirmation: {about}", f"reminder_day: {about}", f"reminder_hours: {about}"}


def test_nobody_is_reminded_of_a_time_that_was_moved() -> None:
    model = booked()
    model.live(NOW + timedelta(hours=1), [does(Wish.MOVE, 2, slot=THURSDAY)], Seen(done=frozenset({2})))
    model.live(WEDNESDAY.start - timedelta(hours=1.5), [], Seen())

    assert [body for body in model.sure if body.startswith("reminder")] == []
    assert model.sure["moved: Thu, Dec 3 at 10:00 AM"] == 1


def test_two_versions_in_one_go_need_not_both_be_told() -> None:
    model = LifeModel(ZONE.key)
    deeds = [does(Wish.BOOK, 1, slot=WEDNESDAY), does(Wish.CANCEL, 2)]
    model.live(NOW, deeds, Seen(done=frozenset({1, 2})))

    assert list(model.sure) == ["cancelled: Wed, Dec 2 at 10:00 AM"]
    assert list(model.maybe) == ["confirmation: Wed, Dec 2 at 10:00 AM"]


def test_a_change_of_a_booking_that_failed_may_be_told_of_too() -> None:
    model = LifeModel(ZONE.key)
    deeds = [does(Wish.BOOK, 1, slot=WEDNESDAY), does(Wish.MOVE, 2, slot=THURSDAY)]
    model.live(NOW, deeds, Seen(failed=frozenset({1})))

    assert list(model.sure) == ["failed: Wed, Dec 2 at 10:00 AM"]
    assert list(model.maybe) == ["change_failed: Wed, Dec 2 at 10:00 AM"]


def test_x_asks_and_y_is_told_as_a_cancellation() -> None:
    model = booked()
    deeds = [does(Wish.TEXT, 2, body="X"), does(Wish.TEXT, 3, body="Y")]
    model.live(NOW + timedelta(hours=1), deeds, Seen(done=frozenset({3})))

    assert list(model.sure)[1:] == ["reply_cancel: Wed, Dec 2 at 10:00 AM", "cancelled: Wed, Dec 2 at 10:00 AM"]


def test_a_y_that_comes_too_late_is_asked_about_once_more() -> None:
    model = booked()
    for hours, body in ((1, "X"), (2, "Y")):
        model.live(NOW + timedelta(hours=hours), [does(Wish.TEXT, hours + 1, body=body)], Seen())

    assert model.sure["reply_cancel: Wed, Dec 2 at 10:00 AM"] == 2


@pytest.mark.parametrize(
    ("sent", "lost", "duplicates", "unexpected"),
    [
        ({"confirmation: Wed, Dec 2 at 10:00 AM": 1}, 0, 0, 0),
        ({}, 1, 0, 0),
        ({"confirmation: Wed, Dec 2 at 10:00 AM": 2}, 0, 1, 0),
        ({"confirmation: Wed, Dec 2 at 10:00 AM": 1, "moved: Thu, Dec 3 at 10:00 AM": 1}, 0, 0, 1),
    ],
)
def test_what_is_lost_or_too_much_is_found(sent: dict[str, int], lost: int, duplicates: int, unexpected: int) -> None:
    accounts = compared(0, booked(), Counter(sent))

    assert (accounts.lost, accounts.duplicates, accounts.unexpected) == (lost, duplicates, unexpected)
    assert bool(accounts.problems) is bool(lost or duplicates or unexpected)
