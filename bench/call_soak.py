"""Calls one after the other on several lines for a long time: does the worker grow, does anything stay undone?"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from bench.call_figures import MOST_LATE_MS
from bench.call_run import STAGGER_SECS, new_http
from bench.report import percentile, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.call_run import Calls, FinishedCall
    from bench.call_stand_ins import CallStandIns
    from bench.workers import Worker

MOST_GROWTH_PERCENT = 5.0
_SAMPLE_SECS = 1.0
_MINUTE_SECS = 60.0
_SETTLE_SECS = 5.0
"""How long after the last call what it left is looked at."""
_CALLS_TO_A_BOOKING = 3
"""Half an hour of calls would book all that is free in a month if each booked."""
_BOOKED = "SELECT count(*) FROM appointments WHERE status = 'active'"
_UNSETTLED = {
    "outbox": "SELECT count(*) FROM outbox WHERE state IN ('pending', 'leased') AND run_at <= datetime('now')",
    "appointments": "SELECT count(*) FROM appointments WHERE status IN ('pending', 'unconfirmed')",
    "changes": "SELECT count(*) FROM changes WHERE state NOT IN ('done', 'failed')",
    "holds": "SELECT count(*) FROM slot_claims WHERE expires_at <= datetime('now')",
    "calls": "SELECT count(*) FROM calls WHERE ended_at IS NULL",
}
"""What nobody will come back to: texts due, bookings and changes open, holds run out, calls that never ended."""


@dataclass(frozen=True, slots=True)
class Soak:
    """What came of it."""

    calls: Sequence[FinishedCall]
    rss_mb: Sequence[float]
    """Once a second."""
    booked: int
    unsettled: Mapping[str, int]
    late_ms: float

    @property
    def growth_percent(self) -> float | None:
        """How much the memory grew from the second minute to the last; None where there are not three."""
        minute = round(_MINUTE_SECS / _SAMPLE_SECS)
        if len(self.rss_mb) < 3 * minute:
            return None
        second, last = fmean(self.rss_mb[minute : 2 * minute]), fmean(self.rss_mb[-minute:])
        return round((last / second - 1) * 100, 1)

    @property
    def missed_turns(self) -> int:
        return sum(call.talker.planned_turns for call in self.calls) - sum(
            turn.answered_at is not None for call in self.calls for turn in call.talker.turns
        )

    @property
    def is_sound(self) -> bool:
        grew = self.growth_percent
        return (
            (grew is None or grew <= MOST_GROWTH_PERCENT)
            and not self.missed_turns
            and not any(self.unsettled.values())
            and self.late_ms <= MOST_LATE_MS
        )

    def figures(self) -> dict[str, object]:
        answers = [turn.voice_to_voice_ms for call in self.calls for turn in call.talker.turns]
        return {
            "rss_growth_percent": self.growth_percent,
            "rss_mb": round(self.rss_mb[-1], 1) if self.rss_mb else None,
            "missed_turns": self.missed_turns,
            "booked": self.booked,
            "unsettled": self.unsettled,
            "ended_calls": len(self.calls),
            "turns": len(answers),
            "voice_to_voice_p50": percentile([each for each in answers if each is not None], 0.5),
            "late_p99": self.late_ms,
        }


async def soak(
    worker: Worker, stand_ins: CallStandIns, calls: Calls, *, lines: int, turns: int, minutes: float
) -> Soak:
    """Keep `lines` calls going for so many minutes, each of `turns` turns, and look at what they leave."""
    rss_mb: list[float] = []
    until = time.monotonic() + minutes * _MINUTE_SECS
    numbers = itertools.count()
    say(f"{lines} lines, calls of {turns} turns, until {minutes:g} minutes are over")
    watching = asyncio.create_task(_watch(worker, rss_mb))
    async with new_http() as http:

        async def line(place: int) -> list[FinishedCall]:
            await asyncio.sleep(place * STAGGER_SECS)
            finished = []
            while time.monotonic() < until:
                number = next(numbers)
                finished.append(await calls.one(http, number, turns, books=number % _CALLS_TO_A_BOOKING == 0))
            return finished

        ended = await asyncio.gather(*map(line, range(lines)))
    watching.cancel()
    await asyncio.sleep(_SETTLE_SECS)
    finished = list(itertools.chain.from_iterable(ended))
    seen = await stand_ins.seen()
    late = [percentile(seen.late_ms, 0.99), percentile([ms for call in finished for ms in call.late_ms], 0.99)]
    for problem in sorted({problem for call in finished for problem in call.problems}):
        say(problem)
    return Soak(finished, rss_mb, *await asyncio.to_thread(_in_record, worker), max(late))


async def _watch(worker: Worker, rss_mb: list[float]) -> None:
    while True:
        rss_mb.append(worker.usage().rss_mb)
        await asyncio.sleep(_SAMPLE_SECS)


def _in_record(worker: Worker) -> tuple[int, Mapping[str, int]]:
    """Return what was booked, and what is unsettled."""
    with closing(sqlite3.connect(worker.data_dir / "slotline.db")) as database:
        unsettled = {what: database.execute(query).fetchone()[0] for what, query in _UNSETTLED.items()}
        return database.execute(_BOOKED).fetchone()[0], unsettled
