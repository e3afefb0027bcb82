"""The known-speech matcher knows its lines through noise and a telephone, and says nothing when it is not sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from simulator import audio, voices
from simulator.hearing import KnownSpeech

if TYPE_CHECKING:
    from simulator.audio import Pcm

VOICE = "en-us+f3"
LINES = (
    "Do you have anything on Thursday?",
    "Do you have anything in the morning?",
    "Two in the afternoon, please.",
    "Three in the afternoon, please.",
    "The first one, please.",
    "The second one.",
    "The later one.",
    "Maya Chen",
    "My name is Maya Chen.",
    "maya at example dot com",
    "Yes.",
    "Yes, go ahead.",
    "Yes, that's right.",
    "No, thanks.",
    "No, that's all. Thank you.",
    "Actually, make it Friday instead.",
    "What about next Tuesday?",
    "I'd like to book an appointment.",
    "Hello, this is Maya Chen. Can I come on Thursday at two in the afternoon?",
    "On Tuesday?",
    "On Thursday?",
    "Ten thirty.",
    "Eleven thirty.",
    "Sorry?",
    "Noon is fine.",
)
UNKNOWN = (
    "Do you have anything on Friday?",
    "Do you have anything at all?",
    "Four in the afternoon, please.",
    "The last one, please.",
    "The third one.",
    "The earlier one.",
    "Ben Carter",
    "My name is Peter Jones.",
    "peter at example dot org",
    "Yes, but make it later.",
    "Yes, please do.",
    "No, that's wrong.",
    "No, I said nine.",
    "Maybe.",
    "Actually, make it Monday instead.",
    "What about next Wednesday?",
    "I'd like to cancel my appointment.",
    "On Saturday?",
    "Twelve thirty.",
    "How much does it cost?",
    "What are your opening hours?",
    "I will have to ask my wife about that first.",
    "Can you speak up?",
    "Are you open on Saturday?",
    "Anything on the fifth of January?",
    "Wait, can we do four o'clock instead?",
    "I'd prefer Saturday.",
    "Nine in the morning works for me.",
    "How long does it take?",
    "Let me think about it.",
)


@pytest.fixture(scope="module")
def known() -> KnownSpeech:
    return KnownSpeech(LINES, VOICE)


def phoned(
    text: str, *, snr_db: float | None = 20.0, lead_secs: float = 0.6, lost_secs: float = 0.0, kept: float = 1.0
) -> Pcm:
    """Return `text` as it reaches the transcription: telephone, noise, mu-law, silence around it."""
    rng = np.random.default_rng(len(text))
    speech = voices.at_rate(voices.speak(text, VOICE), audio.TELEPHONE_RATE)
    speech = audio.at_level(audio.telephone_band(speech, audio.TELEPHONE_RATE))
    speech = speech[int(lost_secs * audio.TELEPHONE_RATE) : int(len(speech) * kept)]
    before, after = np.zeros(int(lead_secs * audio.TELEPHONE_RATE)), np.zeros(audio.TELEPHONE_RATE // 5)
    line = np.concatenate([before, speech, after]).astype(np.float32)
    level = -80.0 if snr_db is None else audio.SPEECH_LEVEL_DBFS - snr_db
    sent = audio.mulaw_decode(audio.mulaw_encode(line + audio.white_noise(len(line), level, rng)))
    padding = np.zeros(audio.TELEPHONE_RATE // 2, np.float32)
    return np.concatenate([sent, padding])


def heard(known: KnownSpeech, pcm: Pcm) -> str:
    return known.hear(pcm, audio.TELEPHONE_RATE).text


def alike(text: str, other: str) -> bool:
    return text.casefold().strip(".,?") == other.casefold().strip(".,?")


@pytest.mark.parametrize("snr_db", [None, 20.0, 12.0])
def test_hears_every_line_it_was_given(known: KnownSpeech, snr_db: float | None) -> None:
    missed = {line: said for line in LINES if not alike(line, said := heard(known, phoned(line, snr_db=snr_db)))}

    assert missed == {}


def test_hears_lines_that_come_at_16_khz(known: KnownSpeech) -> None:
    pcm = audio.resample(phoned("The second one."), audio.TELEPHONE_RATE, 16000)

    assert known.hear(pcm, 16000).text == "The second one."


def test_hears_a_line_whose_onset_was_clipped(known: KnownSpeech) -> None:
    for line in ("Do you have anything on Thursday?", "What about next Tuesday?", "Actually, make it Friday instead."):
        assert heard(known, phoned(line, lead_secs=0.0, lost_secs=0.15)) == line


@pytest.mark.parametrize("snr_db", [None, 20.0, 12.0])
def test_says_nothing_when_it_hears_an_unknown_line(known: KnownSpeech, snr_db: float | None) -> None:
    mistaken = {line: said for line in UNKNOWN if (said := heard(known, phoned(line, snr_db=snr_db)))}

    assert mistaken == {}


def test_never_takes_half_of_a_line_for_the_whole_or_another(known: KnownSpeech) -> None:
    without_pause = [line for line in LINES if len(line) > 12 and not set(",.") & set(line[:-1])]

    cut = {line: said for line in without_pause if (said := heard(known, phoned(line, kept=0.5)))}
    late = {
        line: said
        for line in without_pause
        if (said := heard(known, phoned(line, lead_secs=0.0, lost_secs=len(line) * 0.03)))
    }

    # What is left may be the end of another known line, or end where a pause would: then it is told, truly.
    untrue = {line: said for line, said in (*cut.items(), *late.items()) if said.casefold() not in line.casefold()}
    assert untrue == {}
    assert len(cut) + len(late) <= len(without_pause) / 3


def test_does_not_take_the_start_of_a_longer_line_for_a_known_short_one() -> None:
    known = KnownSpeech(["Yes.", "Do you have anything?"], VOICE)

    assert heard(known, phoned("Yes, but not on Thursday.")) == ""
    assert heard(known, phoned("Do you have anything on Thursday?")) == ""


def test_does_not_take_a_short_line_for_a_longer_one_that_starts_alike() -> None:
    known = KnownSpeech(["Do you have anything on Thursday?"], VOICE)

    assert heard(known, phoned("Do you have anything?")) == ""


def test_hears_the_parts_of_a_line_that_a_pause_has_split(known: KnownSpeech) -> None:
    assert alike(heard(known, phoned("Thank you.")), "Thank you")
    assert alike(heard(known, phoned("go ahead.")), "go ahead")


def test_silence_and_noise_are_no_line(known: KnownSpeech) -> None:
    silence = np.zeros(audio.TELEPHONE_RATE, np.float32)
    noise = audio.white_noise(audio.TELEPHONE_RATE, -40.0, np.random.default_rng(1))

    assert heard(known, silence) == ""
    assert heard(known, noise) == ""
    assert heard(known, noise[:50]) == ""


def test_knows_nothing_without_lines() -> None:
    assert heard(KnownSpeech([], VOICE), phoned("Yes.")) == ""


def test_scores_tell_how_sure_it_is(known: KnownSpeech) -> None:
    quiet = known.hear(phoned("Maya Chen", snr_db=None), audio.TELEPHONE_RATE)
    noisy = known.hear(phoned("Maya Chen", snr_db=12.0), audio.TELEPHONE_RATE)

    assert 1.0 >= quiet.score > noisy.score > noisy.runner_up >= 0.0


def test_an_unknown_voice_is_refused_with_the_way_to_name_one() -> None:
    with pytest.raises(ValueError, match=r"no voice 'en-gb'.*'en-us\+f3'"):
        KnownSpeech(["Yes."], "en-gb")


def test_speech_comes_with_the_place_of_each_word() -> None:
    spoken = voices.speak_with_words("Yes, go ahead.", VOICE)

    assert [character for character, _ in spoken.words] == [0, 5, 8]
    assert [sample for _, sample in spoken.words] == sorted(sample for _, sample in spoken.words)
    assert len(spoken.pcm) > spoken.words[-1][1]
