"""Marks in a caller's voice: every 20 ms of it say whose words they are, too softly for anybody to hear.

The recogniser of a bench has to be quick and to know what it was sent. A mark is written into the last bit of mu-law
samples, which a pipeline at 8 kHz hands on as they are; it is 30 dB below the speech, and still there when only a part
of an utterance is transcribed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.audio import mulaw_decode, to_s16le

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME_BYTES = 160
PLACES = 16
"""Into how many stretches a part of an utterance is divided."""
_SYNC = tuple(map(int, "110100100001010111011110"))
"""Begins a mark."""
_FIELDS = (10, 10, 8, 4, 4)
_CHECK_BITS = 8
_BITS = sum(_FIELDS) + _CHECK_BITS
_REPEATS = 2
_LAST_BITS = int.from_bytes(b"\x01" * FRAME_BYTES)


@dataclass(frozen=True, slots=True)
class LineMark:
    """Whose words 20 ms are: the call, its turn, which part of which utterance, and how far into it."""

    call: int
    turn: int
    utterance: int
    part: int
    place: int = 0
    """From 0 to `PLACES` - 1."""

    def write(self, frame: bytes) -> bytes:
        """Return 20 ms of mu-law with this in it."""
        mark = (_SYNC + self._bits()) * _REPEATS
        last_bits = int.from_bytes(bytes(mark).ljust(FRAME_BYTES, b"\0"))
        return (int.from_bytes(frame) & ~_LAST_BITS | last_bits).to_bytes(FRAME_BYTES)

    def _bits(self) -> tuple[int, ...]:
        number = 0
        for value, size in zip((self.call, self.turn, self.utterance, self.part, self.place), _FIELDS, strict=True):
            number = number << size | value % (1 << size)
        number = number << _CHECK_BITS | _check(number)
        return tuple(number >> shift & 1 for shift in range(_BITS - 1, -1, -1))


def read_marks(recording: bytes) -> list[LineMark]:
    """Return the marks in a WAV file of 16 bits and 8 kHz, each once, in their order; other bytes may surround it."""
    begin = recording.find(b"data", recording.find(b"WAVE")) + 8
    samples = recording[begin : begin + (len(recording) - begin) // 2 * 2]
    return list(dict.fromkeys(_found(_LAST_BIT_OF[np.frombuffer(samples, "<u2")].tobytes())))


def _found(last_bits: bytes) -> Iterator[LineMark]:
    at = last_bits.find(_SYNC_BYTES)
    while at >= 0:
        at += len(_SYNC)
        if (mark := _read(last_bits[at : at + _BITS])) is not None:
            yield mark
        at = last_bits.find(_SYNC_BYTES, at)


def _read(bits: bytes) -> LineMark | None:
    if len(bits) < _BITS or 2 in bits:
        return None
    number = int("".join(map(str, bits)), 2)
    number, check = number >> _CHECK_BITS, number & (1 << _CHECK_BITS) - 1
    if _check(number) != check:
        return None
    values = []
    for size in reversed(_FIELDS):
        values.append(number & (1 << size) - 1)
        number >>= size
    return LineMark(*reversed(values))


def _check(number: int) -> int:
    return sum((number >> shift & 0xFF) * (shift + 3) for shift in range(0, sum(_FIELDS), 8)) & 0xFF


def _last_bits() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Return the last bit of the mu-law sample that each 16-bit sample comes of; 2 where it comes of none."""
    codes = np.arange(256, dtype=np.uint8)
    table = np.full(1 << 16, 2, np.uint8)
    table[np.frombuffer(to_s16le(mulaw_decode(codes.tobytes())), "<u2")] = codes & 1
    return table


_SYNC_BYTES = bytes(_SYNC)
_LAST_BIT_OF = _last_bits()
