"""How a process ends: it takes no new calls, lets those that are live finish, says goodbye when that takes too long."""

from __future__ import annotations

import time
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.admission import LiveCalls

log = structlog.get_logger(__name__)

GOODBYE_SECS: Final = 25.0
"""How long a goodbye may take: what is being said, the phrase itself, and what the caller said last."""


SAME_WORD_SECS: Final = 0.3
"""Two signals within it are one: systemd tells every process of a service, and so do those who started them."""


class Stage(IntEnum):
    """How far it has come."""

    SERVING = 0
    DRAINING = 1
    """Live calls go on."""
    CLOSING = 2
    """Live calls are told goodbye."""
    OVER = 3


class Drain:
    """Decides, from tick to tick, whether a process that was told to stop may end."""

    def __init__(
        self,
        calls: LiveCalls,
        *,
        grace_secs: float,
        goodbye_secs: float = GOODBYE_SECS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let live calls go on for `grace_secs` after the first word to stop."""
        self._calls = calls
        self._grace_secs = grace_secs
        self._goodbye_secs = goodbye_secs
        self._monotonic = monotonic
        self._until = 0.0
        self._told_at = -SAME_WORD_SECS
        self.stage = Stage.SERVING

    def hurry(self) -> None:
        """Go one stage further: stop taking calls, then say goodbye, then end at once."""
        if self._monotonic() - self._told_at < SAME_WORD_SECS:
            return
        self._told_at = self._monotonic()
        match self.stage:
            case Stage.SERVING:
                self._calls.is_draining = True
                self._enter(Stage.DRAINING, self._grace_secs)
                hint = "a second signal says goodbye in them" if len(self._calls) else ""
                log.info("worker_draining", calls=len(self._calls), grace_secs=self._grace_secs, hint=hint)
            case Stage.DRAINING:
                self._close()
            case _:
                self.stage = Stage.OVER

    def stop(self) -> None:
        """Stop taking calls, unless that was told before."""
        if self.stage is Stage.SERVING:
            self.hurry()

    def tick(self) -> bool:
        """Return whether it is time to end."""
        if self.stage is Stage.DRAINING and self._is_done(len(self._calls) + self._calls.followed_up):
            self._close()
        if self.stage is Stage.CLOSING and self._is_done(self._calls.carried + self._calls.followed_up):
            self.stage = Stage.OVER
        return self.stage is Stage.OVER

    def _close(self) -> None:
        if self._calls.carried:
            log.warning("worker_closing", calls=self._calls.carried)
            self._calls.close()
        self._enter(Stage.CLOSING, self._goodbye_secs)

    def _is_done(self, calls: int) -> bool:
        return not calls or self._monotonic() >= self._until

    def _enter(self, stage: Stage, at_most_secs: float) -> None:
        self.stage = stage
        self._until = self._monotonic() + at_most_secs
