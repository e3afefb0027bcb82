"""Brings a database up to date with the migrations."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from appointments.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"

_upgrading = threading.Lock()  # Alembic's `context` and `op` are one per process


def alembic_config() -> Config:
    """Return where the migrations are."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, in the transaction of `connection`, which keeps other processes out.

    Raises:
        ConfigError: a newer version of ours has been here.
    """
    config = alembic_config()
    config.attributes["connection"] = connection
    try:
        with _upgrading:
            command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigError(
            f"DATABASE_URL: {connection.engine.url.database!r} was brought up to date by a newer slotline ({error}). "
            "Run that version again, or go back to a copy of the database from before."
        ) from error
