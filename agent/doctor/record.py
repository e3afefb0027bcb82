"""Whether a worker could open the database. It is only read, and never migrated, here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent.doctor.data_dir import why_not_writable
from agent.doctor.findings import Check, Finding, failed, ok, skipped, warning
from appointments.errors import ConfigError
from appointments.store.inspection import RecordReport, RecordState, inspect_record

if TYPE_CHECKING:
    from agent.doctor.installation import Installation

_ANOTHER = "name another file in DATABASE_URL, or another folder in DATA_DIR"


async def check_database(installation: Installation) -> list[Finding]:
    if why := installation.lacks("data_dir", "database_url"):
        return [skipped(Check.DATABASE, why)]
    assert installation.settings is not None
    try:
        report = await asyncio.to_thread(inspect_record, installation.settings.database_url.get_secret_value())
    except ConfigError as error:
        seen, _, fix = str(error).partition(". ")
        return [failed(Check.DATABASE, seen, fix)]
    return [_finding(report)]


def _finding(report: RecordReport) -> Finding:
    path = report.place
    match report.state:
        case RecordState.CURRENT:
            return ok(Check.DATABASE, f"{path} is up to date (migration {report.version})")
        case RecordState.MISSING if report.folder and (why := why_not_writable(report.folder)):
            return failed(Check.DATABASE, why, f"Give the worker's user the right to write there, or {_ANOTHER}.")
        case RecordState.MISSING:
            return ok(Check.DATABASE, f"{path} is empty or not there: `slotline serve` will create it")
        case RecordState.OLDER:
            seen = f"{path} is at migration {report.version}; `slotline serve` will bring it to {report.newest}"
            fix = "Nothing has to be done. Copy the file first if you may want to go back to the version before."
            return warning(Check.DATABASE, seen, fix)
        case _:
            return failed(Check.DATABASE, *_failure(report, path))


def _failure(report: RecordReport, path: str) -> tuple[str, str]:
    """Return what was seen and how to fix it."""
    match report.state:
        case RecordState.NEWER:
            seen = f"{path} is at migration {report.version}, newer than this slotline, which knows {report.newest}"
            return seen, f"Install the version of slotline that was used last, or {_ANOTHER}."
        case RecordState.FOREIGN:
            return f"{path} holds tables of something else", f"Leave it alone: {_ANOTHER}."
        case RecordState.DAMAGED:
            return f"{path} is damaged: {report.reason}", (
                "Stop the worker, copy the file away, and put back a backup, "
                f"or save what can be read with `sqlite3 {path} .recover`."
            )
        case RecordState.LOCKED:
            return f"{path} is locked by another process", (
                f"Find that process with `fuser {path}` and end it; a running worker does not lock the file for long."
            )
        case RecordState.READ_ONLY:
            return f"{path} cannot be written to", "Give the worker's user the right to write the file and its folder."
        case _:
            return f"{path} cannot be opened: {report.reason}", (
                f"Give the worker's user the right to read and write the file and its folder, or {_ANOTHER}."
            )
