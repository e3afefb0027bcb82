"""What every mutation works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from appointments.availability import Availability
    from appointments.ports import Calendar, Clock
    from appointments.settling import SettleTimes, Settling
    from appointments.store.store import Store


@dataclass(frozen=True, slots=True)
class Workbench:
    """The calendar, the record and the patience. `on_text` is called when a text was added to the outbox."""

    calendar: Calendar
    store: Store
    availability: Availability
    times: SettleTimes
    settling: Settling
    real_clock: Clock
    on_text: Callable[[], None]

    def abandoned_since(self) -> datetime:
        """Return the moment since when a live process would have touched what it works at."""
        return self.real_clock() - self.times.abandoned_after
