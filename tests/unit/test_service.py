"""What a booking is asked with, and which other slots are near."""

from __future__ import annotations

from dataclasses import replace

from appointments.availability import nearest
from appointments.model import EventTypeId
from tests.factories import EVENT_TYPE, a_request, a_slot


def test_the_same_wish_has_the_same_key() -> None:
    assert a_request(1).idempotency_key == a_request(1, notes="again").idempotency_key


def test_another_call_slot_or_event_type_has_another_key() -> None:
    other_type = replace(EVENT_TYPE, id=EventTypeId("102"))
    requests = [a_request(1), a_request(2), a_request(1, slot=a_slot(54)), a_request(1, event_type=other_type)]

    assert len({request.idempotency_key for request in requests}) == 4


def test_the_nearest_on_each_side_come_first() -> None:
    free = [a_slot(hours) for hours in (10, 50, 54, 55, 56)]

    assert nearest(a_slot(53), free) == (a_slot(50), a_slot(54), a_slot(55))


def test_what_overlaps_is_no_alternative() -> None:
    assert nearest(a_slot(53), [a_slot(52.75), a_slot(53), a_slot(53.25), a_slot(53.5)]) == (a_slot(53.5),)


def test_one_side_alone_gives_up_to_three() -> None:
    assert nearest(a_slot(53), [a_slot(h) for h in (54, 55, 56, 57)]) == (a_slot(54), a_slot(55), a_slot(56))
