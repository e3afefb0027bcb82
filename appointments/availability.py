"""What can be booked and when it is free, asked of the calendar ahead of the caller and remembered briefly."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from appointments.errors import CalendarRejected, CalendarUnavailable
from appointments.rules import keep_free, violation, whole_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from appointments.model import Action, Appointment, Business, EventType, EventTypeId, Slot
    from appointments.ports import Calendar, Clock
    from appointments.rules import Span
    from appointments.store.records import Block
    from appointments.store.store import Store

log = structlog.get_logger(__name__)

# One request covers every day of the usual calendar table, and a bit.
LOOK_AHEAD = timedelta(days=32)
FRESH_FOR = timedelta(seconds=30)
EVENT_TYPES_FRESH_FOR = timedelta(minutes=1)
REFRESH_AFTER = timedelta(seconds=15)
NEAR_BEFORE, NEAR_AFTER = timedelta(days=3), timedelta(days=7)
MOST_ALTERNATIVES = 3
ALTERNATIVES_SECS = 2.0
"""That a time is taken is told without others rather than late."""


@dataclass(frozen=True, slots=True)
class _Fetch:
    start: datetime
    end: datetime
    asked_at: datetime
    slots: asyncio.Task[Sequence[Slot]]

    def is_fresh(self, at: datetime) -> bool:
        return at - self.asked_at < FRESH_FOR

    def covers(self, start: datetime, end: datetime, *, at: datetime) -> bool:
        return self.start <= start and end <= self.end and self.is_fresh(at)


@dataclass(frozen=True, slots=True)
class _Known:
    event_type: EventType
    asked_at: datetime


class Availability:
    """Free slots of the calendar, less those that break a rule and those our own appointments keep."""

    def __init__(self, *, calendar: Calendar, store: Store, clock: Clock, real_clock: Clock) -> None:
        self._calendar = calendar
        self._store = store
        self._clock = clock
        self._real_clock = real_clock
        self._event_types: dict[EventTypeId, _Known] = {}
        self._fetches: dict[EventTypeId, _Fetch] = {}
        self._refreshing: set[EventTypeId] = set()
        self._tasks: set[asyncio.Task[Sequence[Slot]]] = set()

    async def event_type(self, action: Action) -> EventType:
        """Return what `action` books, as the calendar said it within the last minute."""
        now = self._real_clock()
        known = self._event_types.get(action.event_type_id)
        if known is None or now - known.asked_at >= EVENT_TYPES_FRESH_FOR:
            found = await self._calendar.event_type(action.event_type_id)
            known = self._event_types[action.event_type_id] = _Known(found, now)
        return known.event_type

    async def free_slots(
        self,
        event_type_id: EventTypeId,
        business: Business,
        *,
        start: datetime,
        end: datetime,
        except_of: Sequence[str] = (),
        held: Slot | None = None,
        moving: Appointment | None = None,
    ) -> Sequence[Slot]:
        """Return the slots that start in [start, end) and can be booked now, earliest first.

        Args:
            except_of: Owners of claims that do not count: the call that asks does not stand in its own way.
            held: What the call that asks holds: a calendar that holds it for us hides it from us too.
            moving: What is to be moved there: it does not stand in its own way either.
        """
        start = max(start, self._clock())
        if end <= start:
            return ()
        if moving:
            free = await self._free_now(event_type_id, start, end, moving)
        else:
            fetch = self._fetch(event_type_id, start, end)
            free = await asyncio.shield(fetch.slots)  # others may wait for the same request
        within = {slot for slot in (*free, *([held] if held else [])) if start <= slot.start < end}
        return await self._bookable(event_type_id, business, tuple(within), except_of, moving)

    def prefetch(self, event_type_id: EventTypeId) -> None:
        """Ask the calendar in the background, so that the next `free_slots` finds the answer there.

        Nobody waits for it who can go by an answer that is fresh still, and one that is younger than 15 s will do.
        """
        known, asked_at = self._fetches.get(event_type_id), self._real_clock()
        if known is None or not known.is_fresh(asked_at):
            now = self._clock()
            self._fetches[event_type_id] = self._ask(event_type_id, now, now + LOOK_AHEAD)
        elif asked_at - known.asked_at >= REFRESH_AFTER and event_type_id not in self._refreshing:
            self._refreshing.add(event_type_id)
            fetch = self._ask(event_type_id, known.start, self._clock() + LOOK_AHEAD)
            fetch.slots.add_done_callback(lambda _: self._refreshed(event_type_id, known, fetch))

    def forget(self, event_type_id: EventTypeId) -> None:
        """Ask the calendar anew next time: something has been booked."""
        self._fetches.pop(event_type_id, None)

    async def alternatives(
        self,
        event_type_id: EventTypeId,
        business: Business,
        slot: Slot,
        *,
        except_of: Sequence[str] = (),
        moving: Appointment | None = None,
    ) -> Sequence[Slot]:
        """Return bookable slots near a taken one, fresh from the calendar; none when it does not answer soon."""
        start, end = max(self._clock(), slot.start - NEAR_BEFORE), slot.start + NEAR_AFTER
        try:
            async with asyncio.timeout(ALTERNATIVES_SECS):
                free = await self._free_now(event_type_id, start, end, moving)
        except (CalendarUnavailable, CalendarRejected, TimeoutError) as error:
            log.warning("alternatives_unknown", event_type_id=event_type_id, error=type(error).__name__)
            return ()
        within = [other for other in free if start <= other.start < end]
        return nearest(slot, await self._bookable(event_type_id, business, within, except_of, moving))

    async def close(self) -> None:
        """Give up the requests that are under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _free_now(
        self, event_type_id: EventTypeId, start: datetime, end: datetime, moving: Appointment | None
    ) -> Sequence[Slot]:
        """Ask the calendar for this caller alone: what is free for moving an appointment is so for nobody else."""
        uid = moving.booking_uid if moving else None
        free = await self._calendar.free_slots(event_type_id, start=start, end=end, moving=uid)
        return [slot for slot in free if moving is None or slot != moving.slot]

    def _fetch(self, event_type_id: EventTypeId, start: datetime, end: datetime) -> _Fetch:
        asked_at = self._real_clock()
        known = self._fetches.get(event_type_id)
        if known is not None and known.covers(start, end, at=asked_at):
            return known
        now = self._clock()
        fetch = self._fetches[event_type_id] = self._ask(event_type_id, min(start, now), max(end, now + LOOK_AHEAD))
        return fetch

    def _ask(self, event_type_id: EventTypeId, start: datetime, end: datetime) -> _Fetch:
        task = asyncio.create_task(self._calendar.free_slots(event_type_id, start=start, end=end))
        fetch = _Fetch(start, end, self._real_clock(), task)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._fetched(event_type_id, fetch))
        return fetch

    def _refreshed(self, event_type_id: EventTypeId, known: _Fetch, fetch: _Fetch) -> None:
        """Go by the new answer, unless what was `known` has been forgotten since: then it may be of before that."""
        self._refreshing.discard(event_type_id)
        is_answer = not fetch.slots.cancelled() and fetch.slots.exception() is None
        if is_answer and self._fetches.get(event_type_id) is known:
            self._fetches[event_type_id] = fetch

    def _fetched(self, event_type_id: EventTypeId, fetch: _Fetch) -> None:
        self._tasks.discard(fetch.slots)
        error = None if fetch.slots.cancelled() else fetch.slots.exception()
        if error is None:
            return
        log.warning("free_slots_unknown", event_type_id=event_type_id, error=type(error).__name__)
        if self._fetches.get(event_type_id) is fetch:
            del self._fetches[event_type_id]

    async def _bookable(
        self,
        event_type_id: EventTypeId,
        business: Business,
        free: Sequence[Slot],
        except_of: Sequence[str],
        moving: Appointment | None,
    ) -> Sequence[Slot]:
        """Keep the free slots that break no rule and, with their buffers, no claim."""
        now = self._clock()
        allowed = sorted(slot for slot in free if violation(slot, business, now=now) is None)
        wanted = {
            slot: keep_free(slot, business.rules) for slot in await self._without_full_days(business, allowed, moving)
        }
        if not wanted:
            return ()
        first, last = min(begin for begin, _ in wanted.values()), max(until for _, until in wanted.values())
        resource = self._calendar.resource(event_type_id)
        own = (*except_of, *([moving.appointment_id] if moving else []))
        kept = await self._store.blocks(resource, start=first, end=last, except_of=own)
        return tuple(clear_of(wanted, kept))

    async def _without_full_days(
        self, business: Business, slots: Sequence[Slot], moving: Appointment | None
    ) -> Sequence[Slot]:
        most = business.rules.most_a_day
        if most is None or not slots:
            return slots
        first, last = whole_day(business, slots[0].start)[0], whole_day(business, slots[-1].start)[1]
        starts = await self._store.starts(first, last)
        booked = Counter(start.astimezone(business.zone).date() for start in starts)
        if moving:
            booked[moving.slot.start.astimezone(business.zone).date()] -= 1
        return [slot for slot in slots if booked[slot.start.astimezone(business.zone).date()] < most]


def clear_of(wanted: Mapping[Slot, Span], kept: Sequence[Block]) -> Iterator[Slot]:
    """Yield the slots, earliest first as they come, whose spans no block overlaps."""
    ahead = deque(sorted(kept, key=lambda block: block.start))
    for slot, (begin, until) in wanted.items():
        while ahead and ahead[0].end <= begin:
            ahead.popleft()
        if _is_clear(begin, until, ahead):
            yield slot


def _is_clear(begin: datetime, until: datetime, blocks: Iterable[Block]) -> bool:
    for block in blocks:
        if block.start >= until:
            return True
        if begin < block.end:
            return False
    return True


def nearest(slot: Slot, free: Sequence[Slot]) -> Sequence[Slot]:
    """Return at most three of `free`, earliest first: the nearest on each side of `slot`, then the next nearest."""
    before = [other for other in free if other.end <= slot.start]
    after = [other for other in free if other.start >= slot.end]
    sides = before[-1:] + after[:1]
    others = sorted(before[:-1] + after[1:], key=lambda other: abs(other.start - slot.start))
    return tuple(sorted(sides + others[: MOST_ALTERNATIVES - len(sides)]))
