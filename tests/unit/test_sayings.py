"""Sentences that were spoken before."""

from __future__ import annotations

from agent.sayings import LONGEST_BYTES, Sayings


def test_what_was_said_once_is_at_hand() -> None:
    sayings = Sayings()
    sayings.keep("tts-1", "coral", "Anything else?", b"sound")

    assert sayings.sound("tts-1", "coral", "Anything else?") == b"sound"


def test_another_voice_or_model_or_text_is_not() -> None:
    sayings = Sayings()
    sayings.keep("tts-1", "coral", "Anything else?", b"sound")

    assert sayings.sound("tts-1", "marin", "Anything else?") is None
    assert sayings.sound("tts-2", "coral", "Anything else?") is None
    assert sayings.sound("tts-1", "coral", "Anything more?") is None


def test_what_was_not_said_for_longest_is_forgotten_first() -> None:
    sayings = Sayings(most_bytes=20)
    sayings.keep("m", "v", "one", bytes(10))
    sayings.keep("m", "v", "two", bytes(10))
    sayings.sound("m", "v", "one")

    sayings.keep("m", "v", "three", bytes(10))

    assert sayings.sound("m", "v", "two") is None
    assert sayings.sound("m", "v", "one") is not None
    assert sayings.sound("m", "v", "three") is not None


def test_nothing_and_a_long_speech_are_not_kept() -> None:
    sayings = Sayings()
    sayings.keep("m", "v", "", b"")
    sayings.keep("m", "v", "a long speech", bytes(LONGEST_BYTES + 1))

    assert sayings.sound("m", "v", "") is None
    assert sayings.sound("m", "v", "a long speech") is None
