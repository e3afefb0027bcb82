"""One phone call: from the open media stream to the hang-up."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport

from agent.conversation import NUDGE_SECS, VAD_IDLE_SECS, Conversation
from agent.phrases import PHONE_RATE, PhrasePlayer
from agent.recording import Recording
from agent.transcript import Transcript
from telephony.errors import TelephonyError
from telephony.media_stream import MediaStreamSerializer

if TYPE_CHECKING:
    from fastapi import WebSocket
    from pipecat.processors.frame_processor import FrameProcessor

    from agent.bootstrap import Worker
    from agent.front_desk import FrontDesk
    from agent.phrases import PhraseBook
    from agent.speech import Speech
    from telephony.media_stream import CallStart
    from tools.session import BookingSession

log = structlog.get_logger(__name__)

KEYS_PREFIX = "The caller pressed "
"""How pressed keys are told to the model; # ends an entry, and so do two seconds without a key."""
HANG_UP_SECS = 5.0
PLAYED_SECS = 30.0
"""How long a goodbye may take to play before the call is ended all the same."""


class PhoneMouth:
    """Says phrases into the media stream and knows by its marks when they have been played."""

    def __init__(self, player: PhrasePlayer, serializer: MediaStreamSerializer) -> None:
        self._player = player
        self._serializer = serializer
        self._is_caller_gone = False

    def caller_is_gone(self) -> None:
        """Wait for nothing any more: nobody hears it."""
        self._is_caller_gone = True
        self._serializer.discard_marks()

    async def say(self, text: str) -> bool:
        return await self._player.say(text)

    async def finish(self) -> bool:
        if self._is_caller_gone:
            return True
        frame, played = self._serializer.mark("finish")
        await self._player.push_frame(frame)
        try:
            async with asyncio.timeout(PLAYED_SECS):
                return await played.wait()
        except TimeoutError:
            log.warning("mark_not_echoed")
            return True


async def run_call(worker: Worker, websocket: WebSocket, start: CallStart) -> None:
    """Run the call on an accepted stream to its end."""
    desk, phrase_book = worker.desk, worker.phrase_book
    session = await worker.session(start.call_sid, start.caller, desk)
    transcript = Transcript(session.call_sid, store=worker.store)
    recording = _recording(worker, start)
    outcome = "crashed"
    try:
        call = _PhoneCall(
            worker,
            websocket,
            start,
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
            await _hang_up(worker, start.call_sid)
    finally:
        if recording is not None:
            await recording.close()
        await worker.store.end_call(session.call_sid, outcome=outcome, at=datetime.now(UTC))
        await transcript.keep(worker.store, worker.folder("transcripts") / f"{start.call_sid}.jsonl")
        log.info("call_ended", outcome=outcome, turns=len(transcript.turns))


class _PhoneCall:
    """The pipeline of one phone call."""

    def __init__(
        self,
        worker: Worker,
        websocket: WebSocket,
        start: CallStart,
        *,
        desk: FrontDesk,
        phrase_book: PhraseBook,
        session: BookingSession,
        transcript: Transcript,
        recording: Recording | None,
        user_params: LLMUserAggregatorParams,
    ) -> None:
        self._worker = worker
        self._call_sid = session.call_sid
        instructions = desk.instructions(session.caller, now=worker.clock(), is_recorded=recording is not None)
        serializer = MediaStreamSerializer(start, on_flood=lambda: self.conversation.abort("flooded"))
        player = PhrasePlayer(phrase_book)
        self._mouth = PhoneMouth(player, serializer)
        transport = _transport(websocket, serializer)
        speech = worker.speech
        stt, llm, tts = speech.stt(instructions), speech.llm(instructions), speech.tts(instructions)
        self.conversation = Conversation(
            session=session,
            event_types=desk.event_types,
            instructions=instructions,
            llm=llm,
            mouth=self._mouth,
            transcript=transcript,
            user_params=user_params,
            before_stop=self._before_stop,
        )
        transport.add_event_handler("on_client_disconnected", self._on_disconnected)
        stt.add_event_handler("on_error", self._on_not_transcribed)
        tts.add_event_handler("on_error", self._on_not_spoken)
        self._pipeline: list[FrameProcessor] = [
            transport.input(),
            DTMFAggregator(prefix=KEYS_PREFIX),
            stt,
            self.conversation.user,
            llm,
            tts,
            self.conversation.watchdog,
            player,
            transport.output(),
            *([recording.processor] if recording else []),
            self.conversation.assistant,
        ]

    async def run(self) -> None:
        params = PipelineParams(audio_in_sample_rate=PHONE_RATE, audio_out_sample_rate=PHONE_RATE)
        await self.conversation.run(self._pipeline, params=params, max_secs=self._worker.settings.max_call_secs)

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


async def _hang_up(worker: Worker, call_sid: str) -> None:
    """End the call at Twilio too. Its stream is closed by now, and what follows that is a hang-up already."""
    try:
        async with asyncio.timeout(HANG_UP_SECS):
            await worker.calls.hang_up(call_sid)
    except (TelephonyError, TimeoutError) as error:
        log.warning("hang_up_refused", error=type(error).__name__)


def _recording(worker: Worker, start: CallStart) -> Recording | None:
    if not worker.settings.record_calls:
        return None
    return Recording(worker.folder("recordings") / f"{start.call_sid}.wav")


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


def _transport(websocket: WebSocket, serializer: MediaStreamSerializer) -> FastAPIWebsocketTransport:
    return FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_out_end_silence_secs=0,
            serializer=serializer,
            # Twilio sends no Origin; the stream is known by its signature and token.
            allowed_origins=[],
        ),
    )
