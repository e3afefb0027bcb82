"""Postgres as the record's database: how it is reached and brought up to date."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import URL, func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from appointments.errors import ConfigError
from appointments.store.upgrading import upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from appointments.ports import Clock

CONNECT_SECS = 5.0
STATEMENT_SECS = 10.0
COMPARE_EVERY_SECS = 60.0
POOL_SIZE = 5
"""Connections that are kept; twice as many more are opened while they are needed."""

_CONNECT = {"timeout": CONNECT_SECS, "command_timeout": STATEMENT_SECS}


def create_engine(url: URL) -> AsyncEngine:
    """Return an engine for the database at `url`."""
    return create_async_engine(
        url,
        connect_args=_CONNECT,
        hide_parameters=True,  # they hold personal data
        pool_size=POOL_SIZE,
        max_overflow=2 * POOL_SIZE,
        pool_pre_ping=True,  # a restart of the server must not cost a booking
    )


class ServerClock:
    """The time of the database's server, kept as its distance from this machine's.

    What one machine leases or holds, another one lets expire: they must agree on the time though their clocks do not.
    """

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._ahead = timedelta(0)
        self._compare_at = 0.0

    def __call__(self) -> datetime:
        return self._machine() + self._ahead

    async def compare(self, connection: AsyncConnection) -> None:
        """Look at the server's clock, unless that was done less than a minute ago."""
        if time.monotonic() >= self._compare_at:
            asked_at = self._machine()
            server: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
            self._ahead = server - asked_at - (self._machine() - asked_at) / 2
            self._compare_at = time.monotonic() + COMPARE_EVERY_SECS


async def lock(connection: AsyncConnection, name: str) -> None:
    """Wait until no other transaction has the lock of this name; it is given back with the transaction."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def bring_up_to_date(url: URL) -> None:
    """Migrate the database, alone: other processes wait for the lock and then find nothing to do.

    Raises:
        ConfigError: the database cannot be used.
    """
    with explained(url):
        asyncio.run(_migrate(url))


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn what reaching the database at `url` may raise into a `ConfigError` with the way out."""
    try:
        yield
    except (OSError, DBAPIError) as error:
        server, cause = server_of(url), error.orig if isinstance(error, DBAPIError) else error
        match getattr(cause, "sqlstate", ""):
            case "3D000":
                told = f"{server} has no database {url.database!r}. Create it: createdb {url.database}"
            case "28000" | "28P01":
                told = f"{server} does not let {url.username!r} in. Correct the user or the password."
            case "42501":
                told = (
                    f"{url.username!r} may not change the database {url.database!r}. Give it the right to create "
                    "tables, and let an administrator run: CREATE EXTENSION btree_gist"
                )
            case _:
                why = getattr(cause, "sqlstate", None) or type(cause).__name__
                told = (
                    f"the database {url.database!r} at {server} cannot be used ({why}). "
                    "Start the server, or correct the address."
                )
        raise ConfigError(f"DATABASE_URL: {told}") from error


def server_of(url: URL) -> str:
    """Return where the server is; a URL without a host means a socket here."""
    return url.host or "this machine"


async def last_migration(url: URL) -> tuple[str, bool]:
    """Return the last migration, "" when none was made, and whether there are no tables at all."""
    engine = create_async_engine(url, poolclass=NullPool, connect_args=_CONNECT)
    try:
        async with engine.connect() as connection:
            tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
            if "alembic_version" not in tables:
                return "", not tables
            version = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
            return str(version or ""), version is None and tables == ["alembic_version"]
    finally:
        await engine.dispose()


async def _migrate(url: URL) -> None:
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": CONNECT_SECS})
    try:
        async with engine.begin() as connection:
            await lock(connection, "slotline migrations")
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()
