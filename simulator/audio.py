"""The sound of a telephone line: rates, levels, noise, G.711 mu-law and WAV files, on float samples from -1 to 1."""

from __future__ import annotations

import io
import math
import wave
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pcm: TypeAlias = npt.NDArray[np.float32]

SPEECH_LEVEL_DBFS = -20.0
TELEPHONE_RATE = 8000
_BAND_HZ = (300.0, 3400.0)
_MULAW_BIAS = 0x84
_MULAW_CLIP = 32635


def to_s16le(pcm: Pcm) -> bytes:
    """Return the samples as signed 16-bit little-endian PCM, clipped."""
    return bytes(np.clip(np.rint(pcm * 32768.0), -32768, 32767).astype("<i2"))


def from_s16le(data: bytes) -> Pcm:
    """Return signed 16-bit little-endian PCM as samples; an odd last byte is dropped."""
    samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32)
    return (samples / 32768.0).astype(np.float32)


def mulaw_encode(pcm: Pcm) -> bytes:
    """Return the samples as G.711 mu-law, one byte each."""
    linear = np.clip(np.rint(pcm.astype(np.float64) * 32768.0), -32768, 32767).astype(np.int32)
    magnitude = np.minimum(np.abs(linear), _MULAW_CLIP) + _MULAW_BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(linear < 0, 0x80, 0)
    return bytes((~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8))


def mulaw_decode(data: bytes) -> Pcm:
    """Return G.711 mu-law as samples."""
    return _MULAW_TABLE[np.frombuffer(data, np.uint8)]


def resample(pcm: Pcm, rate: int, to_rate: int) -> Pcm:
    """Return a whole recording at another rate, free of aliases: the band above the lower rate's is cut in one go.

    It works on the spectrum of the whole, so it is for finished utterances, never for a stream in chunks.
    """
    if rate == to_rate or not len(pcm):
        return pcm.astype(np.float32)
    # A whole number of periods common to both rates, and a little silence to keep the ends from wrapping around.
    step = rate // math.gcd(rate, to_rate)
    steps = math.ceil((len(pcm) + rate // 20) / step)
    spectrum = np.fft.rfft(pcm, steps * step)
    target = steps * step * to_rate // rate
    kept = min(len(spectrum), target // 2 + 1)
    # Fading out the top twentieth of the band keeps the edge from ringing.
    fade = np.clip((1.0 - np.arange(kept) / kept) * 20.0, 0.0, 1.0)
    resampled = np.fft.irfft(spectrum[:kept] * fade, target) * (to_rate / rate)
    return resampled[: math.ceil(len(pcm) * to_rate / rate)].astype(np.float32)


def telephone_band(pcm: Pcm, rate: int) -> Pcm:
    """Return only what a telephone line carries, 300 to 3400 Hz."""
    spectrum = np.fft.rfft(pcm, len(pcm) + rate // 20)
    frequency = np.fft.rfftfreq(len(pcm) + rate // 20, 1.0 / rate)
    low, high = _BAND_HZ
    gain = np.clip((frequency - low * 0.7) / (low * 0.3), 0.0, 1.0) * np.clip(
        (high * 1.1 - frequency) / (high * 0.1), 0.0, 1.0
    )
    return np.fft.irfft(spectrum * gain, len(pcm) + rate // 20)[: len(pcm)].astype(np.float32)


def level_dbfs(pcm: Pcm) -> float:
    """Return the level of the speech in `pcm`: its pauses do not count. -120 for silence."""
    power = pcm.astype(np.float64) ** 2
    if not len(power) or not power.any():
        return -120.0
    return 10.0 * math.log10(power[power > power.max() * 1e-4].mean())


def at_level(pcm: Pcm, dbfs: float = SPEECH_LEVEL_DBFS) -> Pcm:
    """Return the speech at a level; silence stays silence."""
    if not np.any(pcm):
        return pcm.astype(np.float32)
    louder: Pcm = np.clip(pcm * 10.0 ** ((dbfs - level_dbfs(pcm)) / 20.0), -1.0, 1.0).astype(np.float32)
    return louder


def white_noise(count: int, dbfs: float, rng: np.random.Generator) -> Pcm:
    """Return `count` samples of white noise at a level."""
    noise: Pcm = (rng.standard_normal(count) * 10.0 ** (dbfs / 20.0)).astype(np.float32)
    return noise


def read_wav(data: bytes) -> tuple[Pcm, int]:
    """Return the first channel of a 16-bit WAV file and its rate; ValueError for anything else."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, rate = file.getnchannels(), file.getframerate()
            if file.getsampwidth() != 2:
                raise ValueError(f"a WAV file of {file.getsampwidth() * 8} bits; 16 are read here")
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError, RuntimeError) as error:  # RuntimeError: a chunk longer than the file
        raise ValueError(f"not a WAV file: {error}") from error
    return from_s16le(frames)[::channels], rate


def write_wav(rate: int, *channels: Pcm) -> bytes:
    """Return a 16-bit WAV file; shorter channels are filled up with silence."""
    longest = max(len(channel) for channel in channels)
    together = np.zeros((longest, len(channels)), np.float32)
    for index, channel in enumerate(channels):
        together[: len(channel), index] = channel
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(to_s16le(together.reshape(-1)))
    return data.getvalue()


def _mulaw_table() -> Pcm:
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + _MULAW_BIAS) << ((code & 0x70) >> 4)) - _MULAW_BIAS
    return (np.where(code & 0x80, -magnitude, magnitude) / 32768.0).astype(np.float32)


_MULAW_TABLE = _mulaw_table()
