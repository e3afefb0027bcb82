"""One spoken call, whatever carries its sound: its pipeline, and what is kept of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams

from agent.conversation import NUDGE_SECS, VAD_IDLE_SECS, Conversation
from agent.phrase_book import PhrasePlayer
from agent.recording import Recording
from agent.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipecat.frames.frames import Frame
    from pipecat.processors.frame_processor import FrameProcessor
    from pipecat.processors.frameworks.rtvi import RTVIProcessor
    from pipecat.transports.base_transport import BaseTransport

    from agent.bootstrap import Worker
    from agent.front_desk import FrontDesk
    from agent.phrase_book import PhraseBook
    from agent.speech import Speech
    from agent.transcript import Turn
    from telephony.media_stream import Played
    from tools.session import BookingSession

log = structlog.get_logger(__name__)

PLAYED_SECS = 30.0
"""How long a goodbye may take to play before the call is ended all the same."""


class Leg(Protocol):
    """The caller's end of a call: their sound comes in by it, and ours goes out."""

    transport: BaseTransport
    params: PipelineParams
    rtvi: RTVIProcessor | None
    """Shows the call to the caller's page; a phone has none."""

    def attach(self, conversation: Conversation) -> None:
        """Let what happens at the caller's end reach the conversation."""
        ...

    def input(self) -> Sequence[FrameProcessor]:
        """Return what stands where their sound comes in."""
        ...

    def output(self) -> Sequence[FrameProcessor]:
        """Return what stands where our sound goes out."""
        ...

    def mark(self) -> tuple[Frame, Played]:
        """Return a frame to queue behind what is said, and the answer to whether that was played to its end."""
        ...

    def discard_marks(self) -> None:
        """Settle every waiting mark as not played."""
        ...

    async def hang_up(self) -> None:
        """End what the end of the pipeline has not ended."""
        ...


class SpokenMouth:
    """Says phrases on a leg and knows by its marks when they have been played."""

    def __init__(self, player: PhrasePlayer, leg: Leg) -> None:
        self._player = player
        self._leg = leg
        self._is_caller_gone = False

    def caller_is_gone(self) -> None:
        """Wait for nothing any more: nobody hears it."""
        self._is_caller_gone = True
        self._leg.discard_marks()

    async def say(self, text: str) -> bool:
        return await self._player.say(text)

    async def finish(self) -> bool:
        if self._is_caller_gone:
            return True
        frame, played = self._leg.mark()
        await self._player.push_frame(frame)
        try:
            async with asyncio.timeout(PLAYED_SECS):
                return await played.wait()
        except TimeoutError:
            log.warning("mark_not_echoed")
            return True


async def run_spoken_call(
    worker: Worker,
    leg: Leg,
    *,
    call_sid: str,
    caller: str,
    is_attested: bool = False,
    on_turn: Callable[[Turn], None] = lambda _turn: None,
) -> None:
    """Run the call on an open leg to its end.

    Args:
        caller: Their number, "" when it is withheld.
        is_attested: Whether the carrier vouches for the caller's right to the number.
        on_turn: Is told what each side says and each tool does.
    """
    desk, phrase_book = worker.desk, worker.phrase_book
    session = await worker.session(call_sid, caller, desk, is_attested=is_attested)
    transcript = Transcript(
        session.call_sid,
        store=worker.store,
        on_turn=on_turn,
        hides_digits=lambda: session.identity.fewest_digits_hidden,
    )
    recording = _recording(worker, call_sid)
    outcome = "crashed"
    try:
        call = _SpokenCall(
            worker,
            leg,
            desk=desk,
            phrase_book=phrase_book,
            session=session,
            transcript=transcript,
            recording=recording,
            user_params=await _listening(worker.speech),
        )
        await call.run()
        outcome = call.conversation.outcome
        if outcome not in ("caller_hung_up", "crashed"):
            await leg.hang_up()
    finally:
        if recording is not None:
            await recording.close()
        await worker.store.end_call(session.call_sid, outcome=outcome, at=datetime.now(UTC))
        await transcript.keep(worker.store, worker.folder("transcripts") / f"{call_sid}.jsonl")
        log.info("call_ended", outcome=outcome, turns=len(transcript.turns))


class _SpokenCall:
    """The pipeline of one call."""

    def __init__(
        self,
        worker: Worker,
        leg: Leg,
        *,
        desk: FrontDesk,
        phrase_book: PhraseBook,
        session: BookingSession,
        transcript: Transcript,
        recording: Recording | None,
        user_params: LLMUserAggregatorParams,
    ) -> None:
        self._worker = worker
        self._leg = leg
        self._call_sid = session.call_sid
        instructions = desk.instructions(
            session.caller, now=worker.clock(), is_recorded=recording is not None, note=session.note
        )
        player = PhrasePlayer(phrase_book)
        self._mouth = SpokenMouth(player, leg)
        speech = worker.speech
        stt, llm, tts = speech.stt(instructions), speech.llm(instructions), speech.tts(instructions)
        self.conversation = Conversation(
            session=session,
            event_types=desk.event_types,
            instructions=instructions,
            llm=llm,
            mouth=self._mouth,
            guard_mode=worker.settings.speech_guard,
            transcript=transcript,
            user_params=user_params,
            before_stop=self._before_stop,
        )
        leg.attach(self.conversation)
        leg.transport.add_event_handler("on_client_disconnected", self._on_disconnected)
        stt.add_event_handler("on_error", self._on_not_transcribed)
        tts.add_event_handler("on_error", self._on_not_spoken)
        self._pipeline: list[FrameProcessor] = [
            *leg.input(),
            self.conversation.keys,
            stt,
            self.conversation.user,
            llm,
            *self.conversation.guard,
            tts,
            self.conversation.watchdog,
            player,
            *leg.output(),
            *([recording.processor] if recording else []),
            self.conversation.assistant,
        ]

    async def run(self) -> None:
        await self.conversation.run(
            self._pipeline,
            params=self._leg.params,
            max_secs=self._worker.settings.max_call_secs,
            rtvi=self._leg.rtvi,
        )

    async def _before_stop(self, outcome: str) -> None:
        # Twilio asks what follows the stream as soon as it is closed: the answer must be there by then.
        await self._worker.store.end_call(self._call_sid, outcome=outcome, at=datetime.now(UTC))

    async def _on_disconnected(self, *_: Any) -> None:
        self._mouth.caller_is_gone()
        await self.conversation.caller_left()

    async def _on_not_transcribed(self, *_: Any) -> None:
        await self.conversation.watchdog.not_heard(is_failure=True)

    async def _on_not_spoken(self, *_: Any) -> None:
        await self.conversation.watchdog.voice_failed()


def _recording(worker: Worker, call_sid: str) -> Recording | None:
    if not worker.settings.record_calls:
        return None
    return Recording(worker.folder("recordings") / f"{call_sid}.wav")


async def _listening(speech: Speech) -> LLMUserAggregatorParams:
    """Return how the caller is listened to: when they speak, and when their turn ends."""
    return LLMUserAggregatorParams(
        vad_analyzer=await speech.vad(),
        user_turn_strategies=await speech.turn_strategies(),
        user_idle_timeout=NUDGE_SECS,
        audio_idle_timeout=VAD_IDLE_SECS,
        # The watchdog answers turns without words.
        empty_user_turn=None,
    )
