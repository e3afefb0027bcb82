"""The websocket of a phone call: one task writes to it, another reads it, and its end is told once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from starlette.websockets import WebSocketDisconnect

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import WebSocket

log = structlog.get_logger(__name__)

WRITE_SECS: Final = 10.0
"""A peer that takes nothing for longer has stopped reading."""
CLOSE_SECS: Final = 0.5
"""How long the end of the call waits for the peer to agree to it; a dead one never does."""


class PhoneSocket:
    """An accepted websocket. What is written to it after its end goes nowhere."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._closing: asyncio.Task[None] | None = None
        self.is_open = True
        self.on_gone: Callable[[], None] = lambda: None
        """Is called once when the caller's side ends it, and must return at once."""

    async def send(self, text: str) -> None:
        if not self.is_open:
            return
        try:
            async with asyncio.timeout(WRITE_SECS):
                # `send_text` says the same with one call more, for each packet of every call.
                await self._websocket.send({"type": "websocket.send", "text": text})
        except TimeoutError:
            log.warning("media_stream_stalled", waited_secs=WRITE_SECS)
            self.gone()
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: closed in the same moment
            self.gone()

    async def receive(self) -> str | bytes | None:
        """Return the next message, None when there is none any more."""
        if not self.is_open:
            return None
        try:
            message = await self._websocket.receive()
        except RuntimeError:  # closed in the same moment
            return None
        if message["type"] == "websocket.disconnect":
            return None
        text: str | None = message.get("text")
        return text if text is not None else message.get("bytes", b"")

    def gone(self) -> None:
        """Note that the caller's side is gone."""
        if self.is_open:
            self.is_open = False
            self.on_gone()

    async def close(self) -> None:
        """Close it from our side, which tells nobody that the caller is gone."""
        self.is_open = False
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
            await asyncio.wait({self._closing}, timeout=CLOSE_SECS)

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(WRITE_SECS):
                await self._websocket.close()
        except (WebSocketDisconnect, RuntimeError, TimeoutError):
            log.debug("media_stream_was_closed")
