"""The voices of a rehearsal: espeak-ng out of the `espeakng-loader` wheel, one synthesiser for the whole process."""

from __future__ import annotations

import ctypes
import importlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.audio import Pcm, resample

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 22050
"""What espeak-ng synthesises at, in Hz."""

_SYNCHRONOUS_OUTPUT = 2
_UTF8 = 1
_RATE_PARAMETER = 1
_EVENT_END, _EVENT_WORD = 0, 1
_HOW_TO_NAME = (
    "name a voice as a language with an optional variant: 'en-us', 'en-us+f3', 'en-us+m3', "
    "'en' (British; espeak knows no 'en-gb'), 'en-gb-scotland'"
)


class UnknownVoice(ValueError):
    """espeak-ng has no voice of that name."""

    def __init__(self, voice: str) -> None:
        super().__init__(f"espeak-ng has no voice {voice!r}: {_HOW_TO_NAME}")


class VoicesMissing(RuntimeError):
    """The wheel with espeak-ng is not installed."""

    def __init__(self) -> None:
        super().__init__("no voices here: install the rehearsal group: uv sync --group rehearsal")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was synthesised at `RATE`, and for each word where it stands in the text and where its sound begins."""

    pcm: Pcm
    words: tuple[tuple[int, int], ...]
    """(offset into the text in characters, sample at `RATE`)"""


def speak(text: str, voice: str = "en-us", words_per_minute: int = 165) -> Pcm:
    """Return `text` spoken, as float samples at `RATE`; ValueError for a voice espeak does not have.

    Saying the same twice gives the same length but not the same samples: never compare them one by one.
    """
    return speak_with_words(text, voice, words_per_minute).pcm


def speak_with_words(text: str, voice: str = "en-us", words_per_minute: int = 165) -> Spoken:
    """Return `text` spoken, with the place of each word."""
    with _lock:
        return _loaded().say(text, voice, words_per_minute)


def check_voice(voice: str) -> None:
    """Raise `UnknownVoice` unless espeak has that voice; the variant after the + it takes as it comes."""
    with _lock:
        _loaded().take(voice)


def at_rate(pcm: Pcm, rate: int) -> Pcm:
    """Return speech of `speak` at another rate."""
    return resample(pcm, RATE, rate)


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """`espeak_EVENT` of espeak-ng 1.52's speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Synthesiser:
    """The one espeak-ng of the process: the library keeps its state in globals."""

    def __init__(self, library_path: str, data_path: str) -> None:
        self._library = ctypes.CDLL(library_path)
        rate = self._library.espeak_Initialize(_SYNCHRONOUS_OUTPUT, 0, data_path.encode(), 0)
        if rate != RATE:
            raise RuntimeError(f"espeak-ng did not start with the data in {data_path!r} (answered {rate})")
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
            ctypes.POINTER(ctypes.c_uint), ctypes.c_void_p,
        ]  # fmt: skip
        self._pieces: list[Pcm] = []
        self._words: list[tuple[int, int]] = []
        # The library keeps the pointer: the callback must live as long as it does.
        self._callback = _SynthCallback(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def take(self, voice: str) -> None:
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UnknownVoice(voice)

    def say(self, text: str, voice: str, words_per_minute: int) -> Spoken:
        self.take(voice)
        self._library.espeak_SetParameter(_RATE_PARAMETER, words_per_minute, 0)
        self._pieces, self._words = [], []
        encoded = text.encode()
        if self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None) != 0:
            raise RuntimeError("espeak-ng could not speak")
        self._library.espeak_Synchronize()
        pcm = np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.float32)
        return Spoken(pcm, tuple(self._words))

    def _collect(self, wave: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if wave and count:
            self._pieces.append(np.ctypeslib.as_array(wave, (count,)).astype(np.float32) / 32768.0)
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type == _EVENT_WORD:
                # espeak counts characters from one, and time in milliseconds.
                self._words.append((event.text_position - 1, event.audio_position * RATE // 1000))
            index += 1
        return 0


_lock = threading.Lock()
_synthesiser: _Synthesiser | None = None


def _loaded() -> _Synthesiser:
    global _synthesiser
    if _synthesiser is None:
        try:
            loader = importlib.import_module("espeakng_loader")
        except ModuleNotFoundError as error:
            raise VoicesMissing from error
        library_path: Callable[[], str] = loader.get_library_path
        data_path: Callable[[], str] = loader.get_data_path
        _synthesiser = _Synthesiser(library_path(), data_path())
    return _synthesiser
