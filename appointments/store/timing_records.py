"""How quickly calls were answered: one row an answer, and each call's greeting and worst silence."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from appointments.store.database import Database
from appointments.store.records import CallTimes, TurnTimes
from appointments.store.tables import calls, turn_times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from appointments.model import CallSid

_STAGES = ("at_ms", "voice_to_voice_ms", "turn_end_ms", "stt_ms", "llm_ms", "tts_ms", "play_ms")


class TimingRecords(Database):
    """Keeps what was measured of calls."""

    async def keep_times(self, call_sid: CallSid, times: CallTimes) -> None:
        """Record what was measured of a call, or of one more part of it after it broke off.

        The greeting is that of the first part, the silence the worst of all of them.
        """
        call = calls.c.call_sid == call_sid
        async with self._write() as connection:
            before = (await connection.execute(select(calls).where(call))).first()
            if before is not None:
                greeting = times.greeting_ms if before.greeting_ms is None else before.greeting_ms
                silences = [ms for ms in (before.worst_silence_ms, times.worst_silence_ms) if ms is not None]
                values = {"greeting_ms": greeting, "worst_silence_ms": max(silences, default=None)}
                await connection.execute(update(calls).where(call).values(values))
            if times.turns:
                rows = [{"call_sid": call_sid, **asdict(turn)} for turn in times.turns]
                await connection.execute(insert(turn_times), rows)

    async def times(self, call_sid: CallSid) -> CallTimes:
        """Return what was measured of a call; of one that is unknown, nothing was."""
        mine = select(turn_times).where(turn_times.c.call_sid == call_sid).order_by(turn_times.c.turn_time_id)
        async with self._read() as connection:
            call = (await connection.execute(select(calls).where(calls.c.call_sid == call_sid))).first()
            turns = tuple(_turn(row) for row in await connection.execute(mine))
        if call is None:
            return CallTimes(turns=turns)
        return CallTimes(call.greeting_ms, call.worst_silence_ms, turns)

    async def timed_calls(self) -> Sequence[CallTimes]:
        """Return what was measured of every call that has anything measured, the earliest first."""
        measured = calls.c.greeting_ms.is_not(None) | calls.c.worst_silence_ms.is_not(None)
        query = select(calls.c.call_sid).where(measured).order_by(calls.c.started_at)
        async with self._read() as connection:
            found = [row.call_sid for row in await connection.execute(query)]
        return [await self.times(call_sid) for call_sid in found]


def _turn(row: Row[tuple[object, ...]]) -> TurnTimes:
    return TurnTimes(**{name: row._mapping[name] for name in _STAGES})
