"""How the caller hears: when the agent speaks, when it has finished, and which known text its audio is.

The words come from the journal of what the agent's voice was asked to say; the audio that was played decides which of
those texts the caller heard, and how much of a text that was cut. It is not speech recognition.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from simulator.audio import TELEPHONE_RATE, Pcm, at_level, mulaw_decode, telephone_band

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

FRAMES_PER_SEC = 50

_LOUD_POWER = 10.0**-4.5
"""-45 dBFS"""
_LEAD_FRAMES = 10
_FRAME_BYTES = TELEPHONE_RATE // FRAMES_PER_SEC

Features: TypeAlias = npt.NDArray[np.float64]


def is_loud(audio: bytes) -> bool:
    """Whether mu-law audio is more than the noise of a quiet line."""
    if not audio:
        return False
    power = float(_POWER[np.frombuffer(audio, np.uint8)].mean())
    return power > _LOUD_POWER


def loud_frames(audio: bytes) -> int:
    """Return how many 20 ms of mu-law audio are loud."""
    return sum(is_loud(audio[at : at + _FRAME_BYTES]) for at in range(0, len(audio), _FRAME_BYTES))


@dataclass(slots=True)
class AgentTurn:
    """A stretch of agent speech as it was played; frame numbers count 20 ms from the start of the call."""

    began: int
    last_loud: int
    audio: bytearray = field(default_factory=bytearray)
    was_cut: bool = False
    follows_cut: bool = False
    """Whether it may be the rest of what was cut before."""


class Ears:
    """Follows the played audio frame by frame and splits it into turns."""

    def __init__(self, *, turn_end_secs: float = 1.2) -> None:
        self._turn_end = round(turn_end_secs * FRAMES_PER_SEC)
        self._lead: deque[bytes] = deque(maxlen=_LEAD_FRAMES)
        self.frame = 0
        self.turn: AgentTurn | None = None
        """The agent's turn while it lasts."""
        self.last_loud: int | None = None
        self._was_cut = False

    def hear(self, played: bytes) -> AgentTurn | None:
        """Take the next 20 ms; return the agent's turn once it has been silent for long enough to have ended."""
        self.frame += 1
        if is_loud(played):
            self._hear_speech()
        if self.turn is None:
            self._lead.append(played)
            return None
        self.turn.audio += played
        return self._close() if self.frame - self.turn.last_loud >= self._turn_end else None

    def cut(self) -> AgentTurn | None:
        """Return the turn that was going on when the rest of it was taken back, if any."""
        if self.turn is None:
            return None
        self.turn.was_cut = self._was_cut = True
        return self._close()

    def _hear_speech(self) -> None:
        if self.turn is None:
            lead = bytearray(b"".join(self._lead))
            self.turn = AgentTurn(began=self.frame, last_loud=self.frame, audio=lead, follows_cut=self._was_cut)
            self._lead.clear()
            self._was_cut = False
        self.turn.last_loud = self.last_loud = self.frame

    def _close(self) -> AgentTurn | None:
        turn, self.turn = self.turn, None
        return turn


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text as the agent's voice says it, at 8 kHz, with the place of each word: (character, sample)."""

    pcm: Pcm
    words: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    text: str
    features: Features
    words: tuple[tuple[int, int], ...]
    """(character, feature row) of each word"""

    def without_pauses(self) -> _Known:
        sounds = _sounds(self.features)
        rows = np.concatenate([[0], np.cumsum(sounds)])
        words = tuple((character, int(rows[np.clip(row, 0, len(sounds))])) for character, row in self.words)
        return _Known(self.text, self.features[sounds], words)


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    explains: float
    """How many loud rows it accounts for, each as far as it is alike."""


class KnownTexts:
    """Tells which of the agent's texts an audio is, by comparing it with a rendering of each."""

    def __init__(self, render: Callable[[str], Rendered]) -> None:
        self._render = render
        self._known: dict[str, tuple[_Known, _Known]] = {}

    def learn(self, texts: Iterable[str]) -> None:
        """Render `texts`, so that recognising them later is quick."""
        for text in texts:
            if text not in self._known:
                known = _learn(text, self._render(text))
                self._known[text] = known, known.without_pauses()

    def recognise(
        self,
        audio: bytes,
        texts: Sequence[str],
        *,
        fresh: Collection[str] = (),
        was_cut: bool = False,
        follows_cut: bool = False,
    ) -> str:
        """Return the texts that `audio` is, in the order they were spoken; one broken off ends in a dash.

        In doubt the `fresh` among the texts are believed first. Audio like none of them is left out.
        With `follows_cut` the first may be the rest of one that was broken off before; it begins with a dash.
        """
        self.learn(texts)
        known = [self._known[text] for text in dict.fromkeys(texts)]
        features = _features(mulaw_decode(audio))
        # A line that stalls makes a pause or a longer one: then what is left without any pauses is more alike.
        as_played = _Heard(features, [whole for whole, _ in known], fresh)
        without_pauses = _Heard(features[_sounds(features)], [dense for _, dense in known], fresh)
        explained = [
            heard.pieces(0, len(heard.features), was_cut=was_cut, follows_cut=follows_cut)
            for heard in (as_played, without_pauses)
        ]
        best = max(explained, key=lambda pieces: sum(piece.explains for piece in pieces))
        return " ".join(piece.text for piece in best)


_HOP = TELEPHONE_RATE // 100
_WINDOW = 256
_BANDS = 18
_LOUD_ROW = -4.0
_SOUND_ROW = -4.8
_SLACK = 12
_SHORTEST = 12
_SURE, _LIKELY, _BROKEN_OFF = 0.9, 0.6, 0.75


def _learn(text: str, rendered: Rendered) -> _Known:
    features = _features(telephone_band(rendered.pcm, TELEPHONE_RATE))
    loud = np.flatnonzero(_loud(features))
    start, end = (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, 0)
    words = tuple((character, sample // _HOP - start) for character, sample in rendered.words)
    return _Known(text, features[start:end], words)


class _Heard:
    """An audio being explained as known texts: the best one first, then what lies before and after it."""

    def __init__(self, features: Features, known: list[_Known], fresh: Collection[str]) -> None:
        self.features = features
        self._known = [one for one in known if len(one.features) >= _SHORTEST]
        self._fresh = [one for one in self._known if one.text in fresh]
        self._scores = {one.text: _scores(features, one.features) for one in self._known}
        self._loud = _loud(features)

    def pieces(self, start: int, end: int, *, was_cut: bool, follows_cut: bool = False) -> list[_Piece]:
        """Explain the rows from `start` to `end`.

        With `was_cut` the last text stops there before its end, with `follows_cut` the first has begun before.
        """
        if np.count_nonzero(self._loud[start:end]) < _SHORTEST:
            return []
        found = self._best(self._known, start, end, _SURE)
        if not found and was_cut and (beginning := self._broken_off(start, end)):
            return [beginning]
        if not found and follows_cut and (rest := self._said_on(start, end)):
            return [rest]
        found = found or self._best(self._fresh, start, end, _LIKELY) or self._best(self._known, start, end, _LIKELY)
        if not found:
            return []
        at, one = found
        after = at + len(one.features)
        piece = _Piece(one.text, float(self._scores[one.text][at]) * np.count_nonzero(self._loud[at:after]))
        before = self.pieces(start, at, was_cut=False, follows_cut=follows_cut)
        return [*before, piece, *self.pieces(after, end, was_cut=was_cut)]

    def _best(self, known: list[_Known], start: int, end: int, floor: float) -> tuple[int, _Known] | None:
        best, best_gain = None, 0.0
        for one in known:
            # Neighbours may overlap a little, never so much that the rest does not get smaller.
            slack = min(_SLACK, len(one.features) // 3)
            first, last = max(start - slack, 0), min(end + slack, len(self.features)) - len(one.features)
            if last < first:
                continue
            window = self._scores[one.text][first : last + 1]
            at = int(window.argmax())
            # What is explained, not how well alone: a text that only begins like the right one explains less.
            gain = (float(window[at]) - floor) * len(one.features)
            if gain > best_gain:
                best, best_gain = (first + at, one), gain
        return best

    def _broken_off(self, start: int, end: int) -> _Piece | None:
        """Explain the rows from `start` to the cut at `end` as the beginning of a text."""
        first = start + int(np.flatnonzero(self._loud[start:end])[0])
        at = max(first - _SLACK, 0)
        best, best_score, best_length = None, _BROKEN_OFF, 0
        for one in self._known:
            length = min(end - first - _SLACK // 2, len(one.features))
            if length < _SHORTEST:
                continue
            score = float(_scores(self.features[at:end], one.features[:length]).max())
            if score > best_score:
                best, best_score, best_length = one, score, length
        if best is None:
            return None
        # A word counts as heard when the next one had begun.
        begun = [character for character, row in best.words if row < best_length]
        text = best.text[: begun[-1]].rstrip(" ,.;:") if begun else ""
        return _Piece(f"{text}—", best_score * np.count_nonzero(self._loud[first:end])) if text else None

    def _said_on(self, start: int, end: int) -> _Piece | None:
        """Explain the rows from `start` to `end` as the end of a text whose beginning was heard before."""
        last = start + int(np.flatnonzero(self._loud[start:end])[-1]) + 1
        best, best_score, best_length = None, _BROKEN_OFF, 0
        for one in self._known:
            length = min(last - start - _SLACK // 2, len(one.features))
            if length < _SHORTEST:
                continue
            heard = self.features[max(last - length - _SLACK, 0) : last + _SLACK]
            score = float(_scores(heard, one.features[-length:]).max(initial=0.0))
            if score > best_score:
                best, best_score, best_length = one, score, length
        if best is None:
            return None
        begun = [character for character, row in best.words if row >= len(best.features) - best_length]
        text = best.text[begun[0] :] if begun else ""
        return _Piece(f"\u2014{text}", best_score * np.count_nonzero(self._loud[start:last])) if text else None


def _scores(heard: Features, known: Features) -> Features:
    """Return, for each place of `known` in `heard`, how alike they are: the correlation of their shapes per band."""
    count, places = len(known), len(heard) - len(known) + 1
    if places < 1:
        return np.zeros(0)
    shape = known - known.mean(axis=0)
    size = 1 << (len(heard) + count - 1).bit_length()
    spectrum = np.fft.rfft(heard, size, axis=0) * np.conj(np.fft.rfft(shape, size, axis=0))
    together = np.fft.irfft(spectrum.sum(axis=1), size)[:places]
    sums = np.vstack([np.zeros(heard.shape[1]), np.cumsum(heard, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((heard**2).sum(axis=1))])
    window_sums = sums[count:] - sums[:-count]
    power = (squares[count:] - squares[:-count]) - (window_sums**2).sum(axis=1) / count
    scores: Features = together / np.sqrt(np.maximum(power, 1e-9) * max(float((shape**2).sum()), 1e-9))
    return scores


def _features(pcm: Pcm) -> Features:
    """Return a log spectrum, 100 rows a second, of speech brought to one level."""
    pcm = at_level(pcm)
    if len(pcm) < _WINDOW:
        return np.zeros((0, _BANDS))
    windows = np.lib.stride_tricks.sliding_window_view(pcm, _WINDOW)[::_HOP] * _TAPER
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2 @ _BAND_WEIGHTS
    features: Features = np.log10(power / _WINDOW + 10.0**-5.5)
    return features


def _loud(features: Features) -> npt.NDArray[np.bool_]:
    loud: npt.NDArray[np.bool_] = features.max(axis=1, initial=-9.0) > _LOUD_ROW
    return loud


def _sounds(features: Features) -> npt.NDArray[np.bool_]:
    sounds: npt.NDArray[np.bool_] = features.max(axis=1, initial=-9.0) > _SOUND_ROW
    return sounds


def _band_weights() -> Features:
    """Return triangles over the spectrum from 250 to 3500 Hz, evenly spaced to the ear (mel)."""
    low, high = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (250.0, 3500.0))
    edges = 700.0 * (10.0 ** (np.linspace(low, high, _BANDS + 2) / 2595.0) - 1.0)
    bins = np.fft.rfftfreq(_WINDOW, 1.0 / TELEPHONE_RATE)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights: Features = np.clip(np.minimum(rising, falling), 0.0, None)
    return weights


_POWER = mulaw_decode(bytes(range(256))).astype(np.float64) ** 2
_TAPER = np.hanning(_WINDOW)
_BAND_WEIGHTS = _band_weights()
