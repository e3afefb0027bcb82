"""A pipeline of a test: run from its first frame to its last."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from pipecat.frames.frames import EndFrame
from pipecat.workers.runner import WorkerRunner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipecat.pipeline.worker import PipelineWorker

PATIENCE_SECS = 5


@contextlib.asynccontextmanager
async def running_pipeline(worker: PipelineWorker) -> AsyncIterator[None]:
    """Run `worker` from before the first frame until the last has come through."""
    started = asyncio.Event()

    async def on_started(*_: Any) -> None:
        started.set()

    worker.add_event_handler("on_pipeline_started", on_started)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    async with asyncio.timeout(PATIENCE_SECS):
        await started.wait()
    try:
        yield
    finally:
        await worker.queue_frame(EndFrame())
        async with asyncio.timeout(PATIENCE_SECS):
            await running
