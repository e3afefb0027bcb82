"""The agent's voice as a telephone carries it."""

from __future__ import annotations

import numpy as np
import soxr

from telephony import mulaw

_NOTHING = np.empty(0, np.int16)


class PhoneVoice:
    """Turns a stream of 16-bit samples into mu-law at the phone's rate."""

    def __init__(self) -> None:
        self._resampler: soxr.ResampleStream | None = None
        self._rate = mulaw.RATE
        self._holds_sound = False

    def take(self, pcm: bytes, rate: int) -> bytes:
        """Return what can be said of the next samples; the last of them wait for more. Half a sample is left out."""
        pcm = pcm[: len(pcm) // 2 * 2]
        if rate == mulaw.RATE:
            return self.flush() + mulaw.encode(pcm)
        before = self.flush() if rate != self._rate else b""
        if self._resampler is None or rate != self._rate:
            self._resampler = soxr.ResampleStream(rate, mulaw.RATE, 1, dtype="int16", quality="HQ")
            self._rate = rate
        self._holds_sound = True
        return before + mulaw.encode(self._resampler.resample_chunk(np.frombuffer(pcm, np.int16)).tobytes())

    def flush(self) -> bytes:
        """Return what waited for more, where none follows."""
        if not self._holds_sound or self._resampler is None:
            return b""
        rest: np.ndarray = self._resampler.resample_chunk(_NOTHING, last=True)
        self.drop()
        return mulaw.encode(rest.tobytes())

    def drop(self) -> None:
        """Forget what waits for more."""
        self._holds_sound = False
        if self._resampler is not None:
            self._resampler.clear()
