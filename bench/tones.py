"""The voice of a bench: a tone in place of words, whose pitch says which answer is heard, for the price of a glance."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from simulator.audio import to_s16le

SPEECH_RATE: Final = 24000
PITCHES: Final = 24
"""How many answers can be told apart."""
PHRASE: Final = -1
"""The pitch of all that is no answer, such as a greeting or a filler."""
UNCLEAR: Final = -2
"""Sound, but of no pitch: the edge of a tone."""

_PHRASE_HZ, _LOWEST_HZ, _STEP_HZ = 400, 600, 100
_CROSSINGS_PER_HZ = 0.04
"""A tone crosses zero twice a period, and a frame is 20 ms."""
_LEVEL = 0.3
_QUIETEST_CODE = 0x50
"""The low seven bits of a mu-law sample are smaller the louder it is; silence and resampling's ringing are above."""
_WORD_SECS = 0.28
_EDGE_SECS = 0.004

_SIGNS = int.from_bytes(b"\x80" * 160)
_MAGNITUDES = bytes(code & 0x7F for code in range(256))


@cache
def speech(words: int, pitch: int) -> bytes:
    """Return `words` words at `SPEECH_RATE`, as signed 16-bit samples."""
    count = round(spoken_secs(words) * SPEECH_RATE)
    tone = _LEVEL * np.sin(2 * np.pi * _hz(pitch) / SPEECH_RATE * np.arange(count))
    edge = round(_EDGE_SECS * SPEECH_RATE)
    fade = np.clip(np.minimum(np.arange(count), np.arange(count)[::-1]) / edge, 0.0, 1.0)
    return to_s16le((tone * fade).astype(np.float32))


def spoken_secs(words: int) -> float:
    """Return how long so many words take."""
    return words * _WORD_SECS


def pitch_of(frame: bytes) -> int | None:
    """Return which answer 20 ms of mu-law are of, `PHRASE` or `UNCLEAR`; None for silence."""
    if min(frame.translate(_MAGNITUDES)) > _QUIETEST_CODE:
        return None
    signs = int.from_bytes(frame) & _SIGNS
    crossings = ((signs ^ signs >> 8) & _SIGNS >> 8).bit_count()
    hz = crossings / _CROSSINGS_PER_HZ
    nearest = PHRASE if hz < _LOWEST_HZ - _STEP_HZ else round((hz - _LOWEST_HZ) / _STEP_HZ)
    if nearest >= PITCHES or abs(hz - _hz(nearest)) > _STEP_HZ / 2 - 1:
        return UNCLEAR
    return nearest


def _hz(pitch: int) -> int:
    return _PHRASE_HZ if pitch == PHRASE else _LOWEST_HZ + _STEP_HZ * pitch
