"""Who keeps which time: a live appointment for good, a hold until it expires; no two claims of a resource overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from appointments.errors import SlotTaken
from appointments.model import CallSid, EventTypeId, PhoneNumber, Slot
from appointments.store.database import Database
from appointments.store.records import Block, Hold
from appointments.store.tables import slot_claims

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection


class ClaimRecords(Database):
    """Keeps times. The owner of a hold is its call, that of an appointment's claim the appointment."""

    async def hold(self, hold: Hold, block: Block) -> Sequence[Hold]:
        """Keep a slot for a call, instead of what it held before, which is returned.

        Raises:
            SlotTaken: an appointment or another call has it; what the call held stays held.
        """
        claim = claim_values(hold.call_sid, hold.event_type_id, hold.slot, block)
        claim |= {"caller": hold.caller, "expires_at": hold.until, "reservation": hold.reservation}
        others = _holds_of(hold.call_sid) & (slot_claims.c.starts_at != hold.slot.start)
        async with self._write() as connection:
            await self._lock(connection, block.resource)
            given_up = (await connection.execute(select(slot_claims).where(others))).all()
            if not await self._claim(connection, claim, instead_of=_holds_of(hold.call_sid)):
                raise SlotTaken(hold.slot)
        return [_hold(row) for row in given_up]

    async def note_reservation(self, call_sid: CallSid, slot: Slot, reservation: str) -> bool:
        """Note the calendar's own hold; False when the call no longer holds the slot."""
        mine = _holds_of(call_sid) & (slot_claims.c.starts_at == slot.start)
        async with self._write() as connection:
            noted = await connection.execute(update(slot_claims).where(mine).values(reservation=reservation))
        return bool(noted.rowcount)

    async def pass_on(self, held: Hold, call_sid: CallSid, *, until: datetime) -> bool:
        """Let another call have a hold; False when it has expired or is gone."""
        theirs = _holds_of(held.call_sid) & (slot_claims.c.expires_at > self._clock())
        async with self._write() as connection:
            passing = update(slot_claims).where(theirs).values(owner=call_sid, expires_at=until)
            return bool((await connection.execute(passing)).rowcount)

    async def release(self, call_sid: CallSid) -> Sequence[Hold]:
        """Give free what the call holds, and return it."""
        async with self._write() as connection:
            released = await connection.execute(delete(slot_claims).where(_holds_of(call_sid)).returning(slot_claims))
            return [_hold(row) for row in released]

    async def held_for(self, caller: PhoneNumber) -> Hold | None:
        """Return what an earlier call of `caller` still holds."""
        live = slot_claims.c.expires_at > self._clock()
        query = (
            select(slot_claims).where(slot_claims.c.caller == caller, live).order_by(slot_claims.c.expires_at.desc())
        )
        async with self._read() as connection:
            row = (await connection.execute(query)).first()
        return _hold(row) if row else None

    async def held_in(self, call_sid: CallSid) -> Hold | None:
        """Return what the call itself holds."""
        mine = _holds_of(call_sid) & (slot_claims.c.expires_at > self._clock())
        async with self._read() as connection:
            row = (await connection.execute(select(slot_claims).where(mine))).first()
        return _hold(row) if row else None

    async def blocks(
        self, resource: str, *, start: datetime, end: datetime, except_of: Sequence[str] = ()
    ) -> Sequence[Block]:
        """Return the times kept that overlap [start, end), but for those of the owners `except_of`."""
        kept = (
            slot_claims.c.resource == resource,
            slot_claims.c.owner.not_in(except_of),
            slot_claims.c.busy_from < end,
            slot_claims.c.busy_until > start,
            or_(slot_claims.c.expires_at.is_(None), slot_claims.c.expires_at > self._clock()),
        )
        query = select(slot_claims).where(*kept).order_by(slot_claims.c.busy_from)
        async with self._read() as connection:
            return [Block(row.resource, row.busy_from, row.busy_until) for row in await connection.execute(query)]

    async def _claim(
        self, connection: AsyncConnection, claim: Mapping[str, Any], *, instead_of: ColumnElement[bool]
    ) -> bool:
        """Make a claim and give up those `instead_of`; False, and nothing changes, when it overlaps another's."""
        expired = (slot_claims.c.resource == claim["resource"]) & (slot_claims.c.expires_at <= self._clock())
        try:
            async with connection.begin_nested():
                await connection.execute(delete(slot_claims).where(expired | instead_of))
                await connection.execute(insert(slot_claims).values(claim_id=f"cl_{uuid4().hex}", **claim))
        except IntegrityError as error:
            if "no_overlap" not in str(error.orig):
                raise
            return False
        return True


def claim_values(owner: str, event_type_id: EventTypeId, slot: Slot, block: Block) -> dict[str, Any]:
    """Return the row of a claim that does not expire."""
    return {
        "resource": block.resource,
        "owner": owner,
        "event_type_id": event_type_id,
        "starts_at": slot.start,
        "ends_at": slot.end,
        "busy_from": block.start,
        "busy_until": block.end,
        "reservation": "",
    }


def holds_in(call_sid: CallSid, block: Block) -> ColumnElement[bool]:
    """The holds of a call that overlap `block`: what its appointment takes over."""
    return (
        _holds_of(call_sid)
        & (slot_claims.c.resource == block.resource)
        & (slot_claims.c.busy_from < block.end)
        & (slot_claims.c.busy_until > block.start)
    )


def _holds_of(call_sid: CallSid) -> ColumnElement[bool]:
    return (slot_claims.c.owner == call_sid) & slot_claims.c.expires_at.is_not(None)


def _hold(row: Row[Any]) -> Hold:
    return Hold(
        call_sid=CallSid(row.owner),
        caller=PhoneNumber(row.caller) if row.caller else None,
        event_type_id=EventTypeId(row.event_type_id),
        slot=Slot(row.starts_at, row.ends_at - row.starts_at),
        until=row.expires_at,
        reservation=row.reservation,
    )
