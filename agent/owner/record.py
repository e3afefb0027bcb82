"""The record as the owner's commands open it: the one that is there, never a new one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from appointments.errors import ConfigError
from appointments.store.inspection import RecordState, inspect_record
from appointments.store.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent.settings import Settings


@asynccontextmanager
async def open_record(settings: Settings) -> AsyncIterator[Store]:
    """Open the record of `settings`, and close it in the end.

    Raises:
        ConfigError: there is none, as in another folder than the worker's, or it cannot be opened.
    """
    url = settings.database_url.get_secret_value()
    seen = await asyncio.to_thread(inspect_record, url)
    if seen.state is RecordState.MISSING:
        raise ConfigError(
            f"there is no record at {seen.place} yet. `slotline serve` makes it; "
            "if the worker has one, run this in its folder, or set DATA_DIR or DATABASE_URL as there."
        )
    store = await Store.open(url)
    try:
        yield store
    finally:
        await store.close()
