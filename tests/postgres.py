"""A Postgres for the tests: the one that TEST_DATABASE_URL names, else one of their own on a socket in a folder."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url

from appointments.store.postgres import bring_up_to_date

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import URL

GET_IT = "there is no Postgres: name one in TEST_DATABASE_URL, or install its programs: apt-get install postgresql"
DEBIAN = Path("/usr/lib/postgresql")
TEMPLATE = "slotline_template"


class Server:
    """Makes databases that are up to date, one a test."""

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+asyncpg")
        asyncio.run(self._execute(f'DROP DATABASE IF EXISTS "{TEMPLATE}"', f'CREATE DATABASE "{TEMPLATE}"'))
        bring_up_to_date(self._url.set(database=TEMPLATE))

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make a database and return its URL; it is gone at the end."""
        name = f"slotline_{uuid4().hex}"
        asyncio.run(self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"'))
        try:
            yield self._url.set(database=name).render_as_string(hide_password=False)
        finally:
            asyncio.run(self._execute(f'DROP DATABASE "{name}" WITH (FORCE)'))

    async def _execute(self, *statements: str) -> None:
        connection = await asyncpg.connect(self._url.set(drivername="postgresql").render_as_string(hide_password=False))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def running_server(*, is_durable: bool = False) -> Iterator[Server | None]:
    """Return the server to test with, None where there is none; one of our own is durable only where that matters."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield Server(make_url(given))
    elif programs := _programs():
        with _own_server(programs, is_durable=is_durable) as url:
            yield Server(url)
    else:
        yield None


def _programs() -> Path | None:
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name), default=None)


@contextmanager
def _own_server(programs: Path, *, is_durable: bool) -> Iterator[URL]:
    # Not under pytest's folders: Postgres refuses to run as root, and its user could not get there.
    folder = Path(tempfile.mkdtemp(prefix="slotline-postgres-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        as_user = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"
    options = f"-k {folder} -c listen_addresses= -c max_connections=200"
    if not is_durable:
        # What a test writes need not outlive a power failure.
        options += " -c fsync=off -c synchronous_commit=off"
    try:
        _run([*as_user, programs / "initdb", "--auth=trust", "--encoding=utf8", "-U", "postgres", "-D", data], folder)
        _run([*as_user, programs / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start"], folder)
        try:
            yield make_url(f"postgresql://postgres@/postgres?host={folder}")
        finally:
            _run([*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(words: Sequence[str | Path], folder: Path) -> None:
    subprocess.run(
        words, cwd=folder, check=True, stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}
    )
