"""A caller's sound that is easily judged, in place of the models that judge real sound."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent.vad import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE = 8000
WINDOW = 512
"""Bytes of a window at that rate."""


class LoudIsSpeech:
    """Takes every sound that is not all zeros for speech, as loud as its first byte says in hundredths."""

    def feed(self, pcm: bytes) -> Iterator[Window]:
        for start in range(0, len(pcm), WINDOW):
            window = pcm[start : start + WINDOW]
            yield Window(window, any(window), window[0] / 100)


class Verdict:
    """Says what it is told to say, and nothing before that."""

    def __init__(self, finished: float | None, *, on_reflection: float | None = None) -> None:
        self.finished_as: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        if finished is not None:
            self.finished_as.set_result(finished)
        self.on_reflection = on_reflection
        """What it says with all of the silence, where that is something else."""
        self.silences: list[float] = []

    async def finished(self, _pcm: bytes, _rate: int, *, silence_secs: float) -> float:
        self.silences.append(silence_secs)
        if self.on_reflection is not None and silence_secs > 0.19:
            return self.on_reflection
        return await asyncio.shield(self.finished_as)
