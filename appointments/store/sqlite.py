"""SQLite as the record's database: how its file is opened and brought up to date."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from appointments.errors import ConfigError
from appointments.store.upgrading import upgrade

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

BUSY_SECS = 10.0
WRITES = "slotline_writes"
"""The execution option of a connection that is going to write."""

# `isolation_level` None: sqlite3 begins no transaction behind our back, `_begin` says which kind it is.
_CONNECT: dict[str, Any] = {"timeout": BUSY_SECS, "isolation_level": None}


def create_engine(url: URL) -> AsyncEngine:
    """Return an engine for the file at `url`."""
    engine = create_async_engine(url, connect_args=_CONNECT, hide_parameters=True)  # they hold personal data
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def bring_up_to_date(url: URL) -> None:
    """Create the file and migrate it, alone: other processes wait for the write lock and then find nothing to do.

    Raises:
        ConfigError: the file cannot be used.
    """
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not os.access(path, os.W_OK):
            # SQLite would open it, and every booking would fail.
            raise PermissionError(f"{path} cannot be written to")
        _use_write_ahead_log(str(path))
        _migrate(url)
    except (OSError, OperationalError, sqlite3.OperationalError) as error:
        raise ConfigError(
            f"DATABASE_URL: {url.database!r} cannot be opened ({type(error).__name__}). "
            "Name a file in a folder that can be written to."
        ) from error


def _migrate(url: URL) -> None:
    engine = sqlalchemy.create_engine(url.set(drivername="sqlite"), connect_args=_CONNECT)
    event.listen(engine, "begin", _begin)
    try:
        with engine.execution_options(**{WRITES: True}).begin() as connection:
            upgrade(connection)
    finally:
        engine.dispose()


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A deferred transaction that reads before it writes fails with "locked" whatever the timeout: writers say so first.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _use_write_ahead_log(path: str) -> None:
    """Switch the file to WAL, which stays with it. SQLite's own timeout does not cover this switch."""
    give_up = time.monotonic() + BUSY_SECS
    connection = sqlite3.connect(path, timeout=BUSY_SECS)
    try:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > give_up:
                    raise OSError(str(error)) from error
                time.sleep(0.02)
            else:
                return
    finally:
        connection.close()
