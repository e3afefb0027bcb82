"""Which part of a call a media stream carries: the first one, or one that goes on after the line broke."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appointments.model import CallSid
    from appointments.store.store import Store

log = structlog.get_logger(__name__)

LOOK_UP_SECS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stream's part of a call."""

    resumes: int = 0
    """How often the call had been taken up again before this stream."""
    elapsed_secs: int = 0
    """How long the call had lasted by then."""

    @classmethod
    def told_by(cls, parameters: Mapping[str, str]) -> Stretch:
        """Return what the stream's parameters say, which were checked to be our own."""
        return cls(int(parameters.get("resumes", "0")), int(parameters.get("elapsed", "0")))

    @property
    def parameters(self) -> dict[str, str]:
        """What a stream has to be told."""
        return {"resumes": str(self.resumes), "elapsed": str(self.elapsed_secs)}

    def named(self, call_sid: str) -> str:
        """Return the name of this part's files: ``CA…``, and ``CA…-2`` for what was said after a break."""
        return f"{call_sid}-{self.resumes + 1}" if self.resumes else call_sid


WHOLE: Final = Stretch()
"""A call that has not broken off."""


async def goes_on_elsewhere(store: Store, call_sid: CallSid, stretch: Stretch) -> bool:
    """Claim that the call was taken up after `stretch`, whose worker may be late to notice that its line broke."""
    try:
        async with asyncio.timeout(LOOK_UP_SECS):
            record = await store.call(call_sid)
    except (SQLAlchemyError, TimeoutError) as error:
        log.warning("call_not_looked_up", error=type(error).__name__)
        return False
    return record is not None and record.resumes > stretch.resumes
