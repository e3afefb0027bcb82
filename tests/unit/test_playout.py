"""What a caller hears of a playout, and what it tells of that: in order, when it was heard, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.tests.utils import run_test

from agent.phone_socket import WRITE_SECS
from agent.phrase_book import frames_of
from agent.phrases import ONE_MOMENT
from agent.played import FillerStartedFrame
from agent.playout import LEAD_SECS
from agent.recording import Recording
from telephony import mulaw
from tests.far_end import TAPE, FarEnd, ToldPlayout, VirtualTime, in_virtual_time

SENTENCE = 8000
"""A second."""


@dataclass
class Call:
    """A playout, the far end of it, and what says something on it."""

    far_end: FarEnd
    playout: ToldPlayout
    said: int = 0

    async def gets(self, *frames: Frame) -> None:
        for frame in frames:
            await self.playout.process_frame(frame, FrameDirection.DOWNSTREAM)

    async def says(self, *words: str, secs: float = 1.0, context: str | None = "answer", ends: bool = True) -> bytes:
        """Say an answer of a sentence for each of `words`, all at once, and return its sound."""
        sound = b""
        await self.gets(LLMFullResponseStartFrame(), TTSStartedFrame(context_id=context))
        for text in words:
            sound += await self.speaks(text, secs=secs, context=context)
        if ends:
            await self.gets(TTSStoppedFrame(context_id=context), LLMFullResponseEndFrame())
        return sound

    async def speaks(self, text: str, *, secs: float = 1.0, context: str | None = "answer") -> bytes:
        """Say a sentence, as a speech service hands it on."""
        sound = TAPE[self.said : self.said + round(secs * 8000)]
        self.said += len(sound)
        for start in range(0, len(sound), 320):
            pcm = mulaw.decode(sound[start : start + 320])
            await self.gets(TTSAudioRawFrame(pcm, 8000, 1, context_id=context))
        await self.gets(TTSTextFrame(text, text_type="sentence"))
        return sound

    @property
    def heard(self) -> bytes:
        return b"".join(each.sound for each in self.far_end.heard)

    def told_at(self, kind: type[Frame] | str) -> float:
        return next(
            at
            for at, frame, _ in self.playout.told
            if (isinstance(frame, TTSTextFrame) and frame.text == kind)
            or (not isinstance(kind, str) and isinstance(frame, kind))
        )


def call(story: Callable[[Call], Coroutine[Any, Any, None]], *, delay_secs: float = 0.02, **options: Any) -> None:
    """Have `story` happen in a call, all in virtual time."""

    async def tell() -> None:
        far_end = FarEnd(delay_secs=delay_secs)
        playout = ToldPlayout(far_end, **options)
        reading = asyncio.create_task(playout.read())
        await playout.process_frame(StartFrame(), FrameDirection.DOWNSTREAM)
        await story(Call(far_end, playout))
        await playout.process_frame(CancelFrame(), FrameDirection.DOWNSTREAM)
        reading.cancel()

    with structlog.testing.capture_logs():
        in_virtual_time(tell())


def test_what_is_said_is_heard_at_once_and_without_a_gap() -> None:
    async def story(call: Call) -> None:
        sound = await call.says("One.", "Two.")
        await asyncio.sleep(3)

        assert [each.sound for each in call.far_end.heard] == [sound]
        assert call.far_end.heard[0].at <= 0.03

    call(story)


def test_words_pass_when_they_were_heard_and_in_order() -> None:
    async def story(call: Call) -> None:
        await call.says("One.", "Two.")
        await asyncio.sleep(3)

        assert call.playout.names == [
            "StartFrame",
            "LLMFullResponseStartFrame",
            "TTSStartedFrame",
            "BotStartedSpeakingFrame",
            "One.",
            "Two.",
            "TTSStoppedFrame",
            "LLMFullResponseEndFrame",
            "BotStoppedSpeakingFrame",
        ]
        # A second is heard, and its echo takes as long to come back as the sound took to get there.
        assert 1.039 <= call.told_at("One.") <= 1.05
        assert 2.039 <= call.told_at("Two.") <= 2.05
        assert call.told_at(BotStoppedSpeakingFrame) == call.told_at("Two.")

    call(story)


def test_no_more_than_the_lead_is_sent_ahead() -> None:
    async def story(call: Call) -> None:
        await call.says("One.", secs=5)
        for tenth in range(1, 40):
            await asyncio.sleep(0.1)
            sent = sum(len(message["media"]["payload"]) * 3 // 4 for message in call.far_end.sent if "media" in message)
            assert sent / 8000 <= tenth / 10 + LEAD_SECS + 0.01

    call(story, delay_secs=0.0)


def test_a_stall_of_the_event_loop_is_not_heard() -> None:
    async def story(call: Call) -> None:
        sound = await call.says("One.", secs=5)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTime)
        for _ in range(8):
            await asyncio.sleep(0.317)
            loop.stall(0.3)
        await asyncio.sleep(3)

        # The far end stalls with the loop, and makes up for it.
        assert [each.sound for each in call.far_end.heard] == [sound]

    call(story)


def test_the_agent_does_not_stop_speaking_between_sentences_that_come_late() -> None:
    async def story(call: Call) -> None:
        await call.says("One.", ends=False)
        await asyncio.sleep(2)
        await call.speaks("Two.")
        await call.gets(TTSStoppedFrame(context_id="answer"), LLMFullResponseEndFrame())
        await asyncio.sleep(2)

        assert call.playout.names.count("BotStartedSpeakingFrame") == 1
        assert call.playout.names.count("BotStoppedSpeakingFrame") == 1
        assert call.playout.names.index("Two.") < call.playout.names.index("BotStoppedSpeakingFrame")

    call(story)


def test_speech_that_never_ends_is_over_after_a_while() -> None:
    async def story(call: Call) -> None:
        await call.says("One.", ends=False)
        await asyncio.sleep(3.9)
        assert "BotStoppedSpeakingFrame" not in call.playout.names
        await asyncio.sleep(0.3)
        assert call.playout.names[-1] == "BotStoppedSpeakingFrame"

    call(story)


def test_whoever_speaks_is_told_in_both_directions() -> None:
    async def story(call: Call) -> None:
        await call.says("One.")
        await asyncio.sleep(2)

        for kind in (BotStartedSpeakingFrame, BotStoppedSpeakingFrame):
            told = [(frame, direction) for _, frame, direction in call.playout.told if isinstance(frame, kind)]
            assert [direction for _, direction in told] == [FrameDirection.DOWNSTREAM, FrameDirection.UPSTREAM]
            assert told[0][0].broadcast_sibling_id == told[1][0].id

    call(story)


def test_what_barge_in_cuts_off_is_not_heard_and_counts_as_unsaid() -> None:
    async def story(call: Call) -> None:
        sound = await call.says("One.", "Two.", "Three.")
        await asyncio.sleep(1.5)
        await call.gets(InterruptionFrame())
        await asyncio.sleep(3)

        assert call.far_end.sent[-1]["event"] == "clear"
        assert call.heard == sound[: len(call.heard)]
        assert 1.45 <= len(call.heard) / 8000 <= 1.55
        assert call.playout.words == ["One."]
        assert call.playout.names[-2:] == ["InterruptionFrame", "BotStoppedSpeakingFrame"]
        assert call.playout.shelf_text == "Two. Three."

    call(story)


def test_nothing_is_cleared_when_nothing_is_being_said() -> None:
    async def story(call: Call) -> None:
        await call.gets(InterruptionFrame())
        await call.says("One.")
        await asyncio.sleep(2)
        await call.gets(InterruptionFrame())
        await asyncio.sleep(0.1)

        assert "clear" not in [message["event"] for message in call.far_end.sent]
        assert call.playout.shelf_text == ""

    call(story)


def test_what_was_cut_off_goes_on_where_it_was() -> None:
    async def story(call: Call) -> None:
        sound = await call.says("One.", "Two.", "Three.")
        await asyncio.sleep(1.5)
        await call.gets(InterruptionFrame())
        await asyncio.sleep(1)
        cut = len(call.heard)

        assert call.playout.is_shelf_whole
        assert call.playout.resume()
        assert call.playout.shelf_text == ""
        await asyncio.sleep(3)

        again = call.heard[cut:]
        # Without a pause in it, three tenths of a second are said twice, and time alone tells where it was cut.
        assert sound.endswith(again)
        assert 0.25 <= (cut + len(again) - len(sound)) / 8000 <= 0.35
        assert call.playout.words == ["One.", "Two.", "Three."]
        assert call.playout.names[-6:] == [
            "LLMFullResponseStartFrame",
            "BotStartedSpeakingFrame",
            "Two.",
            "Three.",
            "LLMFullResponseEndFrame",
            "BotStoppedSpeakingFrame",
        ]

    call(story)


def test_a_sentence_that_was_heard_while_its_mark_came_back_is_not_said_again() -> None:
    async def story(call: Call) -> None:
        sound = await call.says("One.", "Two.")
        await asyncio.sleep(1.05)
        assert call.playout.words == []
        await call.gets(InterruptionFrame())

        assert call.playout.words == ["One."]
        # On its way to the aggregator the interruption overtakes it, so it is an answer of its own.
        names = call.playout.names
        words = names.index("One.")
        assert names[words - 2 : words + 2] == [
            "InterruptionFrame",
            "LLMFullResponseStartFrame",
            "One.",
            "LLMFullResponseEndFrame",
        ]
        assert call.playout.shelf_text == "Two."
        assert call.playout.resume()
        await asyncio.sleep(2)
        assert call.heard.endswith(sound[SENTENCE:])

    call(story, delay_secs=0.1)


def test_what_is_resumed_can_be_cut_off_again() -> None:
    async def story(call: Call) -> None:
        sound = await call.says("One.", "Two.")
        for _ in range(3):
            await asyncio.sleep(0.6)
            await call.gets(InterruptionFrame())
            assert call.playout.resume()
        await asyncio.sleep(4)

        assert call.heard.endswith(sound[SENTENCE:])
        assert call.playout.words == ["One.", "Two."]

    call(story)


def test_the_shelf_tells_when_more_was_to_come() -> None:
    async def story(call: Call) -> None:
        await call.says("One.", "Two.", ends=False)
        await asyncio.sleep(0.5)
        await call.gets(InterruptionFrame())

        assert call.playout.shelf_text == "One. Two."
        assert not call.playout.is_shelf_whole
        assert call.playout.resume()
        await asyncio.sleep(0.5)
        await call.gets(InterruptionFrame())
        assert not call.playout.is_shelf_whole

    call(story)


def test_another_answer_empties_the_shelf_and_a_phrase_does_not() -> None:
    async def story(call: Call) -> None:
        await call.says("One.")
        await asyncio.sleep(0.5)
        await call.gets(InterruptionFrame())

        await call.gets(*frames_of(ONE_MOMENT, mulaw.decode(TAPE[:800])))
        await asyncio.sleep(0.5)
        assert call.playout.shelf_text == "One."

        await call.says("Two.", context="another")
        await asyncio.sleep(0.1)
        assert call.playout.shelf_text == ""
        assert not call.playout.resume()

    call(story)


def test_what_is_forgotten_is_not_said_again() -> None:
    async def story(call: Call) -> None:
        await call.says("One.")
        await asyncio.sleep(0.5)
        await call.gets(InterruptionFrame())
        call.playout.forget()

        assert call.playout.shelf_text == ""
        assert not call.playout.resume()

    call(story)


def test_sound_of_an_answer_that_was_cut_off_is_not_played() -> None:
    async def story(call: Call) -> None:
        await call.says("One.", ends=False)
        await asyncio.sleep(0.5)
        await call.gets(InterruptionFrame())
        await asyncio.sleep(0.5)
        heard = len(call.heard)
        await call.gets(TTSAudioRawFrame(bytes(1600), 8000, 1, context_id="answer"))
        await asyncio.sleep(0.5)

        assert len(call.heard) == heard
        assert call.playout.shelf_text == "One."

    call(story)


def test_a_filler_is_not_said_again() -> None:
    async def story(call: Call) -> None:
        await call.gets(*frames_of(ONE_MOMENT, mulaw.decode(TAPE[:8000])))
        await asyncio.sleep(0.5)
        await call.gets(InterruptionFrame())

        assert call.playout.shelf_text == ""
        assert not call.playout.resume()

    call(story)


def test_what_a_tool_found_does_not_wait_for_the_end_of_a_filler() -> None:
    async def story(call: Call) -> None:
        found = FunctionCallResultFrame("find_slots", "1", {}, "found")
        await call.gets(*frames_of(ONE_MOMENT, mulaw.decode(TAPE[:8000])))
        await asyncio.sleep(0.2)
        await call.gets(found)
        assert call.playout.names[-1] == "FunctionCallResultFrame"
        # Who waits for the agent to have spoken would wait for the filler.
        assert "BotStartedSpeakingFrame" not in call.playout.names
        assert FrameDirection.UPSTREAM in [direction for _, _, direction in call.playout.told]

        await call.says("One.")
        assert call.playout.names[-1] == "FunctionCallResultFrame"
        await call.gets(found)
        await asyncio.sleep(3)
        assert call.playout.names[-7:] == [
            "LLMFullResponseStartFrame",
            "TTSStartedFrame",
            "One.",
            "TTSStoppedFrame",
            "LLMFullResponseEndFrame",
            "FunctionCallResultFrame",
            "BotStoppedSpeakingFrame",
        ]
        upstream = [type(frame) for _, frame, direction in call.playout.told if direction is FrameDirection.UPSTREAM]
        assert upstream == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame]

    call(story)


def test_a_phrase_that_was_cut_off_goes_on() -> None:
    async def story(call: Call) -> None:
        await call.gets(*frames_of("Goodbye.", mulaw.decode(TAPE[:8000])))
        await asyncio.sleep(0.5)
        await call.gets(InterruptionFrame())
        assert call.playout.shelf_text == "Goodbye."

        assert call.playout.resume()
        await asyncio.sleep(1.5)
        assert call.playout.words == ["Goodbye."]

    call(story)


def test_what_must_not_be_lost_passes_a_barge_in() -> None:
    async def story(call: Call) -> None:
        await call.says("One.", ends=False)
        await call.gets(FunctionCallResultFrame("find_slots", "1", {}, "found"))
        await asyncio.sleep(0.5)
        await call.gets(InterruptionFrame())

        assert call.playout.names[-3:] == ["InterruptionFrame", "FunctionCallResultFrame", "BotStoppedSpeakingFrame"]

    call(story)


def test_a_mark_tells_when_all_before_it_was_played() -> None:
    async def story(call: Call) -> None:
        await call.says("One.")
        frame, played = call.playout.mark()
        await call.gets(frame)

        assert await played.wait() is True
        assert asyncio.get_running_loop().time() >= 1.04
        assert not any(told is frame for _, told, _ in call.playout.told)

    call(story)


def test_a_mark_tells_that_what_was_before_it_was_cut_off() -> None:
    async def story(call: Call) -> None:
        await call.says("One.")
        frame, played = call.playout.mark()
        await call.gets(frame)
        await asyncio.sleep(0.5)
        await call.gets(InterruptionFrame())

        assert await played.wait() is False

    call(story)


def test_a_mark_that_is_discarded_was_not_played() -> None:
    async def story(call: Call) -> None:
        await call.says("One.")
        frame, played = call.playout.mark()
        await call.gets(frame)
        call.playout.discard_marks()

        assert await played.wait() is False

    call(story)


def test_a_lost_mark_does_not_hang_the_call() -> None:
    async def story(call: Call) -> None:
        call.far_end.lose_marks()
        await call.says("One.")
        await asyncio.sleep(2.9)
        assert call.playout.words == []
        await asyncio.sleep(0.2)

        assert call.playout.words == ["One."]
        assert call.playout.names[-1] == "BotStoppedSpeakingFrame"

    call(story)


def test_when_the_caller_is_gone_nothing_waits_and_nothing_more_was_said() -> None:
    async def story(call: Call) -> None:
        call.playout.socket.on_gone = call.playout.caller_is_gone
        await call.says("One.", "Two.")
        await asyncio.sleep(1.5)
        call.far_end.hang_up()
        await asyncio.sleep(0.1)

        assert call.playout.words == ["One."]
        assert call.playout.names[-3:] == ["TTSStoppedFrame", "LLMFullResponseEndFrame", "BotStoppedSpeakingFrame"]
        await call.says("Three.", context="another")
        await asyncio.sleep(0.1)
        assert call.playout.words == ["One."]
        assert call.playout.names[-1] == "LLMFullResponseEndFrame"

    call(story)


def test_a_peer_that_takes_nothing_ends_the_call() -> None:
    gone: list[float] = []

    async def story(call: Call) -> None:
        call.playout.socket.on_gone = lambda: gone.append(asyncio.get_running_loop().time())
        call.far_end.stall()
        await call.says("One.")
        await asyncio.sleep(WRITE_SECS + 1)

        assert gone == [pytest.approx(WRITE_SECS, abs=0.1)]

    call(story)


def test_the_end_waits_until_all_was_heard() -> None:
    async def story(call: Call) -> None:
        sound = await call.says("One.")
        await call.gets(EndFrame())

        assert call.heard == sound
        assert call.far_end.is_closed
        assert call.playout.names[-3:] == ["LLMFullResponseEndFrame", "BotStoppedSpeakingFrame", "EndFrame"]

    call(story)


def test_a_cancelled_call_is_closed_at_once() -> None:
    async def story(call: Call) -> None:
        await call.says("One.")
        frame, played = call.playout.mark()
        await call.gets(frame, CancelFrame())

        assert call.far_end.is_closed
        assert await played.wait() is False
        assert asyncio.get_running_loop().time() == 0

    call(story)


def test_sound_of_a_speech_service_is_heard_to_its_last_sample() -> None:
    async def story(call: Call) -> None:
        await call.gets(TTSStartedFrame(context_id="answer"))
        for _ in range(25):
            await call.gets(TTSAudioRawFrame(bytes(1920), 24_000, 1, context_id="answer"))
        await call.gets(TTSTextFrame("One.", text_type="sentence"))
        await asyncio.sleep(2)

        assert len(call.heard) == 8000
        assert call.playout.words == ["One."]

    call(story)


def test_half_a_sample_is_left_out() -> None:
    async def story(call: Call) -> None:
        await call.gets(TTSStartedFrame(context_id="answer"))
        for rate in (24_000, 8000):
            await call.gets(TTSAudioRawFrame(bytes(rate * 2 + 1), rate, 1, context_id="answer"))
        await call.gets(TTSAudioRawFrame(b"", 24_000, 1, context_id="answer"), TTSStoppedFrame(context_id="answer"))
        await asyncio.sleep(3)

        assert len(call.heard) == 16_000
        assert call.playout.names[-1] == "BotStoppedSpeakingFrame"

    call(story)


def test_a_recorder_gets_what_is_heard_when_it_is_heard() -> None:
    async def story(call: Call) -> None:
        sound = await call.says("One.")
        await asyncio.sleep(0.5)
        recorded = b"".join(frame.audio for _, frame, _ in call.playout.told if isinstance(frame, OutputAudioRawFrame))
        assert 0.4 <= len(recorded) / 16_000 <= 0.5

        await asyncio.sleep(1)
        recorded = b"".join(frame.audio for _, frame, _ in call.playout.told if isinstance(frame, OutputAudioRawFrame))
        assert recorded == mulaw.decode(sound)

    call(story, passes_audio=True)


def test_a_recorder_is_told_of_a_filler_and_nobody_behind_it() -> None:
    async def story(call: Call) -> None:
        await call.gets(*frames_of(ONE_MOMENT, mulaw.decode(TAPE[:4000])))
        await asyncio.sleep(0.2)

        assert "FillerStartedFrame" in call.playout.names
        assert "BotStartedSpeakingFrame" not in call.playout.names

    call(story, passes_audio=True)


async def test_what_a_recorder_is_told_of_a_filler_ends_with_it(tmp_path: Path) -> None:
    await run_test(
        Recording(tmp_path / "call.wav").processor,
        frames_to_send=[FillerStartedFrame(), BotStoppedSpeakingFrame()],
        expected_down_frames=[BotStoppedSpeakingFrame],
    )


def test_a_greeting_is_heard_before_there_is_a_pipeline_which_is_told_of_it_later() -> None:
    async def tell() -> None:
        far_end = FarEnd()
        playout = ToldPlayout(far_end)
        reading = asyncio.create_task(playout.read())
        playout.begin_with(frames_of("Hello.", mulaw.decode(TAPE[:8000])))
        await asyncio.sleep(0.3)

        assert len(far_end.heard[0].sound) > 2000
        assert playout.told == []

        await playout.process_frame(StartFrame(), FrameDirection.DOWNSTREAM)
        assert playout.names == ["StartFrame", "TTSStartedFrame", "BotStartedSpeakingFrame"]
        await asyncio.sleep(1)
        assert playout.names[3:] == [
            "Hello.",
            "TTSStoppedFrame",
            "LLMAssistantPushAggregationFrame",
            "BotStoppedSpeakingFrame",
        ]
        assert [each.sound for each in far_end.heard] == [TAPE[:8000]]
        await playout.process_frame(CancelFrame(), FrameDirection.DOWNSTREAM)
        reading.cancel()

    in_virtual_time(tell())


# Anything may happen

DOINGS = st.lists(
    st.one_of(
        st.tuples(st.just("says"), st.integers(1, 3), st.floats(0.05, 1.2)),
        st.tuples(st.just("waits"), st.floats(0.0, 1.5)),
        st.tuples(st.just("cuts")),
        st.tuples(st.just("resumes")),
        st.tuples(st.just("fills")),
        st.tuples(st.just("loses marks")),
        st.tuples(st.just("forgets")),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(doings=DOINGS, delay_secs=st.sampled_from([0.0, 0.03, 0.12]))
def test_nobody_hears_anything_twice_and_what_is_told_is_what_was_heard(
    doings: list[tuple[Any, ...]], delay_secs: float
) -> None:
    async def story(call: Call) -> None:
        sentences: dict[str, bytes] = {}
        filler = TAPE[-4000:]
        for number, (does, *how) in enumerate(doings):
            if does == "says":
                count, secs = how
                words = [f"{number}.{each}" for each in range(count)]
                sound = await call.says(*words, secs=secs, context=str(number))
                size = len(sound) // count
                sentences |= {text: sound[each * size : (each + 1) * size] for each, text in enumerate(words)}
            elif does == "waits":
                await asyncio.sleep(how[0])
            elif does == "cuts":
                await call.gets(InterruptionFrame())
            elif does == "resumes":
                call.playout.resume()
            elif does == "fills":
                await call.gets(*frames_of(ONE_MOMENT, mulaw.decode(filler)))
            elif does == "loses marks":
                call.far_end.lose_marks()
            else:
                call.playout.forget()
        # The longest that all of it can take, and the longest that a mark is waited for.
        await asyncio.sleep(70)

        told = [text for text in call.playout.words if text != ONE_MOMENT]
        assert len(told) == len(set(told))
        assert told == sorted(told, key=list(sentences).index)
        heard = _runs(call.heard)
        for text, sound in sentences.items():
            _check_sentence(sound, heard, is_told=text in told, slack=round(8000 * (2 * delay_secs + 0.015)))
        assert call.playout._flight.is_over
        assert not call.playout._queue
        speaking = [name for name in call.playout.names if name.startswith("Bot")]
        assert speaking.count("BotStartedSpeakingFrame") <= speaking.count("BotStoppedSpeakingFrame")

    call(story, delay_secs=delay_secs)


def _runs(heard: bytes) -> list[tuple[int, int]]:
    """Return which parts of the tape were heard, in order."""
    runs = []
    at = 0
    while at < len(heard):
        # What was heard of the last of a cut slice may be too little to tell where it is from.
        at = next((at + skipped for skipped in range(5) if heard[at + skipped : at + skipped + 5] in TAPE), -1)
        assert at >= 0, "something was heard that was never said"
        start = TAPE.find(heard[at : at + 5])
        size = 5
        while heard[at + size : at + size + 1] == TAPE[start + size : start + size + 1] != b"":
            size += 1
        runs.append((start, start + size))
        at += size
    return runs


def _check_sentence(sound: bytes, heard: list[tuple[int, int]], *, is_told: bool, slack: int) -> None:
    """Check that `sound` was heard from its beginning on, each part after the one before it.

    Args:
        slack: How much the playout cannot know of: what was on the way when it was cut.
    """
    start = TAPE.find(sound)
    end = start + len(sound)
    reached = start
    for run_start, run_end in heard:
        first, last = max(run_start, start), min(run_end, end)
        if first >= last:
            continue
        assert first <= reached + slack, "a part was left out"
        assert first >= reached - 2400 - slack, "too much was heard twice"
        reached = max(reached, last)
    if is_told:
        assert reached >= end - slack
    else:
        assert reached <= end
