"""What came of a call so far, for who goes on with it after it broke off."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appointments.model import LIVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.model import Appointment, CallSid
    from appointments.store.records import TurnRecord
    from appointments.store.store import Store

log = structlog.get_logger(__name__)

RECALL_SECS = 1.0


@dataclass(frozen=True, slots=True)
class CallSoFar:
    """What a call has booked that stands or may stand, in order, and what was said in it."""

    booked: Sequence[Appointment] = ()
    turns: Sequence[TurnRecord] = ()


async def recall(store: Store, call_sid: CallSid) -> CallSoFar:
    """Return what is known of a call. The caller hears nothing meanwhile: a slow record is done without."""
    try:
        async with asyncio.timeout(RECALL_SECS):
            booked = [each for each in await store.appointments(call_sid) if each.status in LIVE]
            return CallSoFar(booked, await store.turns(call_sid))
    except (SQLAlchemyError, TimeoutError) as error:
        log.warning("call_not_recalled", call_sid=call_sid, error=type(error).__name__)
        return CallSoFar()
