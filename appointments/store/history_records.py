"""What happened to each appointment, in order, written with the change itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from appointments.model import CallSid
from appointments.store.database import Database
from appointments.store.records import HistoryEntry
from appointments.store.tables import history

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from appointments.model import AppointmentId


async def add_entry(
    connection: AsyncConnection,
    appointment_id: AppointmentId,
    event: str,
    *,
    at: datetime,
    call_sid: CallSid | None = None,
    starts_at: datetime | None = None,
    reason: str = "",
) -> None:
    """Add an entry within the caller's transaction; without a call it was our own work or the calendar's."""
    await connection.execute(
        insert(history).values(
            appointment_id=appointment_id,
            at=at,
            call_sid=call_sid or "",
            event=event,
            starts_at=starts_at,
            reason=reason,
        )
    )


class HistoryRecords(Database):
    """Reads what happened."""

    async def history(self, appointment_id: AppointmentId) -> Sequence[HistoryEntry]:
        """Return the entries of an appointment, oldest first."""
        query = select(history).where(history.c.appointment_id == appointment_id).order_by(history.c.entry_id)
        async with self._read() as connection:
            return [
                HistoryEntry(
                    row.event, row.at, CallSid(row.call_sid) if row.call_sid else None, row.starts_at, row.reason
                )
                for row in await connection.execute(query)
            ]
