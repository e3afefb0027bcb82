"""Where a process can be killed: around each write to the record and each request to a provider, and within a write."""

from __future__ import annotations

import os
import signal
from collections import Counter
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from bench.around import Around
from bench.crash_plan import ANYWHERE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from appointments.store.store import Store
    from bench.crash_plan import Kill

WRITES = frozenset(
    {
        *("hold", "note_reservation", "pass_on", "release"),
        *("claim", "claim_again", "keep_working", "record", "fail", "leave_unconfirmed", "take_over", "take_back"),
        *("begin_change", "keep_working_on_change", "record_move", "record_cancel", "fail_change", "leave_unclear"),
        *("take_over_change", "add_booking", "move_booking", "cancel_booking"),
        *("lease_message", "finish_message", "refuse_message", "drop_message", "retry_message"),
        *("receive_text", "lease_received_text", "settle_received_text", "confirm"),
    }
)
"""What writes to the record, but for what only tidies up."""
REQUESTS = frozenset({"book", "find", "get", "reschedule", "cancel", "hold", "release"})
"""What asks the calendar for something that a booking depends on."""
TEXTING = frozenset({"send", "find"})

_LEASES = ("lease_message", "lease_received_text")
_POLLING = frozenset(f"{place}.{name}" for name in _LEASES for place in ("before", "inside"))
"""Passed again and again while there is nothing to do."""

_writing: ContextVar[str] = ContextVar("writing", default="")


class Journal:
    """What a process has done, line by line, in a file that outlives it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, *words: str) -> None:
        os.write(self._file, (" ".join(words) + "\n").encode())


class Points:
    """Notes the points that are passed, once it is armed, and kills the process at the one it was told."""

    def __init__(self, journal: Journal, kill: Kill | None) -> None:
        self._journal = journal
        self._kill = kill
        self._passed: Counter[str] = Counter()
        self._is_armed = False

    def arm(self) -> None:
        self._is_armed = True

    def passes(self, point: str) -> None:
        if not self._is_armed:
            return
        self._journal.note("point", point)
        self._passed[point] += 1
        if point not in _POLLING:
            self._passed[ANYWHERE] += 1
        if self._kill and self._kill.point in (point, ANYWHERE) and self._kill.nth == self._passed[self._kill.point]:
            self._journal.note("killed")
            os.kill(os.getpid(), signal.SIGKILL)

    def store(self, store: Store) -> Any:
        """Return `store` with points around its writes, and one in each, before it is committed."""
        write = store._write

        @asynccontextmanager
        async def noted() -> AsyncIterator[AsyncConnection]:
            async with write() as connection:
                yield connection
                if name := _writing.get():
                    self.passes(f"inside.{name}")

        store._write = noted  # type: ignore[method-assign]  # the product has no hook for this
        return Around(store, WRITES, self._write)

    def requests(self, provider: Any, names: frozenset[str], of: str) -> Any:
        """Return `provider` with points around its requests."""

        async def around(name: str, work: Callable[[], Awaitable[Any]]) -> Any:
            self.passes(f"before.{of}.{name}")
            answer = await work()
            self.passes(f"after.{of}.{name}")
            return answer

        return Around(provider, names, around)

    async def _write(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        token = _writing.set(name)
        try:
            self.passes(f"before.{name}")
            done = await work()
            if done is not None or name not in _LEASES:
                self.passes(f"after.{name}")
            return done
        finally:
            _writing.reset(token)
