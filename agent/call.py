"""One phone call: from the open media stream to the hang-up."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from pipecat.pipeline.worker import PipelineParams
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
    from telephony.media_stream import CallStart

log = structlog.get_logger(__name__)

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
    session = await worker.session(start.call_sid, start.caller)
    transcript = Transcript(session.call_sid)
    recording = (
        Recording(worker.folder("recordings") / f"{start.call_sid}.wav") if worker.settings.record_calls else None
    )
    call = await _PhoneCall.build(worker, websocket, start, session=session, transcript=transcript, recording=recording)
    outcome = "crashed"
    try:
        await call.run(worker.settings.max_call_secs)
        outcome = call.conversation.outcome
    finally:
        if recording is not None:
            await recording.close()
        await worker.store.end_call(session.call_sid, outcome=outcome, at=datetime.now(UTC))
        await transcript.keep(worker.store, worker.folder("transcripts") / f"{start.call_sid}.jsonl")
        log.info("call_ended", outcome=outcome, turns=len(transcript.turns))


class _PhoneCall:
    """The pipeline of one phone call."""

    def __init__(
        self, worker: Worker, start: CallStart, conversation: Conversation, pipeline: list[FrameProcessor]
    ) -> None:
        self._worker = worker
        self._start = start
        self._pipeline = pipeline
        self.conversation = conversation

    @classmethod
    async def build(
        cls,
        worker: Worker,
        websocket: WebSocket,
        start: CallStart,
        *,
        session: Any,
        transcript: Transcript,
        recording: Recording | None,
    ) -> _PhoneCall:
        instructions = worker.instructions(session.caller, is_recorded=recording is not None)
        speech = worker.speech
        serializer = MediaStreamSerializer(start, on_flood=lambda: conversation.abort("flooded"))
        transport = _transport(websocket, serializer)
        stt, llm, tts = speech.stt(), speech.llm(instructions), speech.tts(instructions)
        player = PhrasePlayer(worker.phrase_book)
        mouth = PhoneMouth(player, serializer)

        async def before_stop(outcome: str) -> None:
            # Twilio asks what follows the stream as soon as it is closed: the answer must be there by then.
            await worker.store.end_call(session.call_sid, outcome=outcome, at=datetime.now(UTC))
            if outcome not in ("caller_hung_up", "crashed"):
                await call._hang_up()

        conversation = Conversation(
            session=session,
            event_types=worker.event_types,
            instructions=instructions,
            llm=llm,
            mouth=mouth,
            transcript=transcript,
            user_params=LLMUserAggregatorParams(
                vad_analyzer=await speech.vad(),
                user_turn_strategies=await speech.turn_strategies(),
                user_idle_timeout=NUDGE_SECS,
                audio_idle_timeout=VAD_IDLE_SECS,
                # The watchdog answers turns without words.
                empty_user_turn=None,
            ),
            before_stop=before_stop,
        )
        pipeline: list[FrameProcessor] = [
            transport.input(),
            stt,
            conversation.user,
            llm,
            tts,
            conversation.watchdog,
            player,
            transport.output(),
            *([recording.processor] if recording else []),
            conversation.assistant,
        ]
        call = cls(worker, start, conversation, pipeline)

        async def on_disconnected(*_: Any) -> None:
            mouth.caller_is_gone()
            await conversation.caller_left()

        async def on_not_transcribed(*_: Any) -> None:
            await conversation.watchdog.not_heard(is_failure=True)

        async def on_not_spoken(*_: Any) -> None:
            await conversation.watchdog.voice_failed()

        transport.add_event_handler("on_client_disconnected", on_disconnected)
        stt.add_event_handler("on_error", on_not_transcribed)
        tts.add_event_handler("on_error", on_not_spoken)
        return call

    async def run(self, max_secs: float) -> None:
        params = PipelineParams(audio_in_sample_rate=PHONE_RATE, audio_out_sample_rate=PHONE_RATE)
        await self.conversation.run(self._pipeline, params=params, max_secs=max_secs)

    async def _hang_up(self) -> None:
        try:
            await self._worker.calls.hang_up(self._start.call_sid)
        except TelephonyError as error:
            # Closing the stream ends the call too: what follows it is a hang-up by now.
            log.warning("hang_up_refused", error=type(error).__name__)


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
