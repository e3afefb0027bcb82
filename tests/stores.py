"""A record for a test, closed when nothing writes to it any more."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from appointments.store.records import AT_ONCE
from appointments.store.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appointments.model import AppointmentId
    from appointments.store.records import OutboxRow

ENDS_WITHIN_SECS = 20


@asynccontextmanager
async def opened_store(url: str, **settings: Any) -> AsyncIterator[Store]:
    """Open the record at `url`; at the end wait for the work that goes on whoever waits for it, then close it.

    A connection that is in use when its engine is closed is never closed itself.
    """
    before = asyncio.all_tasks()
    store = await Store.open(url, **settings)
    try:
        yield store
    finally:
        if left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            _, endless = await asyncio.wait(left, timeout=ENDS_WITHIN_SECS)
            assert not endless, endless
        await store.close()


async def at_once(store: Store, appointment_id: AppointmentId | None = None) -> list[OutboxRow]:
    """Return the messages that wait for no time, such as reminders do."""
    return [row for row in await store.messages(appointment_id) if row.not_before == AT_ONCE]
