"""The watch over the event loop: a stall is told with what to do about it, once a worker has started."""

from __future__ import annotations

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from agent.jobs import LATE_MS, late_hint, watch_event_loop
from agent.loop_lag import LoopLag


@pytest.mark.parametrize(("start_secs", "level"), [(0, "warning"), (60, "debug")])
async def test_a_stall_is_told_aloud_once_a_worker_has_started(start_secs: float, level: str) -> None:
    with capture_logs() as logs:
        watch = asyncio.create_task(watch_event_loop(LoopLag(), start_secs=start_secs))
        await asyncio.sleep(0)
        _compute(secs=2 * LATE_MS / 1000)
        async with asyncio.timeout(5):
            while not logs:
                await asyncio.sleep(0)
        watch.cancel()

    assert (logs[0]["event"], logs[0]["log_level"]) == ("event_loop_late", level)
    assert logs[0]["late_ms"] >= LATE_MS
    assert logs[0]["cpu_ms"] >= LATE_MS
    assert logs[0]["hint"]


@pytest.mark.parametrize(("start_secs", "is_noted"), [(0, True), (60, False)])
async def test_a_stall_counts_as_lag_once_a_worker_has_started(start_secs: float, is_noted: bool) -> None:
    lag = LoopLag()
    with capture_logs() as logs:
        watch = asyncio.create_task(watch_event_loop(lag, start_secs=start_secs))
        await asyncio.sleep(0)
        _compute(secs=2 * LATE_MS / 1000)
        async with asyncio.timeout(5):
            while not logs:
                await asyncio.sleep(0)
        watch.cancel()

    assert (lag.p95_ms >= LATE_MS) is is_noted


@pytest.mark.parametrize(
    ("cpu_ms", "cause"), [(100, "the worker computed"), (60, "the worker computed"), (2, "the worker had to wait")]
)
def test_a_stall_is_put_down_to_the_worker_or_to_the_machine(cpu_ms: int, cause: str) -> None:
    assert late_hint(100, cpu_ms).startswith(f"live calls stuttered: {cause}")


def _compute(*, secs: float) -> None:
    end = time.thread_time() + secs
    while time.thread_time() < end:
        pass
