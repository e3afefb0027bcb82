"""One conversation of agent and caller, however the words come in and go out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from pipecat.frames.frames import LLMMessagesAppendFrame, LLMRunFrame, UserIdleTimeoutUpdateFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMAssistantAggregator,
    LLMContextAggregatorPair,
    LLMUserAggregator,
    LLMUserAggregatorParams,
)
from pipecat.workers.runner import WorkerRunner

from agent import phrases
from agent.dtmf import KeyCollector
from agent.speech_guard import SpeechGuarding, speech_guard
from agent.watchdog import DeadAirWatchdog
from appointments.digits import CODE_LENGTH
from tools.choice import hold_choice
from tools.registry import register
from tools.session import BookingSession, Utterance
from tools.toolbox import all_tools

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pipecat.frames.frames import Frame
    from pipecat.processors.frame_processor import FrameProcessor
    from pipecat.processors.frameworks.rtvi import RTVIProcessor
    from pipecat.services.openai.llm import OpenAILLMService

    from agent.instructions import Instructions
    from agent.speech_guard import GuardMode
    from agent.transcript import Transcript
    from appointments.model import EventType
    from tools.replies import Reply

log = structlog.get_logger(__name__)

NUDGE_SECS = 7.0
NUDGES = 2
NUDGES_FOR_A_CODE = 6
"""A text may take most of a minute."""
VAD_IDLE_SECS = 1.0
AFTER_HANG_UP_SECS = 20.0
"""How long what the caller said last may take to be acted on after they hung up."""


class Mouth(Protocol):
    """How the agent's phrases reach the caller."""

    async def say(self, text: str) -> bool:
        """Say `text` after what is being said; returns False when that cannot be done."""
        ...

    async def finish(self) -> bool:
        """Wait until all that was said has reached the caller; returns False when they spoke over it."""
        ...


class Conversation:
    """Model, tools, context, keys, speech guard and watchdog of one call.

    Args:
        session: What the tools share.
        event_types: What each action books, by the action's name.
        mouth: Says phrases that need no service.
        guard_mode: What becomes of a sentence with a day or a time that comes from nowhere.
        before_stop: Is told the outcome while the caller is still connected.
        on_tool: Is told the name of each tool that starts.
    """

    def __init__(
        self,
        *,
        session: BookingSession,
        event_types: Mapping[str, EventType],
        instructions: Instructions,
        llm: OpenAILLMService,
        mouth: Mouth,
        guard_mode: GuardMode,
        transcript: Transcript,
        user_params: LLMUserAggregatorParams,
        before_stop: Callable[[str], Awaitable[None]],
        on_tool: Callable[[str], None] = lambda _tool: None,
    ) -> None:
        self.session = session
        self.llm = llm
        self.mouth = mouth
        self._greeting = instructions.greeting
        self._transcript = transcript
        self._before_stop = before_stop
        tools = all_tools(session, event_types)
        self.context = LLMContext(tools=[tool.schema() for tool in tools])
        register(llm, tools, heard_in=self.heard, on_start=on_tool, on_end=self._on_tool_ended)
        pair = LLMContextAggregatorPair(self.context, user_params=user_params)
        self.user: LLMUserAggregator = pair.user()
        self.assistant: LLMAssistantAggregator = pair.assistant()
        self._guard = speech_guard(guard_mode, session, instructions, self.heard)
        self.guard: tuple[FrameProcessor, ...] = ()
        """What stands right behind the model; nothing where there is no guard."""
        if self._guard is not None:
            self.guard = (SpeechGuarding(self._guard, is_replacing=guard_mode == "replace", heard=self.heard),)
        self.keys = KeyCollector(expected=lambda: self.keys_expected, on_typing=self._on_typing, on_entry=self.keyed)
        self.watchdog = DeadAirWatchdog(say=self.say, answer_again=self.answer_again, give_up=self.end)
        self.started = asyncio.Event()
        self.outcome = "caller_hung_up"
        self._nudges = 0
        self._awaited = 1
        """How many must still be ready before the greeting: the pipeline, and the caller's page if there is one."""
        self._is_stopped = False
        self._worker: PipelineWorker | None = None
        self._ending: asyncio.Task[None] | None = None
        self._holding: set[asyncio.Task[None]] = set()
        self._observe()

    def heard(self) -> Sequence[Utterance]:
        """Return what each side has been heard to say, in order; what was cut off by barge-in is not in it."""
        utterances: list[Utterance] = []
        for message in self.context.messages:
            if not isinstance(message, dict) or message.get("role") not in ("assistant", "user"):
                continue
            text = message.get("content")
            if not isinstance(text, str) or not text.strip():
                continue
            is_agent = message["role"] == "assistant"
            if utterances and utterances[-1].is_agent == is_agent:
                utterances[-1] = Utterance(is_agent, f"{utterances[-1].text} {text}")
            else:
                utterances.append(Utterance(is_agent, text))
        return utterances

    async def run(
        self,
        processors: Sequence[FrameProcessor],
        *,
        params: PipelineParams,
        max_secs: float,
        rtvi: RTVIProcessor | None = None,
    ) -> None:
        """Run the pipeline of `processors` until the conversation has ended.

        Args:
            rtvi: Shows the conversation to the caller's page, which is greeted when it says that it is ready.
        """
        worker = PipelineWorker(
            Pipeline(list(processors)),
            params=params,
            enable_rtvi=rtvi is not None,
            rtvi_processor=rtvi,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
            conversation_id=self.session.call_sid,
        )
        self._worker = worker
        worker.add_event_handler("on_pipeline_started", self._on_ready)
        if rtvi is not None:
            self._awaited += 1
            rtvi.add_event_handler("on_client_ready", self._on_ready)
        runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
        await runner.add_workers(worker)
        watchers = [asyncio.create_task(self._watch_goodbye()), asyncio.create_task(self._watch_length(max_secs))]
        try:
            await runner.run()
        finally:
            for watcher in watchers:
                watcher.cancel()
            if self.outcome == "completed":
                # Who was cut off may call again and go on where they were.
                await self.session.service.holds.release(self.session.call_sid)

    async def say(self, text: str) -> bool:
        is_said = await self.mouth.say(text)
        if is_said and text in phrases.FILLERS:
            self._transcript.add("agent", text)
        return is_said

    async def answer_again(self) -> None:
        await self.queue(LLMRunFrame())

    async def queue(self, *frames: Frame) -> None:
        assert self._worker is not None
        await self._worker.queue_frames(list(frames))

    async def hear(self, text: str) -> None:
        """Take `text` as what the caller said."""
        message: Any = {"role": "user", "content": text}
        self._hold_choice(Utterance(is_agent=False, text=text))
        self.watchdog.expect_answer()
        frame = LLMMessagesAppendFrame([message], run_llm=True)
        frame.interruptible = False  # a noise on the line must not lose it
        await self.queue(frame)

    async def keyed(self, digits: str) -> None:
        """Take `digits` as what the caller typed on the phone's keys."""
        text = f"(typed {' '.join(digits)})"
        self.typed(text)
        await self.hear(text)

    @property
    def keys_expected(self) -> int | None:
        """How many digits complete what the caller types, None when any number may."""
        return CODE_LENGTH if self.session.identity.awaits_code else None

    def typed(self, text: str) -> None:
        """Note what the caller typed between what they say; it is on its way to the model."""
        self._nudges = 0
        self._transcript.add("caller", text)
        self.watchdog.expect_answer()

    async def answered(self) -> None:
        """Wait until the agent has said all it has to say."""
        assert self._worker is not None
        await self.watchdog.quiet.wait()
        await self._worker.flush_pipeline()

    async def end(self, phrase: str, *, outcome: str = "failed") -> None:
        """Say `phrase`, wait until it was heard, and end the conversation."""
        if self._ending is None:
            self.outcome = outcome
            self.watchdog.switch_off()
            self._ending = asyncio.create_task(self._end(phrase))

    def abort(self, outcome: str) -> None:
        """End at once, without a word: whoever is on the line does not behave like a phone."""
        if self._ending is None:
            log.warning("conversation_aborted", outcome=outcome)
            self.outcome = outcome
            self.watchdog.switch_off()
            self._ending = asyncio.create_task(self._stop())

    async def caller_left(self) -> None:
        """Let what the caller said last be acted on, then end: a yes counts even if they hang up on it."""
        # Without audio the VAD notices the end of the last word by its own timeout.
        await asyncio.sleep(VAD_IDLE_SECS + 0.2)
        try:
            async with asyncio.timeout(AFTER_HANG_UP_SECS):
                await self.watchdog.quiet.wait()
        except TimeoutError:
            log.warning("last_words_not_settled")
        await self._stop()

    async def _end(self, phrase: str) -> None:
        if phrase and not await self.mouth.say(phrase):
            # What follows the stream says it instead.
            self.outcome = "crashed"
        await self.mouth.finish()
        await self._stop()

    async def _stop(self) -> None:
        if self._worker is not None and not self._is_stopped:
            self._is_stopped = True
            try:
                await self._before_stop(self.outcome)
            finally:
                await self._worker.cancel(reason=self.outcome)

    async def _on_ready(self, *_: Any) -> None:
        self._awaited -= 1
        if self._awaited == 0:
            await self._greet()

    async def _greet(self) -> None:
        if not await self.say(self._greeting):
            # Nothing can be said at all: what follows the stream tells the caller.
            await self.end("", outcome="crashed")
        self.started.set()

    async def _watch_goodbye(self) -> None:
        while True:
            await self.session.goodbye.wait()
            self.watchdog.switch_off()
            if not await self.watchdog.last_answer_finished():
                await self.mouth.say(phrases.GOODBYE)
            if await self.mouth.finish():
                await self.end("", outcome="completed")
                return
            # The caller spoke over the goodbye: they want something more.
            self.session.goodbye.clear()
            self.watchdog.switch_on()

    async def _watch_length(self, max_secs: float) -> None:
        await asyncio.sleep(max_secs)
        log.warning("call_too_long", max_secs=max_secs)
        await self.end(phrases.OUT_OF_TIME, outcome="out_of_time")

    def _on_tool_ended(self, tool: str, reply: Reply, took_ms: int) -> None:
        if self._guard is not None:
            self._guard.tool_answered(reply)
        self._transcript.add_tool(tool, reply, took_ms)

    def _hold_choice(self, *last: Utterance) -> None:
        """Hold what the caller has chosen, beside the conversation; `last` is not in its context yet."""
        heard = [*self.heard(), *last]
        holding = asyncio.create_task(hold_choice(self.session, heard))
        self._holding.add(holding)
        holding.add_done_callback(self._holding.discard)

    def _observe(self) -> None:
        self.user.add_event_handler("on_user_turn_stopped", self._on_caller_turn)
        self.user.add_event_handler("on_user_turn_idle", self._on_caller_idle)
        self.assistant.add_event_handler("on_assistant_turn_stopped", self._on_agent_turn)

    async def _on_caller_turn(self, _aggregator: Any, _strategy: Any, message: Any) -> None:
        if message.content:
            self._nudges = 0
            self._transcript.add("caller", message.content)
            self._hold_choice(Utterance(is_agent=False, text=message.content))
        else:
            await self.watchdog.not_heard(is_failure=False)

    async def _on_typing(self, is_typing: bool) -> None:
        """Wait while the caller presses keys, and be patient anew after each."""
        self.watchdog.caller_types(is_typing)
        await self.queue(UserIdleTimeoutUpdateFrame(timeout=NUDGE_SECS))

    async def _on_caller_idle(self, _aggregator: Any) -> None:
        if self._ending is not None or self.session.goodbye.is_set():
            return
        self._nudges += 1
        if self._nudges <= (NUDGES_FOR_A_CODE if self.session.identity.awaits_code else NUDGES):
            await self.say(phrases.STILL_THERE)
        else:
            await self.end(phrases.NOBODY_THERE, outcome="nobody_there")

    async def _on_agent_turn(self, _aggregator: Any, message: Any) -> None:
        if message.content:
            self._transcript.add("agent", message.content, is_cut=message.interrupted)
            self._hold_choice()
