"""Names as people have them, and as models invent them, go through unchanged or are refused; nothing else happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appointments.service import BookingService
from tests.calendar_conformance import TWO
from tests.factories import ACTION, EVENT_TYPE, NOW, QUICK
from tests.served_calcom import connected_to, served_calcom, start_world
from tests.sessions import a_session, agent, caller
from tests.stores import opened_store
from tools.booking import book_appointment, find_slots
from tools.registry import answer
from tools.replies import Reply, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appointments.store.store import Store
    from tests.stand_ins import StandIn

SPOKEN = "Thursday, December third, at two in the afternoon"
ODD = {
    "quotes": 'Robert "Bob" O\'Neil',
    "sql": "Robert'); DROP TABLE appointments; --",
    "emoji": "Maya \N{GRINNING FACE}\N{SPARKLES} Chen",
    "accents": "Zoë Ünal-Łuczak",
    "another script": "\u738b\u79c0\u82f1",
    "right to left": "\u05de\u05d0\u05d9\u05d4 Chen",
    "braces of a template": "{date} {0} Chen",
    "as long as may be": "x" * 120,
}


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with served_calcom() as served:
        await start_world(served, requires_email=False)
        yield served


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as opened:
        yield opened


async def book_for(name: str, store: Store, stand_in: StandIn) -> Reply:
    """Find the slot, have it read back with `name` and agreed to, and book it."""
    async with connected_to(stand_in) as calendar:
        service = BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK)
        session = a_session(service, clock=lambda: NOW)
        (slot, *_) = (await answer(find_slots(session), {"date": "2026-12-03", "time": "14:00"}, [])).slots
        heard = [agent(f"That's on {SPOKEN}, for {name}. Is that right?"), caller("Yes.")]
        return await answer(book_appointment(session, ACTION, EVENT_TYPE), {"slot": slot["key"], "name": name}, heard)


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
async def test_a_name_arrives_in_the_calendar_as_it_was_given(name: str, store: Store, stand_in: StandIn) -> None:
    reply = await book_for(name, store, stand_in)

    (kept,) = await store.appointments()
    assert reply.status is Status.BOOKED
    assert kept.attendee.name == name
    assert [each["attendee"]["name"] for each in (await stand_in.state())["bookings"] if each["by"] == "api"] == [name]


@pytest.mark.parametrize("name", ["x" * 500, "", "   "], ids=["500 letters", "none", "blanks"])
async def test_what_is_no_name_is_refused_and_books_nothing(name: str, store: Store, stand_in: StandIn) -> None:
    reply = await book_for(name, store, stand_in)

    assert reply.status is Status.INVALID
    assert "name" in reply.hint
    assert name.strip() == "" or name not in reply.hint
    assert await store.appointments() == []
    assert TWO.start.isoformat() not in str((await stand_in.state())["bookings"])
