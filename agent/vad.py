"""Whether a caller speaks: Silero's model, loaded once, with a memory of its own for each call."""

from __future__ import annotations

import math
from importlib import resources
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import onnxruntime  # type: ignore[import-untyped]  # no types

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

WINDOW_SECS: Final = 0.032
"""What the model judges at once, at either rate: https://github.com/snakers4/silero-vad"""
_SAMPLES: Final = {8000: 256, 16000: 512}
_CONTEXT: Final = {8000: 32, 16000: 64}
"""How many samples of the window before it the model wants in front of each."""
_CONFIDENCE: Final = 0.7
_QUIETEST: Final = 0.002
"""The root mean square below which nothing is speech, whatever the model says: -54 dBFS, a whisper in another room."""
_REFRESH_WINDOWS: Final = 64
"""After some seconds of what is no speech the model no longer hears the speech that follows, unless it forgets."""
_SURELY_SILENT: Final = 0.1
_SILENT_BEFORE_REFRESH: Final = 5


class Window(NamedTuple):
    """32 ms of sound: 16-bit samples, whether they are speech, and how loud, as root mean square from 0 to 1."""

    pcm: bytes
    is_speech: bool
    loudness: float


def load_vad() -> onnxruntime.InferenceSession:
    """Load the model that comes with Pipecat; takes some 30 ms. One serves any number of calls."""
    path = resources.files("pipecat.audio.vad.data").joinpath("silero_vad.onnx")
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])


class SpeechDetector:
    """Tells of each window of one caller's sound whether it is speech."""

    def __init__(self, model: onnxruntime.InferenceSession, rate: int) -> None:
        self._model = model
        self._bytes = _SAMPLES[rate] * 2
        self._context_samples = _CONTEXT[rate]
        self._rate = np.array(rate, dtype=np.int64)
        self._rest = b""
        self._windows = 0
        self._silent_windows = 0
        self._state: Samples
        self._context: Samples
        self._forget()

    def feed(self, pcm: bytes) -> Iterator[Window]:
        """Yield each window that `pcm`, 16-bit samples, completes."""
        sound = self._rest + pcm
        whole = len(sound) // self._bytes * self._bytes
        self._rest = sound[whole:]
        for start in range(0, whole, self._bytes):
            window = sound[start : start + self._bytes]
            samples = np.frombuffer(window, np.int16).astype(np.float32) / np.float32(32768)
            loudness = math.sqrt(float(samples @ samples) / len(samples))
            yield Window(window, self._is_speech(samples, loudness), loudness)

    def _is_speech(self, samples: Samples, loudness: float) -> bool:
        if loudness < _QUIETEST:
            # Most of a call: the model, which takes nearly all of the time here, need not be asked.
            self._note(0.0)
            self._context = samples[-self._context_samples :]
            return False
        with_context = np.concatenate((self._context, samples))
        self._context = samples[-self._context_samples :]
        answer, self._state = self._model.run(
            None, {"input": with_context[np.newaxis], "state": self._state, "sr": self._rate}
        )
        confidence = float(answer[0][0])
        self._note(confidence)
        return confidence >= _CONFIDENCE

    def _note(self, confidence: float) -> None:
        self._windows += 1
        self._silent_windows = self._silent_windows + 1 if confidence < _SURELY_SILENT else 0
        # Only in silence: in the middle of speech the model would lose confidence, and an utterance its end.
        if self._windows >= _REFRESH_WINDOWS and self._silent_windows >= _SILENT_BEFORE_REFRESH:
            self._forget()
            self._windows = 0

    def _forget(self) -> None:
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._context = np.zeros(self._context_samples, dtype=np.float32)
