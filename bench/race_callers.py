"""One process of the race for slots: its callers choose among what is free, hold it or not, and book."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from appointments.booking import BookingRequest
from appointments.errors import SlotlineError, SlotTaken
from appointments.model import CallSid
from appointments.service import BookingService
from appointments.settling import SettleTimes
from appointments.store.store import Store
from bench.overlapping import OverlappingCalendar
from bench.timing import Took, timed, timed_calendar
from bench.world import ACTION, EVENT_TYPE, NOW, all_slots, business, caller
from calendars.builtin import BuiltinCalendar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

    from appointments.model import Slot
    from appointments.ports import Calendar
    from bench.stand_ins import Addresses

CALENDARS = ("calcom", "builtin", "overlapping")
TIMEOUT = timedelta(seconds=8)


@dataclass(frozen=True, slots=True)
class Callers:
    """Who calls in this process, and where."""

    numbers: range
    slots: int
    calendar: str
    database_url: str
    addresses: Addresses | None


@dataclass(slots=True)
class Told:
    """What became of one caller. Moments are of the clock that all processes share."""

    number: int
    booked: Slot | None = None
    alternatives: int = 0
    """How often others had it and there was something else to offer."""
    began_at: float = 0.0
    """When the caller began to claim what they got."""
    told_none_at: float | None = None
    error: str = ""
    books: list[Took] = field(default_factory=list)
    holds: list[Took] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the callers of a process, and what an overlapping calendar has booked here."""

    told: Sequence[Told]
    overlapping: Sequence[Slot]


def run(callers: Callers, pipe: Connection) -> None:
    """Get ready, say so, wait for the word, and send the outcome."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(_run(callers, pipe))


async def _run(callers: Callers, pipe: Connection) -> None:
    async with AsyncExitStack() as closing:
        store = await Store.open(callers.database_url)
        closing.push_async_callback(store.close)
        calendar: Any = _calendar(callers, store, closing)
        is_providers = callers.calendar != "builtin"
        service = BookingService(
            calendar=timed_calendar(calendar) if is_providers else calendar,
            store=store,
            clock=lambda: NOW,
            settle=SettleTimes(http_timeout=TIMEOUT),
        )
        await service.event_type(ACTION)
        desk = _Desk(service, callers.slots)
        pipe.send("ready")
        await asyncio.to_thread(pipe.recv)
        told = await asyncio.gather(*(desk.call(number) for number in callers.numbers))
        await service.drain()
        overlapping = calendar.bookings if callers.calendar == "overlapping" else []
        pipe.send(Outcome(told, [booking.slot for booking in overlapping]))


def _calendar(callers: Callers, store: Store, closing: AsyncExitStack) -> Calendar | OverlappingCalendar:
    ours = business(callers.slots)
    if callers.calendar == "overlapping":
        return OverlappingCalendar(EVENT_TYPE, all_slots(ours))
    if callers.calendar == "builtin":
        return BuiltinCalendar(store, lambda: ours)
    assert callers.addresses is not None
    calcom = callers.addresses.calendar(timeout=TIMEOUT)
    closing.push_async_callback(calcom.aclose)
    return calcom


class _Desk:
    """Serves the callers of this process, all at once."""

    def __init__(self, service: BookingService, slots: int) -> None:
        self._service = service
        self._business = business(slots)
        self._end = NOW + timedelta(days=self._business.rules.maximum_advance_days)

    async def call(self, number: int) -> Told:
        told = Told(number)
        try:
            choices = await self._free(number)
            while choices and told.booked is None:
                choices = await self._try(told, random.choice(choices))  # noqa: S311 -- as callers choose
        except SlotlineError as error:
            told.error = f"{type(error).__name__}: {error}"
        if told.booked is None:
            told.told_none_at = time.monotonic()
        return told

    async def _try(self, told: Told, slot: Slot) -> Sequence[Slot]:
        """Try to get `slot`; return what else there is."""
        began = time.monotonic()
        try:
            # Every other caller agrees at once: there was no time to hold it.
            if told.number % 2:
                await self._hold(told, slot)
            await self._book(told, slot)
        except SlotTaken as taken:
            told.alternatives += bool(taken.alternatives)
            # Alternatives are those nearby: where there are none, all that is left is looked at once more.
            return taken.alternatives or await self._free(told.number)
        told.booked, told.began_at = slot, began
        return ()

    async def _hold(self, told: Told, slot: Slot) -> None:
        with timed() as took:
            told.holds.append(took)
            phone = caller(told.number).phone
            await self._service.holds.hold(_call_sid(told.number), phone, EVENT_TYPE.id, slot, self._business)

    async def _book(self, told: Told, slot: Slot) -> None:
        attendee, sid = caller(told.number), _call_sid(told.number)
        with timed() as took:
            told.books.append(took)
            await self._service.book(BookingRequest(sid, self._business, ACTION, EVENT_TYPE, slot, attendee))

    async def _free(self, number: int) -> Sequence[Slot]:
        return await self._service.free_slots(
            ACTION, self._business, start=NOW, end=self._end, except_of=[_call_sid(number)]
        )


def _call_sid(number: int) -> CallSid:
    return CallSid(f"CA{number:032}")
