"""A process of the crash bench: one that works for a caller and may be killed, or one that ends what others left."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appointments.booking import BookingRequest
from appointments.changing import ChangeRequest
from appointments.errors import CalendarUnavailable, SlotlineError, SlotTaken
from appointments.message_plan import MessagePlan
from appointments.model import CallSid
from appointments.store.records import MessageKind
from bench.crash_plan import Work
from bench.desk import opened
from bench.world import ACTION, EVENT_TYPE, all_slots, business, caller

if TYPE_CHECKING:
    from appointments.model import Appointment
    from bench.crash_plan import Run
    from bench.desk import Desk, Place

SLOTS = 3
CALL = CallSid(f"CA{1:032}")
NEXT_CALL = CallSid(f"CA{2:032}")
"""The one in which the appointment is changed."""

HUNG_UP = "nothing, for they hung up"
VICTIM_IS_DEAD = "victim_is_dead"
"""The file that says so."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a process is to do, and where."""

    run: Run
    place: Place


def a_plan() -> MessagePlan:
    """Return a plan whose texts begin with their kind."""
    templates = {kind.value: f"{kind} for {{date}} at {{time}}" for kind in MessageKind}
    return MessagePlan(to=caller(1).phone or "", business="The Bench", templates=templates)


def work(task: Task) -> None:
    """Do the caller's work, then see to it that nothing is left open."""
    asyncio.run(_work(task))


def go_on(task: Task) -> None:
    """End what is open, once nobody else works on it."""
    asyncio.run(_go_on(task))


async def _work(task: Task) -> None:
    run, place = task.run, task.place
    async with opened(place) as desk:
        caller = _Caller(run, desk)
        # What goes before is done without faults and kills.
        appointment = None if run.work is Work.BOOK else await caller.booked()
        if run.work in (Work.MOVE, Work.CANCEL):
            await caller.is_texted()
        for service in ("calcom", "twilio"):
            ordered = [fault for of, fault in run.faults(place.times.scale) if of == service]
            await place.addresses.control(service, "faults", ordered)
        desk.points.arm()
        desk.journal.note("armed")
        async with desk.jobs():
            if run.work is not Work.SEND:
                await caller.is_served(appointment)
            await desk.until_all_is_settled()


async def _go_on(task: Task) -> None:
    async with opened(task.place) as desk:
        desk.points.arm()
        async with desk.jobs():
            while not (task.place.folder / VICTIM_IS_DEAD).exists():
                await asyncio.sleep(0.01)
            await desk.until_all_is_settled()


@dataclass(frozen=True, slots=True)
class _Caller:
    run: Run
    desk: Desk

    async def book(self) -> Appointment:
        slot = all_slots(business(SLOTS))[0]
        request = BookingRequest(CALL, business(SLOTS), ACTION, EVENT_TYPE, slot, caller(1), plan=a_plan())
        await self.desk.service.holds.hold(CALL, caller(1).phone, EVENT_TYPE.id, slot, business(SLOTS))
        await self.desk.service.holds.drain()
        return await self.desk.service.book(request)

    async def booked(self) -> Appointment:
        """Book, and wait until it is."""
        appointment = await self.book()
        await self.desk.service.drain()
        return await self.desk.store.appointment(appointment.appointment_id) or appointment

    async def is_served(self, appointment: Appointment | None) -> None:
        """Do what the caller asks for and note what they are told."""
        asking = asyncio.create_task(self._told(self.book() if appointment is None else self._change(appointment)))
        if self.run.hangs_up:
            await self._until_it_has_begun(asking)
            asking.cancel()
        try:
            self.desk.journal.note("told", await asking)
        except asyncio.CancelledError:
            self.desk.journal.note("told", HUNG_UP)
        await self.desk.service.drain()

    async def is_texted(self) -> None:
        while await self.desk.outbox.send_next():
            pass

    async def _change(self, appointment: Appointment) -> str:
        is_move = self.run.work is Work.MOVE
        slot = all_slots(business(SLOTS))[1] if is_move else None
        if slot:
            await self.desk.service.holds.hold(NEXT_CALL, caller(1).phone, EVENT_TYPE.id, slot, business(SLOTS))
        outcome = await self.desk.service.change(
            ChangeRequest(NEXT_CALL, business(SLOTS), appointment, slot, reason="Customer request", plan=a_plan())
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
        while not asking.done() and not await self.desk.is_open():
            await asyncio.sleep(0)
