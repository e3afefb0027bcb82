"""What can be booked and when it is free, asked of the calendar ahead of the caller and remembered briefly."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from appointments.errors import CalendarRejected, CalendarUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from appointments.model import Action, EventType, EventTypeId, Slot
    from appointments.ports import Calendar, Clock
    from appointments.store.store import Store

log = structlog.get_logger(__name__)

# One request covers every day of the prompt's calendar table, and a bit.
LOOK_AHEAD = timedelta(days=22)
FRESH_FOR = timedelta(seconds=30)
NEAR_BEFORE, NEAR_AFTER = timedelta(days=3), timedelta(days=7)
MOST_ALTERNATIVES = 3


@dataclass(frozen=True, slots=True)
class _Fetch:
    start: datetime
    end: datetime
    asked_at: datetime
    slots: asyncio.Task[Sequence[Slot]]

    def covers(self, start: datetime, end: datetime, *, at: datetime) -> bool:
        return self.start <= start and end <= self.end and at - self.asked_at < FRESH_FOR


class Availability:
    """Free slots of the calendar, less those our own live appointments keep."""

    def __init__(self, *, calendar: Calendar, store: Store, clock: Clock, real_clock: Clock) -> None:
        self._calendar = calendar
        self._store = store
        self._clock = clock
        self._real_clock = real_clock
        self._event_types: dict[EventTypeId, EventType] = {}
        self._fetches: dict[EventTypeId, _Fetch] = {}
        self._tasks: set[asyncio.Task[Sequence[Slot]]] = set()

    async def event_type(self, action: Action) -> EventType:
        """Return what `action` books."""
        known = self._event_types.get(action.event_type_id)
        if known is None:
            known = self._event_types[action.event_type_id] = await self._calendar.event_type(action.event_type_id)
        return known

    async def free_slots(self, event_type_id: EventTypeId, *, start: datetime, end: datetime) -> Sequence[Slot]:
        """Return the free slots that start in [start, end) and lie ahead, earliest first."""
        start = max(start, self._clock())
        if end <= start:
            return ()
        fetch = self._fetch(event_type_id, start, end)
        free = await asyncio.shield(fetch.slots)  # others may wait for the same request
        return await self._bookable(event_type_id, free, start=start, end=end)

    def prefetch(self, event_type_id: EventTypeId) -> None:
        """Ask the calendar in the background, so that the first `free_slots` finds the answer there."""
        now = self._clock()
        self._fetch(event_type_id, now, now + LOOK_AHEAD)

    def forget(self, event_type_id: EventTypeId) -> None:
        """Ask the calendar anew next time: something has been booked."""
        self._fetches.pop(event_type_id, None)

    async def alternatives(self, event_type_id: EventTypeId, slot: Slot) -> Sequence[Slot]:
        """Return free slots near a taken one, fresh from the calendar; none when it does not answer."""
        start, end = max(self._clock(), slot.start - NEAR_BEFORE), slot.start + NEAR_AFTER
        try:
            free = await self._calendar.free_slots(event_type_id, start=start, end=end)
        except (CalendarUnavailable, CalendarRejected) as error:
            log.warning("alternatives_unknown", event_type_id=event_type_id, error=type(error).__name__)
            return ()
        return nearest(slot, await self._bookable(event_type_id, free, start=start, end=end))

    async def close(self) -> None:
        """Give up the requests that are under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _fetch(self, event_type_id: EventTypeId, start: datetime, end: datetime) -> _Fetch:
        asked_at = self._real_clock()
        known = self._fetches.get(event_type_id)
        if known is not None and known.covers(start, end, at=asked_at):
            return known
        now = self._clock()
        start, end = min(start, now), max(end, now + LOOK_AHEAD)
        task = asyncio.create_task(self._calendar.free_slots(event_type_id, start=start, end=end))
        fetch = _Fetch(start, end, asked_at, task)
        self._fetches[event_type_id] = fetch
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._fetched(event_type_id, fetch))
        return fetch

    def _fetched(self, event_type_id: EventTypeId, fetch: _Fetch) -> None:
        self._tasks.discard(fetch.slots)
        error = None if fetch.slots.cancelled() else fetch.slots.exception()
        if error is None:
            return
        log.warning("free_slots_unknown", event_type_id=event_type_id, error=type(error).__name__)
        if self._fetches.get(event_type_id) is fetch:
            del self._fetches[event_type_id]

    async def _bookable(
        self, event_type_id: EventTypeId, free: Sequence[Slot], *, start: datetime, end: datetime
    ) -> Sequence[Slot]:
        """Keep what lies in the range asked for, since calendars answer beyond it, and what nobody of ours has."""
        within = sorted(slot for slot in free if start <= slot.start < end and slot.start > self._clock())
        if not within:
            return ()
        ours = await self._store.live_slots(event_type_id, start=within[0].start, end=max(s.end for s in within))
        return tuple(slot for slot in within if not any(slot.overlaps(other) for other in ours))


def nearest(slot: Slot, free: Sequence[Slot]) -> Sequence[Slot]:
    """Return at most three of `free`, earliest first: the nearest on each side of `slot`, then the next nearest."""
    before = [other for other in free if other.end <= slot.start]
    after = [other for other in free if other.start >= slot.end]
    sides = before[-1:] + after[:1]
    others = sorted(before[:-1] + after[1:], key=lambda other: abs(other.start - slot.start))
    return tuple(sorted(sides + others[: MOST_ALTERNATIVES - len(sides)]))
