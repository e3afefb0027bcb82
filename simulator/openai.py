"""The OpenAI stand-in: chat by a scripted model, transcriptions by a known-speech matcher, speech by espeak-ng."""

from __future__ import annotations

import asyncio
import hmac
import math
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from simulator.audio import at_level, read_wav, to_s16le, write_wav
from simulator.faults import fault_middleware, fault_routes
from simulator.openai_chat import ChatRequest, Completion
from simulator.openai_realtime import PATH as REALTIME
from simulator.openai_realtime import Realtime
from simulator.openai_wire import OpenAIError, checked, rate_limited, server_error, wrong_key
from simulator.room import Room
from simulator.voices import at_rate, speak

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler
    from multidict import MultiDictProxy

    from simulator.audio import Pcm
    from simulator.faults import FaultBoard
    from simulator.hearing import Heard
    from simulator.world import Credentials

CHAT = "/v1/chat/completions"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
SPEECH = "/v1/audio/speech"
AGENT_VOICE = "en-us+m3"
"""Every voice of OpenAI's sounds like this one here; a caller takes another."""

SPEECH_RATE = 24000
_CHUNK = SPEECH_RATE * 2 // 10  # bytes of 0.1 s
_WORDS_PER_MINUTE = 165
_MAX_UPLOAD = 25 * 1024 * 1024
_MIN_AUDIO_SECS = 0.1
_MODELS = (
    "gpt-6-luna", "gpt-4.1", "gpt-4o-mini-tts", "gpt-4o-transcribe", "gpt-transcribe", "gpt-realtime-whisper"
)  # fmt: skip
_MATCHER = "known-speech matcher"
_Voice = Literal[
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"
]  # fmt: skip


class SpeechRequest(BaseModel):
    """The body of ``POST /v1/audio/speech``; of OpenAI's formats only the uncompressed are made here."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1)]
    input: Annotated[str, Field(min_length=1, max_length=4096)]
    voice: _Voice
    instructions: str | None = None
    response_format: Literal["pcm", "wav"]
    speed: Annotated[float, Field(ge=0.25, le=4.0)] = 1.0
    stream_format: Literal["audio"] = "audio"


class TranscriptionRequest(BaseModel):
    """The fields of ``POST /v1/audio/transcriptions`` beside the file."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1)]
    language: str | None = None
    languages: Annotated[list[str], Field(alias="languages[]")] = []
    prompt: str | None = None
    keywords: Annotated[list[str], Field(alias="keywords[]")] = []
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    response_format: Literal["json", "text"] = "json"
    include: Annotated[list[Literal["logprobs"]], Field(alias="include[]")] = []
    chunking_strategy: Literal["auto"] | None = None
    stream: Literal["false"] | None = None


class OpenAIStandIn:
    """The handlers of one account."""

    def __init__(self, api_key: str, faults: FaultBoard, room: Room) -> None:
        self._authorization = f"Bearer {api_key}"
        self._faults = faults
        self._room = room
        self._realtime = Realtime(faults, room)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/models", self.list_models),
            web.post(CHAT, self.chat),
            web.post(TRANSCRIPTIONS, self.transcribe),
            web.post(SPEECH, self.speech),
            web.get(REALTIME, self._realtime.connect),
            web.get("/control/state", self.state),
            *self._room.routes(),
        ]

    @web.middleware
    async def answer_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn errors into OpenAI's envelope."""
        if request.path.startswith("/control/"):
            return await handler(request)
        try:
            self._check_key(request)
            return await handler(request)
        except OpenAIError as error:
            return error.answer()
        except web.HTTPMethodNotAllowed:
            message = f"Not allowed to {request.method} on {request.path}."
            return OpenAIError(HTTPStatus.METHOD_NOT_ALLOWED, message, code="method_not_supported").answer()
        except web.HTTPNotFound:
            message = f"Invalid URL ({request.method} {request.path})"
            return OpenAIError(HTTPStatus.NOT_FOUND, message).answer()
        except web.HTTPRequestEntityTooLarge:
            message = f"Maximum content size limit ({_MAX_UPLOAD}) exceeded."
            return OpenAIError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message).answer()

    async def list_models(self, _request: web.Request) -> web.Response:
        models = [{"id": name, "object": "model", "created": 1744316542, "owned_by": "simulator"} for name in _MODELS]
        return web.json_response({"object": "list", "data": models})

    async def chat(self, request: web.Request) -> web.Response:
        body = await request.read()
        order = checked(lambda: ChatRequest.model_validate_json(body))
        order.check()
        completion = Completion(order)
        if order.stream:
            return web.Response(body=completion.events(), content_type="text/event-stream", charset="utf-8")
        return web.json_response(completion.whole())

    async def transcribe(self, request: web.Request) -> web.Response:
        recording, order = await _uploaded(request)
        try:
            pcm, rate = read_wav(recording)
        except ValueError as error:
            message = "Audio file might be corrupted or unsupported"
            raise OpenAIError.invalid(message, param="file", code="invalid_value") from error
        if len(pcm) < _MIN_AUDIO_SECS * rate:
            message = f"Audio file is too short. Minimum audio length is {_MIN_AUDIO_SECS} seconds."
            raise OpenAIError.invalid(message, param="file", code="audio_too_short")
        heard = await self._room.hear(pcm, rate)
        return _transcription(heard, order.response_format, secs=math.ceil(len(pcm) / rate))

    async def speech(self, request: web.Request) -> web.Response:
        body = await request.read()
        order = checked(lambda: SpeechRequest.model_validate_json(body))
        await self._room.note_spoken(order.input)
        pcm = await asyncio.to_thread(_agent_speech, order.input, order.speed)
        if order.response_format == "wav":
            return web.Response(body=_chunks(write_wav(SPEECH_RATE, pcm)), content_type="audio/wav")
        return web.Response(body=_chunks(to_s16le(pcm)), content_type="audio/pcm")

    async def state(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "faults": self._faults.fired,
                "transcription": _MATCHER,
                "agent_voice": AGENT_VOICE,
                **self._room.state(),
            }
        )

    def _check_key(self, request: web.Request) -> None:
        given = request.headers.get("Authorization")
        if given is None or not hmac.compare_digest(given.encode(), self._authorization.encode()):
            raise wrong_key(given)


def build_app(credentials: Credentials, faults: FaultBoard, room: Room | None = None) -> web.Application:
    """Return the stand-in as an application that accepts these credentials and obeys these faults.

    Args:
        room: Where it takes part beside others; left out, it is alone.
    """
    return _build(credentials.openai_api_key, faults, room or Room())


def build_fallback(credentials: Credentials, faults: FaultBoard, room: Room) -> web.Application:
    """Return another of the same kind, with an account of its own, that stands in for the first."""
    return _build(credentials.fallback_api_key, faults, room)


def _build(api_key: str, faults: FaultBoard, room: Room) -> web.Application:
    stand_in = OpenAIStandIn(api_key, faults, room)
    operations = {
        ("POST", TRANSCRIPTIONS): "transcribe",
        ("POST", CHAT): "chat",
        ("POST", SPEECH): "speech",
        ("GET", REALTIME): "realtime",
    }
    act_out = fault_middleware(faults, operations, error_500=server_error, rate_limited=rate_limited)
    app = web.Application(middlewares=[act_out, stand_in.answer_errors], client_max_size=_MAX_UPLOAD)
    app.add_routes([*stand_in.routes(), *fault_routes(faults)])
    app.on_response_prepare.append(_sign)
    return app


async def _sign(_request: web.Request, response: web.StreamResponse) -> None:
    """Say in every answer what it comes from."""
    response.headers["x-simulator"] = "known-speech"
    response.headers["x-request-id"] = f"req_{secrets.token_hex(16)}"


async def _uploaded(request: web.Request) -> tuple[bytes, TranscriptionRequest]:
    """Return the file and the other fields of a transcription request."""
    if request.content_type != "multipart/form-data":
        raise OpenAIError.invalid("Could not parse multipart form")
    recording: bytes | None = None
    fields: dict[str, Any] = {}
    for name, value in (await _form(request)).items():
        if isinstance(value, web.FileField) and name == "file":
            recording = value.file.read()
        elif name.endswith("[]"):
            fields.setdefault(name, []).append(value)
        else:
            fields[name] = value
    if recording is None:
        message = "Missing required parameter: 'file'."
        raise OpenAIError.invalid(message, param="file", code="missing_required_parameter")
    return recording, checked(lambda: TranscriptionRequest.model_validate(fields))


async def _form(request: web.Request) -> MultiDictProxy[str | bytes | bytearray | web.FileField]:
    try:
        return await request.post()
    except ValueError as error:
        raise OpenAIError.invalid("Could not parse multipart form") from error


def _transcription(heard: Heard, response_format: str, *, secs: int) -> web.Response:
    if response_format == "text":
        return web.Response(text=heard.text + "\n")
    return web.json_response({"text": heard.text, "usage": {"type": "duration", "seconds": secs}})


def _agent_speech(text: str, speed: float) -> Pcm:
    words_per_minute = min(max(round(_WORDS_PER_MINUTE * speed), 80), 450)  # all that espeak can do
    return at_level(at_rate(speak(text, AGENT_VOICE, words_per_minute), SPEECH_RATE))


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), _CHUNK):
        yield data[at : at + _CHUNK]
