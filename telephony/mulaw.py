"""Mu-law, the encoding of telephone audio (ITU-T G.711): a byte stands for 14 bits of a sample."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

Table = np.ndarray[Any, np.dtype[Any]]

RATE: Final = 8000
"""Samples, and so bytes, a second."""

_BIAS: Final = 0x84
_CLIP: Final = 32635


def _decoding() -> Table:
    """Return the 16-bit sample of each byte."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, (code & 15).astype(np.int32)
    magnitude = (((mantissa << 3) + _BIAS) << exponent) - _BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _encoding() -> Table:
    """Return the byte of each 16-bit sample, by the sample taken for an unsigned number."""
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(sample), _CLIP) + _BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    code: Table = ~(np.where(sample < 0, 0x80, 0) | (exponent << 4) | mantissa) & 255
    return code.astype(np.uint8)


_DECODING: Final = _decoding()
_ENCODING: Final = _encoding()


def decode(mulaw: bytes) -> bytes:
    """Return 16-bit samples of mu-law."""
    # `take` is twice as fast as indexing for the 20 ms of a message.
    return _DECODING.take(np.frombuffer(mulaw, np.uint8)).tobytes()


def encode(pcm: bytes) -> bytes:
    """Return mu-law of 16-bit samples."""
    return _ENCODING.take(np.frombuffer(pcm, np.uint16)).tobytes()
