"""How long a piece of work takes, apart from what the provider takes of it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.around import Around

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from appointments.ports import Calendar

_REQUESTS = frozenset({"event_type", "free_slots", "book", "find", "get", "reschedule", "cancel", "hold", "release"})
_watched: ContextVar[Took | None] = ContextVar("watched", default=None)


@dataclass(slots=True)
class Took:
    """How long a piece of work took, and the requests to the provider in it."""

    total_ms: float = 0.0
    provider_ms: float = 0.0

    @property
    def own_ms(self) -> float:
        return self.total_ms - self.provider_ms


@contextmanager
def timed() -> Iterator[Took]:
    """Time what is done within, in whatever task it is done that is begun there."""
    took = Took()
    token = _watched.set(took)
    began = time.perf_counter()
    try:
        yield took
    finally:
        took.total_ms = (time.perf_counter() - began) * 1000
        _watched.reset(token)


def timed_calendar(calendar: Calendar) -> Any:
    """Return `calendar` with its requests counted as the provider's time."""
    return Around(calendar, _REQUESTS, _as_the_providers)


async def _as_the_providers(_name: str, work: Callable[[], Awaitable[Any]]) -> Any:
    took, began = _watched.get(), time.perf_counter()
    try:
        return await work()
    finally:
        if took is not None:
            took.provider_ms += (time.perf_counter() - began) * 1000
