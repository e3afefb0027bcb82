"""One call from a browser on this machine: the page's microphone and loudspeaker instead of a phone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pipecat.frames.frames import Frame, InputTransportMessageFrame, InterruptionFrame
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi import RTVIProcessor
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pydantic import BaseModel, ValidationError

from agent.phrase_book import TTS_RATE
from agent.played import MarkFrame, Played
from agent.spoken_call import run_spoken_call
from appointments.model import CallSid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection

    from agent.bootstrap import Worker
    from agent.conversation import Conversation
    from agent.transcript import Turn

HEARING_RATE = 16_000
"""What the turn model and the recogniser are made for; a phone has only half of it."""
ON_THE_WAY_SECS = 0.5
"""How long what was sent waits in the browser before it is heard."""
LOOK_SECS = 1.0
SILENT_LOOKS = 3
"""How often in a row no sign of life of the page is found before it counts as gone; it gives one every second, and
Pipecat misses it after three."""


async def run_web_call(
    worker: Worker,
    connection: SmallWebRTCConnection,
    *,
    call_sid: str,
    caller: str,
    on_turn: Callable[[Turn], None],
) -> None:
    """Run the call on a connection that was answered to its end."""
    business, now = worker.desk.business, datetime.now(UTC)
    for action in business.actions:
        worker.service.prefetch(action)
    await worker.store.begin_call(CallSid(call_sid), caller=caller or None, called=business.number, at=now)
    watching = asyncio.create_task(_watch_page(connection))
    try:
        await run_spoken_call(worker, WebLeg(connection), call_sid=call_sid, caller=caller, on_turn=on_turn)
    finally:
        watching.cancel()


async def _watch_page(connection: SmallWebRTCConnection) -> None:
    """Hang up for a page that is gone: one that was left for another, or whose browser died, closes nothing."""
    was_there, silent = False, 0
    while silent < SILENT_LOOKS:
        await asyncio.sleep(LOOK_SECS)
        if connection.is_connected():
            was_there, silent = True, 0
        elif was_there:
            silent += 1
    await connection.disconnect()  # type: ignore[no-untyped-call]


class WebLeg:
    """A browser's peer connection."""

    begun = ""
    first_sound_at: float | None = None
    shelf_text = ""
    is_shelf_whole = True

    def __init__(self, connection: SmallWebRTCConnection) -> None:
        self._transport = SmallWebRTCTransport(
            connection,
            TransportParams(audio_in_enabled=True, audio_out_enabled=True, audio_out_end_silence_secs=0),
        )
        self.params = PipelineParams(audio_in_sample_rate=HEARING_RATE, audio_out_sample_rate=TTS_RATE)
        self.rtvi: RTVIProcessor | None = RTVIProcessor()
        self._messages = PageMessages()
        self._playout = PagePlayout()

    def attach(self, conversation: Conversation) -> None:
        self._messages.on_typed = conversation.typed

    def on_gone(self, tell: Callable[[], Coroutine[None, None, None]]) -> None:
        async def disconnected(*_: Any) -> None:
            await tell()

        self._transport.add_event_handler("on_client_disconnected", disconnected)

    def feed(self, _hear: Callable[[bytes], Awaitable[None]]) -> bool:
        return False

    def input(self) -> Sequence[FrameProcessor]:
        return (self._messages, self._transport.input())

    def output(self) -> Sequence[FrameProcessor]:
        return (self._transport.output(), self._playout)

    def mark(self) -> tuple[Frame, Played]:
        return self._playout.mark()

    def discard_marks(self) -> None:
        self._playout.discard_marks()

    def resume(self) -> bool:
        """Say nothing: Pipecat's transport keeps nothing of what it was to play."""
        return False

    def forget_shelf(self) -> None:
        """Nothing is ever on it."""

    async def hang_up(self) -> None:
        """The end of the pipeline has closed the connection."""


class PagePlayout(FrameProcessor):
    """Knows how far our sound has been played. Stands right after the transport's output, which paces it."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: set[Played] = set()

    def mark(self) -> tuple[MarkFrame, Played]:
        played = Played()
        self._waiting.add(played)
        return MarkFrame(played), played

    def discard_marks(self) -> None:
        for played in self._waiting:
            played.settle(is_played=False)
        self._waiting.clear()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self.discard_marks()
        if isinstance(frame, MarkFrame):
            asyncio.get_running_loop().call_later(ON_THE_WAY_SECS, partial(self._settle, frame.played))
        else:
            await self.push_frame(frame, direction)

    def _settle(self, played: Played) -> None:
        if played in self._waiting:
            self._waiting.discard(played)
            played.settle(is_played=True)


class Typed(BaseModel):
    """What was typed into the page."""

    content: str = ""


class PageMessage(BaseModel):
    """What the page may tell. It is a caller: it ends the call by hanging up, and answers for no tool."""

    type: Literal["client-ready", "dtmf", "send-text"]
    data: Typed | None = None


class PageMessages(FrameProcessor):
    """Lets only those messages of the page through that a caller may send. Stands before the transport's input."""

    def __init__(self) -> None:
        super().__init__()
        self.on_typed: Callable[[str], None] = lambda _text: None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputTransportMessageFrame) or self._takes(frame.message):
            await self.push_frame(frame, direction)

    def _takes(self, message: Any) -> bool:
        try:
            told = PageMessage.model_validate(message)
        except ValidationError:
            return False
        if told.type == "send-text" and told.data:
            self.on_typed(told.data.content)
        return True
