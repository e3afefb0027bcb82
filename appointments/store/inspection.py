"""Looks at the database without changing it: whether a worker could open it, and how old it is."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.script import ScriptDirectory

from appointments.store import postgres
from appointments.store.database import parse_url
from appointments.store.upgrading import alembic_config

if TYPE_CHECKING:
    from sqlalchemy import URL

BUSY_SECS = 1.0
LOOK_THROUGH_SECS = 2.0
"""How long damage is looked for; a big database is not looked through to its end."""

_STEPS_BETWEEN_LOOKS = 10_000
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class RecordState(StrEnum):
    """What a worker that starts would meet."""

    CURRENT = "current"
    MISSING = "missing"
    """It would be created."""
    OLDER = "older"
    """It would be migrated."""
    NEWER = "newer"
    """A newer version of ours has migrated it."""
    FOREIGN = "foreign"
    """It holds tables of something else."""
    DAMAGED = "damaged"
    LOCKED = "locked"
    UNREADABLE = "unreadable"
    READ_ONLY = "read_only"


@dataclass(frozen=True, slots=True)
class RecordReport:
    """What was seen. `version` is the database's last migration and `newest` ours, both "" when unknown."""

    state: RecordState
    place: str
    """The file, or the database and its server."""
    version: str = ""
    newest: str = ""
    reason: str = ""
    folder: Path | None = None
    """Where a missing file would be made."""


def inspect_record(url: str) -> RecordReport:
    """Return the state of the database at `url`; raises `ConfigError` when it names none that can be reached."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "postgresql":
        return _inspect_server(parsed)
    return _inspect_file(Path(str(parsed.database)))


def _inspect_server(url: URL) -> RecordReport:
    place = f"{url.database} at {postgres.server_of(url)}"
    newest, known = _migrations()
    with postgres.explained(url):
        version, is_empty = asyncio.run(postgres.last_migration(url))
    return RecordReport(RecordState.MISSING if is_empty else _age(version, newest, known), place, version, newest)


def _inspect_file(path: Path) -> RecordReport:
    place = str(path.absolute())
    newest, known = _migrations()
    if not path.exists():
        return RecordReport(RecordState.MISSING, place, newest=newest, folder=path.absolute().parent)
    if path.is_dir():
        return RecordReport(RecordState.UNREADABLE, place, newest=newest, reason="it is a folder")
    try:
        # Without its file system's permission to write, SQLite cannot read a write-ahead log either.
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECS)) as connection:
            version, is_empty = _read(connection)
            damage = _damage(connection)
    except sqlite3.Error as error:
        return RecordReport(_state_of(error), place, newest=newest, reason=str(error))
    if damage:
        return RecordReport(RecordState.DAMAGED, place, version, newest, damage)
    if is_empty:
        return RecordReport(RecordState.MISSING, place, newest=newest)
    if not os.access(path, os.W_OK):
        return RecordReport(RecordState.READ_ONLY, place, version, newest)
    return RecordReport(_age(version, newest, known), place, version, newest)


def _migrations() -> tuple[str, frozenset[str]]:
    """Return our newest migration and all of them."""
    scripts = ScriptDirectory.from_config(alembic_config())
    return scripts.get_current_head() or "", frozenset(script.revision for script in scripts.walk_revisions())


def _read(connection: sqlite3.Connection) -> tuple[str, bool]:
    """Return the last migration, "" when none was made, and whether there are no tables at all."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "alembic_version" not in tables:
        return "", not tables
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    # Without a row the very first migration broke off, or was undone.
    return (row[0] if row else ""), row is None and tables == {"alembic_version"}


def _damage(connection: sqlite3.Connection) -> str:
    """Return the first damage that is found in time, "" when none is."""
    give_up = time.monotonic() + LOOK_THROUGH_SECS
    connection.set_progress_handler(lambda: time.monotonic() > give_up, _STEPS_BETWEEN_LOOKS)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return ""
        raise
    return "" if found == "ok" else str(found)


def _state_of(error: sqlite3.Error) -> RecordState:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it is the extended code
    if code in _DAMAGED:
        return RecordState.DAMAGED
    return RecordState.LOCKED if code in _LOCKED else RecordState.UNREADABLE


def _age(version: str, newest: str, known: frozenset[str]) -> RecordState:
    if not version:
        return RecordState.FOREIGN
    if version == newest:
        return RecordState.CURRENT
    return RecordState.OLDER if version in known else RecordState.NEWER
