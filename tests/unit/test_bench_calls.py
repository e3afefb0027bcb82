"""How a bench of calls listens: what it takes for an answer, for silence, for an interruption and for none at all."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import pytest

from bench import tones
from bench.call_figures import FIGURES, ratio
from bench.line_marks import PLACES, LineMark, read_marks
from bench.phone import FRAME_SECS, Playout
from bench.small_talk import EVERYTHING, HESITANT, QUESTIONS
from bench.talker import Kind, PlannedTurn, Talker, Turn
from bench.utterances import CallersVoice, Utterance, payload
from simulator.audio import from_s16le, mulaw_decode, mulaw_encode, resample, write_wav

if TYPE_CHECKING:
    from bench.small_talk import Question

PATIENCE_SECS = 3.0
SPEECH_FRAMES = 50

Agent = Callable[[Talker], bytes]
"""Is asked every 20 ms what it sends."""


@cache
def said(words: int, pitch: int) -> bytes:
    return mulaw_encode(resample(from_s16le(tones.speech(words, pitch)), tones.SPEECH_RATE, 8000))


def talk(agent: Agent, question: Question = QUESTIONS[0], kind: Kind = Kind.PLAIN) -> Turn:
    """Hold a call of one turn with an agent, on a clock of its own."""
    number = EVERYTHING.index(question)
    words = tuple((bytes(160),) * SPEECH_FRAMES for _ in question.parts)
    utterance = Utterance(number, question, words, completeness=1.0, early_completeness=0.0)
    voice = CallersVoice((utterance,), noise=(payload(b"\xff" * 160),))
    talker = Talker(0, voice, [PlannedTurn(kind, utterance)], patience_secs=PATIENCE_SECS)
    playout, at = Playout(), 0.0
    talker.begin(at)
    while True:
        if audio := agent(talker):
            talker.media(at, audio, plays_at_once=playout.is_empty)
            playout.add(audio)
        if talker.tick(at, *playout.play()) is None:
            return talker.turns[0]
        at += FRAME_SECS


def greeting(talker: Talker) -> bytes:
    return said(3, tones.PHRASE) if talker.greeted_at is None else b""


def answer_after(frames: int, *, parts: tuple[slice, ...] = (slice(None),), pause_frames: int = 0) -> Agent:
    """Return an agent that answers so many frames after the question, in parts with a pause between them."""
    answer = said(12, QUESTIONS[0].pitch)
    due = {frames + place * pause_frames: answer[part] for place, part in enumerate(parts)}

    def agent(talker: Talker) -> bytes:
        if not talker.turns:
            return greeting(talker)
        since = talker.ended_at + FRAME_SECS - talker.turns[0].spoke_until
        return due.pop(round(since / FRAME_SECS), b"")

    return agent


def test_an_answer_is_timed_from_the_callers_last_sound_to_its_first() -> None:
    turn = talk(answer_after(20))

    assert turn.voice_to_voice_ms == pytest.approx(400)
    assert turn.heard_secs == pytest.approx(tones.spoken_secs(12), abs=0.05)
    assert (turn.was_interrupted, turn.silence_secs) == (False, 0.0)


def test_what_is_missing_in_the_middle_of_an_answer_is_silence() -> None:
    # One second of it, and the rest 1.2 s after its beginning.
    turn = talk(answer_after(20, parts=(slice(0, 8000), slice(8000, None)), pause_frames=60))

    assert turn.silence_secs == pytest.approx(0.2, abs=0.03)


def test_a_turn_that_nobody_answers_is_missed_whatever_else_is_said() -> None:
    def agent(talker: Talker) -> bytes:
        turn = talker.turns[0] if talker.turns else None
        if turn is None or turn.filled_at is not None or not turn.spoke_until:
            return greeting(talker)
        return said(1, tones.PHRASE) if talker.ended_at > turn.spoke_until + 1 else b""

    turn = talk(agent)

    assert turn.answered_at is None
    assert turn.voice_to_voice_ms is None
    assert turn.filled_at is not None


@pytest.mark.parametrize("is_early", [True, False])
def test_an_agent_that_speaks_in_the_callers_pause_has_cut_them_short(is_early: bool) -> None:
    question = HESITANT[-1]
    spoken = 0

    def agent(talker: Talker) -> bytes:
        nonlocal spoken
        if not talker.turns or not talker.turns[0].spoke_from:
            return greeting(talker)
        spoken += 1
        speech = 2 * SPEECH_FRAMES + question.pause_ms // 20
        return said(5, question.pitch) if spoken == (SPEECH_FRAMES + 5 if is_early else speech + 20) else b""

    turn = talk(agent, question, Kind.HESITANT)

    assert turn.was_interrupted is is_early
    assert (turn.voice_to_voice_ms is None) is is_early


def test_every_20_ms_of_speech_say_whose_they_are() -> None:
    marks = [LineMark(39, 1000, len(EVERYTHING) - 1, 1, place) for place in range(PLACES)]
    speech = said(1, 3)
    frames = [mark.write(speech[at * 160 : at * 160 + 160].ljust(160, b"\xff")) for at, mark in enumerate(marks)]

    upload = b"--boundary\r\n" + write_wav(8000, mulaw_decode(b"".join(frames))) + b"\r\n--"

    assert read_marks(upload) == marks
    # A part that begins in the middle of 20 ms is known as well.
    assert read_marks(write_wav(8000, mulaw_decode(b"".join(frames)[50:]))) == marks
    assert read_marks(write_wav(8000, mulaw_decode(speech))) == []


def test_every_answer_and_silence_can_be_told_apart() -> None:
    heard = {pitch: {tones.pitch_of(said(2, pitch)[at : at + 160]) for at in (800, 1600)} for pitch in range(24)}

    assert heard == {pitch: {pitch} for pitch in range(tones.PITCHES)}
    assert tones.pitch_of(said(2, tones.PHRASE)[800:960]) == tones.PHRASE
    assert tones.pitch_of(b"\xff" * 160) is None


def test_a_share_of_nothing_is_none() -> None:
    ours = dict.fromkeys(FIGURES, 10.0) | {"cut_turns": None}
    theirs = dict.fromkeys(FIGURES, 40.0) | {"silence_per_min": 0.0}

    shares = ratio(ours, theirs)

    assert (shares["cpu"], shares["silence_per_min"], shares["cut_turns"]) == (0.25, None, None)
