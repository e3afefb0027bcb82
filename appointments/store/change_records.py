"""Moves and cancellations, from the wish to the outcome; the appointment and its claims change with them."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from appointments.errors import NotChangeable, RuleViolation, SlotTaken
from appointments.message_plan import NO_MESSAGES, MessagePlan, plan_from
from appointments.model import AppointmentId, AppointmentStatus, BookingStatus, CallSid, Slot
from appointments.states import CHANGEABLE
from appointments.store.appointment_records import AppointmentRecords, one_row, receipt, to_appointment
from appointments.store.claim_records import claim_values, holds_in
from appointments.store.history_records import add_entry
from appointments.store.outbox_records import add_messages, supersede
from appointments.store.records import Change, ChangeKind, ChangeState, nothing
from appointments.store.tables import changes, slot_claims

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from appointments.model import Appointment, Booking
    from appointments.store.records import Block, Compose, Limits, OutgoingMessage


class ChangeRecords(AppointmentRecords):
    """Keeps one row a change; an appointment has at most one that is pending."""

    async def begin_change(
        self,
        change: Change,
        block: Block | None = None,
        *,
        limits: Limits | None = None,
        plan: MessagePlan = NO_MESSAGES,
        failed: Sequence[OutgoingMessage] = (),
    ) -> Change:
        """Record a change that is to be made, keeping `block` for a move beside the time it leaves.

        Asking again returns what there is; a change that failed, or was undone since, begins anew. One that is refused
        leaves the messages that tell of it.

        Raises:
            NotChangeable: the appointment is over, unsettled, or another change of it is under way.
            SlotTaken: another appointment or another call's hold overlaps.
            RuleViolation: the new day has as many appointments as `limits` allow.
        """
        same_key = changes.c.idempotency_key == change.idempotency_key
        async with self._write() as connection:
            if block is not None:
                await self._lock(connection, block.resource)
            row = await one_row(connection, change.appointment_id)
            known = (await connection.execute(select(changes).where(same_key))).first()
            if known is not None and _stands(known, row):
                return _change(known)
            refusal = await self._refusal_to_change(connection, row, change, block, limits)
            if refusal is None:
                await connection.execute(delete(changes).where(same_key))
                await connection.execute(insert(changes).values(self._change_values(change, plan)))
                return change
            await add_messages(connection, change.appointment_id, failed, now=self._clock())
        raise refusal

    async def record_move(self, change_id: str, booking: Booking, *, messages: Compose = nothing) -> Appointment:
        """Record that the calendar has moved it: the time it left is free, and the appointment keeps its id."""
        is_requested = booking.status is BookingStatus.PENDING
        status = AppointmentStatus.REQUESTED if is_requested else AppointmentStatus.RESCHEDULED
        values = {
            "status": status,
            "starts_at": booking.slot.start,
            "ends_at": booking.slot.end,
            "confirmed_at": None,
            **receipt(booking),
        }
        return await self._finish(change_id, ChangeState.DONE, messages, event="rescheduled", values=values)

    async def record_cancel(self, change_id: str, *, messages: Compose = nothing) -> Appointment:
        """Record that the calendar has cancelled it, for good."""
        values = {"status": AppointmentStatus.CANCELLED}
        return await self._finish(change_id, ChangeState.DONE, messages, event="cancelled", values=values)

    async def fail_change(self, change_id: str, *, reason: str, messages: Compose = nothing) -> Appointment:
        """Record that nothing was changed; what a move kept is free again."""
        return await self._finish(change_id, ChangeState.FAILED, messages, event="change_failed", why=reason)

    async def leave_unclear(self, change_id: str, *, reason: str, messages: Compose = nothing) -> Appointment:
        """Keep both times of a move, since nobody knows which one the calendar has."""
        return await self._finish(change_id, ChangeState.UNCLEAR, messages, event="change_unclear", why=reason)

    async def change(self, change_id: str) -> Change | None:
        """Return a change, None when it is unknown."""
        async with self._read() as connection:
            row = (await connection.execute(select(changes).where(changes.c.change_id == change_id))).first()
            return _change(row) if row else None

    async def unsettled_changes(self, older_than: datetime) -> Sequence[Change]:
        """Return the pending ones that nobody has worked on since then."""
        async with self._read() as connection:
            return [_change(row) for row in await connection.execute(select(changes).where(*_abandoned(older_than)))]

    async def unclear_changes(self) -> Sequence[Change]:
        """Return the changes of which nobody could find out whether they were made, and that no later one settled."""
        settled = (ChangeState.DONE, ChangeState.UNCLEAR)
        query = select(changes).where(changes.c.state.in_(settled)).order_by(changes.c.claimed_at)
        async with self._read() as connection:
            last = {row.appointment_id: _change(row) for row in await connection.execute(query)}
        return [change for change in last.values() if change.state is ChangeState.UNCLEAR]

    async def take_over_change(self, change_id: str, *, older_than: datetime) -> MessagePlan | None:
        """Take an unsettled change, and its plan; None when somebody else works on it."""
        mine = (changes.c.change_id == change_id, *_abandoned(older_than))
        taking = update(changes).where(*mine).values(worked_at=self._clock()).returning(changes.c.plan)
        async with self._write() as connection:
            row = (await connection.execute(taking)).first()
        return plan_from(row.plan) if row else None

    async def keep_working_on_change(self, change_id: str) -> None:
        """Tell the other processes that somebody is at work on the change."""
        async with self._write() as connection:
            mine = changes.c.change_id == change_id
            await connection.execute(update(changes).where(mine).values(worked_at=self._clock()))

    async def _refusal_to_change(
        self, connection: AsyncConnection, row: Row[Any], change: Change, block: Block | None, limits: Limits | None
    ) -> NotChangeable | RuleViolation | SlotTaken | None:
        """Claim what a move needs; return why the change cannot be made, if it cannot."""
        pending = (changes.c.appointment_id == row.appointment_id, changes.c.state == ChangeState.PENDING)
        is_busy = (await connection.execute(select(changes.c.change_id).where(*pending))).first() is not None
        if is_busy or row.status not in CHANGEABLE:
            return NotChangeable(AppointmentStatus(row.status), is_busy=is_busy)
        if block is None or change.slot is None:
            return None
        moved = replace(to_appointment(row), slot=change.slot)
        if limits and (rule := await self._reached(connection, moved, limits)):
            return RuleViolation(change.slot, rule)
        claim = claim_values(change.appointment_id, row.event_type_id, change.slot, block)
        is_claimed = await self._claim(connection, claim, instead_of=holds_in(change.call_sid, block))
        return None if is_claimed else SlotTaken(change.slot)

    async def _finish(
        self,
        change_id: str,
        state: ChangeState,
        messages: Compose,
        *,
        event: str,
        why: str = "",
        values: Mapping[str, Any] = MappingProxyType({}),
    ) -> Appointment:
        """Settle a pending change together with the appointment; nothing changes when it is settled already."""
        async with self._write() as connection:
            mine = changes.c.change_id == change_id
            settled = update(changes).where(mine, changes.c.state == ChangeState.PENDING).values(state=state)
            is_ours = bool((await connection.execute(settled)).rowcount)
            row = (await connection.execute(select(changes).where(mine))).one()
            appointment_id = AppointmentId(row.appointment_id)
            if is_ours:
                if values:
                    await self._make_version(connection, appointment_id, plan=row.plan, values=values)
                if state is not ChangeState.UNCLEAR:
                    await self._give_up_other_times(connection, appointment_id)
                await add_entry(
                    connection,
                    appointment_id,
                    event,
                    at=self._clock(),
                    call_sid=CallSid(row.call_sid),
                    starts_at=row.starts_at,
                    reason=why or row.reason,
                )
                changed = to_appointment(await one_row(connection, appointment_id))
                await add_messages(connection, appointment_id, messages(changed), now=self._clock())
            return to_appointment(await one_row(connection, appointment_id))

    async def _make_version(
        self,
        connection: AsyncConnection,
        appointment_id: AppointmentId,
        *,
        plan: dict[str, Any],
        values: Mapping[str, Any],
    ) -> None:
        """Change the appointment; what is still to be sent of the version before is not sent any more."""
        before = await one_row(connection, appointment_id)
        if not _is_like(before, values):
            values = {**values, "version": before.version + 1}
            await supersede(connection, appointment_id)
        await self._update(connection, appointment_id, **values, plan=plan)

    async def _give_up_other_times(self, connection: AsyncConnection, appointment_id: AppointmentId) -> None:
        """Keep only the claim of the time that the appointment has, and none when it has been cancelled."""
        appointment = to_appointment(await one_row(connection, appointment_id))
        others = slot_claims.c.owner == appointment_id
        if appointment.status is not AppointmentStatus.CANCELLED:
            others &= slot_claims.c.starts_at != appointment.slot.start
        await connection.execute(delete(slot_claims).where(others))

    def _change_values(self, change: Change, plan: MessagePlan) -> dict[str, Any]:
        now = self._clock()
        return {
            "change_id": change.change_id,
            "appointment_id": change.appointment_id,
            "kind": change.kind,
            "idempotency_key": change.idempotency_key,
            "call_sid": change.call_sid,
            "starts_at": change.slot.start if change.slot else None,
            "ends_at": change.slot.end if change.slot else None,
            "reason": change.reason,
            "state": ChangeState.PENDING,
            "plan": plan.to_json(),
            "claimed_at": now,
            "worked_at": now,
        }


def _stands(change: Row[Any], appointment: Row[Any]) -> bool:
    """Whether `change` is what it was recorded as: not failed, and not undone by a later one."""
    if change.state == ChangeState.DONE and change.kind == ChangeKind.MOVE:
        return bool(change.starts_at == appointment.starts_at)
    return bool(change.state != ChangeState.FAILED)


def _is_like(appointment: Row[Any], values: Mapping[str, Any]) -> bool:
    """Whether it was moved there, or cancelled, already: the calendar may have told of our own change before us."""
    if "starts_at" in values:
        return (appointment.starts_at, appointment.ends_at) == (values["starts_at"], values["ends_at"])
    return bool(appointment.status == values["status"])


def _abandoned(older_than: datetime) -> tuple[ColumnElement[bool], ...]:
    return changes.c.state == ChangeState.PENDING, changes.c.worked_at <= older_than


def _change(row: Row[Any]) -> Change:
    return Change(
        change_id=row.change_id,
        appointment_id=AppointmentId(row.appointment_id),
        kind=ChangeKind(row.kind),
        idempotency_key=row.idempotency_key,
        call_sid=CallSid(row.call_sid),
        slot=Slot(row.starts_at, row.ends_at - row.starts_at) if row.starts_at else None,
        reason=row.reason,
        state=ChangeState(row.state),
    )
