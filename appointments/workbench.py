"""What every mutation works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appointments.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from appointments.availability import Availability
    from appointments.ports import Calendar, Clock
    from appointments.settling import SettleTimes, Settling
    from appointments.store.records import OutgoingMessage
    from appointments.store.store import Store

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Workbench:
    """The calendar, the record and the patience; `clock` is the business's.

    `on_text` is called when a message was added to the outbox.
    """

    calendar: Calendar
    store: Store
    availability: Availability
    times: SettleTimes
    settling: Settling
    clock: Clock
    real_clock: Clock
    on_text: Callable[[], None]
    tally: Tally = field(default_factory=Tally)

    async def take_back(self, messages: Sequence[OutgoingMessage]) -> None:
        """Send nothing of a failure that has been heard; where the record fails, a message too many is no harm."""
        if messages:
            try:
                await self.store.take_back(messages)
            except SQLAlchemyError as error:
                log.warning("message_not_taken_back", error=type(error).__name__)

    def abandoned_since(self) -> datetime:
        """Return the moment since when a live process would have touched what it works at."""
        return self.real_clock() - self.times.abandoned_after
