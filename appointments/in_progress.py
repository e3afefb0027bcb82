"""Work that goes on whoever waits for it: barge-in, a hang-up or a deadline ends the waiting, never the work."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from appointments.errors import SlotlineError
from appointments.model import Appointment

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import timedelta

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False, kw_only=True)
class Job:
    """Something to be carried out once; `key` is the same however often it is asked for."""

    key: str
    waiting: int = 0
    """How many may still hear the outcome."""
    task: asyncio.Task[Appointment] = field(init=False)

    @property
    def has_crashed(self) -> bool:
        """Whether it ended in an error that says nothing about the outcome."""
        task = self.task
        if not task.done() or task.cancelled() or task.exception() is None:
            return False
        return not isinstance(task.exception(), SlotlineError)


AnyJob = TypeVar("AnyJob", bound=Job)


class InProgress(Generic[AnyJob]):
    """The jobs of this process that have not ended, one a key."""

    def __init__(self) -> None:
        self._jobs: dict[str, AnyJob] = {}

    def get(self, key: str) -> AnyJob | None:
        return self._jobs.get(key)

    def start(self, job: AnyJob, work: Coroutine[None, None, Appointment]) -> AnyJob:
        """Begin `work` for `job` and return it."""
        job.task = asyncio.create_task(work)
        self._jobs[job.key] = job
        job.task.add_done_callback(lambda _: self._ended(job))
        return job

    async def wait(self, job: AnyJob, *, at_most: timedelta) -> None:
        """Wait for the outcome as somebody who will hear it; returns without one when that takes too long."""
        job.waiting += 1
        try:
            await asyncio.wait({job.task}, timeout=at_most.total_seconds())
        finally:
            job.waiting -= 1

    async def drain(self) -> None:
        """Wait until all have ended."""
        while tasks := [job.task for job in self._jobs.values()]:
            await asyncio.wait(tasks)

    def _ended(self, job: AnyJob) -> None:
        del self._jobs[job.key]
        if job.has_crashed:
            # What was claimed stays pending: settling goes on with it.
            log.error("job_crashed", job=job.key, exc_info=job.task.exception())
