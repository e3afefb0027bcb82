"""The processes of a bench: forked from one that has imported everything, so that starting one takes no time."""

from __future__ import annotations

import asyncio
import multiprocessing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import ForkServerProcess

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["bench.crash_worker", "bench.life_worker", "bench.race_callers", "bench.stand_ins", "aiosqlite", "asyncpg"]
)


def start(work: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Run `work` in a process of its own, which ends with us at the latest."""
    process = CONTEXT.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


async def ended(process: ForkServerProcess) -> None:
    """Wait for the end of a process."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process.sentinel, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(process.sentinel)
    process.join()
