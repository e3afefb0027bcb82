from __future__ import annotations

import numpy as np
import pytest

from simulator.audio import TELEPHONE_RATE, Pcm, mulaw_encode
from simulator.ears import Ears, KnownTexts, Rendered, is_loud, loud_frames

SILENT = b"\xff" * 160
TONE = mulaw_encode((0.1 * np.sin(np.arange(160) * 2 * np.pi * 440 / TELEPHONE_RATE)).astype(np.float32))

FIRST, SECOND = "I have Thursday at two.", "Which one suits you?"
LONGER = "I have Thursday at two, or Friday at ten."


def chirps(text: str) -> Pcm:
    """A made-up voice: each letter has its own pair of tones, 60 ms long."""
    time = np.arange(480) / TELEPHONE_RATE
    letters = [ord(letter) for letter in text.lower() if letter.isalpha()]
    tones = [
        np.sin(2 * np.pi * (350 + 97 * (code % 11)) * time) + np.sin(2 * np.pi * (1500 + 131 * (code % 13)) * time)
        for code in letters
    ]
    return (0.05 * np.concatenate(tones)).astype(np.float32)


def rendered(text: str) -> Rendered:
    letters, words = 0, []
    for at, letter in enumerate(text):
        if at == 0 or text[at - 1] == " ":
            words.append((at, letters * 480))
        letters += letter.isalpha()
    return Rendered(chirps(text), tuple(words))


def audio(*texts: str, pause_secs: float = 0.3) -> bytes:
    pause = np.zeros(round(pause_secs * TELEPHONE_RATE), np.float32)
    return mulaw_encode(np.concatenate([pause, *(part for text in texts for part in (chirps(text) * 0.5, pause))]))


@pytest.fixture
def known() -> KnownTexts:
    return KnownTexts(rendered)


def test_a_turn_ends_after_enough_silence() -> None:
    ears = Ears(turn_end_secs=1.0)
    for _ in range(20):
        ears.hear(TONE)

    ended = [ears.hear(SILENT) for _ in range(50)]

    assert ended[:49] == [None] * 49
    assert ended[49] is not None
    assert (ended[49].began, ended[49].last_loud, ended[49].was_cut) == (1, 20, False)


def test_a_short_pause_does_not_end_a_turn() -> None:
    ears = Ears(turn_end_secs=1.0)

    turns = [ears.hear(frame) for frame in [*[TONE] * 10, *[SILENT] * 40, *[TONE] * 10, *[SILENT] * 40]]

    assert turns == [None] * 100
    assert ears.turn is not None


def test_a_turn_keeps_the_weak_onset_before_its_first_loud_frame() -> None:
    ears = Ears()
    for _ in range(30):
        ears.hear(SILENT)

    ears.hear(TONE)

    assert ears.turn is not None
    assert bytes(ears.turn.audio) == SILENT * 10 + TONE


def test_a_cut_ends_the_turn_at_once() -> None:
    ears = Ears()
    ears.hear(TONE)

    turn = ears.cut()

    assert turn is not None
    assert turn.was_cut
    assert ears.cut() is None


def test_line_noise_is_not_speech() -> None:
    assert is_loud(TONE)
    assert not is_loud(SILENT)
    assert not is_loud(b"")
    assert loud_frames(SILENT * 3 + TONE * 2 + SILENT) == 2


def test_tells_the_texts_in_the_order_they_were_played(known: KnownTexts) -> None:
    assert known.recognise(audio(SECOND, FIRST), [FIRST, SECOND]) == f"{SECOND} {FIRST}"


def test_a_gap_in_the_audio_does_not_hide_its_text(known: KnownTexts) -> None:
    whole = audio(FIRST)
    stalled = whole[:6000] + SILENT * 6 + whole[6000:]

    assert known.recognise(stalled, [FIRST, LONGER]) == FIRST


def test_leaves_out_what_was_asked_for_but_not_played(known: KnownTexts) -> None:
    assert known.recognise(audio(FIRST), [FIRST, SECOND]) == FIRST


def test_a_repeated_text_is_heard_twice(known: KnownTexts) -> None:
    assert known.recognise(audio(SECOND, SECOND), [SECOND]) == f"{SECOND} {SECOND}"


@pytest.mark.parametrize("spoken", [FIRST, LONGER])
def test_tells_a_text_from_one_that_begins_like_it(known: KnownTexts, spoken: str) -> None:
    assert known.recognise(audio(spoken), [FIRST, LONGER]) == spoken


def test_a_text_cut_short_ends_in_a_dash_after_the_words_heard(known: KnownTexts) -> None:
    whole = audio(LONGER, pause_secs=0)

    heard = known.recognise(whole[: round(len(whole) * 0.7)], [LONGER, SECOND], was_cut=True)

    assert heard == "I have Thursday at two, or—"


def test_the_rest_of_a_text_that_was_cut_before_begins_with_a_dash(known: KnownTexts) -> None:
    whole = audio(LONGER, pause_secs=0.3)
    rest = whole[round(len(whole) * 0.55) :]

    assert known.recognise(rest, [LONGER, SECOND], follows_cut=True) == "\u2014or Friday at ten."
    assert (
        known.recognise(rest + audio(SECOND), [LONGER, SECOND], follows_cut=True) == f"\u2014or Friday at ten. {SECOND}"
    )


def test_the_turn_after_a_cut_follows_it() -> None:
    ears = Ears(turn_end_secs=1.0)
    ears.hear(TONE)
    ears.cut()

    follows = []
    for _ in range(2):
        ears.hear(TONE)
        assert ears.turn is not None
        follows.append(ears.turn.follows_cut)
        for _ in range(50):
            ears.hear(SILENT)

    assert follows == [True, False]


def test_a_text_of_which_next_to_nothing_was_heard_is_left_out(known: KnownTexts) -> None:
    begun = audio(LONGER, pause_secs=0)[:800]

    assert known.recognise(begun, [LONGER], was_cut=True) == ""


def test_audio_like_no_known_text_is_left_out(known: KnownTexts) -> None:
    assert known.recognise(TONE * 100, [FIRST, SECOND]) == ""
    assert known.recognise(b"", [FIRST]) == ""
    assert known.recognise(TONE * 100, []) == ""


def test_speech_at_a_third_of_its_pitch_is_not_recognised(known: KnownTexts) -> None:
    slow = mulaw_encode(np.repeat(chirps(FIRST), 3))

    assert known.recognise(slow, [FIRST]) == ""
