"""Cal.com that stalls, fails, loses answers or has had enough of us: what is repeated, and what is told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from appointments.errors import CalendarUnavailable, SlotTaken
from simulator.world import run_app
from tests.calendar_conformance import FREE, KEY, TWO, book, find, free
from tests.scripted_calcom import READS, WRITES, connected, says, scripted
from tests.served_calcom import connected_to, hit, requests_hit, served_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from calendars.calcom import CalComCalendar
    from tests.stand_ins import StandIn

LOST = ["error_500", "drop_before", "drop_after"]


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with served_calcom() as served:
        yield served


@pytest.fixture
async def calendar(stand_in: StandIn) -> AsyncIterator[CalComCalendar]:
    async with connected_to(stand_in) as connection:
        yield connection


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("on", READS)
async def test_a_read_survives_two_stumbles(calendar: CalComCalendar, stand_in: StandIn, on: str, kind: str) -> None:
    await stand_in.break_down(on, kind, times=2)

    await READS[on](calendar)

    assert await requests_hit(stand_in) == 2


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("on", READS)
async def test_a_read_gives_up_after_three_tries(
    calendar: CalComCalendar, stand_in: StandIn, on: str, kind: str
) -> None:
    await hit(stand_in, on, kind)

    with pytest.raises(CalendarUnavailable) as caught:
        await READS[on](calendar)

    assert not caught.value.is_unclear
    assert await requests_hit(stand_in) == 3


@pytest.mark.parametrize("on", READS)
async def test_a_stalled_read_ends_in_time(stand_in: StandIn, on: str) -> None:
    await hit(stand_in, on, "slow", seconds=5)
    async with connected_to(stand_in, timeout_secs=0.2) as calendar:
        began = time.monotonic()

        with pytest.raises(CalendarUnavailable, match=r"Cal\.com did not answer GET") as caught:
            await READS[on](calendar)

    assert time.monotonic() - began < 2
    assert not caught.value.is_unclear


async def test_an_answer_that_trickles_in_ends_in_time() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.05)
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", trickle)
    runner, url = await run_app(app, 0)
    try:
        async with connected(url, timeout_secs=0.3) as calendar:
            with pytest.raises(CalendarUnavailable) as reading:
                await free(calendar)
            with pytest.raises(CalendarUnavailable) as writing:
                await book(calendar, TWO)
    finally:
        await runner.cleanup()

    assert not reading.value.is_unclear
    assert writing.value.is_unclear


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("on", WRITES)
async def test_a_write_whose_answer_is_lost_is_unclear_and_sent_once(
    calendar: CalComCalendar, stand_in: StandIn, on: str, kind: str
) -> None:
    await hit(stand_in, on, kind)

    with pytest.raises(CalendarUnavailable) as caught:
        await WRITES[on](calendar)

    assert caught.value.is_unclear
    assert await requests_hit(stand_in) == 1


@pytest.mark.parametrize("on", WRITES)
async def test_a_stalled_write_is_unclear_in_time_and_sent_once(stand_in: StandIn, on: str) -> None:
    await hit(stand_in, on, "slow", seconds=30)
    async with connected_to(stand_in, timeout_secs=0.2) as calendar:
        began = time.monotonic()

        with pytest.raises(CalendarUnavailable, match=r"Cal\.com did not answer POST") as caught:
            await WRITES[on](calendar)

    assert time.monotonic() - began < 2
    assert caught.value.is_unclear
    assert await requests_hit(stand_in) == 1


@pytest.mark.parametrize("on", WRITES)
async def test_a_write_over_the_limit_is_sent_once_and_did_nothing(
    calendar: CalComCalendar, stand_in: StandIn, on: str
) -> None:
    await hit(stand_in, on, "rate_limited", seconds=1)

    with pytest.raises(CalendarUnavailable, match="429") as caught:
        await WRITES[on](calendar)

    assert not caught.value.is_unclear
    assert await requests_hit(stand_in) == 1


@pytest.mark.parametrize(("kind", "is_booked"), [("error_500", False), ("error_500_after", True), ("drop_after", True)])
async def test_what_became_of_a_lost_create_is_found(
    calendar: CalComCalendar, stand_in: StandIn, kind: str, is_booked: bool
) -> None:
    await stand_in.break_down("create", kind)

    with pytest.raises(CalendarUnavailable):
        await book(calendar, TWO)

    assert (await find(calendar, TWO, KEY) is not None) is is_booked


async def test_a_slot_somebody_else_got_first_is_taken(calendar: CalComCalendar, stand_in: StandIn) -> None:
    await hit(stand_in, "create", "taken")

    with pytest.raises(SlotTaken):
        await book(calendar, TWO)

    assert await requests_hit(stand_in) == 1
    assert await find(calendar, TWO, KEY) is None


async def test_repeating_a_lost_create_is_refused_and_ours_is_found(
    calendar: CalComCalendar, stand_in: StandIn
) -> None:
    await stand_in.break_down("create", "drop_after")
    with pytest.raises(CalendarUnavailable):
        await book(calendar, TWO)

    with pytest.raises(SlotTaken):
        await book(calendar, TWO)

    (made,) = (await stand_in.state())["bookings"]
    found = await find(calendar, TWO, KEY)
    assert found is not None
    assert found.uid == made["uid"]


@pytest.mark.parametrize("on", WRITES)
async def test_nothing_listening_is_not_unclear(on: str) -> None:
    async with scripted(says({})) as (server, _):
        url = server.url
    async with connected(url) as calendar:
        with pytest.raises(CalendarUnavailable, match=r"Cal\.com cannot be reached") as caught:
            await WRITES[on](calendar)

    assert not caught.value.is_unclear


# Limits of the rate.


async def test_a_read_waits_for_a_near_reset(calendar: CalComCalendar, stand_in: StandIn) -> None:
    await stand_in.break_down("slots", "rate_limited", seconds=1)
    began = time.monotonic()

    assert await free(calendar) == list(FREE)

    assert time.monotonic() - began >= 1
    assert await requests_hit(stand_in) == 1


@pytest.mark.parametrize("on", READS)
async def test_a_read_gives_up_at_once_when_the_reset_is_far(
    calendar: CalComCalendar, stand_in: StandIn, on: str
) -> None:
    await hit(stand_in, on, "rate_limited", seconds=60)

    with pytest.raises(CalendarUnavailable, match="429"):
        await READS[on](calendar)

    assert await requests_hit(stand_in) == 1


@pytest.mark.parametrize(
    ("headers", "tries"),
    [
        ({"X-RateLimit-Reset-Default": str(int(time.time()) + 3600)}, 1),
        ({"X-RateLimit-Reset-Default": "1000000001"}, 3),
        ({"Retry-After": "30"}, 1),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "X-RateLimit-Reset-Default": "nan"}, 3),
        ({}, 3),
    ],
    ids=["far unix time", "past unix time", "retry after", "nonsense", "no word"],
)
async def test_reads_the_reset_in_all_its_forms(headers: dict[str, str], tries: int) -> None:
    async with scripted(says({}, status=429, headers=headers)) as (server, calendar):
        with pytest.raises(CalendarUnavailable, match="429"):
            await calendar.me()

    assert len(server.requests) == tries
