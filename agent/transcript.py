"""What was said and done in a call, in order: kept in the store, and in a file for people."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appointments.digits import without_digits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appointments.model import CallSid
    from appointments.store.store import Store
    from tools.replies import Reply

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """One side's go, `at_ms` after the call's start; `who` is caller, agent or tool."""

    who: str
    text: str
    at_ms: int
    tool: str | None = None
    took_ms: int | None = None


class Transcript:
    """Collects a call's turns without ever making the call wait.

    Args:
        store: Gets every turn as it is added, so that a killed worker loses none; without it `keep` writes them.
        began_secs: How long the call had lasted when this began.
        on_turn: Is told every turn as it is added.
        hides_digits: Tells how many digits in a row must not be readable, None when any may: there may be a code.
    """

    def __init__(
        self,
        call_sid: CallSid,
        *,
        store: Store | None = None,
        began_secs: int = 0,
        on_turn: Callable[[Turn], None] = lambda _turn: None,
        hides_digits: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._hides_digits = hides_digits
        self._call_sid = call_sid
        self._store = store
        self._on_turn = on_turn
        self._started = time.monotonic() - began_secs
        self._written = 0
        self._writing: asyncio.Task[None] | None = None
        self.turns: list[Turn] = []

    def add(self, who: str, text: str, *, is_cut: bool = False) -> None:
        """Add what `who` said; `is_cut` marks what barge-in ended early."""
        if fewest := self._hides_digits():
            text = without_digits(text, fewest=fewest)
        self._add(Turn(who, f"{text} —" if is_cut else text, self._at_ms()))

    def add_tool(self, tool: str, reply: Reply, took_ms: int) -> None:
        """Add what a tool answered."""
        self._add(Turn("tool", reply.status.value, self._at_ms(), tool, took_ms))

    async def keep(self, store: Store, path: Path) -> None:
        """Write the turns that the store does not have yet, and all to `path`, one JSON object a line."""
        if self._writing is not None:
            await self._writing
        await self._write(store)
        lines = "".join(f"{json.dumps(asdict(turn), ensure_ascii=False)}\n" for turn in self.turns)
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(path.write_text, lines, encoding="utf-8")

    def _add(self, turn: Turn) -> None:
        self.turns.append(turn)
        if self._store is not None and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write_ahead(self._store))
        self._on_turn(turn)

    async def _write_ahead(self, store: Store) -> None:
        try:
            await self._write(store)
        except SQLAlchemyError as error:
            # The next turn, or the end of the call, brings them again.
            log.warning("turns_not_written", call_sid=self._call_sid, exc_info=error)

    async def _write(self, store: Store) -> None:
        while self._written < len(self.turns):
            turn = self.turns[self._written]
            await store.add_turn(
                self._call_sid, who=turn.who, text=turn.text, at_ms=turn.at_ms, tool=turn.tool, took_ms=turn.took_ms
            )
            self._written += 1

    def _at_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)
