"""Twilio's side of the Media Streams websocket: real-time frames, the playout with its marks, strict reading."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from simulator.signing import sign

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from websockets.asyncio.client import ClientConnection

FRAME_BYTES = 160
FRAME_SECS = 0.02
SILENCE = b"\xff" * FRAME_BYTES
"""20 ms of mu-law at 8 kHz."""

_SEND_TIMEOUT_SECS = 5.0


@dataclass(frozen=True, slots=True)
class CallerFrame:
    """What the caller does in one frame: 20 ms of sound, perhaps a key pressed, perhaps the last of the call.

    `breaks` claims that behind it the way to the worker is cut, while the caller stays on the line.
    """

    audio: bytes
    digit: str | None = None
    hangs_up: bool = False
    breaks: bool = False


class Party(Protocol):
    """The caller at the other end of the line, driven by the stream's clock."""

    def started(self) -> None:
        """A stream has started."""

    def frame(self, played: bytes) -> CallerFrame:
        """Hear 20 ms and return the 20 ms to send."""
        ...

    def cleared(self, dropped: bytes) -> None:
        """The worker took back `dropped`, which had not been played."""

    def ended(self, unplayed: bytes) -> None:
        """The stream is over; `unplayed` is never heard."""


class StreamEnd(StrEnum):
    """Who ended a stream."""

    CALLER = "caller"
    WORKER = "worker"
    COMPLETED = "completed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class StreamTarget:
    """Where a `<Stream>` goes and what it is told at the start."""

    url: str
    parameters: Mapping[str, str]


class Playout:
    """The agent's audio that has arrived and not been played, with the marks between."""

    def __init__(self) -> None:
        self._audio = bytearray()
        self._received = 0
        self._played = 0
        self._marks: deque[tuple[int, str]] = deque()

    @property
    def unplayed(self) -> bytes:
        return bytes(self._audio)

    def add(self, audio: bytes) -> None:
        self._audio += audio
        self._received += len(audio)

    def mark(self, name: str) -> None:
        self._marks.append((self._received, name))

    def reached(self) -> list[str]:
        """Return the marks before which everything has been played, each once."""
        names = []
        while self._marks and self._marks[0][0] <= self._played:
            names.append(self._marks.popleft()[1])
        return names

    def play(self) -> bytes:
        """Take the next 20 ms, silence where nothing is left."""
        frame = bytes(self._audio[:FRAME_BYTES])
        del self._audio[:FRAME_BYTES]
        self._played += len(frame)
        return frame.ljust(FRAME_BYTES, SILENCE[:1])

    def clear(self) -> list[str]:
        """Drop what has not been played and return every pending mark, as Twilio echoes them all at once."""
        self._audio.clear()
        self._played = self._received
        return self.reached()


class MediaStream:
    """One websocket between Twilio and the worker, at the pace of the line."""

    def __init__(
        self,
        websocket: ClientConnection,
        target: StreamTarget,
        party: Party,
        *,
        account_sid: str,
        call_sid: str,
        stream_sid: str,
        problem: Callable[[str], None],
    ) -> None:
        self._websocket = websocket
        self._target = target
        self._party = party
        self._account_sid = account_sid
        self._call_sid = call_sid
        self._stream_sid = stream_sid
        self._problem = problem
        self._playout = Playout()
        self._numbers = count(1)
        self.max_lag_secs = 0.0

    async def run(self, completed: asyncio.Event) -> StreamEnd:
        """Carry the call until somebody ends it; `completed` is set when the call is ended through REST."""
        reading = asyncio.create_task(self._read())
        try:
            await self._announce()
            return await self._talk(reading, completed)
        except ConnectionClosed:
            return StreamEnd.WORKER
        except TimeoutError:
            self._problem("the worker stopped reading its media stream")
            return StreamEnd.WORKER
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            self._party.ended(self._playout.unplayed)

    async def _announce(self) -> None:
        await self._send_json({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self._send(
            "start",
            start={
                "streamSid": self._stream_sid,
                "accountSid": self._account_sid,
                "callSid": self._call_sid,
                "tracks": ["inbound"],
                "customParameters": dict(self._target.parameters),
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            },
        )
        self._party.started()

    async def _talk(self, reading: asyncio.Task[None], completed: asyncio.Event) -> StreamEnd:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for number in count():
            # Against an absolute schedule, so that a late frame makes none after it late.
            ahead = begin + number * FRAME_SECS - loop.time()
            self.max_lag_secs = max(self.max_lag_secs, -ahead)
            await asyncio.sleep(max(ahead, 0.0))
            if completed.is_set():
                await self._stop()
                return StreamEnd.COMPLETED
            if reading.done():
                return StreamEnd.WORKER
            await self._echo(self._playout.reached())
            frame = self._party.frame(self._playout.play())
            await self._send_frame(number, frame)
            if frame.hangs_up:
                await self._stop()
                return StreamEnd.CALLER
            if frame.breaks:
                # Without a `stop` and without a closing handshake, as when a cable is cut.
                self._websocket.transport.abort()
                return StreamEnd.WORKER
        raise AssertionError("a call ends before the numbers do")

    async def _send_frame(self, number: int, frame: CallerFrame) -> None:
        payload = base64.b64encode(frame.audio).decode()
        timestamp = str(round(number * FRAME_SECS * 1000))
        await self._send(
            "media", media={"track": "inbound", "chunk": str(number + 1), "timestamp": timestamp, "payload": payload}
        )
        if frame.digit:
            await self._send("dtmf", dtmf={"track": "inbound_track", "digit": frame.digit})

    async def _stop(self) -> None:
        await self._send("stop", stop={"accountSid": self._account_sid, "callSid": self._call_sid})

    async def _echo(self, names: list[str]) -> None:
        for name in names:
            await self._send("mark", mark={"name": name})

    async def _send(self, event: str, **content: Any) -> None:
        await self._send_json(
            {"event": event, "sequenceNumber": str(next(self._numbers)), "streamSid": self._stream_sid, **content}
        )

    async def _send_json(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(_SEND_TIMEOUT_SECS):
            await self._websocket.send(json.dumps(message))

    async def _read(self) -> None:
        try:
            async for message in self._websocket:
                await self._take(message)
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            self._problem(f"31921: the worker closed the media stream with {code}")

    async def _take(self, message: str | bytes) -> None:
        try:
            event = _parsed(message, self._stream_sid)
            match event["event"]:
                case "media":
                    self._playout.add(_payload(event))
                case "mark":
                    self._playout.mark(_mark_name(event))
                case "clear":
                    dropped = self._playout.unplayed
                    names = self._playout.clear()
                    self._party.cleared(dropped)
                    await self._echo(names)
                case other:
                    raise _Malformed(f"unknown event {other!r}")
        except _Malformed as malformed:
            self._problem(f"31950: the worker sent a malformed message: {malformed}")


class _Malformed(ValueError):
    """A message that Twilio would ignore with a warning."""


def _parsed(message: str | bytes, stream_sid: str) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise _Malformed("a binary frame")
    try:
        event = json.loads(message)
    except json.JSONDecodeError:
        raise _Malformed("not JSON") from None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise _Malformed("no event")
    if event.get("streamSid") != stream_sid:
        raise _Malformed(f"{event['event']} for another streamSid")
    return event


def _payload(event: dict[str, Any]) -> bytes:
    media = event.get("media")
    payload = media.get("payload") if isinstance(media, dict) else None
    if not isinstance(payload, str):
        raise _Malformed("media without a payload")
    try:
        audio = base64.b64decode(payload, validate=True)
    except binascii.Error:
        raise _Malformed("a payload that is not base64") from None
    if not audio or audio.startswith(b"RIFF"):
        raise _Malformed("a payload that is empty or has a file header")
    return audio


def _mark_name(event: dict[str, Any]) -> str:
    mark = event.get("mark")
    name = mark.get("name") if isinstance(mark, dict) else None
    if not isinstance(name, str) or not name:
        raise _Malformed("a mark without a name")
    return name


async def open_stream(target: StreamTarget, auth_token: str) -> ClientConnection:
    """Open the websocket with its upgrade signed over exactly the URL of the TwiML.

    Raises:
        StreamRefused: the worker cannot be reached there or does not accept.
    """
    try:
        return await connect(
            target.url,
            additional_headers={"X-Twilio-Signature": sign(auth_token, target.url, {})},
            user_agent_header="Twilio.TmeWs/1.0",
            compression=None,
            open_timeout=5,
            close_timeout=2,
            ping_interval=None,
            proxy=None,
        )
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
        raise StreamRefused(f"31920: the media stream was not accepted: {error}") from error


class StreamRefused(Exception):
    """The worker did not take the media stream."""


async def close(websocket: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        await websocket.close()
