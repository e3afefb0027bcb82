"""What a calendar says by itself: its deliveries until they are worked through, and what they make of appointments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog
from sqlalchemy import delete, func, insert, or_, select, update

from appointments.listed_bookings import Delivery, News
from appointments.message_plan import plan_from
from appointments.model import LIVE, BookingUid
from appointments.store.appointment_records import AppointmentRecords, to_appointment
from appointments.store.claim_records import claim_values
from appointments.store.database import insert_new
from appointments.store.history_records import add_entry
from appointments.store.outbox_records import add_messages, refresh, supersede
from appointments.store.records import ChangeState
from appointments.store.tables import appointments, calendar_syncs, changes, history, slot_claims, webhook_deliveries

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from appointments.message_plan import MessagePlan
    from appointments.model import Appointment, CallSid, PhoneNumber
    from appointments.store.records import Block, OutgoingMessage

log = structlog.get_logger(__name__)


class OutsideEvent(StrEnum):
    """What happened to an appointment that no call of ours has done; the word in its history."""

    BOOKED = "booked_outside"
    ACCEPTED = "accepted"
    """Its host has accepted it, or it was found after all."""
    MOVED = "moved_outside"
    CANCELLED = "cancelled_outside"
    ENDED = "completed"
    NO_SHOW = "no_show"
    REFRESHED = "refreshed"
    """Its link, its place or its host is another; not in the history."""


_FROM_OUTSIDE = (OutsideEvent.ACCEPTED, OutsideEvent.MOVED, OutsideEvent.CANCELLED)
SUPERSEDING = frozenset(OutsideEvent) - {OutsideEvent.BOOKED, OutsideEvent.ENDED, OutsideEvent.REFRESHED}
"""After these, what was still to be sent is not true any more."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the record has of a booking. `is_busy` claims that a change of ours is under way."""

    appointment: Appointment
    plan: MessagePlan
    is_busy: bool
    is_no_show: bool


@dataclass(frozen=True, slots=True)
class OutsideChange:
    """What a calendar's word makes of an appointment, which is given as it is afterwards."""

    event: OutsideEvent
    appointment: Appointment
    plan: MessagePlan
    messages: Sequence[OutgoingMessage] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OutsideEntry:
    """Something that others did to an appointment, which is given as it stands now; later entries have more."""

    entry_id: int
    event: OutsideEvent
    appointment: Appointment


Judge: TypeAlias = Callable[[Known | None], OutsideChange | None]


@dataclass(frozen=True, slots=True)
class LeasedDelivery:
    """A delivery that is being worked at, for the so-many-th time."""

    delivery: Delivery
    attempts: int


@dataclass(frozen=True, slots=True)
class Sync:
    """Up to which moment a calendar's changes have been read, by its clock; None before the first time."""

    reached: datetime | None


class OutsideRecords(AppointmentRecords):
    """Keeps deliveries and how far was read, and changes appointments by what the calendar says."""

    async def apply_outside(
        self, trail: Sequence[BookingUid], block: Block, judge: Judge, *, idempotency_key: str = ""
    ) -> OutsideChange | None:
        """Change the appointment of a booking, or make one, as `judge` says; what it raises changes nothing.

        Args:
            trail: The uids that the booking has had.
            block: What an appointment at the booking's time keeps free.
            judge: Told what the record has; must not wait for anything.
            idempotency_key: The one the booking was made with by us.
        """
        async with self._write() as connection:
            # One booking may be read under two uids at once, and then is still to become one appointment.
            await self._lock(connection, "outside")
            await self._lock(connection, block.resource)
            known = await self._known(connection, trail, idempotency_key)
            change = judge(known)
            if change is not None:
                await self._write_change(connection, known, change, block)
        return change

    async def knows_booking(self, trail: Sequence[BookingUid]) -> bool:
        """Return whether an appointment has one of these for its booking."""
        query = select(appointments.c.appointment_id).where(appointments.c.booking_uid.in_(trail)).limit(1)
        async with self._read() as connection:
            return (await connection.execute(query)).first() is not None

    async def last_entry(self) -> int:
        """Return the number of the last entry in the history of any appointment, 0 when there is none."""
        async with self._read() as connection:
            return (await connection.execute(select(func.max(history.c.entry_id)))).scalar() or 0

    async def changed_outside(
        self, *, since: int, call_sid: CallSid, phone: PhoneNumber | None
    ) -> Sequence[OutsideEntry]:
        """Return what others did after the entry `since` to appointments made in a call, or under a number."""
        theirs = appointments.c.call_sid == call_sid
        if phone:
            theirs = or_(theirs, appointments.c.attendee_phone == phone)
        query = (
            select(history.c.entry_id, history.c.event, *appointments.c)
            .join(appointments, appointments.c.appointment_id == history.c.appointment_id)
            .where(history.c.entry_id > since, history.c.event.in_(_FROM_OUTSIDE), theirs)
            .order_by(history.c.entry_id)
        )
        async with self._read() as connection:
            rows = (await connection.execute(query)).all()
        return [OutsideEntry(row.entry_id, OutsideEvent(row.event), to_appointment(row)) for row in rows]

    async def add_delivery(self, delivery: Delivery) -> bool:
        """Keep a delivery until it is worked through; False when it is here, or was."""
        now = self._clock()
        values = {
            "delivery_id": delivery.delivery_id,
            "news": delivery.news,
            "booking_uid": delivery.booking_uid,
            "received_at": now,
            "run_at": now,
            "attempts": 0,
        }
        async with self._write() as connection:
            return await insert_new(connection, webhook_deliveries, values)

    async def lease_deliveries(self, *, lease: timedelta, at_most: int) -> Sequence[LeasedDelivery]:
        """Take the deliveries that are due longest; they are due again when the lease is over."""
        now = self._clock()
        due = (webhook_deliveries.c.done_at.is_(None), webhook_deliveries.c.run_at <= now)
        oldest = select(webhook_deliveries).where(*due).order_by(webhook_deliveries.c.received_at).limit(at_most)
        async with self._read() as connection:
            if (await connection.execute(oldest.limit(1))).first() is None:
                return ()
        async with self._write() as connection:
            rows = (await connection.execute(oldest.with_for_update(skip_locked=True))).all()
            taken = webhook_deliveries.c.delivery_id.in_([row.delivery_id for row in rows])
            more = {"run_at": now + lease, "attempts": webhook_deliveries.c.attempts + 1}
            await connection.execute(update(webhook_deliveries).where(taken).values(more))
        return [LeasedDelivery(_delivery(row), row.attempts + 1) for row in rows]

    async def finish_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Record that they were worked through."""
        await self._change_deliveries(deliveries, done_at=self._clock())

    async def put_back_deliveries(
        self, deliveries: Sequence[Delivery], *, wait: timedelta, were_tried: bool = True
    ) -> None:
        """Let them be worked at again after `wait`; as often as before when they were not tried."""
        untried = {} if were_tried else {"attempts": webhook_deliveries.c.attempts - 1}
        await self._change_deliveries(deliveries, run_at=self._clock() + wait, **untried)

    async def news_of(self, booking_uid: BookingUid) -> frozenset[News]:
        """Return all that was ever delivered of a booking."""
        query = select(webhook_deliveries.c.news).where(webhook_deliveries.c.booking_uid == booking_uid)
        async with self._read() as connection:
            return frozenset(News(news) for news in (await connection.execute(query)).scalars())

    async def pending_deliveries(self) -> int:
        """Return how many are not worked through."""
        count = select(func.count()).where(webhook_deliveries.c.done_at.is_(None))
        async with self._read() as connection:
            return int((await connection.execute(count)).scalar_one())

    async def forget_deliveries(self, *, older_than: timedelta) -> None:
        """Forget what was worked through so long ago."""
        old = webhook_deliveries.c.done_at < self._clock() - older_than
        async with self._write() as connection:
            await connection.execute(delete(webhook_deliveries).where(old))

    async def begin_sync(self, calendar: str, *, every: timedelta) -> Sync | None:
        """Take the turn to read what has changed, None when it is not time yet: the first time after `every`."""
        now, mine = self._clock(), calendar_syncs.c.calendar == calendar
        async with self._read() as connection:
            row = (await connection.execute(select(calendar_syncs).where(mine))).first()
        if row is not None and row.next_at > now:
            return None
        async with self._write() as connection:
            if row is None:
                first = {"calendar": calendar, "next_at": now + every}
                await insert_new(connection, calendar_syncs, first)
                return None
            taking = update(calendar_syncs).where(mine, calendar_syncs.c.next_at <= now).values(next_at=now + every)
            taken = (await connection.execute(taking.returning(calendar_syncs))).first()
        return Sync(taken.reached) if taken else None

    async def sync(self, calendar: str) -> Sync | None:
        """Return how far was read, None before the first time."""
        async with self._read() as connection:
            row = (
                await connection.execute(select(calendar_syncs).where(calendar_syncs.c.calendar == calendar))
            ).first()
        return Sync(row.reached) if row else None

    async def reach(self, calendar: str, moment: datetime) -> None:
        """Record that all was read that changed up to `moment`."""
        async with self._write() as connection:
            mine = calendar_syncs.c.calendar == calendar
            await connection.execute(update(calendar_syncs).where(mine).values(reached=moment))

    async def _known(
        self, connection: AsyncConnection, trail: Sequence[BookingUid], idempotency_key: str
    ) -> Known | None:
        row = await _row_of(connection, trail, idempotency_key)
        if row is None:
            return None
        pending = (changes.c.appointment_id == row.appointment_id, changes.c.state == ChangeState.PENDING)
        absent = (history.c.appointment_id == row.appointment_id, history.c.event == OutsideEvent.NO_SHOW)
        return Known(
            appointment=to_appointment(row),
            plan=plan_from(row.plan),
            is_busy=(await connection.execute(select(changes.c.change_id).where(*pending))).first() is not None,
            is_no_show=(await connection.execute(select(history.c.entry_id).where(*absent))).first() is not None,
        )

    async def _write_change(
        self, connection: AsyncConnection, known: Known | None, change: OutsideChange, block: Block
    ) -> None:
        appointment, now = change.appointment, self._clock()
        appointment_id = appointment.appointment_id
        if known is None:
            values = self._claim_values(appointment, change.plan) | _standing(change)
            await connection.execute(insert(appointments).values(values))
        else:
            await self._update(connection, appointment_id, **_standing(change))
        before = known.appointment if known else None
        was_live = before is not None and before.status in LIVE
        if before is None or not was_live or appointment.status not in LIVE or before.slot != appointment.slot:
            await self._keep(connection, appointment, block)
        if change.event is OutsideEvent.REFRESHED:
            await refresh(connection, change.messages)
            return
        if change.event in SUPERSEDING:
            await supersede(connection, appointment_id)
        if change.event in (OutsideEvent.MOVED, OutsideEvent.CANCELLED):
            # What nobody could find out about is plain now.
            unclear = (changes.c.appointment_id == appointment_id, changes.c.state == ChangeState.UNCLEAR)
            await connection.execute(update(changes).where(*unclear).values(state=ChangeState.DONE))
        start, reason = appointment.slot.start, change.reason
        await add_entry(connection, appointment_id, change.event, at=now, starts_at=start, reason=reason)
        await add_messages(connection, appointment_id, change.messages, now=now)

    async def _keep(self, connection: AsyncConnection, appointment: Appointment, block: Block) -> None:
        """Keep the time of a live appointment and no other; the calendar has it, whoever else may keep it here."""
        mine = slot_claims.c.owner == appointment.appointment_id
        if appointment.status in LIVE:
            claim = claim_values(appointment.appointment_id, appointment.event_type_id, appointment.slot, block)
            if await self._claim(connection, claim, instead_of=mine):
                return
            log.warning("outside_booking_overlaps", appointment_id=appointment.appointment_id)
        await connection.execute(delete(slot_claims).where(mine))

    async def _change_deliveries(self, deliveries: Sequence[Delivery], **values: Any) -> None:
        theirs = webhook_deliveries.c.delivery_id.in_([each.delivery_id for each in deliveries])
        async with self._write() as connection:
            await connection.execute(update(webhook_deliveries).where(theirs).values(values))


async def _row_of(connection: AsyncConnection, trail: Sequence[BookingUid], idempotency_key: str) -> Row[Any] | None:
    """Return the row of the booking that has had these uids, else of the one that was made with the key.

    Nobody else changes it until the transaction ends.
    """
    keys = [idempotency_key, *map(outside_key, trail)]
    for same in (appointments.c.booking_uid.in_(trail), appointments.c.idempotency_key.in_(keys)):
        query = select(appointments).where(same).order_by(appointments.c.claimed_at.desc()).limit(1)
        row = (await connection.execute(query.with_for_update())).first()
        if row is not None:
            return row
    return None


def outside_key(booking_uid: BookingUid) -> str:
    """Return the key of an appointment that was first seen as this booking, made by somebody else."""
    return f"outside:{booking_uid}"


def _standing(change: OutsideChange) -> dict[str, Any]:
    """Return what a change may leave otherwise than it was."""
    appointment = change.appointment
    return {
        "status": appointment.status,
        "reason": change.reason,
        "starts_at": appointment.slot.start,
        "ends_at": appointment.slot.end,
        "booking_uid": appointment.booking_uid,
        "meeting_link": appointment.meeting_link,
        "location": appointment.location,
        "host_name": appointment.host_name,
        "version": appointment.version,
        "confirmed_at": appointment.confirmed_at,
        "plan": change.plan.to_json(),
    }


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(row.delivery_id, News(row.news), BookingUid(row.booking_uid))
