"""The Realtime API for transcriptions, ``wss://…/v1/realtime?intent=transcription``, over the known-speech matcher."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
import secrets
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field

from simulator.audio import from_s16le
from simulator.openai_wire import OpenAIError, broken, checked, too_many

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.faults import Fault, FaultBoard
    from simulator.room import Room

PATH = "/v1/realtime"
RATE = 24000
_BYTES_PER_SECOND = RATE * 2
_MIN_AUDIO_SECS = 0.1
_MAX_EVENT = 15 * 1024 * 1024 * 4 // 3 + 1024  # 15 MiB of audio in base64, and its envelope
_SESSION_SECS = 3600
_WHISPER = "gpt-realtime-whisper"
_Model = Literal["gpt-realtime-whisper", "gpt-live-transcribe", "gpt-transcribe", "gpt-4o-transcribe"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Format(_Part):
    """Of the documented formats only the uncompressed is understood here."""

    type: Literal["audio/pcm"]
    rate: Literal[24000] = 24000


class Transcription(_Part):
    """With which model, and what it is told."""

    model: _Model
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None
    prompt: str | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class NoiseReduction(_Part):
    """How the microphone is."""

    type: Literal["near_field", "far_field"]


class TurnDetection(_Part):
    """Documented, but refused by the models that are meant for this; nobody detects turns here."""

    type: Literal["server_vad", "semantic_vad"]
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None


class Input(_Part):
    """What the caller's sound is and what becomes of it."""

    format: Format | None = None
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = None


class Audio(_Part):
    """A transcription session has no output."""

    input: Input | None = None


class Session(_Part):
    """What ``session.update`` may change."""

    type: Literal["transcription"]
    audio: Audio | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None


class _Event(_Part):
    event_id: Annotated[str, Field(max_length=512)] | None = None


class SessionUpdate(_Event):
    """``session.update``."""

    type: Literal["session.update"]
    session: Session


class Append(_Event):
    """``input_audio_buffer.append``."""

    type: Literal["input_audio_buffer.append"]
    audio: str


class Commit(_Event):
    """``input_audio_buffer.commit``."""

    type: Literal["input_audio_buffer.commit"]


class Clear(_Event):
    """``input_audio_buffer.clear``."""

    type: Literal["input_audio_buffer.clear"]


_CLIENT_EVENTS: dict[str, type[_Event]] = {
    "session.update": SessionUpdate,
    "input_audio_buffer.append": Append,
    "input_audio_buffer.commit": Commit,
    "input_audio_buffer.clear": Clear,
}


class Realtime:
    """Serves the sessions of one account."""

    def __init__(self, faults: FaultBoard, room: Room) -> None:
        self._faults = faults
        self._room = room

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        if request.query.get("intent") != "transcription":
            message = "You must provide a model parameter, or open a session with ?intent=transcription."
            raise OpenAIError.invalid(message, param="model", code="missing_model")
        if "OpenAI-Beta" in request.headers:
            message = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
            raise OpenAIError(HTTPStatus.BAD_REQUEST, message, code="beta_api_shape_disabled")
        socket = web.WebSocketResponse(max_msg_size=_MAX_EVENT)
        await socket.prepare(request)
        async with asyncio.TaskGroup() as work:
            connection = _Connection(request, socket, self._faults, self._room, work)
            await connection.serve()
        return socket


class _Connection:
    """One session, from its websocket's opening to its end."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        faults: FaultBoard,
        room: Room,
        work: asyncio.TaskGroup,
    ) -> None:
        self._request = request
        self._socket = socket
        self._faults = faults
        self._room = room
        self._work = work
        self._pending: set[asyncio.Task[None]] = set()
        self._buffer = bytearray()
        self._last_item: str | None = None
        self._input = Input(format=Format(type="audio/pcm"))
        self._session_id = _id("sess")
        self._expires = int(time.time()) + _SESSION_SECS

    async def serve(self) -> None:
        await self._send("session.created", session=self._session())
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                await self._take(message.data)
            elif message.type is WSMsgType.BINARY:
                await self._refuse(OpenAIError.invalid("Binary messages are not supported."), None)
        for task in self._pending:
            task.cancel()

    async def _take(self, text: str) -> None:
        event_id = None
        try:
            given = _object(text)
            event_id = given.get("event_id")
            await self._obey(_client_event(given))
        except OpenAIError as error:
            await self._refuse(error, event_id)

    async def _obey(self, event: _Event) -> None:
        match event:
            case SessionUpdate():
                self._update(event.session)
                await self._send("session.updated", session=self._session())
            case Append():
                self._buffer += _decoded(event.audio)
            case Commit():
                await self._commit()
            case Clear():
                self._buffer.clear()
                await self._send("input_audio_buffer.cleared")
            case _:
                raise NotImplementedError(event)

    def _update(self, session: Session) -> None:
        given = session.audio.input if session.audio else None
        if given is None:
            return
        changed = self._input.model_copy(update={name: getattr(given, name) for name in given.model_fields_set})
        if changed.turn_detection is not None:
            message = "Turn detection is not supported for this transcription model."
            raise OpenAIError.invalid(message, param="session.audio.input.turn_detection", code="invalid_value")
        wanted = changed.transcription
        if wanted is not None and wanted.model == _WHISPER and wanted.prompt:
            message = f"Prompt is not supported with {_WHISPER}."
            raise OpenAIError.invalid(message, param="session.audio.input.transcription.prompt", code="invalid_value")
        if wanted is not None and wanted.model != _WHISPER and wanted.delay:
            message = f"Delay is only supported with {_WHISPER}."
            raise OpenAIError.invalid(message, param="session.audio.input.transcription.delay", code="invalid_value")
        self._input = changed

    async def _commit(self) -> None:
        has_ms = 1000 * len(self._buffer) / _BYTES_PER_SECOND
        if has_ms < 1000 * _MIN_AUDIO_SECS:
            message = (
                "Error committing input audio buffer: buffer too small. "
                f"Expected at least 100ms of audio, but buffer only has {has_ms:.2f}ms of audio."
            )
            raise OpenAIError.invalid(message, code="input_audio_buffer_commit_empty")
        fault = self._faults.take("utterance")
        if fault is not None and fault.kind == "drop_before":
            self._drop()
            return
        if fault is not None and fault.kind == "error_500":
            await self._send("error", error={**broken().error, "event_id": None})
            return
        audio, item, before = bytes(self._buffer), _id("item"), self._last_item
        self._buffer.clear()
        self._last_item = item
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=before)
        message_item = {"id": item, "type": "message", "status": "completed", "role": "user"}
        content = [{"type": "input_audio", "transcript": None}]
        for name in ("conversation.item.added", "conversation.item.done"):
            await self._send(name, item={**message_item, "content": content}, previous_item_id=before)
        if fault is not None and fault.kind == "drop_after":
            self._drop()
        elif self._input.transcription is not None:
            task = self._work.create_task(self._transcribe(item, audio, fault))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def _transcribe(self, item: str, audio: bytes, fault: Fault | None) -> None:
        of_item: dict[str, Any] = {"item_id": item, "content_index": 0}
        name = "conversation.item.input_audio_transcription"
        if fault is not None and fault.kind in ("error_500_after", "rate_limited"):
            error = too_many() if fault.kind == "rate_limited" else broken()
            await self._send(f"{name}.failed", **of_item, error=error.error)
            return
        if fault is not None:
            await asyncio.sleep(fault.seconds)
        heard = await self._room.hear(from_s16le(audio), RATE)
        if heard.text:
            await self._send(f"{name}.delta", **of_item, delta=heard.text)
        usage = {"type": "duration", "seconds": math.ceil(len(audio) / _BYTES_PER_SECOND)}
        await self._send(f"{name}.completed", **of_item, transcript=heard.text, usage=usage)

    def _session(self) -> dict[str, Any]:
        return {
            "type": "transcription",
            "object": "realtime.transcription_session",
            "id": self._session_id,
            "expires_at": self._expires,
            "audio": {"input": self._input.model_dump()},
            "include": None,
        }

    async def _refuse(self, error: OpenAIError, event_id: object) -> None:
        """Tell what is wrong; the session stays open, as most of them do at OpenAI."""
        await self._send("error", error={**error.error, "event_id": event_id if isinstance(event_id, str) else None})

    async def _send(self, name: str, **what: Any) -> None:
        if not self._socket.closed:
            await self._socket.send_str(json.dumps({"type": name, "event_id": _id("event"), **what}))

    def _drop(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()


def _object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise OpenAIError.invalid("We could not parse the JSON of your event.", code="invalid_json") from error
    if not isinstance(given, dict):
        raise OpenAIError.invalid("An event must be a JSON object.", code="invalid_json")
    return given


def _client_event(given: Mapping[str, Any]) -> _Event:
    kind = _CLIENT_EVENTS.get(str(given.get("type")))
    if kind is None:
        known = ", ".join(f"'{name}'" for name in _CLIENT_EVENTS)
        message = f"Invalid value: '{given.get('type')}'. Supported values are: {known}."
        raise OpenAIError.invalid(message, param="type", code="invalid_value")
    session = given.get("session")
    if isinstance(session, dict) and session.get("type") == "realtime":
        message = "Passing a realtime session update event to a transcription session is not allowed."
        raise OpenAIError.invalid(message, param="session.type", code="invalid_value")
    return checked(lambda: kind.model_validate(given))


def _decoded(audio: str) -> bytes:
    try:
        pcm = base64.b64decode(audio, validate=True)
    except binascii.Error as error:
        message = "Invalid 'audio'. Expected base64-encoded audio bytes."
        raise OpenAIError.invalid(message, param="audio", code="invalid_value") from error
    return pcm[: len(pcm) // 2 * 2]


def _id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(10)}"
