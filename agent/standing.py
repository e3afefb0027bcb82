"""What stands at a moment of a rehearsal, when nothing is under way: in calendar, record, texts and mails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent.builtin_world import TAKER, fired
from agent.stand_ins import database_url
from agent.verdict import Held, concerned
from appointments.model import LIVE, AppointmentStatus
from appointments.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.outcome import Outcome
    from agent.rehearsal_world import RehearsalWorld
    from agent.stand_ins import StandIns
    from appointments.model import Appointment, Booking, Business
    from appointments.store.records import CallerRequest, CallTimes

HELD = ("accepted", "pending")
"""The statuses of a Cal.com booking that holds its slot."""
NOT_ACCEPTED = ("failed", "undelivered", "canceled")
SETTLE_SECS = 60.0
LOOK_SECS = 5.0
"""Long enough to read the record when nobody works at it any more."""
EVER = {"start": datetime(2000, 1, 1, tzinfo=UTC), "end": datetime(2200, 1, 1, tzinfo=UTC)}


@dataclass(frozen=True, slots=True)
class Record:
    """What our own database has: appointments, what the built-in calendar holds, what callers left and waited."""

    appointments: Sequence[Appointment]
    bookings: Sequence[Booking]
    requests: Sequence[CallerRequest]
    times: Sequence[CallTimes]


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands now; `texts` and `mails` are those that reached somebody whom the scenario concerns."""

    held: Sequence[Held]
    record: Record
    texts: Sequence[dict[str, Any]]
    mails: Sequence[dict[str, Any]]
    faults: Sequence[dict[str, Any]]


async def look(world: RehearsalWorld, stand_ins: StandIns) -> Standing:
    """Return what stands in the scenario's world."""
    states = {service: await stand_ins.state(service) for service in stand_ins.services}
    record = await _record(world.folder)
    live = [each for each in record.appointments if each.status in LIVE]
    faults = [fault for state in states.values() for fault in state["faults"]]
    if world.rehearsed.calendar == "builtin":
        held = _held_by_us(record.bookings, live)
        faults += await asyncio.to_thread(fired, world.folder / "slotline.db")
    else:
        held = _held_by_calcom(states["calcom"]["bookings"], world.business)
    numbers = concerned(world.scenario)
    return Standing(
        held=held,
        record=record,
        texts=[
            message
            for message in states["twilio"]["messages"]
            if message["to"] in numbers and message["status"] not in NOT_ACCEPTED
        ],
        mails=states["mail"]["mails"] if "mail" in states else [],
        faults=faults,
    )


def _held_by_calcom(bookings: Sequence[dict[str, Any]], business: Business) -> list[Held]:
    titles = {int(action.event_type_id): action.title for action in business.actions}
    ours = [booking for booking in bookings if booking["by"] == "api" and booking["status"] in HELD]
    return [Held(datetime.fromisoformat(each["start"]), titles[each["eventTypeId"]]) for each in ours]


def _held_by_us(bookings: Sequence[Booking], appointments: Sequence[Appointment]) -> list[Held]:
    titles = {appointment.booking_uid: appointment.title for appointment in appointments}
    return [
        Held(booking.slot.start, titles.get(booking.uid, "nothing in the record"))
        for booking in bookings
        if not booking.idempotency_key.startswith(TAKER)
    ]


async def _record(folder: Path) -> Record:
    store = await Store.open(database_url(folder))
    try:
        return Record(
            appointments=await store.appointments(),
            bookings=await store.bookings(**EVER),
            requests=await store.requests(),
            times=await store.timed_calls(),
        )
    finally:
        await store.close()


async def settle(world: RehearsalWorld, stand_ins: StandIns, outcome: Outcome, *, patience_secs: float) -> None:
    """Wait until nothing is under way in the record; a problem of `outcome` when that does not come to be."""
    store = await Store.open(database_url(world.folder))
    try:
        async with asyncio.timeout(patience_secs):
            while await _is_under_way(store, world, stand_ins):
                await asyncio.sleep(0.1)
    except TimeoutError:
        outcome.problems.append("the worker did not settle every booking and text in time")
    finally:
        await store.close()


async def _is_under_way(store: Store, world: RehearsalWorld, stand_ins: StandIns) -> bool:
    """Whether a booking is open, a message is due by the business's clock, or something that came in is not done."""
    # In the order in which one brings the next, so that nothing slips by.
    if (await stand_ins.state("calcom", "deliveries"))["pending"] or await store.pending_deliveries():
        return True
    if await store.pending_replies():
        return True
    if any(appointment.status is AppointmentStatus.PENDING for appointment in await store.appointments()):
        return True
    if await store.pending_messages(by=world.now()):
        return True
    return bool((await stand_ins.state("twilio"))["under_way"])
