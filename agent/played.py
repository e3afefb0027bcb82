"""Whether what was said has been played to the caller."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pipecat.frames.frames import BotStartedSpeakingFrame, ControlFrame


class Played:
    """Whether what was said before a mark has been played to the caller."""

    def __init__(self) -> None:
        self._settled = asyncio.Event()
        self._is_played = False

    async def wait(self) -> bool:
        """Wait until it is known. False: the caller spoke over it or is gone, so not all was heard."""
        await self._settled.wait()
        return self._is_played

    def settle(self, *, is_played: bool) -> None:
        """Make it known; what is known stays so."""
        if not self._settled.is_set():
            self._is_played = is_played
            self._settled.set()


@dataclass
class MarkFrame(ControlFrame):
    """Follows what is said to where it is played."""

    played: Played


class FillerStartedFrame(BotStartedSpeakingFrame):
    """Tells a recorder, and nobody behind it, that the agent speaks: a filler is no answer to wait for the end of."""
