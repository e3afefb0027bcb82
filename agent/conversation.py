"""One conversation of agent and caller, however the words come in and go out."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from pipecat.frames.frames import (
    LLMContextFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    TTSSpeakFrame,
    UserIdleTimeoutUpdateFrame,
)
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
from agent.call_length import watch_length
from agent.call_note import call_note
from agent.context_budget import ContextBudget
from agent.dtmf import KeyCollector
from agent.keypad import Keypad
from agent.latency import LatencyWatch
from agent.outside_news import watch_outside_news
from agent.patience import Patience, TurnsWithoutModel, tells_to_wait
from agent.saying_on import Rest, SayingOn
from agent.slow_words import slow_words
from agent.speech_guard import SpeechGuarding, speech_guard
from agent.transfer import watch_transfer
from agent.watchdog import DeadAirWatchdog
from appointments.digits import CODE_LENGTH
from tools.choice import hold_choice
from tools.keys import meaning
from tools.registry import register
from tools.session import BookingSession, Utterance
from tools.toolbox import all_tools
from tools.waiting import asks_to_wait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pipecat.frames.frames import Frame
    from pipecat.processors.frame_processor import FrameProcessor
    from pipecat.processors.frameworks.rtvi import RTVIProcessor

    from agent.instructions import Instructions
    from agent.speech_guard import GuardMode
    from agent.speech_services import SharedLLM
    from agent.transcript import Transcript
    from appointments.model import EventType
    from tools.replies import Reply

log = structlog.get_logger(__name__)

VAD_IDLE_SECS = 1.0
HOLDING_SECS = 3.0
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

    def resume(self) -> Rest:
        """Say on what the caller cut off."""
        ...

    def forget_rest(self) -> None:
        """What was cut off is not to be said any more."""
        ...


class Conversation:
    """Model, tools, context, keys, speech guard and watchdog of one call.

    Args:
        session: What the tools share.
        event_types: What each action books, by the action's name.
        mouth: Says phrases that need no service.
        guard_mode: What becomes of a sentence with a day or a time that comes from nowhere.
        context_tokens: How much of a long call the model is sent.
        before_stop: Is told the outcome while the caller is still connected.
        goes_on: Where a call was whose line broke: the caller hears it, behind an apology, in place of the greeting.
        on_tool: Is told the name of each tool that starts.
    """

    def __init__(
        self,
        *,
        session: BookingSession,
        event_types: Mapping[str, EventType],
        instructions: Instructions,
        llm: SharedLLM,
        mouth: Mouth,
        guard_mode: GuardMode,
        transcript: Transcript,
        user_params: LLMUserAggregatorParams,
        context_tokens: int,
        before_stop: Callable[[str], Awaitable[None]],
        goes_on: str = "",
        on_tool: Callable[[str], None] = lambda _tool: None,
    ) -> None:
        self.session = session
        self.llm = llm
        self.mouth = mouth
        self._greeting = phrases.CUT_OFF if goes_on else instructions.greeting
        self._goes_on = goes_on
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
        self._keypad = Keypad(session, self.heard)
        self._patience = Patience()
        self.without_model = TurnsWithoutModel(self._may_wait)
        """What stands right before the model of a spoken call."""
        self._budget = ContextBudget(context_tokens, partial(call_note, session))
        self.watchdog = DeadAirWatchdog(
            say=self.say, answer_again=self.answer_again, give_up=self.end, truth=partial(slow_words, session)
        )
        self._saying_on = SayingOn(mouth, llm, self.context, self.watchdog, queue=self.queue)
        self.latency = LatencyWatch(is_owed=lambda: not self.watchdog.quiet.is_set())
        """Measures nothing until it watches the processors of a spoken call."""
        self.started = asyncio.Event()
        self.outcome = "caller_hung_up"
        self._awaited = 1
        """How many must still be ready before the greeting: the pipeline, and the caller's page if there is one."""
        self._is_stopped = False
        self._worker: PipelineWorker | None = None
        self._ending: asyncio.Task[None] | None = None
        self._holding: set[asyncio.Task[None]] = set()
        self._said_on: asyncio.Future[bool] | None = None
        """Is told whether all that was cut off is said on; None while nobody waits for that."""
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
        watchers = [
            asyncio.create_task(self._watch_goodbye()),
            asyncio.create_task(watch_transfer(self)),
            asyncio.create_task(watch_length(self, max_secs)),
            asyncio.create_task(watch_outside_news(self)),
        ]
        try:
            await runner.run()
        finally:
            for watcher in watchers:
                watcher.cancel()
            self._saying_on.close()
            await self._finish_holding()
            if self.outcome == "completed":
                # Who was cut off may call again and go on where they were.
                await self.session.service.holds.release(self.session.call_sid)

    @property
    def is_ending(self) -> bool:
        """Whether the agent is saying goodbye, or putting the caller through."""
        session = self.session
        return self._ending is not None or session.goodbye.is_set() or session.putting_through.is_set()

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
        self._tell_said_on(is_said_on=False)
        message: Any = {"role": "user", "content": text}
        may_wait = self._may_wait(text)
        frame = LLMMessagesAppendFrame([message], run_llm=not may_wait)
        frame.interruptible = False  # a noise on the line must not lose it
        if may_wait:
            await self.queue(frame)
            await self._flush()
            await self._wait_for_caller()
            return
        self._patience.caller_is_back()
        self._hold_choice(Utterance(is_agent=False, text=text))
        self.watchdog.expect_answer()
        self.latency.caller_finished()
        await self.queue(frame)

    async def keyed(self, digits: str) -> None:
        """Take `digits` as what the caller typed on the phone's keys."""
        text = meaning(digits, self.session, self.heard())
        self._keypad.caller_is_understood()
        self.typed(text)
        await self.hear(text)

    @property
    def keys_expected(self) -> int | None:
        """How many digits complete what the caller types, None when any number may."""
        if self.session.identity.awaits_code:
            return CODE_LENGTH
        return 1 if self._keypad.is_offered else None

    def typed(self, text: str) -> None:
        """Note what the caller typed between what they say; it is on its way to the model."""
        self._patience.caller_is_back()
        self.mouth.forget_rest()
        self._transcript.add("caller", text)
        self.watchdog.expect_answer()

    async def answered(self) -> None:
        """Wait until the agent has said all it has to say."""
        await self.watchdog.quiet.wait()
        await self._flush()

    async def _flush(self) -> None:
        assert self._worker is not None
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

    async def is_heard_out(self, ending: asyncio.Event) -> bool:
        """Wait until all was heard that is said with `ending`; False: the caller wants something else first.

        What a noise or a nod has cut off is said on. While it is not known whether it was one, nothing ends.
        """
        while self.watchdog.is_answer_cut or not await self.mouth.finish():
            ending.clear()
            self.watchdog.switch_on()
            if self._said_on is None:
                self._said_on = asyncio.get_running_loop().create_future()
            if not await self._said_on:
                return False
            ending.set()
            self.watchdog.switch_off()
        return True

    def _tell_said_on(self, *, is_said_on: bool) -> None:
        waiting, self._said_on = self._said_on, None
        if waiting is not None and not waiting.done():
            waiting.set_result(is_said_on)

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
        elif self._goes_on:
            await self.queue(TTSSpeakFrame(self._goes_on))
        self.started.set()

    async def _watch_goodbye(self) -> None:
        while True:
            await self.session.goodbye.wait()
            self.watchdog.switch_off()
            has_spoken = await self.watchdog.last_answer_finished()
            if self.session.putting_through.is_set():
                self.session.goodbye.clear()  # one answer called for both: a person counts for more
                continue
            if not (has_spoken or self.watchdog.is_answer_cut):
                await self.mouth.say(phrases.GOODBYE)
            if await self.is_heard_out(self.session.goodbye):
                await self.end("", outcome="completed")
                return

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

    def _look_ahead(self) -> None:
        """Have the free times at hand when they are asked for, however long the call has gone on."""
        for action in self.session.business.actions:
            self.session.service.prefetch(action)

    async def _finish_holding(self) -> None:
        """Wait for what is being held: nothing may be held after the call, nor the record be closed under it."""
        if self._holding:
            await asyncio.wait(self._holding, timeout=HOLDING_SECS)
        for holding in self._holding:
            holding.cancel()

    def _observe(self) -> None:
        self.user.add_event_handler("on_user_turn_stopped", self._on_caller_turn)
        self.user.add_event_handler("on_user_turn_idle", self._on_caller_idle)
        self.assistant.add_event_handler("on_assistant_turn_stopped", self._on_agent_turn)
        self.llm.add_event_handler("on_before_process_frame", self._fit_context)

    async def _on_caller_turn(self, _aggregator: Any, _strategy: Any, message: Any) -> None:
        may_wait = self.without_model.has_kept()
        rest: Rest | None = Rest.NOTHING
        if message.content:
            self._transcript.add("caller", message.content)
            self._look_ahead()
        if may_wait:
            await self._wait_for_caller()
        elif message.content:
            await self._caller_is_back()
            self._hold_choice(Utterance(is_agent=False, text=message.content))
            self.mouth.forget_rest()
        elif self._patience.is_holding:
            # Whoever asked for a moment may make a noise meanwhile.
            self.watchdog.owe_nothing()
        elif self.watchdog.is_settled:
            # Who was asked to say it again must not be spoken over with what they have cut off.
            self.mouth.forget_rest()
            self.watchdog.owe_nothing()
        elif (rest := await self._saying_on.go_on()) is None:
            await self.watchdog.not_heard(is_failure=False)
        self._tell_said_on(is_said_on=rest is Rest.WHOLE)

    def _may_wait(self, text: str) -> bool:
        """Claim that `text` asks for a moment, and that nothing is on its way which the caller must hear first."""
        return asks_to_wait(text) and not (self.is_ending or self.watchdog.tools_running)

    async def _wait_for_caller(self) -> None:
        self._patience.caller_asked_to_wait()
        self.mouth.forget_rest()
        self.watchdog.owe_nothing()
        self.latency.silence.nothing_owed()
        await self.queue(UserIdleTimeoutUpdateFrame(timeout=self._patience.secs))
        await self.say(phrases.TAKE_YOUR_TIME)

    async def _model_lets_wait(self) -> None:
        """Leave the caller alone whom the model has told to take their time."""
        self._patience.caller_asked_to_wait()
        await self.queue(UserIdleTimeoutUpdateFrame(timeout=self._patience.secs))

    async def _caller_is_back(self) -> None:
        was_holding = self._patience.is_holding
        self._patience.caller_is_back()
        if was_holding:
            await self.queue(UserIdleTimeoutUpdateFrame(timeout=self._patience.secs))

    def _fit_context(self, _llm: Any, frame: Frame) -> None:
        """Let the model have as much of the call as the budget allows; our own context keeps it all."""
        if isinstance(frame, LLMContextFrame):
            context = frame.context
            messages: Any = context.messages
            fitting: Any = self._budget.fit(messages)
            if fitting is not messages:
                frame.context = LLMContext(fitting, tools=context.tools, tool_choice=context.tool_choice)

    async def _on_typing(self, is_typing: bool) -> None:
        """Wait while the caller presses keys, and be patient anew after each."""
        self._tell_said_on(is_said_on=False)
        self._patience.caller_is_back()
        self.watchdog.caller_types(is_typing)
        await self.queue(UserIdleTimeoutUpdateFrame(timeout=self._patience.secs))

    async def _on_caller_idle(self, _aggregator: Any) -> None:
        if self.is_ending:
            return
        self.latency.silence.nothing_owed()
        was_holding = self._patience.is_holding
        nudge = self._patience.nudge(awaits_code=self.session.identity.awaits_code)
        if not nudge:
            await self.end(phrases.NOBODY_THERE, outcome="nobody_there")
            return
        if was_holding and not self._patience.is_holding:
            await self.queue(UserIdleTimeoutUpdateFrame(timeout=self._patience.secs))
        await self.say(nudge)

    async def _on_agent_turn(self, _aggregator: Any, message: Any) -> None:
        if message.content:
            self._transcript.add("agent", message.content, is_cut=message.interrupted)
            self._hold_choice()
            if tells_to_wait(message.content):
                await self._model_lets_wait()
            if not message.interrupted and (notice := self._keypad.notice(message.content)):
                self.watchdog.say_instead(notice.phrase)
                await self.queue(TTSSpeakFrame(notice.say))
