"""Whether a caller speaks, by the real model on synthesised speech."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.vad import WINDOW_SECS, SpeechDetector, load_vad
from simulator.audio import to_s16le
from simulator.voices import at_rate, speak

if TYPE_CHECKING:
    import numpy.typing as npt

    Sound = npt.NDArray[np.float32]

UTTERANCE = "Tuesday at two works for me."
LEAD_SECS = 2.5


@cache
def spoken(rate: int) -> Sound:
    """Return the utterance without the silence around it, as loud as on a phone."""
    sound = at_rate(speak(UTTERANCE), rate)
    loud = np.nonzero(np.abs(sound) > 0.01 * np.abs(sound).max())[0]
    cut: Sound = (sound[loud[0] : loud[-1] + 1] / np.abs(sound).max() * 0.3).astype(np.float32)
    return cut


def verdicts(sound: Sound, rate: int, chunk_secs: float = 0.02) -> list[bool]:
    detector, pcm, step = SpeechDetector(load_vad(), rate), to_s16le(sound), round(chunk_secs * rate) * 2
    return [window.is_speech for at in range(0, len(pcm), step) for window in detector.feed(pcm[at : at + step])]


def noise(secs: float, rate: int, level: float) -> Sound:
    return (np.random.default_rng(7).standard_normal(round(secs * rate)) * level).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("level", [0.0, 0.0008, 0.004], ids=["still", "line", "office"])
def test_speech_is_found_where_it_is(rate: int, level: float) -> None:
    speech = spoken(rate)
    before, after = noise(LEAD_SECS, rate, level), noise(1, rate, level)

    found = verdicts(
        np.concatenate((before, speech + noise(len(speech) / rate, rate, level)[: len(speech)], after)), rate
    )

    windows = [index * WINDOW_SECS for index, is_speech in enumerate(found) if is_speech]
    assert windows[0] == pytest.approx(LEAD_SECS, abs=0.1)
    assert windows[-1] + WINDOW_SECS == pytest.approx(LEAD_SECS + len(speech) / rate, abs=0.13)


def test_noise_is_no_speech() -> None:
    assert not any(verdicts(noise(5, 8000, 0.02), 8000))


def test_speech_too_quiet_to_be_meant_is_no_speech() -> None:
    assert not any(verdicts(spoken(8000) * 0.005, 8000))


def test_how_the_sound_is_cut_makes_no_difference() -> None:
    sound = np.concatenate((noise(1, 8000, 0.0008), spoken(8000)))

    assert verdicts(sound, 8000, 0.02) == verdicts(sound, 8000, 0.1)


def test_speech_after_a_long_silence_is_found() -> None:
    sound = np.concatenate((noise(30, 8000, 0.0025), spoken(8000)))

    found = verdicts(sound, 8000)

    assert found.index(True) * WINDOW_SECS == pytest.approx(30, abs=0.1)
