"""A call in this process whose caller is frames, through the real aggregators."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    InputDTMFFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from agent.conversation import Conversation
from agent.saying_on import Rest
from agent.transcript import Transcript
from agent.turn_taking import turn_strategies
from tests.worker import CALLER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pipecat.processors.frame_processor import FrameProcessor

    from agent.speech_guard import GuardMode
    from tests.worker import House

PATIENCE_SECS = 5


@dataclass(slots=True)
class RecordingMouth:
    """Keeps what it is told to say."""

    said: list[str] = field(default_factory=list)
    is_interrupted: bool = False
    is_mute: bool = False
    rest: Rest = Rest.NOTHING

    async def say(self, text: str) -> bool:
        if not self.is_mute:
            self.said.append(text)
        return not self.is_mute

    async def finish(self) -> bool:
        return not self.is_interrupted

    def resume(self) -> Rest:
        rest, self.rest = self.rest, Rest.NOTHING
        if rest is not Rest.NOTHING:
            self.said.append("(the rest)")
        return rest

    def forget_rest(self) -> None:
        self.rest = Rest.NOTHING


class Call:
    """A conversation whose caller is frames: speech starts, words come, speech stops.

    Args:
        has_voice: Whether what the agent says goes to the speech service; otherwise it stays text.
        ear: Decides when the caller's turns begin and end; without one the frames say it themselves.
        params: Of the user aggregator, where they are not the usual ones.
    """

    def __init__(
        self,
        house: House,
        *,
        guard_mode: GuardMode = "off",
        has_voice: bool = False,
        ear: FrameProcessor | None = None,
        **params: Any,
    ) -> None:
        self.house = house
        self.mouth = RecordingMouth()
        self.transcript = Transcript(house.worker.desk.business.number)  # type: ignore[arg-type]
        self.outcomes: list[str] = []
        self.tools: list[str] = []
        self._guard_mode = guard_mode
        self._has_voice = has_voice
        self._ear = ear
        self._params = params

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Call]:
        worker = self.house.worker
        desk = worker.desk
        session = await worker.session("CA1", CALLER, desk)
        instructions = desk.instructions(session.caller, now=worker.clock(), is_recorded=False)
        llm = worker.speech.llm(instructions)

        async def before_stop(outcome: str) -> None:
            self.outcomes.append(outcome)

        strategies = UserTurnStrategies(
            start=[VADUserTurnStartStrategy()], stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.05)]
        )
        if self._ear is not None:
            strategies = turn_strategies()
        params: dict[str, Any] = {"user_turn_stop_timeout": 0.3, "empty_user_turn": None, **self._params}
        self.conversation = Conversation(
            session=session,
            event_types=desk.event_types,
            instructions=instructions,
            llm=llm,
            mouth=self.mouth,
            guard_mode=self._guard_mode,
            transcript=self.transcript,
            user_params=LLMUserAggregatorParams(user_turn_strategies=strategies, **params),
            context_tokens=worker.settings.context_tokens,
            before_stop=before_stop,
            on_tool=self.tools.append,
        )
        voice = [worker.speech.tts(instructions)] if self._has_voice else []
        processors = [
            self.conversation.keys,
            *([self._ear] if self._ear is not None else []),
            self.conversation.user,
            self.conversation.without_model,
            llm,
            *self.conversation.guard,
            *voice,
            self.conversation.watchdog,
            self.conversation.assistant,
        ]
        running = asyncio.create_task(self.conversation.run(processors, params=PipelineParams(), max_secs=60))
        await self.conversation.started.wait()
        try:
            yield self
        finally:
            if not running.done():
                await self.conversation.end("")
            async with asyncio.timeout(PATIENCE_SECS):
                await running

    async def speaks(self, words: str = "") -> None:
        await self.conversation.queue(VADUserStartedSpeakingFrame())
        if words:
            await self.conversation.queue(TranscriptionFrame(words, "caller", "2026-12-01T14:00:00Z", finalized=True))
        await self.conversation.queue(VADUserStoppedSpeakingFrame())

    async def presses(self, keys: str) -> None:
        for key in keys:
            await self.conversation.queue(InputDTMFFrame(button=KeypadEntry(key)))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECS):
            while not holds():
                await asyncio.sleep(0.01)

    async def is_told(self) -> None:
        """Wait until everybody knows what has happened so far."""
        await self.conversation._flush()

    async def is_quiet(self) -> None:
        async with asyncio.timeout(PATIENCE_SECS):
            await self.conversation.watchdog.quiet.wait()
