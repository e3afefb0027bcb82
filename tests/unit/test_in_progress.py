"""Work goes on whoever waits for it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from appointments.errors import CalendarUnavailable
from appointments.in_progress import InProgress, Job

if TYPE_CHECKING:
    from appointments.model import Appointment

AT_ONCE = timedelta(0)


class Work:
    """Fails, and then takes until `is_written` to end."""

    def __init__(self) -> None:
        self.is_written = asyncio.Event()
        self.job = Job(key="CA1:101:0")
        self.jobs: InProgress[Job] = InProgress()

    async def __call__(self) -> Appointment:
        await self.is_written.wait()
        raise CalendarUnavailable("it is down")

    def asked_for(self) -> asyncio.Task[None]:
        self.jobs.start(self.job, self())
        return asyncio.create_task(self.jobs.wait(self.job, at_most=AT_ONCE))


async def test_who_waits_too_long_is_told_so_and_waits_no_more() -> None:
    work = Work()

    await work.asked_for()

    assert (work.job.task.done(), work.job.waiting) == (False, 0)
    work.is_written.set()
    await work.jobs.drain()


async def test_who_hangs_up_does_not_end_the_work() -> None:
    work = Work()
    work.jobs.start(work.job, work())
    asking = asyncio.create_task(work.jobs.wait(work.job, at_most=timedelta(minutes=1)))
    await asyncio.sleep(0)

    asking.cancel()
    await asyncio.wait({asking})

    assert (work.job.task.done(), work.job.waiting) == (False, 0)
    work.is_written.set()
    await work.jobs.drain()
