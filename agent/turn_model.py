"""Whether a caller who pauses has finished: the smart-turn model, loaded once for all calls."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import soxr
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3

_RATE = 16000
_LONGEST_SECS = 8
"""What the model looks at: the last seconds of a turn."""
SILENCE_SECS = 0.2
"""The silence behind the last word that the model was trained with, and so that it wants to see:
https://github.com/pipecat-ai/smart-turn"""


class TurnModel:
    """Judges pauses, one at a time, in a thread of its own: each takes some 50 ms."""

    def __init__(self) -> None:
        self._model = LocalSmartTurnAnalyzerV3(sample_rate=_RATE)
        self._model.set_sample_rate(_RATE)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="turn-model")

    async def finished(self, pcm: bytes, rate: int, *, silence_secs: float) -> float:
        """Return how likely the turn is over, 0 to 1.

        Args:
            pcm: The turn so far, 16-bit samples.
            silence_secs: How much of its end is silence. What is missing to the silence that the model wants is added:
                its verdict need not be waited for so long.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._finished, pcm, rate, silence_secs)

    def close(self) -> None:
        """Give the thread back."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _finished(self, pcm: bytes, rate: int, silence_secs: float) -> float:
        recent = np.frombuffer(pcm, np.int16)[-_LONGEST_SECS * rate :].astype(np.float32) / np.float32(32768)
        missing = max(0, round((SILENCE_SECS - silence_secs) * rate))
        sound = np.concatenate((recent, np.zeros(missing, np.float32)))
        if rate != _RATE:
            sound = soxr.resample(sound, rate, _RATE, quality="HQ")
        # Its own way in wants every frame of the call, and looks at them when the silence is over.
        probability: float = self._model._predict_endpoint(sound)["probability"]
        return probability
