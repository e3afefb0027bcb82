"""Ends calls through Twilio's REST API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from telephony.errors import TwilioNotDone, TwilioRefused, TwilioUnclear

if TYPE_CHECKING:
    from telephony.rest import TwilioRest

log = structlog.get_logger(__name__)

_ALREADY_OVER: Final = frozenset({20404, 21220})
"""Twilio's codes for a call that is gone, and for one that is in no state to be changed."""
_RETRY_PAUSE_SECS: Final = 0.5


class Calls:
    """The calls of one account."""

    def __init__(self, rest: TwilioRest) -> None:
        self._rest = rest

    async def hang_up(self, call_sid: str) -> None:
        """End a call. Ending one that has ended is fine, so an unclear answer is tried once more."""
        try:
            await self._complete(call_sid)
        except (TwilioUnclear, TwilioNotDone) as error:
            log.warning("hang_up_retried", reason=str(error))
            await asyncio.sleep(_RETRY_PAUSE_SECS)
            await self._complete(call_sid)

    async def _complete(self, call_sid: str) -> None:
        try:
            await self._rest.client.calls(call_sid).update_async(status="completed")
        except TwilioRefused as refusal:
            if refusal.code not in _ALREADY_OVER:
                raise
