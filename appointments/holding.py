"""Holding a slot for a caller who is still thinking: a claim no other call can pass, a courtesy at the calendar."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appointments.errors import CalendarRejected, CalendarUnavailable, SlotTaken
from appointments.rules import keep_free
from appointments.store.records import Block, Hold

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from appointments.model import Business, CallSid, EventTypeId, PhoneNumber, Slot
    from appointments.workbench import Workbench

log = structlog.get_logger(__name__)

RESUME_SECS = 1.0
CALENDAR_SECS = 1.5
"""Nobody waits longer for the calendar to give up a hold."""


class Holds:
    """Holds one slot a call. What the calendar is asked for happens beside the call and may fail."""

    def __init__(self, workbench: Workbench) -> None:
        self._bench = workbench
        self._courtesies: set[asyncio.Task[None]] = set()
        self._reservations: dict[CallSid, str] = {}
        """The calendar's own holds, by the calls they were made for."""

    async def hold(
        self, call_sid: CallSid, caller: PhoneNumber | None, event_type_id: EventTypeId, slot: Slot, business: Business
    ) -> Hold:
        """Keep `slot` for a call, instead of what it held before; asking again keeps it longer.

        Raises:
            SlotTaken: an appointment or another call has it; with fresh alternatives.
        """
        until = self._bench.real_clock() + self._bench.times.hold_for
        block = Block(self._bench.calendar.resource(event_type_id), *keep_free(slot, business.rules))
        wanted = Hold(call_sid, caller, event_type_id, slot, until)
        try:
            given_up = await self._bench.store.hold(wanted, block)
        except SQLAlchemyError as error:
            self._bench.tally.hold("failed")
            raise CalendarUnavailable("the record could not be written, so nothing is held") from error
        except SlotTaken:
            self._bench.tally.hold("taken")
            alternatives = await self._bench.availability.alternatives(
                event_type_id, business, slot, except_of=(call_sid,)
            )
            raise SlotTaken(slot, alternatives) from None
        self._bench.tally.hold("made")
        self._courtesy(self._release_at_calendar(given_up))
        self._courtesy(self._hold_at_calendar(wanted))
        return wanted

    async def release(self, call_sid: CallSid) -> None:
        """Give free what the call holds."""
        try:
            released = await self._bench.store.release(call_sid)
        except SQLAlchemyError as error:
            log.warning("slot_not_released", call_sid=call_sid, exc_info=error)  # it expires by itself
            return
        self._courtesy(self._release_at_calendar(released))

    async def give_up(self, call_sid: CallSid, event_type_id: EventTypeId) -> None:
        """Give free what the call holds before it asks for slots of another event type.

        A calendar may hide a held time from every event type, and from ourselves.
        """
        await self.release(call_sid)
        with suppress(TimeoutError):
            async with asyncio.timeout(CALENDAR_SECS):
                await self.drain()
        self._bench.availability.forget(event_type_id)

    def booked(self, call_sid: CallSid) -> None:
        """Give up the calendar's own hold of a slot that has been booked: Cal.com's booking does not consume it."""
        if reservation := self._reservations.pop(call_sid, ""):
            self._courtesy(self._release_reservation(call_sid, reservation))

    async def resume(self, caller: PhoneNumber, call_sid: CallSid) -> Hold | None:
        """Let a call have what an earlier one of `caller` still holds, for the full time; None when that is nothing.

        The caller waits for the greeting meanwhile, so a record that is slow or down is done without.
        """
        try:
            async with asyncio.timeout(RESUME_SECS):
                held = await self._bench.store.held_for(caller)
                return await self._take_over(held, call_sid) if held and held.call_sid != call_sid else None
        except (SQLAlchemyError, TimeoutError) as error:
            log.warning("hold_not_resumed", call_sid=call_sid, error=type(error).__name__)
            return None

    async def still_held(self, call_sid: CallSid) -> Hold | None:
        """Let a call that broke off and goes on have what it holds for the full time again; None when that is nothing.

        The caller hears nothing meanwhile, so a record that is slow or down is done without.
        """
        try:
            async with asyncio.timeout(RESUME_SECS):
                held = await self._bench.store.held_in(call_sid)
                return await self._take_over(held, call_sid) if held else None
        except (SQLAlchemyError, TimeoutError) as error:
            log.warning("hold_not_resumed", call_sid=call_sid, error=type(error).__name__)
            return None

    async def _take_over(self, held: Hold, call_sid: CallSid) -> Hold | None:
        until = self._bench.real_clock() + self._bench.times.hold_for
        if not await self._bench.store.pass_on(held, call_sid, until=until):
            return None
        self._reservations.pop(held.call_sid, None)
        if held.reservation:
            self._reservations[call_sid] = held.reservation
        return replace(held, call_sid=call_sid, until=until)

    async def drain(self) -> None:
        """Wait for what the calendar is still being asked."""
        while self._courtesies:
            await asyncio.wait(set(self._courtesies))

    def _courtesy(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._courtesies.add(task)
        task.add_done_callback(self._courtesies.discard)

    async def _hold_at_calendar(self, held: Hold) -> None:
        try:
            reservation = await self._bench.calendar.hold(held.event_type_id, held.slot, until=held.until)
        except (SlotTaken, CalendarRejected, CalendarUnavailable) as error:
            # Whether the slot can be had shows when it is booked.
            log.warning("slot_not_held_at_calendar", call_sid=held.call_sid, error=type(error).__name__)
            return
        if not reservation:
            return
        if await self._bench.store.note_reservation(held.call_sid, held.slot, reservation):
            self._reservations[held.call_sid] = reservation
        else:
            await self._release_reservation(held.call_sid, reservation)

    async def _release_at_calendar(self, released: Iterable[Hold]) -> None:
        for held in released:
            if held.reservation:
                if self._reservations.get(held.call_sid) == held.reservation:
                    del self._reservations[held.call_sid]
                await self._release_reservation(held.call_sid, held.reservation)

    async def _release_reservation(self, call_sid: CallSid, reservation: str) -> None:
        try:
            await self._bench.calendar.release(reservation)
        except (CalendarRejected, CalendarUnavailable) as error:
            # It expires there by itself.
            log.warning("slot_not_released_at_calendar", call_sid=call_sid, error=type(error).__name__)
