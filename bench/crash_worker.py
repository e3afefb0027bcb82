"""A process of the crash bench: one that works for a caller and may be killed, or one that ends what others left."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from appointments.booking import BookingRequest
from appointments.changing import ChangeRequest
from appointments.errors import CalendarUnavailable, MessageDeferred, SlotlineError, SlotTaken
from appointments.model import CallSid
from appointments.outbox import OutboxWorker
from appointments.service import BookingService
from appointments.store.records import BookingTexts
from appointments.store.store import Store
from bench.around import Around
from bench.crash_plan import Work
from bench.crash_points import REQUESTS, TEXTING, Journal, Points
from bench.stand_ins import sender
from bench.world import ACTION, EVENT_TYPE, NOW, all_slots, business, caller
from calendars.builtin import BuiltinCalendar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from appointments.model import Appointment
    from bench.crash_plan import Kill, Run, Times
    from bench.stand_ins import Addresses

SLOTS = 3
CALL = CallSid(f"CA{1:032}")
NEXT_CALL = CallSid(f"CA{2:032}")
"""The one in which the appointment is changed."""

EVER = datetime.max.replace(tzinfo=UTC)
HUNG_UP = "nothing, for they hung up"
VICTIM_IS_DEAD = "victim_is_dead"
"""The file that says so."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a process is to do. `blind` takes away every look-up: a bench that finds nothing then is worth nothing."""

    run: Run
    kill: Kill | None
    times: Times
    calendar: str
    database_url: str
    addresses: Addresses
    folder: Path
    name: str
    blind: bool = False


def texts_of(work: Work) -> BookingTexts:
    """Return the templates of a wish; no two wishes have the same words."""
    kind = Work.BOOK if work is Work.SEND else work
    words = {
        outcome: f"{kind} {outcome} for {{date}} at {{time}}" for outcome in ("confirmed", "unconfirmed", "failed")
    }
    return BookingTexts(to=caller(1).phone or "", business="The Bench", **words)


def work(task: Task) -> None:
    """Do the caller's work, then see to it that nothing is left open."""
    asyncio.run(_work(task))


def go_on(task: Task) -> None:
    """End what is open, once nobody else works on it."""
    asyncio.run(_go_on(task))


async def _work(task: Task) -> None:
    async with _desk(task) as desk:
        # What goes before is done without faults and kills.
        appointment = None if task.run.work is Work.BOOK else await desk.booked()
        if task.run.work in (Work.MOVE, Work.CANCEL):
            await desk.text_all()
        for service in ("calcom", "twilio"):
            ordered = [fault for of, fault in task.run.faults(task.times.scale) if of == service]
            await task.addresses.control(service, "faults", ordered)
        desk.points.arm()
        desk.journal.note("armed")
        async with desk.jobs():
            if task.run.work is not Work.SEND:
                await desk.serve(appointment)
            await desk.until_all_is_settled()


async def _go_on(task: Task) -> None:
    async with _desk(task) as desk:
        desk.points.arm()
        async with desk.jobs():
            while not (task.folder / VICTIM_IS_DEAD).exists():
                await asyncio.sleep(0.01)
            await desk.until_all_is_settled()


@dataclass(frozen=True, slots=True)
class _Desk:
    task: Task
    journal: Journal
    points: Points
    store: Store
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

    async def book(self) -> Appointment:
        slot = all_slots(business(SLOTS))[0]
        texts = texts_of(Work.BOOK)
        request = BookingRequest(CALL, business(SLOTS), ACTION, EVENT_TYPE, slot, caller(1), texts=texts)
        await self.service.holds.hold(CALL, caller(1).phone, EVENT_TYPE.id, slot, business(SLOTS))
        await self.service.holds.drain()
        return await self.service.book(request)

    async def booked(self) -> Appointment:
        """Book, and wait until it is."""
        appointment = await self.book()
        await self.service.drain()
        return await self.store.appointment(appointment.appointment_id) or appointment

    async def serve(self, appointment: Appointment | None) -> None:
        """Do what the caller asks for and note what they are told."""
        asking = asyncio.create_task(self._told(self.book() if appointment is None else self._change(appointment)))
        if self.task.run.hangs_up:
            await self._until_it_has_begun(asking)
            asking.cancel()
        try:
            self.journal.note("told", await asking)
        except asyncio.CancelledError:
            self.journal.note("told", HUNG_UP)
        await self.service.drain()

    async def until_all_is_settled(self) -> None:
        while await self._is_open():
            await asyncio.sleep(self.task.times.poll.total_seconds())
            await self.service.drain()

    async def text_all(self) -> None:
        while await self.outbox.send_next():
            pass

    async def _is_open(self) -> bool:
        """Whether anything is not settled or not sent."""
        store = self.store
        return bool(await store.unsettled(EVER) or await store.unsettled_changes(EVER) or await store.pending_texts())

    async def _settle(self) -> None:
        while True:
            try:
                await self.service.settle_unfinished()
            except Exception:  # noqa: BLE001 -- as in a worker: the next time is another chance
                structlog.get_logger().exception("settling_failed")
            await asyncio.sleep(self.task.times.settle_every.total_seconds())

    async def _change(self, appointment: Appointment) -> str:
        is_move = self.task.run.work is Work.MOVE
        slot = all_slots(business(SLOTS))[1] if is_move else None
        if slot:
            await self.service.holds.hold(NEXT_CALL, caller(1).phone, EVENT_TYPE.id, slot, business(SLOTS))
        texts = texts_of(self.task.run.work)
        outcome = await self.service.change(
            ChangeRequest(NEXT_CALL, business(SLOTS), appointment, slot, reason="Customer request", texts=texts)
        )
        return outcome.state.value

    async def _told(self, asking: Any) -> str:
        try:
            told = await asking
        except (SlotTaken, CalendarUnavailable) as error:
            return f"failed {type(error).__name__}"
        except SlotlineError as error:
            return f"error {error!r}"
        return told if isinstance(told, str) else str(told.status)

    async def _until_it_has_begun(self, asking: asyncio.Task[str]) -> None:
        """Wait until the wish is in the record: before that a caller who hangs up has not been heard."""
        while not asking.done() and not await self._is_open():
            await asyncio.sleep(0)


@asynccontextmanager
async def _desk(task: Task) -> AsyncIterator[_Desk]:
    """Open what a worker has, with points around all that it writes and asks for."""
    journal = Journal(task.folder / f"{task.name}.journal")
    async with AsyncExitStack() as closing:
        log = closing.enter_context((task.folder / f"{task.name}.log").open("w"))
        structlog.configure(
            logger_factory=structlog.WriteLoggerFactory(log),
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        )
        points = Points(journal, task.kill)
        bare = await Store.open(task.database_url)
        closing.push_async_callback(bare.close)
        store = points.store(bare)
        twilio = task.addresses.twilio_rest(timeout=task.times.texting)
        closing.push_async_callback(twilio.aclose)
        texting = points.requests(Around(sender(twilio), TEXTING, _scaled(task)), TEXTING, "text")
        outbox = OutboxWorker(
            store,
            texting,
            owner=task.name,
            lease=task.times.lease,
            poll=task.times.poll,
            unclear_wait=task.times.unclear_wait,
        )
        calendar = points.requests(await _calendar(task, store, closing), REQUESTS, "calendar")
        service = BookingService(
            calendar=Around(calendar, {"find", "get"}, _unseen) if task.blind else calendar,
            store=store,
            clock=lambda: NOW,
            settle=task.times.settle,
            on_text=outbox.wake,
        )
        yield _Desk(task, journal, points, bare, service, outbox)


async def _calendar(task: Task, store: Any, closing: AsyncExitStack) -> Any:
    if task.calendar == "builtin":
        return BuiltinCalendar(store, lambda: business(SLOTS))
    timeout = task.times.settle.http_timeout
    calcom = task.addresses.calendar(timeout=timeout, pauses_secs=task.times.read_pauses_secs)
    closing.push_async_callback(calcom.aclose)
    return calcom


def _scaled(task: Task) -> Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]:
    """Return what shortens the waits that Twilio, or our client of it, advises."""

    async def scaled(name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if task.blind and name == "find":
            return None
        try:
            return await work()
        except MessageDeferred as error:
            wait_secs = error.retry_after_secs * task.times.scale
            raise MessageDeferred(str(error), retry_after_secs=wait_secs) from error

    return scaled


async def _unseen(_name: str, _work: Callable[[], Awaitable[Any]]) -> None:
    return None
