"""How callers have tried to show who they are: codes that were texted, and names and days that were said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import delete, func, insert, select, update

from appointments.model import CallSid, PhoneNumber
from appointments.store.database import Database
from appointments.store.tables import codes, proof_tries

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

CODE_LIFETIME = timedelta(minutes=10)
MOST_TRIES = 5
"""So many times a code may be entered."""
MOST_CODES = 3
"""So many may be asked for in a call, and for a number within an hour."""
CODES_PER = timedelta(hours=1)
MOST_PROOFS = 5
"""So many times a name and a day may be said in a call."""
MOST_PROOFS_OF_A_NUMBER = 10
PROOFS_PER = timedelta(days=1)
_KEPT = timedelta(days=2)
"""Nothing counts any more that is older."""


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A code that a call asked for. Without a `digest` nothing was texted, and no code is the right one."""

    code_id: str
    call_sid: CallSid
    number: PhoneNumber
    digest: str


@dataclass(frozen=True, slots=True)
class CodeCheck:
    """What became of a try: the number that the right code was texted to, or None and how many tries are left."""

    number: PhoneNumber | None
    tries_left: int = 0


class CodeRecords(Database):
    """Counts and limits across calls, processes and machines. No code can be read here."""

    async def issue_code(self, code: IssuedCode) -> int | None:
        """Keep a code that takes the place of the call's earlier ones; None when too many were asked for.

        Returns how many more the call may ask for.
        """
        now = self._clock()
        of_call = codes.c.call_sid == code.call_sid
        of_number = (codes.c.number == code.number) & (codes.c.asked_at > now - CODES_PER)
        async with self._write() as connection:
            await self._lock(connection, f"codes of {code.call_sid}")
            await self._lock(connection, f"codes for {code.number}")
            await connection.execute(delete(codes).where(codes.c.asked_at <= now - _KEPT))
            place = await _count(connection, codes, of_call)
            if place >= MOST_CODES or await _count(connection, codes, of_number) >= MOST_CODES:
                return None
            values = {
                "code_id": code.code_id,
                "call_sid": code.call_sid,
                "place": place,
                "number": code.number,
                "digest": code.digest,
                "tries": 0,
                "asked_at": now,
                "expires_at": now + CODE_LIFETIME,
            }
            await connection.execute(insert(codes).values(values))
        return MOST_CODES - place - 1

    async def try_code(self, call_sid: CallSid, is_right: Callable[[IssuedCode], bool]) -> CodeCheck:
        """Try the newest code of a call. The right one works once; a wrong one costs a try."""
        newest = select(codes).where(codes.c.call_sid == call_sid).order_by(codes.c.place.desc()).limit(1)
        now = self._clock()
        async with self._write() as connection:
            row = (await connection.execute(newest.with_for_update())).first()
            if row is None or not _is_open(row, now):
                return CodeCheck(None)
            issued = IssuedCode(row.code_id, call_sid, PhoneNumber(row.number), row.digest)
            used = {"used_at": now} if is_right(issued) else {}
            mine = codes.c.code_id == row.code_id
            await connection.execute(update(codes).where(mine).values(tries=row.tries + 1, **used))
        return CodeCheck(issued.number if used else None, MOST_TRIES - row.tries - 1)

    async def begin_proof(self, call_sid: CallSid, number: PhoneNumber) -> int | None:
        """Count a name and a day that were said, right or wrong; None when too many were.

        Returns how many more the call may say.
        """
        now = self._clock()
        of_call = proof_tries.c.call_sid == call_sid
        of_number = (proof_tries.c.number == number) & (proof_tries.c.at > now - PROOFS_PER)
        async with self._write() as connection:
            await self._lock(connection, f"proofs of {number}")
            await connection.execute(delete(proof_tries).where(proof_tries.c.at <= now - _KEPT))
            left = min(
                MOST_PROOFS - await _count(connection, proof_tries, of_call),
                MOST_PROOFS_OF_A_NUMBER - await _count(connection, proof_tries, of_number),
            )
            if left <= 0:
                return None
            values = {"try_id": uuid4().hex, "call_sid": call_sid, "number": number, "at": now}
            await connection.execute(insert(proof_tries).values(values))
        return left - 1


def _is_open(row: Row[Any], now: datetime) -> bool:
    return bool(row.used_at is None and row.tries < MOST_TRIES and row.expires_at > now)


async def _count(connection: AsyncConnection, table: Table, condition: ColumnElement[bool]) -> int:
    return (await connection.execute(select(func.count()).select_from(table).where(condition))).scalar_one()
