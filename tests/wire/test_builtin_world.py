"""Somebody else takes a slot of the built-in calendar between our claim and our booking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agent.builtin_world import fired, take_slots
from agent.scenarios import ScenarioFault
from agent.stand_ins import database_url
from appointments.errors import SlotTaken
from appointments.service import BookingService
from appointments.store.store import Store
from calendars.builtin import BuiltinCalendar
from tests.factories import NOW, QUICK, STUDIO, a_request, a_slot
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened_store(database_url(tmp_path)) as opened:
        yield opened


@pytest.fixture
async def service(store: Store) -> AsyncIterator[BookingService]:
    calendar = BuiltinCalendar(store, lambda: STUDIO)
    booking = BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK)
    yield booking
    await booking.drain()


def taken(times: int) -> list[ScenarioFault]:
    return [ScenarioFault(service="calendar", on="create", kind="taken", times=times)]


async def test_a_slot_is_taken_as_often_as_is_ordered(tmp_path: Path, store: Store, service: BookingService) -> None:
    take_slots(tmp_path / "slotline.db", taken(2))

    for number in (1, 2):
        with pytest.raises(SlotTaken):
            await service.book(a_request(number, slot=a_slot(49 + number)))
    booked = await service.book(a_request(3, slot=a_slot(52)))

    kept = await store.bookings(start=NOW, end=NOW + timedelta(days=7))
    assert [booking.slot for booking in kept] == [a_slot(50), a_slot(51), a_slot(52)]
    assert kept[2].uid == booked.booking_uid
    assert [(each["service"], each["on"], each["kind"]) for each in fired(tmp_path / "slotline.db")] == [
        ("builtin", "create", "taken")
    ] * 2
    for each in fired(tmp_path / "slotline.db"):
        assert abs(datetime.fromisoformat(each["at"]) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_the_one_who_took_it_is_in_the_way_of_other_calls(tmp_path: Path, service: BookingService) -> None:
    take_slots(tmp_path / "slotline.db", taken(1))
    with pytest.raises(SlotTaken) as caught:
        await service.book(a_request())

    assert a_slot() not in caught.value.alternatives
    with pytest.raises(SlotTaken):
        await service.book(a_request(2))


async def test_without_a_fault_nothing_is_taken(tmp_path: Path, service: BookingService) -> None:
    take_slots(tmp_path / "slotline.db", [ScenarioFault(service="twilio", on="messages", kind="error_500")])

    await service.book(a_request())

    assert fired(tmp_path / "slotline.db") == []
