"""Calls and what was said in them, and the tokens that let a media socket in once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from appointments.model import CallSid
from appointments.store.database import Database, insert_new
from appointments.store.records import CallRecord, TurnRecord
from appointments.store.tables import calls, turns, used_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

# A token that has expired is refused by its date; its row stays a little longer, since clocks differ.
_KEPT_AFTER_EXPIRY = timedelta(hours=1)


class CallRecords(Database):
    """Keeps one row a call, one a turn, one a used token."""

    async def begin_call(
        self,
        call_sid: CallSid,
        *,
        caller: str | None,
        called: str,
        at: datetime,
        at_most: int | None = None,
        since: datetime | None = None,
    ) -> bool:
        """Record that a call began; the first word counts when it is told twice.

        Return False, and record nothing, when `at_most` calls of `caller` that began `since` then have not ended.
        A caller who withholds the number, None, is not limited.
        """
        live = (calls.c.caller == caller) & calls.c.ended_at.is_(None)
        if since is not None:
            live &= calls.c.started_at >= since
        async with self._write() as connection:
            await self._lock(connection, f"calls of {caller or call_sid}")
            known = await connection.execute(select(calls.c.call_sid).where(calls.c.call_sid == call_sid))
            if known.first() is not None:
                return True
            if caller is not None and at_most is not None:
                others = (await connection.execute(select(func.count()).where(live))).scalar_one()
                if others >= at_most:
                    return False
            values = {"call_sid": call_sid, "caller": caller, "called": called, "started_at": at, "outcome": ""}
            await connection.execute(insert(calls).values(values))
        return True

    async def end_call(self, call_sid: CallSid, *, outcome: str, at: datetime, resumes: int | None = None) -> None:
        """Record that a call ended; the first word counts when it is told twice.

        Who carried it until it was taken up again says which part of it ended, by `resumes`: a later one may go on.
        """
        live = (calls.c.call_sid == call_sid) & calls.c.ended_at.is_(None)
        if resumes is not None:
            live &= calls.c.resumes == resumes
        async with self._write() as connection:
            await connection.execute(update(calls).where(live).values(ended_at=at, outcome=outcome))

    async def hand_over(self, call_sid: CallSid, summary: str) -> None:
        """Record what a person who takes the call over is told."""
        async with self._write() as connection:
            await connection.execute(update(calls).where(calls.c.call_sid == call_sid).values(handover=summary))

    async def resume_call(self, call_sid: CallSid, *, at_most: int, since: datetime) -> int | None:
        """Record that a call that broke off goes on, and return how often it has; it is live again.

        Return None, and record nothing, when it is unknown, began before `since`, or has gone on `at_most` times.
        """
        may_go_on = (calls.c.call_sid == call_sid) & (calls.c.resumes < at_most) & (calls.c.started_at >= since)
        going_on = (
            update(calls)
            .where(may_go_on)
            .values(resumes=calls.c.resumes + 1, ended_at=None, outcome="")
            .returning(calls.c.resumes)
        )
        async with self._write() as connection:
            resumes: int | None = (await connection.execute(going_on)).scalar_one_or_none()
            return resumes

    async def end_stale_calls(self, started_before: datetime, *, outcome: str, at: datetime) -> Sequence[CallSid]:
        """End the calls that began before then and are still open; return which they were."""
        stale = (calls.c.started_at < started_before) & calls.c.ended_at.is_(None)
        async with self._write() as connection:
            ending = update(calls).where(stale).values(ended_at=at, outcome=outcome).returning(calls.c.call_sid)
            return [CallSid(row.call_sid) for row in await connection.execute(ending)]

    async def call(self, call_sid: CallSid) -> CallRecord | None:
        """Return the call, None when it is unknown."""
        async with self._read() as connection:
            row = (await connection.execute(select(calls).where(calls.c.call_sid == call_sid))).first()
        if row is None:
            return None
        return CallRecord(
            call_sid=CallSid(row.call_sid),
            caller=row.caller,
            called=row.called,
            started_at=row.started_at,
            ended_at=row.ended_at,
            outcome=row.outcome,
            handover=row.handover or "",
            resumes=row.resumes,
        )

    async def add_turn(
        self,
        call_sid: CallSid,
        *,
        who: str,
        text: str,
        at_ms: int,
        tool: str | None = None,
        took_ms: int | None = None,
    ) -> None:
        """Record one side's go."""
        turn = {"call_sid": call_sid, "who": who, "text": text, "at_ms": at_ms, "tool": tool, "took_ms": took_ms}
        async with self._write() as connection:
            await connection.execute(insert(turns).values(turn))

    async def turns(self, call_sid: CallSid) -> Sequence[TurnRecord]:
        """Return the call's turns in the order they happened."""
        query = select(turns).where(turns.c.call_sid == call_sid).order_by(turns.c.at_ms, turns.c.turn_id)
        async with self._read() as connection:
            rows = await connection.execute(query)
            return [TurnRecord(row.who, row.text, row.at_ms, row.tool, row.took_ms) for row in rows]

    async def use_token(self, token_id: str, *, expires: datetime) -> bool:
        """Return True exactly once for each `token_id`, whichever process asks."""
        old = used_tokens.c.expires_at < self._clock() - _KEPT_AFTER_EXPIRY
        async with self._write() as connection:
            await connection.execute(delete(used_tokens).where(old))
            return await insert_new(connection, used_tokens, {"token_id": token_id, "expires_at": expires})
