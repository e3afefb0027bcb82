"""The dead-air watchdog: whatever fails, the caller hears something true; a call that cannot go on ends politely."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import cycle
from time import monotonic
from typing import TYPE_CHECKING

import structlog
from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
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
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from agent import phrases
from agent.speech_guard import AnswerGoesOnFrame
from tools.call import END_CALL
from tools.transfer import TRANSFER_TO_HUMAN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping

log = structlog.get_logger(__name__)

FILLER_SECS = 1.3
"""After the turn's end. The promise is 1.5 s; the rest is the way to the caller."""
TOOL_FILLER_SECS = 0.6
"""After a tool has started: it is slow then, and the model has not got its answer yet."""
UNHEARD_SECS = 2.4
"""After the caller fell silent without a turn's end. The promise is 3 s after the last word; the VAD takes 0.2 s."""
STILL_WORKING_SECS = 5.0
TRUTH_SECS = 10.0
"""When the caller is told that it takes too long, and what they can do instead."""
GIVE_UP_SECS = 14.0
MOST_FAILURES = 2
"""Answers in a row that came to nothing before the call ends."""


class DeadAirWatchdog(FrameProcessor):
    """Watches for answers that do not come. Stands between the speech service and the phrase player.

    Args:
        say: Says a phrase that needs no service.
        answer_again: Lets the model answer once more.
        give_up: Ends the call with the phrase for it.
        truth: Returns what to say when it takes too long, by the names of the tools that run.
    """

    def __init__(
        self,
        *,
        say: Callable[[str], Awaitable[bool]],
        answer_again: Callable[[], Awaitable[None]],
        give_up: Callable[[str], Awaitable[None]],
        truth: Callable[[Collection[str]], str],
    ) -> None:
        super().__init__()
        self._say = say
        self._truth = truth
        self._answer_again = answer_again
        self._give_up = give_up
        self._task: asyncio.Task[None] | None = None
        self._moments, self._workings = cycle(phrases.MOMENTS), cycle(phrases.WORKINGS)
        self._tools_running: dict[str, str] = {}
        """The names of the tools by their calls."""
        self._tools_began = 0.0
        self._wait_began: float | None = None
        """Since when the caller has been waiting for an answer; None when they are not."""
        self._is_filled = False
        """Whether the first filler was said since the caller's turn began."""
        self._has_begun = False
        """Whether the agent has spoken since the caller's turn began."""
        self._says_instead = ""
        """What to say when the voice cannot say what it was just given."""
        self._is_answering = False
        self._has_content = False
        self._has_spoken = False
        self._unspoken = 0
        self._is_turn_open = False
        self._is_bot_speaking = False
        self._silent = asyncio.Event()
        self._failures = 0
        self._owes = False
        self._turn_settled = False
        """Whether nothing is owed any more to the turn that is open."""
        self._unheard = 0
        self._is_off = False
        self.quiet = asyncio.Event()
        """Set while the caller is not speaking, no answer is owed or being given, and no tool runs."""
        self.quiet.set()
        self._end_called = asyncio.Event()
        self._answer_done = asyncio.Event()
        self._answer_done.set()
        self.is_answer_cut = False
        """Whether the caller has spoken over the last answer before all of it was handed on."""

    def switch_off(self) -> None:
        """Let silence be: the call is ending."""
        self._is_off = True
        self._disarm()

    @property
    def tools_running(self) -> Collection[str]:
        """The names of the tools that run."""
        return set(self._tools_running.values())

    def expect_answer(self) -> None:
        """Watch for the answer to what the caller has just put into the conversation."""
        self._is_filled = self._has_begun = False
        self._turn_ended()
        self._note_quiet()

    def owe_nothing(self) -> None:
        """Let be what the caller said: it was answered without the model."""
        self._turn_settled = self._is_turn_open
        self._owes = False
        self._disarm()
        self._note_quiet()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is owed any more to what the caller said last."""
        return self._turn_settled

    def say_instead(self, phrase: str) -> None:
        """Say `phrase` should the voice fail at the sentence that it is about to be given."""
        self._says_instead = phrase

    def caller_types(self, is_typing: bool) -> None:
        """Expect no answer while the caller presses keys."""
        self._is_turn_open = is_typing
        if is_typing:
            self._disarm()
        self._note_quiet()

    def switch_on(self) -> None:
        """Watch again: the call goes on."""
        self._is_off = self.is_answer_cut = False
        self._end_called.clear()

    async def last_answer_finished(self) -> bool:
        """Wait until the answer that ends the call has been handed on; returns whether any of it was speech.

        The tool is through before what was said with it has come here. Its result comes after that.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVE_UP_SECS):
                await self._end_called.wait()
                await self._answer_done.wait()
        return self._has_spoken

    async def cleanup(self) -> None:
        self._disarm()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def voice_failed(self) -> None:
        """The speech service could not say a sentence; a second one without a sound between them is too much."""
        if phrase := self._says_instead:
            self._says_instead = ""
            await self._say(phrase)
            return
        self._unspoken += 1
        if self._unspoken >= MOST_FAILURES and not self._is_off:
            self.switch_off()
            await self._give_up(phrases.OUT_OF_ORDER)

    async def not_heard(self, *, is_failure: bool) -> None:
        """No words came of what the caller said. `is_failure` claims that hearing failed, not that it was noise."""
        if self._is_off:
            return
        self._disarm()
        if self._turn_settled:
            return
        self._turn_settled = self._is_turn_open
        self._unheard += 1
        if self._unheard <= MOST_FAILURES:
            await self._say(phrases.SAY_AGAIN)
        elif is_failure:
            self.switch_off()
            await self._give_up(phrases.OUT_OF_ORDER)
        self._note_quiet()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        match frame:
            case VADUserStartedSpeakingFrame() | UserStartedSpeakingFrame():
                self._is_filled = self._is_filled and self._is_turn_open
                self._has_begun = False
                self._is_turn_open = True
                self._turn_settled = False
                self._wait_began = None
                self._disarm()
            case VADUserStoppedSpeakingFrame():
                self._arm(self._watch_hearing())
            case UserStoppedSpeakingFrame():
                self._is_turn_open = False
                if not self._turn_settled:
                    self._turn_ended()
            case BotStartedSpeakingFrame():
                self._is_bot_speaking = True
                self._silent.clear()
            case BotStoppedSpeakingFrame():
                self._bot_stopped()
            case _ if direction is FrameDirection.DOWNSTREAM:
                await self._follow_answer(frame)
            case _:
                pass
        self._note_quiet()

    async def _follow_answer(self, frame: Frame) -> None:
        match frame:
            case InterruptionFrame():
                self.is_answer_cut |= self._is_answering
                self._is_answering = False
                self._says_instead = ""
                self._answer_done.set()
            case LLMFullResponseStartFrame():
                # Tools that start overtake the beginning of the answer that calls them.
                self._is_answering, self._has_content, self._has_spoken = True, bool(self._tools_running), False
                self.is_answer_cut = False
                self._answer_done.clear()
            case TTSAudioRawFrame() if self._says_instead:
                pass  # it is no answer
            case TTSStoppedFrame():
                self._says_instead = ""
            # Speech services swallow the model's text or announce it; without one it passes.
            case TTSAudioRawFrame() | LLMTextFrame() | AggregatedTextFrame(will_be_spoken=False):
                self._answered()
            case AnswerGoesOnFrame():
                self._owes = True
            case FunctionCallsStartedFrame():
                self._tools_started({call.tool_call_id: call.function_name for call in frame.function_calls})
            case FunctionCallResultFrame():
                self._tool_finished(frame)
            case FunctionCallCancelFrame():
                self._tools_running.pop(frame.tool_call_id, None)
            case LLMFullResponseEndFrame() if self._is_answering:
                self._is_answering = False
                self._answer_done.set()
                if not self._has_content:
                    await self._answer_failed()
            case _:
                pass

    def _answered(self) -> None:
        self._has_content = self._has_spoken = self._has_begun = True
        self._failures = self._unheard = self._unspoken = 0
        self._owes = False
        self._wait_began = None
        self._disarm()

    def _turn_ended(self) -> None:
        self._wait_began = monotonic()
        self._arm(self._watch_answer())

    def _tools_started(self, names: Mapping[str, str]) -> None:
        self._has_content = True
        if not self._tools_running:
            self._tools_began = monotonic()
        if self._wait_began is None:
            self._wait_began = monotonic()
        self._tools_running.update(names)
        is_bridged = self._task is not None and self._is_filled
        if not (is_bridged or self._is_bot_speaking):
            self._arm(self._watch_answer())

    def _tool_finished(self, frame: FunctionCallResultFrame) -> None:
        self._tools_running.pop(frame.tool_call_id, None)
        if frame.function_name in (END_CALL, TRANSFER_TO_HUMAN):
            self._end_called.set()
        wants_answer = frame.properties is None or frame.properties.run_llm is not False
        if wants_answer:
            self._owes = True
        elif self._has_begun and not (self._tools_running or self._owes):
            self._disarm()
        is_bridged = self._task is not None and self._is_filled
        if (wants_answer or self._task is not None) and not (is_bridged or self._is_bot_speaking):
            self._arm(self._watch_answer())

    def _bot_stopped(self) -> None:
        self._is_bot_speaking = False
        self._silent.set()
        if (self._tools_running or self._owes) and self._task is None:
            self._arm(self._watch_answer())

    async def _answer_failed(self) -> None:
        """The model or the voice failed: try once more, then end the call."""
        if self._is_off:
            return
        self._failures += 1
        log.warning("answer_failed", in_a_row=self._failures)
        if self._failures >= MOST_FAILURES:
            self.switch_off()
            await self._give_up(phrases.OUT_OF_ORDER)
        else:
            self._owes = True
            await self._answer_again()

    async def _watch_hearing(self) -> None:
        began = monotonic()
        await asyncio.sleep(UNHEARD_SECS)
        log.warning("speech_not_transcribed_in_time")
        self._is_filled = True
        await self._say(next(self._moments))
        await self._watch_long_wait(began)

    async def _watch_answer(self) -> None:
        if self._wait_began is None:
            self._wait_began = monotonic()
        began = self._wait_began
        # What the agent has begun with covers a tool, but not silence after it.
        if not self._is_filled and not (self._has_begun and self._tools_running):
            await self._silence_at(self._filler_due(began))
            log.info("answer_is_late", tools=len(self._tools_running))
            self._is_filled = True
            await self._say(next(self._moments))
        await self._watch_long_wait(began)

    def _filler_due(self, began: float) -> float:
        if self._has_begun:
            return monotonic() + FILLER_SECS
        due = began + FILLER_SECS
        return min(due, self._tools_began + TOOL_FILLER_SECS) if self._tools_running else due

    async def _watch_long_wait(self, began: float) -> None:
        # What the agent says itself may have ended just now.
        await self._silence_at(max(began + STILL_WORKING_SECS, monotonic() + FILLER_SECS))
        await self._say(next(self._workings))
        await _until(began + TRUTH_SECS)
        log.warning("answer_takes_too_long", tools=len(self._tools_running))
        await self._say(self._truth(self.tools_running))
        await _until(began + GIVE_UP_SECS)
        log.error("answer_never_came", tools=len(self._tools_running))
        self._is_off, self._task = True, None
        await self._give_up(phrases.OUT_OF_ORDER)

    async def _silence_at(self, moment: float) -> None:
        """Wait until then, and on while the agent speaks."""
        await _until(moment)
        while self._is_bot_speaking:
            await self._silent.wait()
            await asyncio.sleep(FILLER_SECS)

    def _arm(self, watch: Coroutine[None, None, None]) -> None:
        self._disarm()
        if self._is_off:
            watch.close()
        else:
            self._task = self.create_task(watch)

    def _disarm(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _note_quiet(self) -> None:
        is_busy = (
            self._is_turn_open or self._is_answering or self._tools_running or self._task is not None or self._owes
        )
        if is_busy:
            self.quiet.clear()
        else:
            self.quiet.set()


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - monotonic()))
