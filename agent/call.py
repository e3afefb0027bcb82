"""One phone call: from the open media stream to the hang-up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from pipecat.pipeline.worker import PipelineParams
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport

from agent.phrase_book import PHONE_RATE
from agent.spoken_call import run_spoken_call
from telephony.errors import TelephonyError
from telephony.media_stream import MediaStreamSerializer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import WebSocket
    from pipecat.frames.frames import Frame
    from pipecat.processors.frame_processor import FrameProcessor
    from pipecat.processors.frameworks.rtvi import RTVIProcessor
    from pipecat.transports.base_transport import BaseTransport

    from agent.bootstrap import Worker
    from agent.conversation import Conversation
    from telephony.media_stream import CallStart, Played

log = structlog.get_logger(__name__)

HANG_UP_SECS = 5.0


async def run_call(worker: Worker, websocket: WebSocket, start: CallStart) -> None:
    """Run the call on an accepted stream to its end."""
    await run_spoken_call(
        worker,
        PhoneLeg(worker, websocket, start),
        call_sid=start.call_sid,
        caller=start.caller,
        is_attested=start.is_attested,
    )


class PhoneLeg:
    """Twilio's media stream, and Twilio's own hang-up behind it."""

    transport: BaseTransport
    rtvi: RTVIProcessor | None = None

    def __init__(self, worker: Worker, websocket: WebSocket, start: CallStart) -> None:
        self._calls = worker.calls
        self._call_sid = start.call_sid
        self._conversation: Conversation | None = None
        self._serializer = MediaStreamSerializer(start, on_flood=self._on_flood)
        self.transport = _transport(websocket, self._serializer)
        self.params = PipelineParams(audio_in_sample_rate=PHONE_RATE, audio_out_sample_rate=PHONE_RATE)

    def attach(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def input(self) -> Sequence[FrameProcessor]:
        return (self.transport.input(),)

    def output(self) -> Sequence[FrameProcessor]:
        return (self.transport.output(),)

    def mark(self) -> tuple[Frame, Played]:
        return self._serializer.mark("finish")

    def discard_marks(self) -> None:
        self._serializer.discard_marks()

    async def hang_up(self) -> None:
        """End the call at Twilio too. Its stream is closed by now, and what follows that is a hang-up already."""
        try:
            async with asyncio.timeout(HANG_UP_SECS):
                await self._calls.hang_up(self._call_sid)
        except (TelephonyError, TimeoutError) as error:
            log.warning("hang_up_refused", error=type(error).__name__)

    def _on_flood(self) -> None:
        if self._conversation is not None:
            self._conversation.abort("flooded")


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
