"""Databases for a bench: a new and empty one at a time, of the kind that is asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.postgres import GET_IT, running_server

KINDS = ("sqlite", "postgres")

NewDatabase = Callable[[], AbstractContextManager[str]]
"""Makes a database, gives its URL, and removes it in the end."""


@contextmanager
def databases(kind: str, *, is_durable: bool) -> Iterator[NewDatabase]:
    """Give a maker of databases; a Postgres is quicker where it need not outlive a power failure."""
    if kind == "sqlite":
        yield _sqlite
        return
    with running_server(is_durable=is_durable) as server:
        if server is None:
            sys.exit(GET_IT)
        yield server.database


@contextmanager
def _sqlite() -> Iterator[str]:
    with TemporaryDirectory(prefix="slotline-bench-") as folder:
        yield f"sqlite+aiosqlite:///{Path(folder) / 'record.db'}"
