"""Measures what a booking costs beside the provider's time, and how late it makes the event loop of live calls.

uv run python -m bench.booking_cost --bookings 100 --database postgres
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
import uvloop

from appointments.booking import BookingRequest
from appointments.message_plan import MessagePlan
from appointments.model import CallSid
from appointments.outbox import OutboxWorker, TextChannel
from appointments.service import BookingService
from appointments.settling import SettleTimes
from appointments.store.store import Store
from bench.databases import KINDS, databases
from bench.event_loop import Lateness, live_calls
from bench.report import conclude, percentile, say_machine
from bench.stand_ins import sender, serving_elsewhere
from bench.timing import timed
from bench.world import ACTION, EVENT_TYPE, MOST_SLOTS, NOW, all_slots, business, calcom_world, caller
from calendars.builtin import BuiltinCalendar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from appointments.model import Business, Slot
    from appointments.ports import Calendar
    from bench.stand_ins import Elsewhere

OWN_P95_MS, LATE_MS = 30.0, 10.0
"""What is promised."""
TIMEOUT = timedelta(seconds=8)
PAUSE_SECS = 0.1


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    bookings: int
    calls: int
    provider_ms: float
    database: str
    calendar: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What was measured: each booking and its request to the provider, and the ticks without and with bookings."""

    took_ms: Sequence[float]
    provider_ms: Sequence[float]
    idle: Lateness
    busy: Lateness

    @property
    def own_ms(self) -> Sequence[float]:
        return [took - provider for took, provider in zip(self.took_ms, self.provider_ms, strict=True)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure once and return the exit status: 0 when it is as little as promised."""
    options = _options(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    say_machine()
    with (
        databases(options.database, is_durable=True) as new_database,
        new_database() as url,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,  # uvicorn takes it too
    ):
        cost = runner.run(_measure(options, url))
    conclude(_result(options, cost))
    is_as_promised = percentile(cost.own_ms, 0.95) < OWN_P95_MS and cost.busy.most_by_us_ms <= LATE_MS
    return 0 if is_as_promised else 1


async def _measure(options: Options, url: str) -> Cost:
    ours = business(MOST_SLOTS, weeks=1 + options.bookings // MOST_SLOTS)
    slots = all_slots(ours)
    async with AsyncExitStack() as closing:
        elsewhere = await closing.enter_async_context(serving_elsewhere(options.provider_ms))
        await elsewhere.addresses.control("calcom", "world", calcom_world(slots))
        service = await closing.enter_async_context(_service(options, ours, url, elsewhere))
        # As a worker does before it takes calls.
        gc.collect()
        gc.freeze()
        # What only the first booking needs, such as connections, a worker has by the time anybody books.
        await _book(service, ours, 0, slots[0])
        before = len(await _creates(elsewhere))
        async with live_calls(options.calls) as idle:
            await asyncio.sleep(options.bookings * 2 * PAUSE_SECS)
        took_ms = []
        async with live_calls(options.calls) as busy:
            for number in range(1, options.bookings + 1):
                took_ms.append(await _book(service, ours, number, slots[number]))
                await asyncio.sleep(PAUSE_SECS)
        creates = (await _creates(elsewhere))[before:]
    is_providers = options.calendar == "calcom"
    return Cost(took_ms, creates if is_providers else [0.0] * len(took_ms), idle, busy)


@asynccontextmanager
async def _service(options: Options, ours: Business, url: str, elsewhere: Elsewhere) -> AsyncIterator[BookingService]:
    """Open a service as a worker has it: texts are sent beside it, in the same event loop."""
    async with AsyncExitStack() as closing:
        store = await Store.open(url)
        closing.push_async_callback(store.close)
        calendar: Calendar = BuiltinCalendar(store, lambda: ours)
        if options.calendar == "calcom":
            calcom = elsewhere.addresses.calendar(timeout=TIMEOUT)
            closing.push_async_callback(calcom.aclose)
            calendar = calcom
        twilio = elsewhere.addresses.twilio_rest(timeout=TIMEOUT)
        closing.push_async_callback(twilio.aclose)
        outbox = OutboxWorker(store, TextChannel(sender(twilio)), owner="bench")
        sending = asyncio.create_task(outbox.run())
        closing.callback(sending.cancel)
        service = BookingService(
            calendar=calendar,
            store=store,
            clock=lambda: NOW,
            settle=SettleTimes(http_timeout=TIMEOUT),
            on_text=outbox.wake,
        )
        closing.push_async_callback(service.drain)
        yield service


async def _book(service: BookingService, ours: Business, number: int, slot: Slot) -> float:
    """Hold and book as a call does, and return how many milliseconds the booking took."""
    attendee, sid = caller(number), CallSid(f"CA{number:032}")
    plan = MessagePlan(attendee.phone or "", business=ours.name, templates={"confirmation": "{date} at {time}."})
    await service.holds.hold(sid, attendee.phone, EVENT_TYPE.id, slot, ours)
    await asyncio.sleep(PAUSE_SECS)
    with timed() as took:
        await service.book(BookingRequest(sid, ours, ACTION, EVENT_TYPE, slot, attendee, plan=plan))
    return took.total_ms


async def _creates(elsewhere: Elsewhere) -> Sequence[float]:
    return [took for operation, took in await elsewhere.took() if operation == "create"]


def _result(options: Options, cost: Cost) -> Mapping[str, object]:
    return {
        "own_p50_ms": percentile(cost.own_ms, 0.5),
        "own_p95_ms": percentile(cost.own_ms, 0.95),
        "late_max_ms": cost.busy.most_ms,
        "late_by_us_max_ms": cost.busy.most_by_us_ms,
        "late_p99_ms": cost.busy.p99_ms,
        "idle_late_max_ms": cost.idle.most_ms,
        "idle_late_p99_ms": cost.idle.p99_ms,
        "provider_p50_ms": percentile(cost.provider_ms, 0.5),
        **asdict(options),
    }


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.booking_cost", description=__doc__)
    parser.add_argument("--bookings", type=int, default=100, help="one after the other")
    parser.add_argument("--calls", type=int, default=10, help="live calls, a frame of audio each way every 20 ms")
    parser.add_argument("--provider-ms", type=float, default=100.0, help="what the stand-ins take to book or to text")
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    parser.add_argument("--calendar", choices=("calcom", "builtin"), default="calcom")
    return Options(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
