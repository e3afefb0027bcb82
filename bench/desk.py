"""What a process of a bench works with: a worker's service and outbox, which it may be killed in the midst of."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from appointments.errors import MessageDeferred
from appointments.outbox import OutboxWorker, TextChannel
from appointments.service import BookingService
from appointments.states import CHANGEABLE
from appointments.store.store import Store
from bench.around import Around
from bench.crash_points import REQUESTS, TEXTING, Journal, Points
from bench.stand_ins import sender
from bench.world import NOW, business
from calendars.builtin import BuiltinCalendar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bench.crash_plan import Kill, Times
    from bench.stand_ins import Addresses

EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process works, and where it dies. `blind` takes away every look-up: a bench that finds nothing then is
    worth nothing.
    """

    kill: Kill | None
    times: Times
    calendar: str
    database_url: str
    addresses: Addresses
    folder: Path
    name: str
    blind: bool
    slots: int
    now: datetime = NOW
    """The time by the business's clock, which stands still."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a worker has, in one process."""

    place: Place
    journal: Journal
    points: Points
    store: Store
    marked_store: Any
    """The same, with points around its writes."""
    service: BookingService
    outbox: OutboxWorker

    @asynccontextmanager
    async def jobs(self) -> AsyncIterator[None]:
        """Send texts and settle what was left open, as a worker does beside its calls."""
        tasks = [asyncio.create_task(self.outbox.run()), asyncio.create_task(self._settle())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until_all_is_settled(self) -> None:
        while await self.is_open():
            await asyncio.sleep(self.place.times.poll.total_seconds())
            await self.service.drain()

    async def is_open(self) -> bool:
        """Whether anything is not settled, is due and not sent, or is over and not completed."""
        store, now = self.store, self.place.now
        return bool(
            await store.unsettled(EVER)
            or await store.unsettled_changes(EVER)
            or await store.pending_replies()
            or await store.pending_messages(by=now)
            or any(each.status in CHANGEABLE and each.slot.end <= now for each in await store.appointments())
        )

    async def _settle(self) -> None:
        while True:
            try:
                await self.service.settle_unfinished()
            except Exception:  # noqa: BLE001 -- as in a worker: the next time is another chance
                structlog.get_logger().exception("settling_failed")
            await asyncio.sleep(self.place.times.settle_every.total_seconds())


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Desk]:
    """Open what a worker has, with points around all that it writes and asks for."""
    journal = Journal(place.folder / f"{place.name}.journal")
    async with AsyncExitStack() as closing:
        log = closing.enter_context((place.folder / f"{place.name}.log").open("w"))
        structlog.configure(
            logger_factory=structlog.WriteLoggerFactory(log),
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        )
        points = Points(journal, place.kill)
        bare = await Store.open(place.database_url)
        closing.push_async_callback(bare.close)
        store = points.store(bare)
        twilio = place.addresses.twilio_rest(timeout=place.times.texting)
        closing.push_async_callback(twilio.aclose)
        texting = points.requests(Around(sender(twilio), TEXTING, _scaled(place)), TEXTING, "text")
        outbox = OutboxWorker(
            store,
            TextChannel(texting),
            owner=place.name,
            clock=lambda: place.now,
            lease=place.times.lease,
            poll=place.times.poll,
            unclear_wait=place.times.unclear_wait,
        )
        calendar = points.requests(await _calendar(place, store, closing), REQUESTS, "calendar")
        service = BookingService(
            calendar=Around(calendar, {"find", "get"}, _unseen) if place.blind else calendar,
            store=store,
            clock=lambda: place.now,
            settle=place.times.settle,
            on_text=outbox.wake,
        )
        yield Desk(place, journal, points, bare, store, service, outbox)


async def _calendar(place: Place, store: Any, closing: AsyncExitStack) -> Any:
    if place.calendar == "builtin":
        return BuiltinCalendar(store, lambda: business(place.slots))
    timeout = place.times.settle.http_timeout
    calcom = place.addresses.calendar(timeout=timeout, pauses_secs=place.times.read_pauses_secs)
    closing.push_async_callback(calcom.aclose)
    return calcom


def _scaled(place: Place) -> Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]:
    """Return what shortens the waits that Twilio, or our client of it, advises."""

    async def scaled(name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if place.blind and name == "find":
            return None
        try:
            return await work()
        except MessageDeferred as error:
            wait_secs = error.retry_after_secs * place.times.scale
            raise MessageDeferred(str(error), retry_after_secs=wait_secs) from error

    return scaled


async def _unseen(_name: str, _work: Callable[[], Awaitable[Any]]) -> None:
    return None
