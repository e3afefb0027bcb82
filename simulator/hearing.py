"""The known-speech matcher: tells which of the lines given to it beforehand an utterance is, and no others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from simulator.audio import TELEPHONE_RATE, at_level, mulaw_decode, mulaw_encode, resample, telephone_band
from simulator.voices import RATE, at_rate, speak_with_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simulator.audio import Pcm
    from simulator.voices import Spoken

Power: TypeAlias = npt.NDArray[np.float64]
"""Frames by bands."""

_HOP, _WINDOW, _FFT, _BANDS = 80, 200, 256, 24
_FRAMES_PER_SECOND = TELEPHONE_RATE // _HOP
_MEL_HZ = (300.0, 3400.0)
_COARSE = 2  # frames and bands averaged for the search of candidates
_CANDIDATES = 10
_STRETCH = 20
"""Frames over which two sounds must differ to be different: 0.2 s, a syllable."""

_PAUSE_SECS, _UNVOICED_SECS, _PAUSE_DB = 0.12, 0.25, -22.0
"""A pause this long at a comma or full stop may end a segment, so what stands between pauses is known by itself too.
So may unvoiced sounds between words, for voice detection hears none: the x and t's of "next Tuesday" split it."""

_PUNCTUATION = tuple(",;:.!?\u2013\u2014-")
_HANGOVER_SECS = 0.22
"""How far into a pause voice detection ends the segment; the rest of it starts the next."""

_CLIPPED_SECS, _CLIPPED_SHARE = 0.2, 0.12
"""How much of a line may have gone before the recording starts: at most so long, and at most that share of it."""

_LIMIT_DB = 3.3
"""The worst stretch of a known line: at most 2.8 dB off in quiet, 3.2 at 10 dB SNR. The best of others: 4.4 and 3.7."""

_MARGIN_DB = 0.3
_LOST_DB_PER_SEC = 10.0
_UNLIKE_DB = 6.0
"""The distance between unrelated speech, where the score reaches zero."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What an utterance was taken for ("" when unsure), how well it fits (0 to 1) and the best other line's fit."""

    text: str
    score: float
    runner_up: float


@dataclass(frozen=True, slots=True)
class _Template:
    """A line, or a part of it between pauses, as it sounds on the telephone."""

    text: str
    power: Power


@dataclass(frozen=True, slots=True)
class _Fit:
    """How far an utterance is from a template, at its worst stretch, and how much of the template it lacks."""

    text: str
    distance_db: float
    lost_secs: float = 0.0

    @property
    def rank(self) -> float:
        """Lower is better: of two that sound alike ("goodbye" and "bye") the one that was heard whole."""
        return self.distance_db + _LOST_DB_PER_SEC * self.lost_secs


class KnownSpeech:
    """Matches utterances against `lines` spoken in `voice`; rendering them takes a moment, so make it in a thread."""

    def __init__(self, lines: Sequence[str], voice: str) -> None:
        self._templates = [template for line in dict.fromkeys(lines) for template in _templates(line, voice)]
        self._longest = max((len(template.power) for template in self._templates), default=0)
        self._spectra: dict[int, npt.NDArray[np.complex64]] = {}

    def hear(self, pcm: Pcm, rate: int) -> Heard:
        """Return the line heard in `pcm`, or "" when none fits well and better than the others."""
        heard = _power(resample(pcm, rate, TELEPHONE_RATE))
        if not self._templates or len(heard) < _STRETCH or heard.max() < 1e-8:
            return Heard("", 0.0, 0.0)
        fits = sorted(self._fits(heard), key=lambda fit: fit.rank)
        best = fits[0]
        others = [fit for fit in fits if _words(fit.text) != _words(best.text)]
        runner_up = others[0].rank if others else _UNLIKE_DB
        sure = best.distance_db <= _LIMIT_DB and runner_up - best.rank >= _MARGIN_DB
        return Heard(best.text if sure else "", _score(best.distance_db), _score(runner_up))

    def _fits(self, heard: Power) -> Iterator[_Fit]:
        similarity = self._similarities(heard)
        for index in np.argsort(similarity.max(axis=1))[::-1][:_CANDIDATES]:
            template = self._templates[index]
            at = int(similarity[index].argmax())
            # Lags past the middle of the circle are negative: the recording starts inside the line.
            lag = (at if at < len(heard) // _COARSE + 1 else at - similarity.shape[1]) * _COARSE
            yield min(
                (_fit(heard, template, lag + step) for step in range(-_COARSE, _COARSE + 1)),
                key=lambda fit: fit.rank,
            )

    def _similarities(self, heard: Power) -> npt.NDArray[np.float32]:
        """Return every template's likeness to the whole utterance at every lag, in coarse frames."""
        image = _coarse(heard)
        size = 1 << (len(image) + self._longest // _COARSE + 1).bit_length()
        if size not in self._spectra:
            images = [_coarse(template.power) for template in self._templates]
            self._spectra[size] = np.stack(
                [np.conj(np.fft.rfft(each / np.linalg.norm(each), size, axis=0)) for each in images]
            ).astype(np.complex64)
        spectrum = np.fft.rfft(image / np.linalg.norm(image), size, axis=0).astype(np.complex64)
        crossed = np.einsum("tfb,fb->tf", self._spectra[size], spectrum)
        return np.fft.irfft(crossed, size, axis=1).astype(np.float32)


def _templates(line: str, voice: str) -> Iterator[_Template]:
    """Yield the line and every run of its parts between pauses."""
    spoken = speak_with_words(line, voice)
    sound = at_level(telephone_band(at_rate(spoken.pcm, TELEPHONE_RATE), TELEPHONE_RATE))
    power = _power(mulaw_decode(mulaw_encode(sound)))
    cuts = list(_pauses(line, spoken, power))
    edges = [(0, 0), *cuts, (len(line), len(power))]
    for first, (text_start, start) in enumerate(edges[:-1]):
        for text_end, end in edges[first + 1 :]:
            text = line[text_start:text_end].strip()
            if text and power[start:end].any():
                yield _Template(text, power[start:end])


def _pauses(line: str, spoken: Spoken, power: Power) -> Iterator[tuple[int, int]]:
    """Yield each word after a pause: its offset in the text, and the frame where a segment before it ends."""
    quiet = ~_active(power, _PAUSE_DB)
    for offset, sample in spoken.words[1:]:
        # espeak puts a word a little before or after its first sound.
        at = sample * _FRAMES_PER_SECOND // RATE
        near = [frame for frame in range(max(at - 6, 0), min(at + 7, len(quiet))) if quiet[frame]]
        if not near:
            continue
        begin = end = near[0]
        while begin > 0 and quiet[begin - 1]:
            begin -= 1
        while end < len(quiet) and quiet[end]:
            end += 1
        enough = _PAUSE_SECS if line[:offset].rstrip().endswith(_PUNCTUATION) else _UNVOICED_SECS
        if end - begin >= enough * _FRAMES_PER_SECOND and begin > 0 and end < len(quiet):
            yield offset, min(begin + round(_HANGOVER_SECS * _FRAMES_PER_SECOND), end)


def _fit(heard: Power, template: _Template, lag: int) -> _Fit:
    """Compare frame by frame, with the noise that was heard added to the template, and silence all around it."""
    begin, end = max(lag, 0), min(lag + len(template.power), len(heard))
    lost, active = _lost_frames(len(heard), template.power, lag)
    if end - begin < 2 or lost > min(_CLIPPED_SECS * _FRAMES_PER_SECOND, _CLIPPED_SHARE * active):
        return _Fit(template.text, _UNLIKE_DB * 2)
    known, inside = template.power[begin - lag : end - lag], heard[begin:end]
    noise = np.quantile(inside, 0.1, axis=0)
    gain = _gain(known, inside, noise)
    expected = np.tile(noise, (len(heard), 1))
    expected[begin:end] += gain * known
    floor = gain * template.power.max() * 1e-4
    excess = _smooth(10.0 * np.log10((heard + floor) / (expected + floor)))
    # Around the line only more sound than expected counts: noise may come and go with the speech.
    difference = np.maximum(excess, 0.0).mean(axis=1)
    difference[begin:end] = np.abs(excess[begin:end]).mean(axis=1)
    worst = float(np.convolve(difference, np.full(_STRETCH, 1.0 / _STRETCH), "valid").max())
    return _Fit(template.text, worst, lost / _FRAMES_PER_SECOND)


def _lost_frames(heard: int, known: Power, lag: int) -> tuple[int, int]:
    """Return how many frames of the line lie outside of a recording of `heard` frames, and how many it has."""
    active = _active(known)
    outside = int(active[: max(-lag, 0)].sum() + active[max(heard - lag, 0) :].sum())
    return outside, int(active.sum())


def _gain(known: Power, heard: Power, noise: Power) -> float:
    """Return how much louder than the template the line arrived, by its strongest sounds."""
    strong = known >= np.quantile(known, 0.8)
    ratio = np.maximum(heard - noise, 1e-9)[strong] / np.maximum(known[strong], 1e-9)
    return float(np.clip(np.exp(np.median(np.log(ratio))), 0.1, 10.0))


def _power(pcm: Pcm) -> Power:
    """Return the power in mel bands, frame by frame."""
    padded = np.pad(pcm, (0, max(0, _WINDOW - len(pcm))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    power: Power = np.abs(np.fft.rfft(frames * _HANN, _FFT)) ** 2 @ _MEL / (_HANN**2).sum()
    return power


def _active(power: Power, limit_db: float = -30.0) -> npt.NDArray[np.bool_]:
    """Tell in which frames of a template there is speech, no more than `limit_db` under its loudest."""
    loudness = power.sum(axis=1)
    active: npt.NDArray[np.bool_] = loudness > loudness.max() * 10 ** (limit_db / 10.0)
    return active


def _coarse(power: Power) -> Power:
    """Return a small image of the sound: decibels above 30 under the peak."""
    frames = len(power) // _COARSE
    small = power[: frames * _COARSE].reshape(frames, _COARSE, _BANDS // _COARSE, _COARSE).mean(axis=(1, 3))
    image: Power = np.maximum(10.0 * np.log10(small / small.max() + 1e-9) + 30.0, 0.0)
    return image


def _smooth(frames: Power) -> Power:
    """Return the mean of each frame and its neighbours: noise differs from frame to frame, speech hardly."""
    padded = np.pad(frames, ((1, 1), (0, 0)), mode="edge")
    smoothed: Power = (padded[:-2] + padded[1:-1] + padded[2:]) / 3.0
    return smoothed


def _score(distance_db: float) -> float:
    return round(float(np.clip(1.0 - distance_db / _UNLIKE_DB, 0.0, 1.0)), 3)


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9']+", text.casefold()))


def _mel_bands() -> Power:
    hertz = np.concatenate([_MEL_HZ, np.arange(_FFT // 2 + 1) * TELEPHONE_RATE / _FFT])
    low, high, *bins_mel = 2595.0 * np.log10(1.0 + hertz / 700.0)
    edges = np.linspace(low, high, _BANDS + 2)
    bins = np.array(bins_mel)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    bands: Power = np.maximum(0.0, np.minimum(rising, falling))
    return bands


_HANN = np.hanning(_WINDOW)
_MEL = _mel_bands()
