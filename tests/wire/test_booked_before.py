"""What a scenario says exists before the call is in the calendar and in the record when the call begins."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent.booked_before import book_before, call_before
from agent.business import load_business
from agent.scenarios import Scenario
from agent.stand_ins import RehearsalFailed, StandIns, database_url, worker_environment
from appointments.store.store import Store
from prompts.loader import REHEARSAL_BUSINESS
from simulator.world import Credentials

if TYPE_CHECKING:
    from pathlib import Path

STAND_INS = StandIns(
    twilio="http://127.0.0.1:1",
    openai="http://127.0.0.1:1/v1",
    calcom="http://127.0.0.1:1",
    credentials=asdict(Credentials.generate()),
    business_number="+14155550100",
    event_type_id="101",
)
ZONE = load_business(REHEARSAL_BUSINESS).zone
THURSDAY = datetime(2026, 12, 3, 14, tzinfo=ZONE)


def a_scenario(*booked: dict[str, Any]) -> Scenario:
    lines = [{"hang_up": True}]
    return Scenario.model_validate({"name": "x", "booked": booked, "lines": lines, "expect": {"booking": None}})


async def book(scenario: Scenario, folder: Path) -> None:
    environment = worker_environment(
        STAND_INS,
        url="http://127.0.0.1:1",
        data_dir=folder,
        clock_start="2026-12-01T09:00:00-05:00",
        calendar="builtin",
    )
    await book_before(scenario, environment)


async def test_it_is_found_under_its_name_and_number_and_holds_its_time(tmp_path: Path) -> None:
    other = {"at": "2026-12-04T11:00", "name": "Robin Sato", "number": "+14155550199"}
    await book(a_scenario({"at": "2026-12-03T14:00", "name": "Maya Chen"}, other), tmp_path)

    store = await Store.open(database_url(tmp_path))
    mine, theirs = sorted(await store.appointments(), key=lambda each: each.slot)
    held = await store.bookings(start=THURSDAY, end=THURSDAY + mine.slot.duration)
    await store.close()

    assert (mine.call_sid, mine.slot.start, mine.attendee.name) == (call_before(0), THURSDAY, "Maya Chen")
    assert (mine.attendee.phone, theirs.attendee.phone) == ("+14155550123", "+14155550199")
    assert [booking.uid for booking in held] == [mine.booking_uid]


async def test_what_cannot_be_booked_is_told_with_its_place(tmp_path: Path) -> None:
    one = {"at": "2026-12-03T14:00", "name": "Maya Chen"}

    with pytest.raises(RehearsalFailed, match=r"booked\[1\] cannot be booked before the call"):
        await book(a_scenario(one, one | {"name": "Robin Sato"}), tmp_path)
