"""A stand-in of Cal.com that has what the conformance tests book, and a calendar connected to it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.calendar_conformance import EVENT_TYPE, FREE, NOW
from tests.scripted_calcom import connected
from tests.stand_ins import serving_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from calendars.calcom import CalComCalendar
    from tests.stand_ins import StandIn


@contextlib.asynccontextmanager
async def served_calcom() -> AsyncIterator[StandIn]:
    """Serve a stand-in with `EVENT_TYPE` and exactly `FREE` free."""
    async with serving_calcom() as stand_in:
        await start_world(stand_in)
        yield stand_in


async def start_world(stand_in: StandIn, **of_event_type: object) -> None:
    """Begin anew at `NOW`, with an event type that differs from `EVENT_TYPE` as told."""
    event_type = {"title": EVENT_TYPE.title, "minutes": 30, "requires_email": True, **of_event_type}
    starts = [slot.start.isoformat() for slot in FREE]
    await stand_in.order("world", now=NOW.isoformat(), free=starts, event_types=[event_type])


def connected_to(
    stand_in: StandIn, *, timeout_secs: float = 8.0
) -> contextlib.AbstractAsyncContextManager[CalComCalendar]:
    """Connect a calendar with the stand-in's key."""
    return connected(stand_in.url, stand_in.credentials.calcom_api_key, timeout_secs=timeout_secs)


async def hit(stand_in: StandIn, on: str, kind: str, *, seconds: float = 0.0) -> None:
    """Let every request of the operation go wrong, so that those that fired count the requests."""
    await stand_in.break_down(on, kind, times=100, seconds=seconds)


async def requests_hit(stand_in: StandIn) -> int:
    """Return how many requests a fault has hit."""
    return len((await stand_in.state())["faults"])
