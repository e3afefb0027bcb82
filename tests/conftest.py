"""What holds for every test."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import loguru
import pytest
import structlog

# Imported before anything imports onnxruntime: it keeps that from reporting to its maker.
import agent  # noqa: F401
from tests.postgres import GET_IT, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import Server


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Undo what a command of ours has set up for its process: the next test may look for a warning."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    if structlog.is_configured():
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
        structlog.contextvars.clear_contextvars()
        structlog.reset_defaults()
        loguru.logger.remove()
        loguru.logger.add(sys.__stderr__ or sys.stderr)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A Postgres that makes a database a test; where there is none the test is skipped."""
    with running_server() as server:
        if server is None:
            pytest.skip(GET_IT)
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/record.db"
    else:
        with request.getfixturevalue("postgres").database() as url:
            yield url
