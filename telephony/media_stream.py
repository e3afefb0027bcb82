"""Twilio's Media Streams: opening a stream, and the messages that pass on it."""

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
_KEYS: Final = frozenset("0123456789*#")
_KEYS_OF_NO_TELEPHONE: Final = frozenset("ABCD")
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


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The caller pressed `key`: a digit, * or #."""

    key: str


@dataclass(frozen=True, slots=True)
class StreamStopped:
    """Nothing follows on the stream."""


class MediaStream:
    """The messages of one stream: reads Twilio's, each once and with a deaf ear for malformed ones, and words ours."""

    def __init__(
        self,
        start: CallStart,
        *,
        on_flood: Callable[[], None],
        flood_limit: int = 50,
        flood_window: timedelta = timedelta(seconds=10),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Speak on the stream of `start`.

        More than `flood_limit` malformed messages within `flood_window` call `on_flood` once, and nothing more is
        taken from the stream. It must return at once: it runs inside the task that reads the stream.
        """
        self._stream_sid = start.stream_sid
        of_stream = f'"streamSid":"{start.stream_sid}"'
        self._media_head = f'{{"event":"media",{of_stream},"media":{{"payload":"'
        self._mark_head = f'{{"event":"mark",{of_stream},"mark":{{"name":"'
        self._clear = f'{{"event":"clear",{of_stream}}}'
        self._marks: dict[str, Callable[[], None]] = {}
        self._marks_made = 0
        self._ignored: deque[float] = deque(maxlen=flood_limit + 1)
        self._flood_window_secs = flood_window.total_seconds()
        self._on_flood = on_flood
        self._monotonic = monotonic
        self._has_logged_ignored = False
        self._is_flooded = False

    def media(self, mulaw: bytes) -> str:
        """Return the message that plays `mulaw` after what was sent before."""
        return f'{self._media_head}{binascii.b2a_base64(mulaw, newline=False).decode("ascii")}"}}}}'

    def mark(self, on_played: Callable[[], None]) -> str:
        """Return a message to send behind audio; `on_played` is called when that was played to its end."""
        self._marks_made += 1
        name = f"m{self._marks_made}"
        self._marks[name] = on_played
        return f'{self._mark_head}{name}"}}}}'

    def clear(self) -> str:
        """Return the message that drops what was sent and has not been played, and forget the marks in it."""
        # Twilio echoes the marks that it drops as well. No name is used twice, so theirs mean nothing any more.
        self._marks.clear()
        return self._clear

    def read(self, message: str | bytes) -> bytes | KeyPressed | StreamStopped | None:
        """Return the caller's sound as mu-law, or what else a message tells; None: nothing, or it is malformed."""
        if self._is_flooded:
            return None
        try:
            return self._read(_parse(message))
        except _BadFrame as error:
            self._ignore(str(error))
            return None

    def _read(self, message: Mapping[str, Any]) -> bytes | KeyPressed | StreamStopped | None:
        event = message.get("event")
        if message.get("streamSid") != self._stream_sid:
            raise _BadFrame("another stream's message")
        if event == "media":
            return _audio(message) or None
        if event == "dtmf":
            return _key(message)
        if event == "mark":
            on_played = self._marks.pop(_text_in(message, "mark", "name"), None)
            if on_played is not None:  # else a `clear` was faster
                on_played()
            return None
        if event == "stop":
            return StreamStopped()
        raise _BadFrame("unknown event")

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


def _audio(message: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(_text_in(message, "media", "payload"), validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        raise _BadFrame("bad base64") from None


def _key(message: Mapping[str, Any]) -> KeyPressed | None:
    key = _text_in(message, "dtmf", "digit")
    if key in _KEYS:
        return KeyPressed(key)
    if key in _KEYS_OF_NO_TELEPHONE:
        return None
    raise _BadFrame("unknown key")
