"""The connection to the record: how it is opened, brought up to date, read and written."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import structlog
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from appointments.ports import Clock

log = structlog.get_logger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECS = 10.0

# `isolation_level` None: sqlite3 begins no transaction behind our back, `_begin` says which kind it is.
_CONNECT: dict[str, Any] = {"timeout": BUSY_SECS, "isolation_level": None}
_migrating = threading.Lock()  # Alembic's `context` and `op` are one per process


def utc_now() -> datetime:
    """Return the real time."""
    return datetime.now(UTC)


class Database:
    """One SQLite file. Writes queue up within the process, and between processes on the file's write lock."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._clock = clock
        self._readers = engine
        self._writers = engine.execution_options(slotline_writes=True)
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, url: str, *, clock: Clock = utc_now) -> Self:
        """Open the database at `url`, creating it and bringing it up to date; safe in many processes at once.

        Raises:
            ConfigError: `url` names no database that can be used.
        """
        parsed = parse_url(url)
        try:
            await asyncio.to_thread(_migrate, parsed)
        except (OSError, OperationalError, sqlite3.OperationalError) as error:
            raise ConfigError(
                f"DATABASE_URL: {parsed.database!r} cannot be opened ({type(error).__name__}). "
                "Name a file in a folder that can be written to."
            ) from error
        except CommandError as error:
            raise ConfigError(
                f"DATABASE_URL: {parsed.database!r} was brought up to date by a newer slotline ({error}). "
                "Run that version again, or go back to a copy of the file from before."
            ) from error
        engine = create_async_engine(parsed, connect_args=_CONNECT, hide_parameters=True)  # they hold personal data
        event.listen(engine.sync_engine, "connect", _prepare)
        event.listen(engine.sync_engine, "begin", _begin)
        return cls(engine, clock)

    async def close(self) -> None:
        """Close every connection."""
        await self._readers.dispose()

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncConnection]:
        async with self._readers.begin() as connection:
            yield connection

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        # SQLite lets waiting writers sleep and poll; those of one process take turns here without either.
        async with self._writing, self._writers.begin() as connection:
            yield connection


def parse_url(url: str) -> URL:
    """Return DATABASE_URL taken apart; raises `ConfigError` when it names no database of ours."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError("DATABASE_URL is no database URL. Use sqlite+aiosqlite:///path/to/slotline.db") from None
    if parsed.drivername != "sqlite+aiosqlite":
        raise ConfigError(
            f"DATABASE_URL: {parsed.drivername!r} is not supported. Use sqlite+aiosqlite:///path/to/slotline.db"
        )
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError("DATABASE_URL names no file. Use sqlite+aiosqlite:///path/to/slotline.db")
    return parsed


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A deferred transaction that reads before it writes fails with "locked" whatever the timeout: writers say so first.
    writes = connection.get_execution_options().get("slotline_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(url: URL) -> None:
    """Bring the file up to date, alone: other processes wait for the write lock and then find nothing to do."""
    path = Path(str(url.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not os.access(path, os.W_OK):
        # SQLite would open it, and every booking would fail.
        raise PermissionError(f"{path} cannot be written to")
    _use_write_ahead_log(str(url.database))
    engine = create_engine(url.set(drivername="sqlite"), connect_args=_CONNECT)
    event.listen(engine, "begin", _begin)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        with _migrating, engine.execution_options(slotline_writes=True).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


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
