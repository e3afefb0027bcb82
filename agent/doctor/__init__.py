"""`slotline doctor`: tries everything a worker needs to take real calls, and says how to fix what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.doctor.report import Report
from agent.logs import configure_logs

if TYPE_CHECKING:
    from pathlib import Path


async def run(env_file: Path | None, *, as_json: bool) -> int:
    """Examine the installation and return the exit status: 0 nothing failed, 1 something did."""
    configure_logs("ERROR", "console", show_pii=False)
    # Imported now: with the business file comes Pipecat, whose first import logs.
    from agent.doctor.examination import examine

    report = Report(as_json=as_json)
    await examine(env_file, report.add)
    return report.finish()
