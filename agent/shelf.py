"""The shelf: what the agent was saying when the caller spoke over it, and had not been heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from pipecat.frames.frames import Frame, TTSTextFrame

from telephony import mulaw

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_REPEATED_SECS: Final = 0.3
"""Who is cut off goes on from the last pause, but repeats no more than that."""
_WINDOW: Final = mulaw.RATE // 100
_QUIET: Final = 0.15
"""A hundredth of a second with that part of the loudest one's power of amplitude lies between words or syllables."""
_SILENT: Final = 100.0
"""What is not louder at its loudest is no speech; 16-bit samples."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Sound that was not heard, as mu-law, and the words that count as said when it has been."""

    sound: bytes
    words: TTSTextFrame


@dataclass(frozen=True, slots=True)
class Shelf:
    """Sentences that were not heard to their end. It `is_whole` if no more of the answer was to come."""

    sentences: tuple[Sentence, ...] = ()
    is_whole: bool = True

    @property
    def text(self) -> str:
        return " ".join(sentence.words.text for sentence in self.sentences)


EMPTY: Final = Shelf()


def shelve(parts: Iterable[bytes | Frame], *, is_answered: bool) -> Shelf:
    """Return what to say again of sound and frames in the order in which they would have been played.

    A sentence that was still being rendered has no words yet: it is left out.

    Args:
        is_answered: Whether the answer that was cut off had been given in full.
    """
    sound = bytearray()
    sentences = []
    for part in parts:
        if isinstance(part, bytes):
            sound += part
        elif isinstance(part, TTSTextFrame) and part.append_to_context:
            sentences.append(Sentence(bytes(sound), part))
            sound.clear()
    return Shelf(tuple(sentences), is_whole=is_answered and not sound)


def to_repeat(heard: bytes) -> int:
    """Return how many bytes of `heard`, the mu-law of a sentence so far, to say again before the rest of it."""
    most = min(len(heard), round(MOST_REPEATED_SECS * mulaw.RATE))
    windows = most // _WINDOW
    if not windows:
        return most
    samples = np.frombuffer(mulaw.decode(heard[-windows * _WINDOW :]), np.int16).astype(np.float64)
    loudness = np.sqrt(np.mean(samples.reshape(windows, _WINDOW) ** 2, axis=1))
    if loudness.max() < _SILENT:
        return 0
    quiet = np.flatnonzero(loudness < _QUIET * loudness.max())
    return (windows - 1 - int(quiet[-1])) * _WINDOW if len(quiet) else most
