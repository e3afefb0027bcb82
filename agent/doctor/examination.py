"""One examination: the files first, then every service at the same time, told in the order of the report."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent.doctor.calendar import check_calendar
from agent.doctor.clock import check_clock
from agent.doctor.installation import look_at_installation
from agent.doctor.mail_server import check_mail
from agent.doctor.openai_account import check_openai
from agent.doctor.record import check_database
from agent.doctor.twilio_account import check_twilio
from agent.doctor.webhook import check_webhook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.doctor.findings import Finding

CHECKS = (check_database, check_clock, check_openai, check_calendar, check_mail)


async def examine(env_file: Path | None, tell: Callable[[Finding], None]) -> None:
    """Look at everything a worker needs, and `tell` each finding as soon as those before it are known.

    Nothing is changed: no call begins, no text goes out, the database is not migrated. One word is spoken, to nobody.
    """
    installation, findings = await asyncio.to_thread(look_at_installation, env_file)
    for finding in findings:
        tell(finding)
    async with asyncio.TaskGroup() as group:
        way = group.create_task(check_webhook(installation))
        checks = [*(check(installation) for check in CHECKS), check_twilio(installation, way)]
        for checking in [group.create_task(check) for check in checks]:
            for finding in await checking:
                tell(finding)
