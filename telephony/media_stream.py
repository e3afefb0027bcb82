"""Twilio's Media Streams: opening a stream, and translating its messages to Pipecat's frames and back."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from pipecat.frames.frames import Frame, InterruptionFrame, OutputTransportMessageFrame
from pipecat.serializers.twilio import TwilioFrameSerializer
from pydantic import BaseModel, Field, ValidationError
from starlette.websockets import WebSocketDisconnect

from telephony.errors import BadToken, ForbiddenRequest, MalformedStream, TelephonyError
from telephony.urls import MEDIA_PATH

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from fastapi import WebSocket

    from telephony.signature import RequestSignatures
    from telephony.tokens import StreamTokens

log = structlog.get_logger(__name__)

MAX_FRAME_BYTES: Final = 64 * 1024
"""Twilio's messages are some 300 bytes long. The server should refuse larger ones than this before reading them."""
FULL_ATTESTATION: Final = "A"
"""STIR/SHAKEN's word for it: the carrier knows the caller, and that the number is theirs to use."""
_TWILIO_KEYS: Final = frozenset("0123456789*#ABCD")
_POLICY_VIOLATION: Final = 1008


@dataclass(frozen=True, slots=True)
class CallStart:
    """Who calls whom on a stream that was checked. `caller` is "" when withheld; `parameters` are the TwiML's.

    `is_attested` claims that the carrier vouches for the caller's right to the number.
    """

    call_sid: str
    stream_sid: str
    account_sid: str
    caller: str
    called: str
    is_attested: bool
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StreamChecks:
    """What a stream must pass before anything is started for it.

    `use_token` records that a token was used, and returns False when it had been used before.
    """

    signatures: RequestSignatures
    tokens: StreamTokens
    account_sid: str
    use_token: Callable[[str, datetime], Awaitable[bool]]
    start_timeout: timedelta = timedelta(seconds=5)


class _Start(BaseModel):
    call_sid: str = Field(alias="callSid", pattern=r"^CA[0-9a-fA-F]{32}$")
    stream_sid: str = Field(alias="streamSid", pattern=r"^MZ[0-9a-fA-F]{32}$")
    account_sid: str = Field(alias="accountSid")
    parameters: dict[str, str] = Field(alias="customParameters", default_factory=dict)


class _StartMessage(BaseModel):
    start: _Start


async def accept(websocket: WebSocket, *, checks: StreamChecks) -> CallStart:
    """Open a stream and return whose call it carries. A stream that fails a check is closed.

    Raises:
        ForbiddenRequest: the upgrade was not signed; it was answered with 403.
        MalformedStream: no proper `start` came in time; closed with 1008.
        BadToken: the stream does not belong to a call that we answered, or says something else; closed with 1008.
    """
    if not checks.signatures.upgrade_is_signed(MEDIA_PATH, websocket.headers.get("x-twilio-signature")):
        await _refuse(websocket)  # before accept(), this denies the upgrade with 403
        raise ForbiddenRequest("the upgrade is not signed by Twilio")
    await websocket.accept()
    try:
        async with asyncio.timeout(checks.start_timeout.total_seconds()):
            start = await _receive_start(websocket)
            parameters = {name: value for name, value in start.parameters.items() if name != "token"}
            await _check_start(start, parameters, checks)
    except TimeoutError as error:
        await _refuse(websocket)
        raise MalformedStream("the stream did not start in time") from error
    except WebSocketDisconnect as error:
        raise MalformedStream("the stream closed before it started") from error
    except TelephonyError:
        await _refuse(websocket)
        raise
    return CallStart(
        call_sid=start.call_sid,
        stream_sid=start.stream_sid,
        account_sid=start.account_sid,
        caller=parameters.get("caller", ""),
        called=parameters.get("called", ""),
        is_attested=parameters.get("attestation") == FULL_ATTESTATION,
        parameters=parameters,
    )


async def _refuse(websocket: WebSocket) -> None:
    with suppress(WebSocketDisconnect):  # the peer may be gone by now
        await websocket.close(_POLICY_VIOLATION)


async def _receive_start(websocket: WebSocket) -> _Start:
    if _event_of(await _receive_text(websocket)) != "connected":
        raise MalformedStream("the first message is not `connected`")
    text = await _receive_text(websocket)
    if _event_of(text) != "start":
        raise MalformedStream("the second message is not `start`")
    try:
        return _StartMessage.model_validate_json(text).start
    except ValidationError:
        # The cause holds the message, and so the token and the caller's number.
        raise MalformedStream("the `start` message lacks a field") from None


async def _receive_text(websocket: WebSocket) -> str:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text = message.get("text")
    if not isinstance(text, str) or len(text) > MAX_FRAME_BYTES:
        raise MalformedStream("a message is binary or too long")
    return text


def _event_of(text: str) -> object:
    try:
        return _parse(text).get("event")
    except _BadFrame as error:
        raise MalformedStream(str(error)) from None


async def _check_start(start: _Start, parameters: Mapping[str, str], checks: StreamChecks) -> None:
    if start.account_sid != checks.account_sid:
        raise BadToken("the stream belongs to another account")
    claim = checks.tokens.check(start.parameters.get("token", ""), start.call_sid, parameters)
    if not await checks.use_token(claim.token_id, claim.expires):
        raise BadToken("the token was used before")


class Played:
    """Whether what was said before a mark has been played to the caller."""

    def __init__(self) -> None:
        self._settled = asyncio.Event()
        self._is_played = False

    async def wait(self) -> bool:
        """Wait until it is known. False: the caller spoke over it or is gone, so not all was heard."""
        await self._settled.wait()
        return self._is_played

    def settle(self, *, is_played: bool) -> None:
        self._is_played = is_played
        self._settled.set()


class MediaStreamSerializer(TwilioFrameSerializer):
    """Pipecat's serializer with marks, a deaf ear for malformed messages, and no hanging up of its own."""

    def __init__(
        self,
        start: CallStart,
        *,
        on_flood: Callable[[], None],
        flood_limit: int = 50,
        flood_window: timedelta = timedelta(seconds=10),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Translate for the stream of `start`.

        More than `flood_limit` malformed messages within `flood_window` call `on_flood` once, and nothing more is
        taken from the stream. It must return at once: it runs inside the task that reads the stream.
        """
        super().__init__(
            start.stream_sid,
            call_sid=start.call_sid,
            # A stalled stream would otherwise lose the audio that the resampler holds, in the middle of a word.
            params=TwilioFrameSerializer.InputParams(auto_hang_up=False, resampler_clear_after_secs=None),
        )
        self._marks: dict[str, Played] = {}
        self._marks_made = 0
        self._generation = 0
        self._ignored: deque[float] = deque(maxlen=flood_limit + 1)
        self._flood_window_secs = flood_window.total_seconds()
        self._on_flood = on_flood
        self._monotonic = monotonic
        self._has_logged_ignored = False
        self._is_flooded = False

    def mark(self, name: str) -> tuple[OutputTransportMessageFrame, Played]:
        """Return a frame to queue behind what is said, and the answer to whether that was played to its end."""
        self._marks_made += 1
        # Twilio also echoes the marks that a `clear` flushes: their generation tells those from played ones.
        key = f"{name}.{self._generation}.{self._marks_made}"
        played = self._marks[key] = Played()
        message = {"event": "mark", "streamSid": self._stream_sid, "mark": {"name": key}}
        return OutputTransportMessageFrame(message=message), played

    def discard_marks(self) -> None:
        """Settle every waiting mark as not played."""
        self._generation += 1
        for played in self._marks.values():
            played.settle(is_played=False)
        self._marks.clear()

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Return the message for Twilio that `frame` stands for, None when there is none."""
        if isinstance(frame, InterruptionFrame):
            self.discard_marks()
        return await super().serialize(frame)

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """Return the frame that Twilio's message stands for, None when there is none or it is malformed."""
        if self._is_flooded:
            return None
        try:
            message = _parse(data)
            event = message.get("event")
            self._check_stream(message)
            if event == "media":
                _check_audio(message)
                return await super().deserialize(data)
            if event == "dtmf":
                _check_key(message)
                return await super().deserialize(data)
            if event == "mark":
                self._settle(_text_in(message, "mark", "name"))
            elif event == "stop":
                self.discard_marks()
            else:
                raise _BadFrame("unknown event")
        except _BadFrame as error:
            self._ignore(str(error))
        return None

    def _check_stream(self, message: Mapping[str, Any]) -> None:
        if message.get("streamSid") != self._stream_sid:
            raise _BadFrame("another stream's message")

    def _settle(self, key: str) -> None:
        played = self._marks.pop(key, None)
        if played is not None:  # else a `clear` was faster
            played.settle(is_played=True)

    def _ignore(self, reason: str) -> None:
        """Note a malformed message; the reason never quotes it."""
        if not self._has_logged_ignored:
            self._has_logged_ignored = True
            log.warning("media_frame_ignored", reason=reason)
        now = self._monotonic()
        self._ignored.append(now)
        is_full = len(self._ignored) == self._ignored.maxlen
        if is_full and now - self._ignored[0] <= self._flood_window_secs:
            self._is_flooded = True
            log.error("media_stream_flooded", reason=reason, malformed_frames=len(self._ignored))
            self._on_flood()


class _BadFrame(Exception):
    """A message that Twilio would not send. Says why, in words that quote nothing of it."""


def _parse(data: str | bytes) -> dict[str, Any]:
    if not isinstance(data, str):
        raise _BadFrame("binary")
    if len(data) > MAX_FRAME_BYTES:
        raise _BadFrame("too long")
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):  # RecursionError: thousands of nested brackets
        raise _BadFrame("not JSON") from None
    if not isinstance(message, dict):
        raise _BadFrame("not an object")
    return message


def _text_in(message: Mapping[str, Any], event: str, name: str) -> str:
    part = message.get(event)
    value = part.get(name) if isinstance(part, dict) else None
    if not isinstance(value, str):
        raise _BadFrame(f"no {event}.{name}")
    return value


def _check_audio(message: Mapping[str, Any]) -> None:
    try:
        base64.b64decode(_text_in(message, "media", "payload"), validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        raise _BadFrame("bad base64") from None


def _check_key(message: Mapping[str, Any]) -> None:
    if _text_in(message, "dtmf", "digit") not in _TWILIO_KEYS:
        raise _BadFrame("unknown key")
