"""What a booking is asked with, and which other slots are near."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from appointments.availability import clear_of, nearest
from appointments.model import BookingRules, EventTypeId
from appointments.rules import keep_free
from appointments.store.records import Block
from tests.factories import EVENT_TYPE, a_request, a_slot

HOURS = st.integers(0, 24).map(lambda number: number / 2)
BLOCKS = st.builds(
    lambda hours, minutes: Block("101", a_slot(hours).start, a_slot(hours, minutes=minutes).end),
    HOURS,
    st.sampled_from([15, 60, 300]),
)


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


@given(st.sets(HOURS), st.lists(BLOCKS, max_size=6), st.integers(0, 60))
def test_what_is_clear_overlaps_no_block_with_its_buffers(hours: set[float], kept: list[Block], buffer: int) -> None:
    rules = BookingRules(buffer_before=timedelta(minutes=buffer))
    slots = [a_slot(each) for each in sorted(hours)]

    found = list(clear_of({slot: keep_free(slot, rules) for slot in slots}, kept))

    spans = [(slot, *keep_free(slot, rules)) for slot in slots]
    assert found == [slot for slot, begin, until in spans if not any(begin < b.end and b.start < until for b in kept)]
