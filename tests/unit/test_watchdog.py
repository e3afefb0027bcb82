"""What the caller hears when an answer does not come, and when nothing is said because all is well."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from agent import watchdog as module
from agent.phrases import MOMENTS, ONE_MOMENT, OUT_OF_ORDER, SAY_AGAIN, SLOW, STILL_WORKING, WORKINGS
from agent.watchdog import DeadAirWatchdog
from tests.pipelines import running_pipeline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

BEFORE_FILLER = module.FILLER_SECS - 0.1
LONG = module.GIVE_UP_SECS + 10


class Time:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: dict[asyncio.Future[None], float] = {}

    async def sleep(self, secs: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._sleepers[future] = self.now + secs
        try:
            await future
        finally:
            del self._sleepers[future]

    async def passes(self, secs: float) -> None:
        end = self.now + secs
        while due := [future for future, at in self._sleepers.items() if at <= end and not future.done()]:
            first = min(due, key=lambda future: self._sleepers[future])
            self.now = self._sleepers[first]
            first.set_result(None)
            await settled()
        self.now = end
        await settled()


async def settled() -> None:
    """Let everything run that can run now."""
    for _ in range(30):
        await asyncio.sleep(0)


class Sink(FrameProcessor):
    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.seen: list[int] = []
        self.changed = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.seen.append(frame.id)
        self.changed.set()
        await self.push_frame(frame, direction)

    async def until(self, frame: Frame) -> None:
        async with asyncio.timeout(5):
            while frame.id not in self.seen:
                self.changed.clear()
                await self.changed.wait()


class Watched:
    """A watchdog in a running pipeline, with what it said and did."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.did: list[str] = []
        self.slow_tools: list[set[str]] = []
        self.dog = DeadAirWatchdog(
            say=self._say, answer_again=self._answer_again, give_up=self._give_up, truth=self._truth
        )
        self._top, self._bottom = Sink(), Sink()
        self.worker = PipelineWorker(
            Pipeline([self._top, self.dog, self._bottom]), idle_timeout_secs=None, enable_rtvi=False
        )
        self._calls = 0

    async def _say(self, text: str) -> bool:
        self.did.append(text)
        return True

    def _truth(self, tools: Collection[str]) -> str:
        self.slow_tools.append(set(tools))
        return SLOW

    async def _answer_again(self) -> None:
        self.did.append("answers again")

    async def _give_up(self, phrase: str) -> None:
        self.did.append(f"gives up: {phrase}")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Watched]:
        async with running_pipeline(self.worker):
            yield self

    async def see(self, *frames: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        for frame in frames:
            await self.worker.queue_frame(frame, direction)
            await (self._bottom if direction is FrameDirection.DOWNSTREAM else self._top).until(frame)
            await settled()

    async def turn_ends(self) -> None:
        await self.see(VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame())
        await self.see(VADUserStoppedSpeakingFrame(), UserStoppedSpeakingFrame())

    async def answer(self, *content: Frame) -> None:
        await self.see(LLMFullResponseStartFrame(), *content, LLMFullResponseEndFrame())

    async def tool_starts(self) -> str:
        self._calls += 1
        call = FunctionCallFromLLM("find_slots", f"call-{self._calls}", {}, None)
        await self.see(FunctionCallsStartedFrame(function_calls=[call]))
        return call.tool_call_id

    async def tool_ends(self, call_id: str, *, run_llm: bool | None = None, name: str = "find_slots") -> None:
        properties = FunctionCallResultProperties(run_llm=run_llm)
        await self.see(FunctionCallResultFrame(name, call_id, {}, {"status": "done"}, properties=properties))

    async def bot(self, does: Literal["starts", "stops"]) -> None:
        frame = BotStartedSpeakingFrame() if does == "starts" else BotStoppedSpeakingFrame()
        await self.see(frame, direction=FrameDirection.UPSTREAM)


def audio() -> Frame:
    return TTSAudioRawFrame(b"\0\0" * 160, 8000, 1)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    still_real = {name: getattr(asyncio, name) for name in ("Event", "timeout", "Task", "CancelledError")}
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=time.sleep, **still_real))
    monkeypatch.setattr(module, "monotonic", lambda: time.now)
    return time


@pytest.fixture
async def watched(time: Time) -> AsyncIterator[Watched]:
    async with Watched(time).running() as watched:
        yield watched


async def test_no_answer_is_owed_while_the_caller_presses_keys(time: Time) -> None:
    async with Watched(time).running() as watched:
        await watched.turn_ends()
        watched.dog.caller_types(True)
        await time.passes(30)
        said_meanwhile = list(watched.did)
        watched.dog.caller_types(False)
        watched.dog.expect_answer()
        await settled()
        await time.passes(module.FILLER_SECS)

    assert (said_meanwhile, watched.did) == ([], [ONE_MOMENT])


async def test_fills_the_silence_when_no_answer_comes(watched: Watched) -> None:
    await watched.turn_ends()

    await watched.time.passes(BEFORE_FILLER)
    too_early = list(watched.did)
    await watched.time.passes(0.2)

    assert (too_early, watched.did) == ([], [ONE_MOMENT])


@pytest.mark.parametrize("content", [audio(), LLMTextFrame("Certainly.")], ids=["spoken", "typed"])
async def test_says_nothing_when_the_answer_came(watched: Watched, content: Frame) -> None:
    await watched.turn_ends()
    await watched.answer(content)

    await watched.time.passes(LONG)

    assert watched.did == []


async def test_an_answer_that_has_begun_but_says_nothing_is_late_too(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame())

    await watched.time.passes(2)

    assert watched.did == [ONE_MOMENT]


async def test_keeps_the_caller_company_and_gives_up_in_the_end(watched: Watched) -> None:
    await watched.turn_ends()

    await watched.time.passes(LONG)

    assert watched.did == [ONE_MOMENT, STILL_WORKING, SLOW, f"gives up: {OUT_OF_ORDER}"]


async def test_keeps_the_caller_company_while_a_tool_takes_long(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame())
    await watched.tool_starts()
    await watched.see(LLMFullResponseEndFrame())

    await watched.time.passes(LONG)

    assert watched.did == [ONE_MOMENT, STILL_WORKING, SLOW, f"gives up: {OUT_OF_ORDER}"]


async def test_gives_up_only_once(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.time.passes(LONG)

    await watched.turn_ends()
    await watched.answer()
    await watched.time.passes(LONG)

    assert watched.did.count(f"gives up: {OUT_OF_ORDER}") == 1


async def test_waits_for_an_answer_after_a_tool(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame())
    call = await watched.tool_starts()
    await watched.see(LLMFullResponseEndFrame())
    await watched.tool_ends(call)

    await watched.time.passes(2)

    assert watched.did == [ONE_MOMENT]


async def test_words_before_a_tool_do_not_excuse_silence_after_it(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame(), audio())
    await watched.bot("starts")
    await watched.tool_starts()
    await watched.see(LLMFullResponseEndFrame())
    await watched.time.passes(1)
    await watched.bot("stops")

    await watched.time.passes(3.9)
    too_early = list(watched.did)
    await watched.time.passes(1.2)

    assert (too_early, watched.did) == ([], [STILL_WORKING])


async def test_a_slow_tool_is_covered_before_the_answer_is_late(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.time.passes(0.3)
    await watched.tool_starts()

    await watched.time.passes(module.TOOL_FILLER_SECS - 0.1)
    too_early = list(watched.did)
    await watched.time.passes(0.2)

    assert (too_early, watched.did) == ([], [ONE_MOMENT])


async def test_a_tool_that_is_not_slow_is_covered_by_nothing(watched: Watched) -> None:
    await watched.turn_ends()
    call = await watched.tool_starts()
    await watched.time.passes(module.TOOL_FILLER_SECS - 0.1)
    await watched.tool_ends(call)

    await watched.time.passes(0.5)

    assert watched.did == []


async def test_one_filler_covers_the_tool_and_the_answer_after_it(watched: Watched) -> None:
    await watched.turn_ends()
    call = await watched.tool_starts()
    await watched.time.passes(1)
    await watched.tool_ends(call)
    call = await watched.tool_starts()
    await watched.time.passes(1)
    await watched.tool_ends(call)

    await watched.time.passes(2.5)

    assert watched.did == [ONE_MOMENT]


async def test_nothing_is_said_into_what_the_agent_says_before_a_tool(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame(), audio())
    await watched.tool_starts()
    await watched.bot("starts")

    await watched.time.passes(module.STILL_WORKING_SECS + 1)
    during = list(watched.did)
    await watched.bot("stops")
    await watched.time.passes(module.FILLER_SECS - 0.1)
    too_early = list(watched.did)
    await watched.time.passes(0.2)

    assert (during, too_early, watched.did) == ([], [], [STILL_WORKING])


async def test_no_two_waits_sound_the_same(watched: Watched) -> None:
    for _ in range(2):
        await watched.turn_ends()
        await watched.time.passes(6)
        await watched.answer(audio())

    assert watched.did == [MOMENTS[0], WORKINGS[0], MOMENTS[1], WORKINGS[1]]


async def test_what_is_true_of_a_long_wait_depends_on_the_tool(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.tool_starts()
    await watched.time.passes(module.TRUTH_SECS - 0.1)
    too_early = list(watched.slow_tools)

    await watched.time.passes(0.2)

    assert (too_early, watched.slow_tools) == ([], [{"find_slots"}])
    assert watched.did == [ONE_MOMENT, STILL_WORKING, SLOW]


async def test_words_that_were_answered_without_the_model_are_owed_nothing(watched: Watched) -> None:
    await watched.see(VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame())
    watched.dog.owe_nothing()
    await watched.see(UserStoppedSpeakingFrame())

    await watched.time.passes(LONG)

    assert watched.did == []
    assert watched.dog.quiet.is_set()


async def test_a_phrase_stands_in_for_a_sentence_that_the_voice_cannot_say(watched: Watched) -> None:
    watched.dog.say_instead("Press one.")

    await watched.dog.voice_failed()
    await watched.dog.voice_failed()

    assert watched.did == ["Press one."]


async def test_a_sentence_of_our_own_that_was_spoken_needs_no_phrase_and_forgives_nothing(watched: Watched) -> None:
    for _ in range(2):
        await watched.dog.not_heard(is_failure=False)
    watched.dog.say_instead("Press one.")
    await watched.see(audio(), TTSStoppedFrame())

    await watched.dog.voice_failed()
    await watched.dog.not_heard(is_failure=False)

    assert watched.did == [SAY_AGAIN, SAY_AGAIN]


async def test_an_answer_is_owed_when_the_tool_ends_while_the_agent_speaks(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame(), audio())
    await watched.bot("starts")
    call = await watched.tool_starts()
    await watched.see(LLMFullResponseEndFrame())
    await watched.tool_ends(call)
    is_quiet = watched.dog.quiet.is_set()
    await watched.bot("stops")

    await watched.time.passes(2)

    assert not is_quiet
    assert watched.did == [ONE_MOMENT]


async def test_no_words_are_owed_after_a_tool_that_ends_the_call(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame(), audio())
    call = await watched.tool_starts()
    await watched.see(LLMFullResponseEndFrame())
    await watched.tool_ends(call, run_llm=False)

    await watched.time.passes(LONG)

    assert watched.did == []
    assert watched.dog.quiet.is_set()


async def test_speech_after_the_tool_is_no_silence(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame())
    call = await watched.tool_starts()
    await watched.see(LLMFullResponseEndFrame())
    await watched.tool_ends(call)
    await watched.answer(audio())
    await watched.bot("starts")
    await watched.bot("stops")

    await watched.time.passes(LONG)

    assert watched.did == []
    assert watched.dog.quiet.is_set()


@pytest.mark.parametrize("is_cancel_first", [True, False])
async def test_a_tool_that_the_caller_interrupts_runs_no_longer(watched: Watched, is_cancel_first: bool) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame())
    call = await watched.tool_starts()
    await watched.see(LLMFullResponseEndFrame())
    frames: list[Frame] = [InterruptionFrame(), FunctionCallCancelFrame("find_slots", call)]
    await watched.see(VADUserStartedSpeakingFrame(), *(reversed(frames) if is_cancel_first else frames))
    await watched.turn_ends()
    await watched.answer(audio())
    await watched.bot("starts")
    await watched.bot("stops")

    await watched.time.passes(LONG)

    assert watched.did == []
    assert watched.dog.quiet.is_set()


async def test_a_booking_goes_on_through_an_interruption_and_is_waited_for(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame())
    call = await watched.tool_starts()
    await watched.see(LLMFullResponseEndFrame(), VADUserStartedSpeakingFrame(), InterruptionFrame())
    await watched.turn_ends()
    await watched.answer(audio())
    is_quiet = watched.dog.quiet.is_set()

    await watched.tool_ends(call)
    await watched.answer(audio())

    assert not is_quiet
    assert watched.dog.quiet.is_set()


async def test_an_empty_answer_is_asked_for_again_and_the_second_in_a_row_ends_the_call(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.answer()
    first = list(watched.did)

    await watched.answer()

    assert first == ["answers again"]
    assert watched.did == ["answers again", f"gives up: {OUT_OF_ORDER}"]


async def test_a_good_answer_forgives_the_failure_before_it(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.answer()
    await watched.answer(audio())
    await watched.turn_ends()

    await watched.answer()

    assert watched.did == ["answers again", "answers again"]


async def test_a_tool_call_is_an_answer(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame())
    await watched.tool_starts()
    await watched.see(LLMFullResponseEndFrame())

    assert watched.did == []


async def test_the_second_try_is_watched_as_the_first_was(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame(), audio())
    await watched.bot("starts")
    call = await watched.tool_starts()
    await watched.see(LLMFullResponseEndFrame())
    await watched.tool_ends(call)
    await watched.answer()
    await watched.bot("stops")

    await watched.time.passes(2)

    assert watched.did == ["answers again", ONE_MOMENT]


async def test_an_answer_that_the_caller_cut_off_is_no_failure(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame(), VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame())
    await watched.see(InterruptionFrame(), LLMFullResponseEndFrame())

    await watched.time.passes(LONG)

    assert watched.did == []


async def test_nothing_is_said_into_the_callers_speech(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(VADUserStartedSpeakingFrame())

    await watched.time.passes(LONG)

    assert watched.did == []


async def test_speech_that_nobody_hears_is_not_met_with_silence(watched: Watched) -> None:
    await watched.see(VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame())

    await watched.time.passes(2.5)
    first = list(watched.did)
    await watched.time.passes(LONG)

    assert first == [ONE_MOMENT]
    assert watched.did == [ONE_MOMENT, STILL_WORKING, SLOW, f"gives up: {OUT_OF_ORDER}"]


async def test_a_breath_between_words_starts_the_wait_anew(watched: Watched) -> None:
    await watched.see(VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame())
    await watched.time.passes(2)
    await watched.see(VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame())

    await watched.time.passes(2)

    assert watched.did == []


async def test_the_caller_is_asked_to_say_it_again_until_hearing_has_failed_too_often(watched: Watched) -> None:
    for _ in range(3):
        await watched.dog.not_heard(is_failure=True)

    assert watched.did == [SAY_AGAIN, SAY_AGAIN, f"gives up: {OUT_OF_ORDER}"]


async def test_noise_is_not_asked_about_for_ever_and_never_ends_the_call(watched: Watched) -> None:
    for _ in range(5):
        await watched.dog.not_heard(is_failure=False)

    assert watched.did == [SAY_AGAIN, SAY_AGAIN]


async def test_an_answer_forgives_what_was_not_heard_before_it(watched: Watched) -> None:
    for _ in range(2):
        await watched.dog.not_heard(is_failure=True)
    await watched.turn_ends()
    await watched.answer(audio())

    await watched.dog.not_heard(is_failure=True)

    assert watched.did == [SAY_AGAIN] * 3


@pytest.mark.parametrize("is_told_first", [True, False])
async def test_no_answer_is_owed_to_a_turn_without_words(watched: Watched, is_told_first: bool) -> None:
    await watched.see(VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame())

    # The aggregator tells of the empty turn from a task of its own: before the turn's end gets here, or after.
    if is_told_first:
        await watched.dog.not_heard(is_failure=False)
    await watched.see(UserStoppedSpeakingFrame())
    if not is_told_first:
        await watched.dog.not_heard(is_failure=False)
    await watched.time.passes(LONG)

    assert watched.did == [SAY_AGAIN]
    assert watched.dog.quiet.is_set()


async def test_one_failure_to_hear_is_told_once(watched: Watched) -> None:
    await watched.see(VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame())

    # The service fails at once; the turn without words ends by its own timeout later.
    await watched.dog.not_heard(is_failure=True)
    await watched.time.passes(5)
    await watched.see(UserStoppedSpeakingFrame())
    await watched.dog.not_heard(is_failure=False)

    assert watched.did == [SAY_AGAIN]


async def test_words_that_come_after_all_are_answered_though_hearing_had_failed(watched: Watched) -> None:
    await watched.see(VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame())
    await watched.dog.not_heard(is_failure=True)
    await watched.turn_ends()

    await watched.time.passes(2)

    assert watched.did == [SAY_AGAIN, ONE_MOMENT]


async def test_switched_off_it_lets_silence_be(watched: Watched) -> None:
    await watched.turn_ends()
    watched.dog.switch_off()

    await watched.time.passes(LONG)
    await watched.turn_ends()
    await watched.answer()
    await watched.dog.not_heard(is_failure=True)
    await watched.time.passes(LONG)

    assert watched.did == []


async def test_switched_on_again_it_watches(watched: Watched) -> None:
    watched.dog.switch_off()
    watched.dog.switch_on()
    await watched.turn_ends()

    await watched.time.passes(2)

    assert watched.did == [ONE_MOMENT]


async def test_it_is_quiet_when_nothing_is_owed(watched: Watched) -> None:
    seen = [watched.dog.quiet.is_set()]

    async def note(*frames: Frame) -> None:
        await watched.see(*frames)
        seen.append(watched.dog.quiet.is_set())

    await note(VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame())
    await note(VADUserStoppedSpeakingFrame())
    await note(UserStoppedSpeakingFrame())
    await note(LLMFullResponseStartFrame())
    await note(audio())
    await note(LLMFullResponseEndFrame())

    assert seen == [True, False, False, False, False, False, True]


async def test_it_is_not_quiet_while_a_failed_answer_is_given_again(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame(), audio())
    await watched.bot("starts")
    call = await watched.tool_starts()
    await watched.see(LLMFullResponseEndFrame())
    await watched.tool_ends(call)

    await watched.answer()

    assert watched.did == ["answers again"]
    assert not watched.dog.quiet.is_set()


async def test_whether_the_answer_was_speech_is_known_when_it_is_finished(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame())
    waiting = asyncio.create_task(watched.dog.last_answer_finished())
    await watched.see(audio())
    call = await watched.tool_starts()
    await watched.tool_ends(call, run_llm=False, name="end_call")
    is_early = waiting.done()
    await watched.see(LLMFullResponseEndFrame())

    assert not is_early
    assert await waiting


async def test_a_goodbye_without_words_is_known(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame())
    call = await watched.tool_starts()
    await watched.see(LLMFullResponseEndFrame())
    await watched.tool_ends(call, run_llm=False, name="end_call")

    assert not await watched.dog.last_answer_finished()


async def test_the_end_of_the_answer_before_is_not_taken_for_that_of_the_goodbye(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame(), audio(), LLMFullResponseEndFrame())
    waiting = asyncio.create_task(watched.dog.last_answer_finished())
    await settled()
    is_early = waiting.done()
    await watched.see(LLMFullResponseStartFrame(), audio())
    await watched.tool_ends(await watched.tool_starts(), run_llm=False, name="end_call")
    is_cut = waiting.done()
    await watched.see(LLMFullResponseEndFrame())

    assert (is_early, is_cut, await waiting) == (False, False, True)


async def test_frames_pass_it_in_order(watched: Watched) -> None:
    frames = [LLMFullResponseStartFrame(), audio(), LLMFullResponseEndFrame()]

    for frame in frames:
        await watched.worker.queue_frame(frame)
    await watched._bottom.until(frames[-1])

    assert [each for each in watched._bottom.seen if each in {frame.id for frame in frames}] == [f.id for f in frames]


async def test_a_voice_that_fails_twice_in_a_row_ends_the_call_with_an_apology(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame())

    await watched.dog.voice_failed()
    after_one = list(watched.did)
    await watched.dog.voice_failed()

    assert after_one == []
    assert watched.did == [f"gives up: {OUT_OF_ORDER}"]


async def test_a_voice_that_recovers_has_not_failed_twice_in_a_row(watched: Watched) -> None:
    await watched.turn_ends()
    await watched.see(LLMFullResponseStartFrame())

    await watched.dog.voice_failed()
    await watched.see(audio())
    await watched.dog.voice_failed()

    assert watched.did == []
