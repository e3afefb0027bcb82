"""Twilio's side of one call of a bench, at the pace of the line: who rings, what is sent, what is heard and when.

`simulator.media_edge` is the strict one that is tested against; this one is made to cost little and to be punctual.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol
from xml.etree import ElementTree

import httpx
from websockets.exceptions import ConnectionClosed

from bench.line_marks import FRAME_BYTES
from simulator.media_edge import StreamRefused, StreamTarget, close, open_stream
from simulator.signing import SIGNATURE_HEADER, sign

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from simulator.world import Credentials

FRAME_SECS = 0.02


class Person(Protocol):
    """Who is on the phone. All moments are of `time.monotonic`."""

    def begin(self, at: float) -> None:
        """The stream has started: the call is answered."""

    def media(self, at: float, audio: bytes, *, plays_at_once: bool) -> None:
        """Audio of the worker has arrived."""

    def cleared(self, at: float) -> None:
        """The worker took back what has not been played."""

    def tick(self, at: float, heard: bytes, missing: int) -> str | None:
        """Hear 20 ms, of which the last `missing` samples were not there, and return a payload, or None to hang up."""


class Playout:
    """The worker's audio that has not been played, with the marks in between."""

    def __init__(self) -> None:
        self._audio = bytearray()
        self._received = self._played = 0
        self._marks: deque[tuple[int, str]] = deque()

    @property
    def is_empty(self) -> bool:
        return not self._audio

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

    def play(self) -> tuple[bytes, int]:
        """Take the next 20 ms, and say how many samples of it are silence because there was nothing left."""
        frame = bytes(self._audio[:FRAME_BYTES])
        del self._audio[:FRAME_BYTES]
        self._played += len(frame)
        return frame.ljust(FRAME_BYTES, b"\xff"), FRAME_BYTES - len(frame)

    def clear(self) -> None:
        """Drop what has not been played; every mark is reached by that, as Twilio echoes them all at once."""
        self._audio.clear()
        self._played = self._received


@dataclass(slots=True)
class Phone:
    """One incoming call at the worker's number.

    Args:
        http: What the webhooks are posted with.
        caller: The number that calls.
        called: The worker's.
    """

    http: httpx.AsyncClient
    worker_url: str
    credentials: Credentials
    caller: str
    called: str
    late_ms: list[float] = field(default_factory=list)
    """How late each 20 ms were sent: our own fault, never the worker's."""
    problems: list[str] = field(default_factory=list)
    """What Twilio would have complained about."""
    _call_sid: str = field(default_factory=lambda: f"CA{secrets.token_hex(16)}")
    _stream_sid: str = field(default_factory=lambda: f"MZ{secrets.token_hex(16)}")
    _playout: Playout = field(default_factory=Playout)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    async def call(self, person: Person) -> bool:
        """Ring, and carry the call until somebody ends it; returns False when it was not answered."""
        target = await self._ring()
        if target is None:
            return False
        try:
            websocket = await open_stream(target, self.credentials.twilio_auth_token)
        except StreamRefused as refused:
            self.problems.append(str(refused))
            return False
        try:
            await self._talk(websocket, target, person)
        finally:
            await close(websocket)
        await self._post("/twilio/status", CallStatus="completed", CallDuration="60", SequenceNumber="0")
        return True

    async def _ring(self) -> StreamTarget | None:
        answer = await self._post("/twilio/voice", CallStatus="ringing")
        stream = None
        if answer is not None and answer.is_success:
            stream = ElementTree.fromstring(answer.content).find("Connect/Stream")  # noqa: S314 -- of our own worker
        if stream is None:
            told = "nothing" if answer is None else f"{answer.status_code} {answer.text[:200]}"
            self.problems.append(f"the call was not taken: {told}")
            return None
        parameters = {each.get("name", ""): each.get("value", "") for each in stream.findall("Parameter")}
        return StreamTarget(stream.get("url", ""), parameters)

    async def _post(self, path: str, **fields: str) -> httpx.Response | None:
        form = {
            "CallSid": self._call_sid,
            "AccountSid": self.credentials.twilio_account_sid,
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
            "From": self.caller,
            "To": self.called,
            **fields,
        }
        url = f"{self.worker_url}{path}"
        headers = {SIGNATURE_HEADER: sign(self.credentials.twilio_auth_token, url, form)}
        try:
            return await self.http.post(url, data=form, headers=headers)
        except httpx.HTTPError as error:
            self.problems.append(f"{path} could not be reached: {error!r}")
            return None

    async def _talk(self, websocket: ClientConnection, target: StreamTarget, person: Person) -> None:
        await websocket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await websocket.send(json.dumps(self._event("start", start=self._start(target))))
        person.begin(time.monotonic())
        reading = asyncio.create_task(self._read(websocket, person))
        try:
            await self._send_frames(websocket, person, reading)
        except ConnectionClosed:
            self.problems.append("the worker closed the stream")
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _send_frames(self, websocket: ClientConnection, person: Person, reading: asyncio.Task[None]) -> None:
        began = time.monotonic()
        for number in count():
            # Against an absolute schedule, so that a late frame makes none after it late.
            due = began + number * FRAME_SECS
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
            now = time.monotonic()
            self.late_ms.append((now - due) * 1000)
            if reading.done():
                self.problems.append("the worker closed the stream")
                return
            await self._echo(websocket)
            sent = person.tick(now, *self._playout.play())
            if sent is None:
                stop = {"accountSid": self.credentials.twilio_account_sid, "callSid": self._call_sid}
                await websocket.send(json.dumps(self._event("stop", stop=stop)))
                return
            # Not by json.dumps: this is most of what a caller does.
            await websocket.send(
                f'{{"event":"media","sequenceNumber":"{next(self._numbers)}","streamSid":"{self._stream_sid}",'
                f'"media":{{"track":"inbound","chunk":"{number + 1}","timestamp":"{number * 20}","payload":"{sent}"}}}}'
            )
        raise AssertionError("a call ends before the numbers do")

    async def _read(self, websocket: ClientConnection, person: Person) -> None:
        async for message in websocket:
            now = time.monotonic()
            event = json.loads(message)
            if event.get("streamSid") != self._stream_sid:
                self.problems.append(f"31950: a message for no stream of ours: {event.get('event')}")
                continue
            match event["event"]:
                case "media":
                    audio = base64.b64decode(event["media"]["payload"], validate=True)
                    person.media(now, audio, plays_at_once=self._playout.is_empty)
                    self._playout.add(audio)
                case "mark":
                    self._playout.mark(event["mark"]["name"])
                case "clear":
                    self._playout.clear()
                    person.cleared(now)
                    await self._echo(websocket)
                case other:
                    self.problems.append(f"31950: unknown event {other!r}")

    async def _echo(self, websocket: ClientConnection) -> None:
        for name in self._playout.reached():
            await websocket.send(json.dumps(self._event("mark", mark={"name": name})))

    def _start(self, target: StreamTarget) -> dict[str, Any]:
        return {
            "streamSid": self._stream_sid,
            "accountSid": self.credentials.twilio_account_sid,
            "callSid": self._call_sid,
            "tracks": ["inbound"],
            "customParameters": dict(target.parameters),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }

    def _event(self, event: str, **content: Any) -> dict[str, Any]:
        return {"event": event, "sequenceNumber": str(next(self._numbers)), "streamSid": self._stream_sid, **content}
