"""The texts to be sent: each is added with what it tells of, leased by one worker at a time, and sent once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import and_, func, or_, select, update

from appointments.model import AppointmentId
from appointments.store.database import Database, insert_new
from appointments.store.records import OutboxRow
from appointments.store.tables import opt_outs, outbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from appointments.store.records import OutgoingText

# Status callbacks arrive in any order; a status never gives way to one of a lower rank.
_RANKS = {"": 0, "accepted": 1, "scheduled": 1, "queued": 2, "sending": 3, "sent": 4}
_RANKS |= dict.fromkeys(("delivered", "undelivered", "failed", "canceled"), 5) | {"read": 6}


async def add_texts(
    connection: AsyncConnection, appointment_id: AppointmentId, texts: Sequence[OutgoingText], *, now: datetime
) -> None:
    """Add `texts` within the caller's transaction, leaving out those that are there already."""
    for text in texts:
        values = {
            "outbox_id": f"ob_{uuid4().hex}",
            "dedupe_key": text.dedupe_key,
            "appointment_id": appointment_id,
            "to_number": text.to,
            "body": text.body,
            "state": "pending",
            "status": "",
            "run_at": now + text.held_back,
            "attempts": 0,
            "owner": "",
            "message_sid": "",
            "error_code": "",
            "created_at": now,
        }
        await insert_new(connection, outbox, values)


class OutboxRecords(Database):
    """Leases texts, records what became of them, remembers who wants none."""

    async def lease_text(self, *, owner: str, now: datetime, lease: timedelta) -> OutboxRow | None:
        """Lease the text that is due longest, None when none is. The lease must outlast the sender's timeout."""
        due = or_(
            and_(outbox.c.state == "pending", outbox.c.run_at <= now),
            and_(outbox.c.state == "leased", outbox.c.lease_until <= now),
        )
        oldest = select(outbox).where(due).order_by(outbox.c.run_at).limit(1).with_for_update(skip_locked=True)
        async with self._write() as connection:
            row = (await connection.execute(oldest)).first()
            if row is None:
                return None
            await connection.execute(
                update(outbox)
                .where(outbox.c.outbox_id == row.outbox_id)
                .values(
                    state="leased",
                    owner=owner,
                    lease_until=now + lease,
                    attempts=row.attempts + 1,
                    tried_at=row.tried_at or now,
                )
            )
        return _outbox_row(row)

    async def take_back(self, texts: Sequence[OutgoingText]) -> None:
        """Remove those of `texts` that nobody has begun to send: what they tell has been heard."""
        unsent = (outbox.c.state == "pending", outbox.c.tried_at.is_(None))
        theirs = outbox.c.dedupe_key.in_([text.dedupe_key for text in texts])
        async with self._write() as connection:
            await connection.execute(outbox.delete().where(theirs, *unsent))

    async def finish_text(self, row: OutboxRow, *, owner: str, message_sid: str, status: str) -> bool:
        """Record that the sender accepted it; False when the lease was lost or a status callback came first."""
        return await self._settle(row, owner, state="sent", message_sid=message_sid, status=status)

    async def refuse_text(self, row: OutboxRow, *, owner: str, error_code: str) -> bool:
        """Record that it will never be sent."""
        return await self._settle(row, owner, state="refused", error_code=error_code)

    async def retry_text(self, row: OutboxRow, *, owner: str, run_at: datetime, may_be_sent: bool) -> bool:
        """Put it back until `run_at`; `may_be_sent` makes the next worker look before it sends."""
        tried: dict[str, Any] = {} if may_be_sent else {"tried_at": None}
        return await self._settle(row, owner, state="pending", run_at=run_at, **tried)

    async def text_status(self, outbox_id: str, status: str, *, message_sid: str = "", error_code: str = "") -> bool:
        """Take the sender's later word, in whatever order it comes. It also proves that the text was accepted.

        Returns whether anything changed.
        """
        async with self._write() as connection:
            mine = select(outbox).where(outbox.c.outbox_id == outbox_id).with_for_update()
            row = (await connection.execute(mine)).first()
            if row is None or (row.state == "sent" and _RANKS.get(status, 0) <= _RANKS.get(row.status, 0)):
                return False
            changes = {"state": "sent", "status": status, "message_sid": message_sid or row.message_sid}
            await connection.execute(
                update(outbox)
                .where(outbox.c.outbox_id == outbox_id)
                .values(**changes, error_code=error_code or row.error_code)
            )
        return True

    async def pending_texts(self) -> int:
        """Return how many texts are still to be settled."""
        count = select(func.count()).where(outbox.c.state.in_(("pending", "leased")))
        async with self._read() as connection:
            return int((await connection.execute(count)).scalar_one())

    async def texts(self, appointment_id: AppointmentId | None = None) -> Sequence[OutboxRow]:
        """Return the texts of an appointment, or all of them, oldest first."""
        query = select(outbox).order_by(outbox.c.created_at, outbox.c.outbox_id)
        if appointment_id is not None:
            query = query.where(outbox.c.appointment_id == appointment_id)
        async with self._read() as connection:
            return [_outbox_row(row) for row in await connection.execute(query)]

    async def opt_out(self, number: str) -> None:
        """Remember that `number` wants no texts."""
        async with self._write() as connection:
            await insert_new(connection, opt_outs, {"number": number, "since": self._clock()})

    async def opt_in(self, number: str) -> None:
        """Forget that `number` wanted no texts."""
        async with self._write() as connection:
            await connection.execute(opt_outs.delete().where(opt_outs.c.number == number))

    async def has_opted_out(self, number: str) -> bool:
        """Return whether `number` wants no texts."""
        async with self._read() as connection:
            return (await connection.execute(select(opt_outs).where(opt_outs.c.number == number))).first() is not None

    async def _settle(self, row: OutboxRow, owner: str, **changes: Any) -> bool:
        # The fence: whoever outlived its lease changes nothing.
        mine = and_(outbox.c.outbox_id == row.outbox_id, outbox.c.owner == owner, outbox.c.state == "leased")
        async with self._write() as connection:
            done = await connection.execute(update(outbox).where(mine).values(lease_until=None, **changes))
        return bool(done.rowcount)


def _outbox_row(row: Row[Any]) -> OutboxRow:
    return OutboxRow(
        outbox_id=row.outbox_id,
        appointment_id=AppointmentId(row.appointment_id),
        to=row.to_number,
        body=row.body,
        state=row.state,
        status=row.status,
        attempts=row.attempts,
        created_at=row.created_at,
        tried_at=row.tried_at,
        message_sid=row.message_sid,
        error_code=row.error_code,
    )
