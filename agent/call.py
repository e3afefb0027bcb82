"""One phone call: from the open media stream to the hang-up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from pipecat.pipeline.worker import PipelineParams

from agent import phrases
from agent.phone_input import PhoneInput
from agent.phone_socket import PhoneSocket
from agent.phrase_book import PHONE_RATE, frames_of
from agent.playout import Playout
from agent.spoken_call import run_spoken_call
from agent.stretch import Stretch
from agent.transfer import RETURNED
from telephony.errors import TelephonyError
from telephony.media_stream import MediaStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from fastapi import WebSocket
    from pipecat.frames.frames import Frame
    from pipecat.processors.frame_processor import FrameProcessor
    from pipecat.processors.frameworks.rtvi import RTVIProcessor

    from agent.admission import LiveCall
    from agent.bootstrap import Worker
    from agent.conversation import Conversation
    from agent.played import Played
    from telephony.media_stream import CallStart

log = structlog.get_logger(__name__)

HANG_UP_SECS = 5.0


async def run_call(worker: Worker, websocket: WebSocket, start: CallStart, live: LiveCall) -> None:
    """Run the call on an accepted stream to its end."""
    leg = PhoneLeg(worker, websocket, start, live)
    if not Stretch.told_by(start.parameters).resumes and RETURNED not in start.parameters:
        # Before all that takes time: whoever calls for the first time hears the same in every call.
        leg.greet(worker)
    try:
        await run_spoken_call(
            worker,
            leg,
            call_sid=start.call_sid,
            caller=start.caller,
            is_attested=start.is_attested,
            stretch=Stretch.told_by(start.parameters),
            was_unanswered=RETURNED in start.parameters,
        )
    finally:
        await leg.close()


class PhoneLeg:
    """Twilio's media stream, and Twilio's own hang-up behind it."""

    rtvi: RTVIProcessor | None = None

    def __init__(self, worker: Worker, websocket: WebSocket, start: CallStart, live: LiveCall) -> None:
        self._live = live
        self._calls = worker.calls
        self._call_sid = start.call_sid
        self._conversation: Conversation | None = None
        self._tell_gone: Callable[[], Coroutine[None, None, None]] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._is_gone = False
        stream = MediaStream(start, on_flood=self._on_flood)
        socket = PhoneSocket(websocket)
        socket.on_gone = self._caller_is_gone
        self._input = PhoneInput(stream, socket)
        self._playout = Playout(stream, socket, passes_audio=worker.settings.record_calls)
        self.params = PipelineParams(audio_in_sample_rate=PHONE_RATE, audio_out_sample_rate=PHONE_RATE)
        self.begun = ""

    def greet(self, worker: Worker) -> None:
        """Begin to greet, so that nobody waits for what else a call needs."""
        text = worker.desk.greeting(is_recorded=worker.settings.record_calls)
        if audio := worker.phrase_book.audio(text):
            self.begun = text
            self._playout.begin_with(frames_of(text, audio))

    def attach(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._live.attach(lambda: _say_goodbye(conversation))

    def on_gone(self, tell: Callable[[], Coroutine[None, None, None]]) -> None:
        self._tell_gone = tell
        if self._is_gone:
            self._leave()

    def feed(self, hear: Callable[[bytes], Awaitable[None]]) -> bool:
        self._input.on_audio = hear
        return True

    def input(self) -> Sequence[FrameProcessor]:
        return (self._input,)

    def output(self) -> Sequence[FrameProcessor]:
        return (self._playout,)

    def mark(self) -> tuple[Frame, Played]:
        return self._playout.mark()

    def discard_marks(self) -> None:
        self._playout.discard_marks()

    @property
    def shelf_text(self) -> str:
        return self._playout.shelf_text

    @property
    def is_shelf_whole(self) -> bool:
        return self._playout.is_shelf_whole

    @property
    def first_sound_at(self) -> float | None:
        return self._playout.first_sound_at

    def resume(self) -> bool:
        return self._playout.resume()

    def forget_shelf(self) -> None:
        self._playout.forget()

    async def hang_up(self) -> None:
        """End the call at Twilio too. Its stream is closed by now, and what follows that is a hang-up already."""
        try:
            async with asyncio.timeout(HANG_UP_SECS):
                await self._calls.hang_up(self._call_sid)
        except (TelephonyError, TimeoutError) as error:
            log.warning("hang_up_refused", error=type(error).__name__)

    async def close(self) -> None:
        """Close the stream, if the pipeline that does so at its end never began."""
        await self._playout.close()

    def _on_flood(self) -> None:
        if self._conversation is not None:
            self._conversation.abort("flooded")

    def _caller_is_gone(self) -> None:
        self._is_gone = True
        self._playout.caller_is_gone()
        self._leave()

    def _leave(self) -> None:
        if self._tell_gone is not None and self._leaving is None:
            # A task of its own: the end of the call ends the one that reads the stream.
            self._leaving = asyncio.create_task(self._tell_gone())


async def _say_goodbye(conversation: Conversation) -> None:
    await conversation.started.wait()
    await conversation.end(phrases.CLOSING, outcome="closed")
