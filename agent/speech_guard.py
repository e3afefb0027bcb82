"""Stands between the model and the voice: a sentence with a day or a time that nobody offered is not spoken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import structlog
from pipecat.frames.frames import (
    AggregatedTextFrame,
    ControlFrame,
    EndFrame,
    Frame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.text.base_text_aggregator import TextType

from agent.instructions import Source
from agent.openings import AnswerAggregator, is_opening
from tools.speech_guard import SpeechGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.instructions import Instructions
    from tools.session import BookingSession, Utterance
    from tools.speech_guard import Objection

log = structlog.get_logger(__name__)

GuardMode = Literal["off", "warn", "replace"]


@dataclass
class AnswerGoesOnFrame(ControlFrame):
    """Comes before the end of an answer that the model is asked to go on with."""


class SpeechGuarding(FrameProcessor):
    """Passes the model's answer on by sentences, each of them true as far as the guard knows.

    Stands right behind the model: all that follows, the voice, the context and the transcript, gets what is said. The
    voice would cut the answer into sentences by the same means, so none is later for it; a usual opening is sooner.

    Args:
        is_replacing: Whether a sentence that is objected to is replaced; otherwise it is only logged.
        heard: Returns what each side has been heard to say so far.
    """

    def __init__(self, guard: SpeechGuard, *, is_replacing: bool, heard: Callable[[], Sequence[Utterance]]) -> None:
        super().__init__()
        self._guard = guard
        self._is_replacing = is_replacing
        self._heard = heard
        self._sentences = AnswerAggregator()
        self._before = ""
        """The sentence before, in this answer."""
        self._objection: Objection | None = None
        """Why the rest of this answer is not said."""
        self._held_back = ""
        self._calls_tools = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case InterruptionFrame():
                await self.push_frame(frame, direction)
                await self._interrupted()
            case LLMTextFrame() if direction is FrameDirection.DOWNSTREAM and not frame.skip_tts:
                async for sentence in self._sentences.aggregate(frame.text):
                    await self._say(sentence.text)
            case LLMFullResponseEndFrame() if direction is FrameDirection.DOWNSTREAM:
                await self._finish(frame)
            case EndFrame():
                await self._say_rest()
                await self.push_frame(frame, direction)
            case FunctionCallsStartedFrame():
                # It may overtake the beginning of the answer, but not be overtaken by its end.
                self._calls_tools = True
                await self.push_frame(frame, direction)
            case _:
                await self.push_frame(frame, direction)

    async def _say(self, sentence: str) -> None:
        if self._objection is not None or not sentence.strip():
            # What follows was made for what is not said; what is said instead ends by itself.
            return
        before = self._before or self._last_of_caller()
        if not is_opening(sentence):
            self._before = sentence
        objection = self._guard.objection(sentence, before=before)
        if objection is not None:
            log.warning(
                "speech_guarded",
                mode="replace" if self._is_replacing else "warn",
                reason=objection.reason.value,
                pii_sentence=sentence,
                pii_said=objection.instead if self._is_replacing else sentence,
            )
            if self._is_replacing:
                self._objection, self._held_back = objection, sentence
                sentence = objection.instead
        await self.push_frame(AggregatedTextFrame(sentence, TextType.SENTENCE))

    async def _finish(self, end: LLMFullResponseEndFrame) -> None:
        await self._say_rest()
        note = self._note(run_llm=not self._calls_tools)
        if note is not None and note.run_llm:
            await self.push_frame(AnswerGoesOnFrame())
        self._begin_anew()
        await self.push_frame(end)
        if note is not None:
            # Behind the answer, so that the context has what was said before what is told about it.
            await self.push_frame(note)

    async def _interrupted(self) -> None:
        await self._sentences.handle_interruption()
        # The caller has spoken: their words are answered, and no search that nobody waits for is begun.
        note = self._note(run_llm=False)
        self._begin_anew()
        if note is not None:
            await self.push_frame(note)

    async def _say_rest(self) -> None:
        if rest := await self._sentences.flush():
            await self._say(rest.text)

    def _begin_anew(self) -> None:
        self._before = self._held_back = ""
        self._objection = None
        self._calls_tools = False

    def _note(self, *, run_llm: bool) -> LLMMessagesAppendFrame | None:
        """Return what the model is to be told of this answer."""
        if self._objection is None:
            return None
        message: Any = {"role": "developer", "content": self._objection.note(self._held_back)}
        frame = LLMMessagesAppendFrame([message], run_llm=run_llm and self._objection.must_look)
        frame.interruptible = False
        return frame

    def _last_of_caller(self) -> str:
        heard = self._heard()
        return heard[-1].text if heard and not heard[-1].is_agent else ""


def speech_guard(
    mode: GuardMode, session: BookingSession, instructions: Instructions, heard: Callable[[], Sequence[Utterance]]
) -> SpeechGuard | None:
    """Return the guard of a call, None where there is none: days and times are read in English only."""
    if mode == "off":
        return None
    if not instructions.language.lower().startswith("en"):
        _tell_once(instructions.language)
        return None
    return SpeechGuard(session, facts=known_lines(instructions), heard=heard)


def known_lines(instructions: Instructions) -> Iterator[str]:
    """Yield what the author and the business state; what they quote, and dialogues, are examples with made-up times."""
    for part in instructions.parts:
        if part.source in (Source.AUTHOR, Source.BUSINESS) and not _DIALOGUE.match(part.text):
            yield _QUOTED.sub(" ", part.text)


@cache
def _tell_once(language: str) -> None:
    log.warning("speech_guard_off", language=language, hint="the speech guard reads English only")


_DIALOGUE = re.compile(r"\s*(?:Caller|You)\b[^.]*:")
_QUOTED = re.compile(r'"[^"]*"|\u201c[^\u201d]*\u201d')
