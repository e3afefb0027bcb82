"""The times of answers, from the frames of a call."""

from __future__ import annotations

import timeit
from typing import TYPE_CHECKING, Any

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EagerTranscriptionFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameProcessor

from agent.latency import LatencyWatch
from appointments.store.records import CallTimes, TurnTimes

if TYPE_CHECKING:
    from pipecat.frames.frames import Frame

OPENED_AT = 100.0
STOP_SECS = 0.25


class Call:
    """The three places of a pipeline whose frames are watched, and a clock that a test moves."""

    def __init__(self, *, began_secs: int = 0) -> None:
        self.now = OPENED_AT
        self.is_owed = True
        self.answers: list[TurnTimes] = []
        self.watch = LatencyWatch(
            is_owed=lambda: self.is_owed, monotonic=lambda: self.now, wall_clock=lambda: self.now + 1000
        )
        self.watch.on_answer = self.answers.append
        self.user, self.llm, self.player = FrameProcessor(), FrameProcessor(), FrameProcessor()
        self.watch.watch(user=self.user, llm=self.llm, player=self.player, opened_at=OPENED_AT, began_secs=began_secs)

    async def at(self, secs: float, *frames: Frame) -> None:
        """Let frames pass `secs` after the stream was opened."""
        self.now = OPENED_AT + secs
        for frame in frames:
            if isinstance(frame, TranscriptionFrame | EagerTranscriptionFrame):
                await self.user._call_event_handler("on_before_process_frame", frame)
            elif isinstance(
                frame, TTSAudioRawFrame | InterruptionFrame | BotStartedSpeakingFrame | BotStoppedSpeakingFrame
            ):
                await self.player._call_event_handler("on_before_push_frame", frame)
            else:
                await self.llm._call_event_handler("on_before_push_frame", frame)

    def stopped(self, queued_secs: float = 0.0) -> VADUserStoppedSpeakingFrame:
        """Return what the VAD says now, `queued_secs` after it was said."""
        return VADUserStoppedSpeakingFrame(stop_secs=STOP_SECS, timestamp=self.now + 1000 - queued_secs)

    async def says(self, *, ended: float) -> None:
        """Let the caller say something whose last sound is at `ended`."""
        self.now = OPENED_AT + ended - 1
        await self.at(ended - 1, VADUserStartedSpeakingFrame(start_secs=0.16, timestamp=self.now + 1000))
        self.now = OPENED_AT + ended + STOP_SECS
        await self.at(ended + STOP_SECS, self.stopped())


def words(text: str = "Tuesday") -> TranscriptionFrame:
    return TranscriptionFrame(text, "", "2026-12-01T14:00:00Z", finalized=True)


def early(text: str = "Tuesday") -> EagerTranscriptionFrame:
    return EagerTranscriptionFrame(text, "", "2026-12-01T14:00:00Z")


def audio(context_id: str | None = "answer", *, secs: float = 0.04) -> TTSAudioRawFrame:
    return TTSAudioRawFrame(bytes(round(secs * 8000) * 2), 8000, 1, context_id=context_id)


async def test_the_stages_of_an_answer_follow_each_other() -> None:
    call = Call()
    await call.says(ended=10)
    await call.at(10.4, words())
    await call.at(10.5, UserStoppedSpeakingFrame(), LLMFullResponseStartFrame())
    await call.at(10.8, LLMTextFrame("At "))
    await call.at(10.9, LLMTextFrame("two?"))
    await call.at(11.1, audio())
    await call.at(11.125, BotStartedSpeakingFrame())

    times = TurnTimes(
        at_ms=10_000, voice_to_voice_ms=1125, turn_end_ms=500, stt_ms=400, llm_ms=300, tts_ms=300, play_ms=25
    )
    assert call.answers == [times]
    assert call.watch.times() == CallTimes(greeting_ms=11_125, worst_silence_ms=1125, turns=(times,))


async def test_an_early_guess_that_proves_right_costs_no_time_after_the_turn() -> None:
    call = Call()
    await call.says(ended=10)
    await call.at(10.3, early())
    await call.at(10.31, LLMFullResponseStartFrame(), LLMTextFrame("At two?"))
    await call.at(10.5, words(), UserStoppedSpeakingFrame())
    await call.at(10.6, audio(), BotStartedSpeakingFrame())

    (times,) = call.answers
    assert (times.stt_ms, times.turn_end_ms, times.llm_ms, times.tts_ms) == (300, 500, 0, 100)


async def test_a_filler_is_the_first_sound_and_not_the_answer() -> None:
    call = Call()
    await call.says(ended=10)
    await call.at(10.5, words(), UserStoppedSpeakingFrame(), LLMFullResponseStartFrame())
    await call.at(11.5, audio(context_id=None), BotStartedSpeakingFrame())
    await call.at(12.5, BotStoppedSpeakingFrame())
    await call.at(13.0, LLMFullResponseStartFrame(), LLMTextFrame("At two?"))
    await call.at(13.25, audio(), BotStartedSpeakingFrame())

    (times,) = call.answers
    assert times.voice_to_voice_ms == 1500
    assert (times.llm_ms, times.tts_ms, times.play_ms) == (2500, 250, 0)
    assert call.watch.times().worst_silence_ms == 1500


async def test_an_answer_behind_a_filler_that_still_plays_has_no_time_of_playing() -> None:
    call = Call()
    await call.says(ended=10)
    await call.at(10.5, words(), UserStoppedSpeakingFrame(), LLMFullResponseStartFrame())
    await call.at(11.5, audio(context_id=None), BotStartedSpeakingFrame())
    await call.at(12.0, LLMTextFrame("At two?"))
    await call.at(12.25, audio())

    (times,) = call.answers
    assert (times.voice_to_voice_ms, times.tts_ms, times.play_ms) == (1500, 250, None)


async def test_words_in_two_pieces_are_one_turn_that_ends_with_the_second() -> None:
    call = Call()
    await call.says(ended=10)
    await call.at(10.4, early("Tuesday"))
    await call.says(ended=12)
    await call.at(12.3, words("Tuesday at two"), UserStoppedSpeakingFrame(), LLMFullResponseStartFrame())
    await call.at(12.5, LLMTextFrame("Good."), audio(), BotStartedSpeakingFrame())

    (times,) = call.answers
    assert (times.at_ms, times.voice_to_voice_ms, times.stt_ms) == (12_000, 500, 300)


async def test_the_time_in_queues_is_no_part_of_the_callers_words() -> None:
    call = Call()
    call.now = OPENED_AT + 10.5
    await call.at(10.5, call.stopped(queued_secs=0.25))
    await call.at(10.5, words(), UserStoppedSpeakingFrame(), LLMFullResponseStartFrame(), LLMTextFrame("Good."))
    await call.at(11, audio(), BotStartedSpeakingFrame())

    assert [times.voice_to_voice_ms for times in call.answers] == [1000]


async def test_an_answer_that_was_cut_off_before_it_sounded_is_none() -> None:
    call = Call()
    await call.says(ended=10)
    await call.at(10.5, words(), UserStoppedSpeakingFrame(), LLMFullResponseStartFrame(), LLMTextFrame("Good."))
    await call.says(ended=13)
    await call.at(13.5, words(), UserStoppedSpeakingFrame(), LLMFullResponseStartFrame(), LLMTextFrame("Good."))
    await call.at(14, audio(), BotStartedSpeakingFrame())

    assert [times.at_ms for times in call.answers] == [13_000]


async def test_what_was_being_said_before_is_no_answer_to_a_murmur() -> None:
    call = Call()
    await call.at(9, LLMFullResponseStartFrame(), LLMTextFrame("I have"), audio(), BotStartedSpeakingFrame())
    await call.says(ended=10)
    await call.at(10.5, UserStoppedSpeakingFrame())
    await call.at(10.6, audio())

    assert call.answers == []


async def test_a_call_that_goes_on_after_a_break_counts_from_its_beginning() -> None:
    call = Call(began_secs=60)
    await call.at(0.02, audio(context_id=None), BotStartedSpeakingFrame())
    await call.at(1, BotStoppedSpeakingFrame())
    await call.says(ended=10)
    await call.at(10.5, words(), UserStoppedSpeakingFrame(), LLMFullResponseStartFrame(), LLMTextFrame("Good."))
    await call.at(11, audio(), BotStartedSpeakingFrame())

    assert [times.at_ms for times in call.answers] == [70_000]
    assert call.watch.times().greeting_ms == 20


async def test_a_gap_inside_a_sound_is_silence() -> None:
    call = Call()
    await call.at(1, audio(secs=1), BotStartedSpeakingFrame())
    await call.at(1.5, audio(secs=1))
    await call.at(3.75, audio(secs=1))
    await call.at(4.5, audio(secs=1))

    assert call.watch.times().worst_silence_ms == 750


async def test_what_was_cut_off_leaves_no_gap() -> None:
    call = Call()
    await call.at(1, audio(secs=1), BotStartedSpeakingFrame())
    await call.at(1.5, InterruptionFrame())
    await call.at(4, audio(secs=1))

    assert call.watch.times().worst_silence_ms is None


async def test_what_is_said_on_after_a_noise_has_no_gaps() -> None:
    call = Call()
    await call.at(1, audio(secs=1), BotStartedSpeakingFrame())
    await call.at(1.5, InterruptionFrame(), BotStoppedSpeakingFrame())
    await call.says(ended=3)
    await call.at(3.25, UserStoppedSpeakingFrame(), BotStartedSpeakingFrame())
    await call.at(9, audio(secs=1))

    assert call.watch.times().worst_silence_ms == 250
    assert call.answers == []


async def test_a_greeting_that_began_before_the_pipeline_has_its_own_time() -> None:
    call = Call()
    call.watch.watch(
        user=call.user, llm=call.llm, player=call.player, opened_at=OPENED_AT, first_sound_at=lambda: OPENED_AT + 0.01
    )
    await call.at(0.2, BotStartedSpeakingFrame())

    assert call.watch.times().greeting_ms == 10


async def test_a_call_in_which_nothing_sounded_has_no_numbers() -> None:
    call = Call()
    await call.says(ended=10)

    assert call.watch.times() == CallTimes()


async def test_keys_are_answered_from_the_last_of_them() -> None:
    call = Call()
    call.now = OPENED_AT + 5
    call.watch.caller_finished()
    await call.at(8, audio(), BotStartedSpeakingFrame())

    assert call.watch.times().worst_silence_ms == 3000


@pytest.mark.parametrize("place", ["user", "llm", "player"])
def test_a_frame_of_the_callers_sound_costs_less_than_two_microseconds(place: str) -> None:
    processor: FrameProcessor = getattr(Call(), place)
    event = "on_before_process_frame" if place == "user" else "on_before_push_frame"
    (tell,) = processor._event_handlers[event].handlers
    frame: Any = InputAudioRawFrame(audio=bytes(320), sample_rate=8000, num_channels=1)

    best_secs = min(timeit.repeat(lambda: tell(processor, frame), number=1000, repeat=50)) / 1000

    assert best_secs < 2e-6
