"""The services around a worker whose calls are measured, in a process of their own on a core of their own."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import uvloop

from agent.stand_ins import StandIns
from bench.openai_quick import QuickOpenAI
from bench.processes import CONTEXT, ended, start
from bench.world import MOST_SLOTS, NOW, all_slots, business, calcom_world
from simulator import calcom, calcom_throttle, twilio
from simulator.faults import FaultBoard
from simulator.world import BUSINESS_NUMBER, EVENT_TYPE_ID, Credentials, run_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from multiprocessing.connection import Connection

    from bench.openai_quick import Delays, Stage

CLOCK_START = (NOW + timedelta(hours=21)).isoformat()
"""A Monday at nine in the morning, when much is free."""
_TICK_SECS = 0.02


@dataclass(frozen=True, slots=True)
class Seen:
    """What the stand-ins saw since they were last asked."""

    stages: Sequence[Stage]
    unmarked: int
    """Recordings in which nothing could be recognised."""
    late_ms: Sequence[float]
    """How late each of their own ticks was: what they answer is as late."""


@dataclass(frozen=True, slots=True)
class CallStandIns:
    """Where they are, and what they have seen."""

    addresses: StandIns
    credentials: Credentials
    _pipe: Connection

    async def seen(self) -> Seen:
        self._pipe.send("seen")
        seen: Seen = await asyncio.to_thread(self._pipe.recv)
        return seen


@asynccontextmanager
async def serving_calls(delays: Delays, *, core: int, calendar_ms: float = 0.0) -> AsyncIterator[CallStandIns]:
    """Serve OpenAI, Twilio and Cal.com on `core`.

    Args:
        calendar_ms: What Cal.com takes to tell what is free.
    """
    ours, theirs = CONTEXT.Pipe()
    credentials = Credentials.generate()
    process = start(_serve, theirs, credentials, delays, core, calendar_ms)
    theirs.close()  # so that the end of that process ends our waiting for its word
    try:
        yield CallStandIns(await asyncio.to_thread(ours.recv), credentials, ours)
    finally:
        ours.send("end")
        await ended(process)


def _serve(pipe: Connection, credentials: Credentials, delays: Delays, core: int, calendar_ms: float) -> None:
    os.sched_setaffinity(0, {core})
    calcom_throttle.RATE_LIMIT = 10**9
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_until_told(pipe, credentials, delays, calendar_ms))


async def _serve_until_told(pipe: Connection, credentials: Credentials, delays: Delays, calendar_ms: float) -> None:
    openai = QuickOpenAI(delays)
    faults = FaultBoard("calcom")
    apps = {
        "twilio": twilio.build_app(credentials, FaultBoard("twilio")),
        "openai": openai.app(),
        "calcom": calcom.build_app(credentials, faults),
    }
    async with AsyncExitStack() as closing:
        urls = {}
        for service, app in apps.items():
            runner, urls[service] = await run_app(app, 0)
            closing.push_async_callback(runner.cleanup)
        addresses = StandIns(
            twilio=urls["twilio"],
            openai=f"{urls['openai']}/v1",
            calcom=urls["calcom"],
            credentials=asdict(credentials),
            business_number=BUSINESS_NUMBER,
            event_type_id=str(EVENT_TYPE_ID),
        )
        await _set_calendar(addresses, calendar_ms)
        late_ms: list[float] = []
        ticking = asyncio.create_task(_tick(late_ms))
        closing.callback(ticking.cancel)
        pipe.send(addresses)
        while await asyncio.to_thread(pipe.recv) != "end":
            pipe.send(Seen(openai.take_stages(), openai.unmarked, list(late_ms)))
            late_ms.clear()
            openai.unmarked = 0


async def _set_calendar(addresses: StandIns, calendar_ms: float) -> None:
    world = calcom_world(all_slots(business(MOST_SLOTS)))
    await addresses.control("calcom", "world", {**world, "now": CLOCK_START})
    if calendar_ms:
        slow = {"on": "slots", "kind": "slow", "seconds": calendar_ms / 1000, "times": 10**9}
        await addresses.control("calcom", "faults", [slow])


async def _tick(late_ms: list[float]) -> None:
    while True:
        due = time.monotonic() + _TICK_SECS
        await asyncio.sleep(_TICK_SECS)
        late_ms.append((time.monotonic() - due) * 1000)
