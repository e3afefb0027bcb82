"""Speech to text while it is spoken, over one websocket a call; what fails is transcribed by HTTP instead."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from pipecat.frames.frames import Frame, TranscriptionFrame, VADUserStartedSpeakingFrame
from pipecat.services.openai.stt import OpenAIRealtimeSTTService
from pipecat.services.stt_service import WebsocketSTTService
from pipecat.utils.time import time_now_iso8601
from websockets.exceptions import ConnectionClosed, WebSocketException

from agent.failover import FAILURES, provider_failed, said

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine

    from agent.failover import Breaker

log = structlog.get_logger(__name__)

PART: Final = "realtime_stt"
OPEN_SECS: Final = 3.0
"""How long the socket may take to open; the caller notices nothing of it."""
TRANSCRIPT_SECS: Final = 2.0
"""How long a transcript may take when an utterance has ended: Pipecat measured 1.66 s for 99 of 100."""
SEND_SECS: Final = 1.0
CLOSE_SECS: Final = 0.5
BEFORE_SPEECH_SECS: Final = 0.5
"""How much of the sound before speech was noticed belongs to it."""
MOST_SOUND_SECS: Final = 60.0
"""Who speaks for longer without a pause is a radio."""


class RealtimeFailed(Exception):
    """The Realtime API has told of an error; the message is its code, for its text may hold what was said."""


@dataclass(slots=True, eq=False)
class _Utterance:
    """Something that was said: its sound, its item there, and its words when they are known."""

    sound: bytes
    item_id: str | None = None
    text: str | None = None
    is_asked_by_http: bool = False


class RealtimeSTT(OpenAIRealtimeSTTService):
    """Pipecat's service, whose transcripts end a turn when they come and not when their time is up.

    Only speech is sent, and what came just before it: silence would be transcribed and paid for too. When the socket
    cannot be opened or is lost, when an error is told or a transcript is late, every utterance without a transcript
    goes by HTTP, and so does the rest of the call.

    Args:
        transcribe: Turns 16-bit sound to text by HTTP; raises one of `agent.failover.FAILURES`.
        breaker: While it is open, a call does not try the socket.
        on_not_transcribed: Is told when an utterance could not be transcribed at all.
        tls: What a socket is secured with: to make one takes 25 ms in which no call is heard.
    """

    def __init__(
        self,
        *,
        transcribe: Callable[[bytes], Awaitable[str]],
        breaker: Breaker,
        on_not_transcribed: Callable[[], Awaitable[None]],
        tls: ssl.SSLContext | None,
        **options: Any,
    ) -> None:
        super().__init__(ws_send_timeout=SEND_SECS, ws_close_timeout=CLOSE_SECS, **options)
        self._transcribe = transcribe
        self._breaker = breaker
        self._on_not_transcribed = on_not_transcribed
        self._tls = tls
        self._is_by_http = breaker.is_open and not breaker.take_trial()
        self._is_streaming = False
        """Whether all of what is being said has been sent."""
        self._sound = bytearray()
        self._utterances: list[_Utterance] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        """Whether what is said now goes by the socket."""
        return self._session_ready

    async def cleanup(self) -> None:
        for task in tuple(self._tasks):
            await self.cancel_task(task)
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        self._sound += audio
        self._keep_last(MOST_SOUND_SECS if self._user_speaking else BEFORE_SPEECH_SECS)
        if self._is_streaming:
            await self._send_audio(audio)
        yield None

    async def _handle_vad_user_started_speaking(self, frame: VADUserStartedSpeakingFrame) -> None:
        await super()._handle_vad_user_started_speaking(frame)
        if self.is_open:
            self._is_streaming = True
            await self._send_audio(bytes(self._sound))

    async def _commit_audio_buffer(self) -> None:
        """End the utterance. Pipecat does this when the caller has fallen silent."""
        utterance = _Utterance(bytes(self._sound))
        self._utterances.append(utterance)
        self._sound.clear()
        if not self._is_streaming:
            self._ask_by_http(utterance)
            return
        self._is_streaming = False
        # Without these two Pipecat's strategies wait out the 99th percentile in every turn.
        self.request_finalize()  # type: ignore[no-untyped-call]
        self._begin_task(self._watch(utterance))
        await super()._commit_audio_buffer()  # type: ignore[no-untyped-call]

    async def _watch(self, utterance: _Utterance) -> None:
        await asyncio.sleep(TRANSCRIPT_SECS)
        if utterance.text is None:
            await self._leave(TimeoutError("no transcript"))

    async def _connect(self) -> None:
        """Open the socket while the call is answered; what is said before it is open goes by HTTP."""
        await WebsocketSTTService._connect(self)  # type: ignore[no-untyped-call]
        if not self._is_by_http:
            self._receive_task = self.create_task(self._hold_session())  # type: ignore[assignment]

    async def _hold_session(self) -> None:
        try:
            socket = self._websocket = await self._websocket_connect(
                uri=f"{self._base_url}?intent=transcription",
                additional_headers={"Authorization": f"Bearer {self._api_key}"},
                open_timeout=OPEN_SECS,
                ssl=self._tls,
            )
            async for message in socket:
                await self._take(message)
            raise RealtimeFailed("closed")
        except (OSError, TimeoutError, WebSocketException, RealtimeFailed) as error:
            if not self._disconnecting:
                await self._leave(error)

    async def _take(self, message: str) -> None:
        """Take an event of the server's."""
        try:
            event = json.loads(message)
            match event["type"]:
                case "session.created":
                    await self._send_session_update()  # type: ignore[no-untyped-call]
                case "session.updated":
                    self._session_ready = True
                case "input_audio_buffer.committed":
                    self._note_item(event["item_id"])
                case "conversation.item.input_audio_transcription.completed":
                    await self._note_transcript(event["item_id"], event["transcript"])
                case "conversation.item.input_audio_transcription.failed" | "error":
                    raise RealtimeFailed(event["error"].get("code") or event["error"]["type"])
                case _:
                    pass
        except (ValueError, KeyError) as error:
            raise RealtimeFailed("no event") from error

    async def _ws_send(self, message: dict[str, Any]) -> None:
        if self._websocket is None:
            return
        try:
            await self._websocket.send(json.dumps(message))
        except ConnectionClosed:
            log.debug("realtime_stt_not_sent", kind=message["type"])  # whoever receives tells of the loss

    def _note_item(self, item_id: str) -> None:
        """Give the utterance that was committed first its item: they are acknowledged in order."""
        for utterance in self._utterances:
            if utterance.item_id is None and not utterance.is_asked_by_http:
                utterance.item_id = item_id
                return

    async def _note_transcript(self, item_id: str, text: str) -> None:
        for utterance in self._utterances:
            if utterance.item_id == item_id and utterance.text is None:
                utterance.text = text.strip()
                self._breaker.succeeded()
                await self._deliver()
                return

    async def _leave(self, error: Exception) -> None:
        """Go on by HTTP, with what has not been transcribed and with all that is said from now on."""
        if self._is_by_http:
            return
        self._is_by_http, self._is_streaming, self._session_ready = True, False, False
        provider_failed(PART, "main", error)
        self._breaker.failed(error)
        for utterance in self._utterances:
            if utterance.text is None:
                self._ask_by_http(utterance)
        if self._websocket is not None:
            self._disconnecting = True
            self._begin_task(self._websocket.close())

    def _ask_by_http(self, utterance: _Utterance) -> None:
        utterance.is_asked_by_http = True
        self._begin_task(self._hear_by_http(utterance))

    async def _hear_by_http(self, utterance: _Utterance) -> None:
        try:
            utterance.text = (await self._transcribe(utterance.sound)).strip()
        except FAILURES as error:
            log.warning("utterance_not_transcribed", error=said(error))
            await self._on_not_transcribed()
            utterance.text = ""
        await self._deliver()

    async def _deliver(self) -> None:
        """Hand on what was said, in its order, when there are words for all of it that has ended."""
        texts = [utterance.text for utterance in self._utterances]
        if not texts or None in texts:
            return
        self._utterances.clear()
        # Has no effect when the caller speaks on: Pipecat has taken the request back then.
        self.confirm_finalize()  # type: ignore[no-untyped-call]
        text = " ".join(filter(None, texts))
        await self.push_frame(TranscriptionFrame(text, self._user_id, time_now_iso8601()))

    def _begin_task(self, work: Coroutine[None, None, None]) -> None:
        task = self.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _keep_last(self, secs: float) -> None:
        del self._sound[: -round(secs * self.sample_rate) * 2]
