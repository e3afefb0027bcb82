"""A worker of a rehearsal as a process of its own, and what its log tells while it runs."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agent.rehearsal_events import Event
from agent.stand_ins import slotline, stop, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path


@asynccontextmanager
async def running_worker(
    environment: Mapping[str, str], url: str, log: Path, tools: asyncio.Queue[Event]
) -> AsyncIterator[None]:
    """Run a worker that listens at `url`; what its log tells of tools arrives in the queue."""
    process = await asyncio.create_subprocess_exec(
        *slotline("serve", "--no-env-file", "--host", "127.0.0.1", "--port", url.rsplit(":", 1)[1]),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 22,
    )
    following = asyncio.create_task(_follow_log(process, log, tools))
    try:
        await wait_until_ready(url, process, log)
        yield
    finally:
        await stop(process)
        await following


async def _follow_log(process: asyncio.subprocess.Process, path: Path, tools: asyncio.Queue[Event]) -> None:
    """Keep the worker's log in `path`, behind that of those before it, and pick out what it tells of tools."""
    assert process.stderr is not None
    with path.open("ab") as log:
        async for line in process.stderr:
            log.write(line)
            log.flush()
            if b'"tool_' in line:
                told = json.loads(line)
                if told["event"] == "tool_started":
                    tools.put_nowait(Event("tool", "started", 0, told["tool"]))
                elif told["event"] == "tool_finished":
                    tools.put_nowait(Event("tool", told["status"], 0, told["tool"], told["took_ms"]))
