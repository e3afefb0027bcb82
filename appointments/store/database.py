"""The connection to the record: how it is opened, read and written, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import URL, make_url
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import ArgumentError, OperationalError

from appointments.errors import ConfigError
from appointments.store import postgres, sqlite
from appointments.store.postgres import ServerClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from appointments.ports import Clock

URL_HELP = "Use sqlite+aiosqlite:///path/to/slotline.db or postgresql+asyncpg://user:password@host/database"


def utc_now() -> datetime:
    """Return the real time."""
    return datetime.now(UTC)


class Database:
    """One database: a SQLite file, or Postgres shared by many machines.

    Writes to SQLite queue up within the process, and between processes on the file's write lock, so that a transaction
    sees nobody else's changes. On Postgres it is `_lock` that keeps others out.
    """

    def __init__(self, engine: AsyncEngine, clock: Clock | None) -> None:
        self._is_postgres = engine.dialect.name == "postgresql"
        self._server_clock = ServerClock(utc_now) if self._is_postgres and clock is None else None
        self._clock = clock or self._server_clock or utc_now
        self._readers = engine
        self._writers = engine.execution_options(**{sqlite.WRITES: True})
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, url: str, *, clock: Clock | None = None) -> Self:
        """Open the database at `url`, creating its tables and bringing them up to date; safe in many processes at once.

        Without a `clock` all who share the database go by one: the machine's with SQLite, the server's with Postgres.

        Raises:
            ConfigError: `url` names no database that can be used.
        """
        parsed = parse_url(url)
        backend = sqlite if parsed.get_backend_name() == "sqlite" else postgres
        await asyncio.to_thread(backend.bring_up_to_date, parsed)
        database = cls(backend.create_engine(parsed), clock)
        if database._server_clock:
            async with database._read() as connection:
                await database._server_clock.compare(connection)
        return database

    def now(self) -> datetime:
        """Return the time by which leases and holds expire."""
        return self._clock()

    async def close(self) -> None:
        """Close every connection."""
        await self._readers.dispose()

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            yield await _begin(stack, self._readers)

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            if not self._is_postgres:
                # SQLite lets waiting writers sleep and poll; those of one process take turns here without either.
                await stack.enter_async_context(self._writing)
            connection = await _begin(stack, self._writers)
            if self._server_clock:
                await self._server_clock.compare(connection)
            yield connection

    async def _lock(self, connection: AsyncConnection, name: str) -> None:
        """Keep every other transaction out that locks `name`; on SQLite a writer is alone already."""
        if self._is_postgres:
            await postgres.lock(connection, name)


async def _begin(stack: AsyncExitStack, engine: AsyncEngine) -> AsyncConnection:
    try:
        return await stack.enter_async_context(engine.begin())
    except OSError as error:
        # SQLAlchemy passes on what asyncpg raises when the server is not there.
        raise OperationalError("connect", None, error) from error


async def insert_new(connection: AsyncConnection, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless one of its unique keys is there already; return whether it was inserted."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite_dialect
    inserted = await connection.execute(dialect.insert(table).values(values).on_conflict_do_nothing())
    return bool(inserted.rowcount)


def parse_url(url: str) -> URL:
    """Return DATABASE_URL taken apart; raises `ConfigError` when it names no database of ours."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise ConfigError(f"DATABASE_URL is no database URL. {URL_HELP}") from None
    match parsed.drivername:
        case "sqlite+aiosqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise ConfigError(f"DATABASE_URL names no file. {URL_HELP}")
            return parsed
        case "postgresql+asyncpg" | "postgresql" | "postgres":
            if not parsed.database:
                raise ConfigError(f"DATABASE_URL names no database. {URL_HELP}")
            return _for_asyncpg(parsed)
        case other:
            raise ConfigError(f"DATABASE_URL: {other!r} is not supported. {URL_HELP}")


def _for_asyncpg(url: URL) -> URL:
    """Return a URL as hosts hand it out, ``postgres://…?sslmode=require``, in the words of our driver."""
    mode = url.query.get("sslmode")
    url = url.set(drivername="postgresql+asyncpg").difference_update_query(["sslmode"])
    return url.update_query_dict({"ssl": mode}) if mode else url
