"""What was sent to the phone and not played yet: positions by time and by marks, and what a cut leaves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pipecat.frames.frames import TTSTextFrame

from agent.flight import ECHO_SECS, Flight
from agent.shelf import shelve, to_repeat
from telephony import mulaw

LOUD = mulaw.encode((np.sin(np.arange(8000) / 3) * 20_000).astype(np.int16).tobytes())
"""A second of a tone without any pause."""


def words(text: str) -> TTSTextFrame:
    return TTSTextFrame(text, text_type="sentence")


def kept(flight: Flight, sound: bytes, now: float) -> None:
    flight.add(sound, now, is_kept=True)


def test_what_was_sent_is_played_from_when_it_came() -> None:
    flight = Flight()
    kept(flight, LOUD, 10.0)

    assert flight.ends_at == 11.0
    assert flight.ahead_secs(10.25) == 0.75
    assert flight.ahead_secs(12.0) == 0.0


def test_sound_waits_for_the_sound_before_it() -> None:
    flight = Flight()
    kept(flight, LOUD, 10.0)
    kept(flight, LOUD, 10.5)
    assert flight.ends_at == 12.0

    kept(flight, LOUD, 20.0)
    assert flight.ends_at == 21.0


def test_a_checkpoint_passes_when_its_mark_comes_back() -> None:
    flight = Flight()
    kept(flight, LOUD, 0.0)
    checkpoint = flight.checkpoint(0.0)
    assert flight.pass_checkpoint(1.5) is None

    checkpoint.is_played = True

    assert flight.pass_checkpoint(1.5) is checkpoint
    assert flight.pass_checkpoint(1.5) is None
    assert flight.is_over


def test_a_checkpoint_passes_when_its_mark_is_lost() -> None:
    flight = Flight()
    kept(flight, LOUD, 0.0)
    checkpoint = flight.checkpoint(0.0)

    assert flight.next_due == 1.0 + ECHO_SECS
    assert flight.pass_checkpoint(1.0 + ECHO_SECS) is checkpoint
    assert flight.next_due == math.inf


def test_a_mark_stands_for_those_before_it() -> None:
    flight = Flight()
    kept(flight, LOUD, 0.0)
    first = flight.checkpoint(0.0)
    kept(flight, LOUD, 0.0)
    second = flight.checkpoint(0.0)

    second.is_played = True

    assert flight.pass_checkpoint(0.1) is first
    assert not flight.is_over
    assert flight.pass_checkpoint(0.1) is second
    assert flight.is_over


def test_a_cut_leaves_what_was_not_played() -> None:
    flight = Flight()
    first, second = words("One."), words("Two.")
    kept(flight, LOUD, 0.0)
    flight.checkpoint(0.0).frames.append(first)
    kept(flight, LOUD, 0.0)
    flight.checkpoint(0.0).frames.append(second)

    cut = flight.cut(0.5)

    # Without a pause it goes back as far as it may.
    assert cut.heard == []
    assert cut.rest == [LOUD[4000 - 2400 :], first, LOUD, second, b""]
    assert flight.is_over
    assert flight.ahead_secs(0.5) == 0.0


def test_what_was_played_counts_as_heard_even_if_no_mark_has_told_yet() -> None:
    flight = Flight()
    first, second = words("One."), words("Two.")
    kept(flight, LOUD, 0.0)
    flight.checkpoint(0.0).frames.append(first)
    kept(flight, LOUD, 0.0)
    flight.checkpoint(0.0).frames.append(second)

    cut = flight.cut(1.1)

    assert cut.heard == [first]
    # It goes back to the beginning of the sentence, not into the one that was heard.
    assert cut.rest == [LOUD, second, b""]


def test_a_filler_is_not_said_again() -> None:
    flight = Flight()
    flight.add(LOUD, 0.0, is_kept=False)
    kept(flight, LOUD, 0.0)
    flight.checkpoint(0.0).frames.append(words("One."))

    assert flight.cut(0.5).rest[0] == LOUD


def test_a_long_answer_is_not_kept_for_longer_than_it_may_be_needed() -> None:
    flight = Flight()
    for tenth in range(600):
        kept(flight, LOUD[:800], tenth / 10)

    assert len(flight._sounds) < 10


@pytest.mark.parametrize(("silent_ms_ago", "again_ms"), [(0, 0), (100, 100), (250, 250), (400, 300)])
def test_who_was_cut_off_goes_on_from_the_last_pause(silent_ms_ago: int, again_ms: int) -> None:
    pause = bytes([255]) * 160
    heard = LOUD[:4000] + pause + LOUD[: silent_ms_ago * 8]

    assert to_repeat(heard) == again_ms * 8


def test_silence_is_not_repeated() -> None:
    assert to_repeat(b"\xff" * 8000) == 0


def test_no_more_is_repeated_than_was_said() -> None:
    assert to_repeat(LOUD[:400]) == 400
    assert to_repeat(LOUD[:7]) == 7
    assert to_repeat(b"") == 0


def test_the_shelf_holds_whole_sentences() -> None:
    one, two = words("One."), words("Two.")

    shelf = shelve([b"a", one, b"b", b"c", two, b"half of the third"], is_answered=False)

    assert [(sentence.sound, sentence.words) for sentence in shelf.sentences] == [(b"a", one), (b"bc", two)]
    assert shelf.text == "One. Two."
    assert not shelf.is_whole


def test_a_shelf_is_whole_when_the_answer_was() -> None:
    assert shelve([b"a", words("One.")], is_answered=True).is_whole
    assert not shelve([b"a", words("One.")], is_answered=False).is_whole


def test_mu_law_comes_back_as_it_went() -> None:
    every = bytes(range(256))

    # 0x7f is zero with a minus sign, which a sample cannot have.
    assert mulaw.encode(mulaw.decode(every)) == every.replace(b"\x7f", b"\xff")


def test_mu_law_is_close_to_what_was_said() -> None:
    said = np.arange(-32768, 32768, dtype=np.int16)
    heard = np.frombuffer(mulaw.decode(mulaw.encode(said.tobytes())), np.int16)

    error = np.abs(heard.astype(np.int32) - np.clip(said.astype(np.int32), -32635, 32635))
    # Half a step, and a step is the sixteenth part of its segment.
    assert np.all(error <= (np.abs(said.astype(np.int32)) + 132) / 32 + 1)
    assert mulaw.encode(b"\x00\x00") == b"\xff"
