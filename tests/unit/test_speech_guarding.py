"""What the processor between model and voice does with an answer, frame by frame, and for whom there is one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import structlog
from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from agent import speech_guard as module
from agent.instructions import Instructions, Part, Source
from agent.speech_guard import AnswerGoesOnFrame, SpeechGuarding, known_lines, speech_guard
from tests.factories import ACTION, a_slot
from tests.pipelines import running_pipeline
from tests.sessions import a_session, agent, caller
from tools.replies import Reply, Status
from tools.speech_guard import LET_ME_CHECK, SpeechGuard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tools.session import Utterance

INVENTED = "Three o'clock is free."
OFFER = "I have an opening on Thursday, December third, at two in the afternoon. Would that work for you?"


class Sink(FrameProcessor):
    """Keeps what comes through."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.frames: list[Frame] = []
        self.changed = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        self.changed.set()
        await self.push_frame(frame, direction)


class Guarded:
    """A running pipeline of the guard alone, after a `find_slots` when `has_offer`."""

    def __init__(self, *, has_offer: bool = True, is_replacing: bool = True) -> None:
        self.heard: list[Utterance] = [caller("Do you have time on Thursday?")]
        session = a_session()
        guard = SpeechGuard(session, facts=(), heard=lambda: self.heard)
        if has_offer:
            session.offer(ACTION, [a_slot(53)])
            guard.tool_answered(Reply(Status.AVAILABLE, say=OFFER))
        self.sink = Sink()
        guarding = SpeechGuarding(guard, is_replacing=is_replacing, heard=lambda: self.heard)
        self.worker = PipelineWorker(Pipeline([guarding, self.sink]), idle_timeout_secs=None, enable_rtvi=False)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Guarded]:
        async with running_pipeline(self.worker):
            yield self

    async def answers(self, *chunks: str, calls: bool = False) -> None:
        """Let the model answer with `chunks`, and wait until that is through."""
        await self.worker.queue_frames([LLMFullResponseStartFrame(), *(LLMTextFrame(chunk) for chunk in chunks)])
        if calls:
            await self.worker.queue_frame(FunctionCallsStartedFrame(function_calls=[]))
        await self.until(await self.ends())

    async def ends(self) -> Frame:
        end = LLMFullResponseEndFrame()
        await self.worker.queue_frame(end)
        return end

    async def until(self, frame: Frame) -> None:
        async with asyncio.timeout(5):
            while frame.id not in [each.id for each in self.sink.frames]:
                self.sink.changed.clear()
                await self.sink.changed.wait()

    async def until_said(self, text: str) -> None:
        async with asyncio.timeout(5):
            while text not in self.said():
                self.sink.changed.clear()
                await self.sink.changed.wait()

    def said(self) -> list[str]:
        return [frame.text for frame in self.sink.frames if isinstance(frame, AggregatedTextFrame)]

    def of(self, *kinds: type[Frame]) -> list[Any]:
        return [frame for frame in self.sink.frames if isinstance(frame, kinds)]


async def test_an_answer_passes_sentence_by_sentence() -> None:
    async with Guarded().running() as guarded:
        await guarded.answers("Of course. On Thursday, I ha", "ve two o'clock. ", "Shall I book", " it")

    assert guarded.said() == ["Of course.", "On Thursday, I have two o'clock.", "Shall I book it"]
    assert guarded.of(LLMTextFrame, LLMMessagesAppendFrame, AnswerGoesOnFrame) == []


async def test_a_sentence_does_not_wait_for_the_next() -> None:
    async with Guarded().running() as guarded:
        await guarded.worker.queue_frames([LLMFullResponseStartFrame(), LLMTextFrame("Two o'clock is free. S")])

        await guarded.until_said("Two o'clock is free.")

        assert guarded.of(LLMFullResponseEndFrame) == []


async def test_what_follows_a_replaced_sentence_is_not_said() -> None:
    async with Guarded().running() as guarded:
        await guarded.answers("Good news. ", INVENTED, " Shall I book it?")
        await guarded.answers("All right.")

    assert guarded.said() == ["Good news.", OFFER, "All right."]


async def test_the_model_is_told_behind_its_answer() -> None:
    async with Guarded().running() as guarded:
        await guarded.answers(INVENTED)

    kinds = (AggregatedTextFrame, LLMFullResponseEndFrame, LLMMessagesAppendFrame, AnswerGoesOnFrame)
    assert [type(frame) for frame in guarded.of(*kinds)] == [
        AggregatedTextFrame,
        LLMFullResponseEndFrame,
        LLMMessagesAppendFrame,
    ]
    (note,) = guarded.of(LLMMessagesAppendFrame)
    assert (note.run_llm, note.interruptible) == (False, False)
    assert note.messages[0]["role"] == "developer"


async def test_a_model_that_has_to_look_is_run_again_and_the_watchdog_knows() -> None:
    async with Guarded(has_offer=False).running() as guarded:
        await guarded.answers(INVENTED)

    assert guarded.said() == [LET_ME_CHECK]
    kinds = (LLMFullResponseEndFrame, LLMMessagesAppendFrame, AnswerGoesOnFrame)
    assert [type(frame) for frame in guarded.of(*kinds)] == [
        AnswerGoesOnFrame,
        LLMFullResponseEndFrame,
        LLMMessagesAppendFrame,
    ]
    assert guarded.of(LLMMessagesAppendFrame)[0].run_llm


async def test_a_model_that_calls_a_tool_is_run_by_its_result_only() -> None:
    async with Guarded(has_offer=False).running() as guarded:
        await guarded.answers(INVENTED, calls=True)

    assert guarded.of(AnswerGoesOnFrame) == []
    assert [note.run_llm for note in guarded.of(LLMMessagesAppendFrame)] == [False]


async def test_what_the_caller_asked_about_is_not_called_free_in_the_first_sentence() -> None:
    guarded = Guarded()
    guarded.heard = [caller("Is three o'clock on Thursday free?")]
    async with guarded.running():
        await guarded.answers("Yes, that's free.")
        guarded.heard.append(agent(OFFER))
        await guarded.answers("Yes, that's free.")

    assert guarded.said() == [OFFER, "Yes, that's free."]


async def test_an_opening_is_said_at_once_and_changes_nothing_for_what_follows() -> None:
    guarded = Guarded()
    guarded.heard = [caller("Is three o'clock on Thursday free?")]
    async with guarded.running():
        await guarded.worker.queue_frames([LLMFullResponseStartFrame(), LLMTextFrame("Great, that")])
        await guarded.until_said("Great,")
        await guarded.worker.queue_frame(LLMTextFrame("'s free."))
        await guarded.until(await guarded.ends())

        assert guarded.said() == ["Great,", OFFER]


async def test_after_an_interruption_the_model_is_told_but_not_run_and_the_next_answer_is_whole() -> None:
    async with Guarded(has_offer=False).running() as guarded:
        await guarded.worker.queue_frames([LLMFullResponseStartFrame(), LLMTextFrame(f"{INVENTED} Shall")])
        await guarded.until_said(LET_ME_CHECK)

        interruption = InterruptionFrame()
        await guarded.worker.queue_frame(interruption)
        await guarded.until(interruption)
        await guarded.answers("Which day?")

    assert guarded.said() == [LET_ME_CHECK, "Which day?"]
    assert [note.run_llm for note in guarded.of(LLMMessagesAppendFrame)] == [False]
    assert guarded.of(AnswerGoesOnFrame) == []


async def test_a_warning_changes_nothing() -> None:
    with structlog.testing.capture_logs() as logs:
        async with Guarded(is_replacing=False).running() as guarded:
            await guarded.answers(f"{INVENTED} Shall I book it?")

    assert guarded.said() == [INVENTED, "Shall I book it?"]
    assert guarded.of(LLMMessagesAppendFrame) == []
    assert [each["mode"] for each in logs if each["event"] == "speech_guarded"] == ["warn"]


def instructions(*parts: Part, language: str = "en") -> Instructions:
    return Instructions(parts, greeting="Hello.", voice="alloy", language=language, model="", temperature=0.3)


def test_a_call_in_another_language_has_no_guard_and_that_is_told_once() -> None:
    module._tell_once.cache_clear()
    with structlog.testing.capture_logs() as logs:
        guards = [speech_guard("replace", a_session(), instructions(language="de"), heard=list[Any]) for _ in range(2)]

    assert guards == [None, None]
    assert [each["language"] for each in logs if each["event"] == "speech_guard_off"] == ["de"]


def test_only_the_guard_that_is_wanted_is_there() -> None:
    assert speech_guard("off", a_session(), instructions(), heard=list[Any]) is None
    assert speech_guard("warn", a_session(), instructions(language="en-US"), heard=list[Any]) is not None


def test_what_the_author_states_is_known_but_no_example() -> None:
    lines = (
        Part(Source.AUTHOR, "The emergency line is open until ten in the evening."),
        Part(Source.AUTHOR, 'Say days like "Tuesday, December first, at two in the afternoon".'),
        Part(Source.AUTHOR, "Caller: Do you have eleven in the morning?"),
        Part(Source.AUTHOR, "You, after `find_slots`: I have ten in the morning."),
        Part(Source.SCRIPT, "Read back Thursday, December third, at two in the afternoon."),
        Part(Source.BUSINESS, "# Facts\nThe pharmacy opens at eight in the evening."),
    )

    known = " ".join(known_lines(instructions(*lines)))

    assert "ten in the evening" in known
    assert "eight in the evening" in known
    assert not any(word in known for word in ("Tuesday", "eleven", "ten in the morning", "Thursday"))
