"""What callers leave when nothing can be booked, for the owner to answer."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import select, update

from appointments.model import CallSid, PhoneNumber
from appointments.store.database import Database, insert_new
from appointments.store.outbox_records import add_messages
from appointments.store.records import CallerRequest, KeptRequest, RequestKind
from appointments.store.tables import requests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from appointments.store.records import OutgoingMessage


class RequestRecords(Database):
    """Keeps one row a call, kind and thing asked for: who asks again corrects it."""

    async def leave_request(self, request: CallerRequest, *, messages: Sequence[OutgoingMessage] = ()) -> None:
        """Keep `request`, or correct what the same call has left, which is open again then; send `messages` with it."""
        values = asdict(request)
        same = (
            requests.c.call_sid == request.call_sid,
            requests.c.kind == request.kind,
            requests.c.title == request.title,
        )
        now = self._clock()
        new = {"request_id": f"rq_{uuid4().hex}", "created_at": now}
        async with self._write() as connection:
            if not await insert_new(connection, requests, values | new):
                await connection.execute(update(requests).where(*same).values(values | {"done_at": None}))
            await add_messages(connection, None, messages, now=now)

    async def requests(self, call_sid: CallSid | None = None) -> Sequence[CallerRequest]:
        """Return what was left in a call, or all of it, oldest first."""
        query = select(requests).order_by(requests.c.created_at)
        if call_sid is not None:
            query = query.where(requests.c.call_sid == call_sid)
        async with self._read() as connection:
            return [_request(row) for row in await connection.execute(query)]

    async def kept_requests(self) -> Sequence[KeptRequest]:
        """Return all that was ever left, oldest first."""
        query = select(requests).order_by(requests.c.created_at)
        async with self._read() as connection:
            return [
                KeptRequest(row.request_id, _request(row), row.created_at, row.done_at)
                for row in await connection.execute(query)
            ]

    async def finish_request(self, request_id: str) -> None:
        """Record that it was dealt with; the first word counts."""
        is_open = (requests.c.request_id == request_id, requests.c.done_at.is_(None))
        async with self._write() as connection:
            await connection.execute(update(requests).where(*is_open).values(done_at=self._clock()))


def _request(row: Row[Any]) -> CallerRequest:
    return CallerRequest(
        call_sid=CallSid(row.call_sid),
        kind=RequestKind(row.kind),
        number=PhoneNumber(row.number),
        name=row.name,
        title=row.title,
        best_time=row.best_time,
        notes=row.notes,
    )
