"""The sound of a telephone line: G.711, rates without aliases, levels, noise and WAV files."""

from __future__ import annotations

import wave
from io import BytesIO

import numpy as np
import pytest

from simulator.audio import (
    Pcm,
    at_level,
    from_s16le,
    level_dbfs,
    mulaw_decode,
    mulaw_encode,
    read_wav,
    resample,
    telephone_band,
    to_s16le,
    white_noise,
    write_wav,
)


def tone(hertz: float, rate: int, secs: float = 0.5) -> Pcm:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * secs)) / rate)).astype(np.float32)


def power_db(pcm: Pcm) -> float:
    return float(10 * np.log10(np.mean(pcm.astype(np.float64) ** 2) + 1e-12))


def test_mulaw_codes_are_those_of_g711() -> None:
    encoded = mulaw_encode(np.array([0.0, 1.0, -1.0, 1000 / 32768, -1000 / 32768], np.float32))

    assert encoded == bytes([0xFF, 0x80, 0x00, 0xCE, 0x4E])


def test_every_mulaw_code_survives_decoding_and_encoding() -> None:
    codes = bytes(code for code in range(256) if code != 0x7F)  # the second zero comes back as the first

    assert mulaw_encode(mulaw_decode(codes)) == codes


def test_mulaw_keeps_speech_38_db_above_its_own_noise() -> None:
    speech = at_level(tone(440, 8000))

    error = mulaw_decode(mulaw_encode(speech)) - speech

    assert power_db(speech) - power_db(error) > 35


@pytest.mark.parametrize("to_rate", [8000, 16000, 24000])
def test_resampling_keeps_pitch_level_and_length(to_rate: int) -> None:
    resampled = resample(tone(1000, 22050), 22050, to_rate)

    middle = slice(to_rate // 20, -to_rate // 20)
    assert len(resampled) == pytest.approx(to_rate / 2, abs=1)
    assert np.abs(resampled - tone(1000, to_rate)[: len(resampled)])[middle].max() < 0.005


def test_resampling_down_leaves_no_alias_of_what_the_lower_rate_cannot_hold() -> None:
    resampled = resample(tone(5000, 22050), 22050, 8000)

    assert power_db(resampled[400:-400]) < -60


def test_the_telephone_carries_the_middle_and_not_the_ends() -> None:
    loss = {hertz: power_db(tone(hertz, 16000)) - power_db(telephone_band(tone(hertz, 16000), 16000)) for hertz in
            (100, 1000, 3000, 5000)}  # fmt: skip

    assert loss[1000] < 0.1
    assert loss[3000] < 0.1
    assert loss[100] > 25
    assert loss[5000] > 25


def test_level_is_that_of_the_speech_without_its_pauses() -> None:
    speech = np.concatenate([tone(440, 8000), np.zeros(16000, np.float32)])

    assert level_dbfs(at_level(speech, -20.0)) == pytest.approx(-20.0, abs=0.1)


def test_silence_stays_silence() -> None:
    silence = np.zeros(800, np.float32)

    assert not at_level(silence).any()
    assert level_dbfs(silence) == -120.0


def test_noise_is_as_loud_as_asked() -> None:
    noise = white_noise(32_000, -35.0, np.random.default_rng(1))

    assert power_db(noise) == pytest.approx(-35.0, abs=0.5)


def test_the_same_seed_makes_the_same_noise() -> None:
    first, second = (white_noise(100, -40.0, np.random.default_rng(7)) for _ in range(2))

    assert np.array_equal(first, second)


def test_samples_survive_16_bit_pcm_and_loud_ones_are_clipped() -> None:
    samples = np.array([0.0, 0.25, -0.25, 2.0, -2.0], np.float32)

    assert from_s16le(to_s16le(samples)).tolist() == pytest.approx([0.0, 0.25, -0.25, 1.0, -1.0], abs=1e-4)
    assert from_s16le(b"\x00\x40\x00").tolist() == [0.5]


def test_a_wav_file_keeps_rate_and_channels_and_fills_up_the_shorter_one() -> None:
    left, right = tone(440, 8000), tone(880, 8000)[:100]

    data = write_wav(8000, left, right)

    with wave.open(BytesIO(data)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, len(left))
    heard, rate = read_wav(data)
    assert rate == 8000
    assert np.abs(heard - left).max() < 1e-4


@pytest.mark.parametrize("data", [b"", b"RIFF....WAVEnonsense", b"\x00" * 100])
def test_what_is_no_wav_file_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a WAV file"):
        read_wav(data)
