"""The event loop of a worker with calls: frames of audio come and go, and a clock notes how late its ticks are."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import percentile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FRAME_SECS = 0.02
_SCHEDULING = Path("/proc/thread-self/schedstat")
_FRAME = json.dumps({"event": "media", "media": {"payload": base64.b64encode(bytes(160)).decode()}})


@dataclass(slots=True)
class Lateness:
    """How late each tick was, and what the event loop had to do with it since the tick before."""

    late_ms: list[float] = field(default_factory=list)
    waited_ms: list[float] = field(default_factory=list)
    """How long it waited for a core that other work had."""
    computed_ms: list[float] = field(default_factory=list)
    """How long it computed."""

    @property
    def most_ms(self) -> float:
        return round(max(self.late_ms, default=0.0), 1)

    @property
    def p99_ms(self) -> float:
        return percentile(self.late_ms, 0.99)

    @property
    def most_by_us_ms(self) -> float:
        """The latest tick as far as the event loop computed meanwhile and did not wait for a core."""
        ticks = zip(self.late_ms, self.waited_ms, self.computed_ms, strict=True)
        return round(max((min(late - waited, computed) for late, waited, computed in ticks), default=0.0), 1)


@asynccontextmanager
async def live_calls(count: int) -> AsyncIterator[Lateness]:
    """Let `count` calls send and get a frame of audio every 20 ms, and watch the ticks meanwhile."""
    lateness = Lateness()
    tasks = [asyncio.create_task(_call()) for _ in range(count)]
    tasks.append(asyncio.create_task(_watch(lateness)))
    try:
        yield lateness
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _call() -> None:
    while True:
        audio = base64.b64decode(json.loads(_FRAME)["media"]["payload"])
        json.dumps({"event": "media", "media": {"payload": base64.b64encode(audio).decode()}})
        await asyncio.sleep(FRAME_SECS)


async def _watch(lateness: Lateness) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due, waited, computed = loop.time() + FRAME_SECS, _core_wait_ms(), time.thread_time()
        await asyncio.sleep(FRAME_SECS)
        lateness.late_ms.append((loop.time() - due) * 1000)
        lateness.waited_ms.append(_core_wait_ms() - waited)
        lateness.computed_ms.append((time.thread_time() - computed) * 1000)


def _core_wait_ms() -> float:
    """Return how long this thread has waited for a core so far; 0 where the system does not tell."""
    try:
        return int(_SCHEDULING.read_text().split()[1]) / 1e6
    except OSError:
        return 0.0
