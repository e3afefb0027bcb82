"""Twilio's side of a call for tests that do what Twilio never would."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from agent.stand_ins import kept_environment, stop
from simulator.signing import SIGNATURE_HEADER, sign

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from xml.etree.ElementTree import Element

    from websockets.asyncio.client import ClientConnection

    from tests.acceptance_house import House

CALLED = "+14155550100"
CLOSE_SECS = 10
CONNECTED = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})


def new_call_sid() -> str:
    return f"CA{secrets.token_hex(16)}"


@dataclass(slots=True)
class Stream:
    """An open media stream and what came out of it."""

    websocket: ClientConnection
    call_sid: str
    stream_sid: str
    echoes_marks: bool = False
    """Plays what it is sent in no time, and says so."""
    audio_messages: int = 0
    closed_with: int | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, parameters: Mapping[str, str], account_sid: str) -> None:
        """Say what Twilio says first."""
        start = {
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "accountSid": account_sid,
            "tracks": ["inbound"],
            "customParameters": dict(parameters),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        await self.websocket.send(CONNECTED)
        await self.websocket.send(json.dumps({"event": "start", "streamSid": self.stream_sid, "start": start}))

    async def say_nothing(self) -> None:
        """Send 20 ms of silence."""
        payload = base64.b64encode(b"\xff" * 160).decode()
        message = {"event": "media", "streamSid": self.stream_sid, "media": {"track": "inbound", "payload": payload}}
        await self.websocket.send(json.dumps(message))

    async def hears(self, messages: int) -> None:
        """Wait for so many more messages of the agent's audio."""
        wanted = self.audio_messages + messages
        async with asyncio.timeout(CLOSE_SECS):
            while self.audio_messages < wanted:
                assert self.closed_with is None, f"the stream was closed with {self.closed_with}"
                self.changed.clear()
                await self.changed.wait()

    async def is_closed(self, *, within_secs: float = CLOSE_SECS) -> int:
        """Wait for the worker to close the stream and return with which code."""
        async with asyncio.timeout(within_secs):
            while self.closed_with is None:
                self.changed.clear()
                await self.changed.wait()
        return self.closed_with

    async def read(self) -> None:
        try:
            async for message in self.websocket:
                event = json.loads(message)["event"]
                if event == "media":
                    self.audio_messages += 1
                    self.changed.set()
                elif event == "mark" and self.echoes_marks:
                    await self.websocket.send(message)
        except ConnectionClosed:
            pass  # with which code is noted below
        self.closed_with = self.websocket.close_code or 1006
        self.changed.set()


@dataclass(slots=True)
class Phone:
    """Calls the worker at `url` as Twilio does, with whatever signature a test wants."""

    url: str
    account_sid: str
    auth_token: str
    http: httpx.AsyncClient

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, url: str, house: House) -> AsyncIterator[Phone]:
        keys = house.stand_ins.credentials
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            yield cls(url, keys["twilio_account_sid"], keys["twilio_auth_token"], http)

    async def post(self, path: str, form: Mapping[str, str], *, signature: str | None = "right") -> httpx.Response:
        url = f"{self.url}{path}"
        right = sign(self.auth_token, url, form)
        headers = {} if signature is None else {SIGNATURE_HEADER: right if signature == "right" else signature}
        return await self.http.post(url, data=dict(form), headers=headers)

    def form(self, call_sid: str, caller: str, **fields: str) -> dict[str, str]:
        both = {"CallSid": call_sid, "AccountSid": self.account_sid, "From": caller, "To": CALLED}
        return both | {"CallStatus": "ringing", "Direction": "inbound"} | fields

    async def ring(self, call_sid: str, caller: str) -> Element:
        """Return what the worker answers, as an element."""
        answer = await self.post("/twilio/voice", self.form(call_sid, caller))
        assert answer.status_code == httpx.codes.OK, answer.text
        return ElementTree.fromstring(answer.text)  # noqa: S314 -- the worker's own TwiML, from loopback

    async def hang_up(self, call_sid: str, caller: str) -> None:
        await self.post("/twilio/status", self.form(call_sid, caller, CallStatus="completed"))

    @contextlib.asynccontextmanager
    async def stream(self, call_sid: str) -> AsyncIterator[Stream]:
        """Open the media stream with a signed upgrade; nothing is sent yet."""
        url = f"ws{self.url.removeprefix('http')}/twilio/media"
        headers = {SIGNATURE_HEADER: sign(self.auth_token, url, {})}
        async with connect(url, additional_headers=headers, compression=None, proxy=None) as websocket:
            stream = Stream(websocket, call_sid, f"MZ{secrets.token_hex(16)}")
            reading = asyncio.create_task(stream.read())
            try:
                yield stream
            finally:
                await websocket.close()
                await reading

    @contextlib.asynccontextmanager
    async def call(self, caller: str) -> AsyncIterator[Stream]:
        """Place a call and wait until the agent speaks; it is hung up in the end."""
        call_sid = new_call_sid()
        parameters = parameters_of(await self.ring(call_sid, caller))
        async with self.stream(call_sid) as stream:
            await stream.start(parameters, self.account_sid)
            await stream.hears(1)
            yield stream
        await self.hang_up(call_sid, caller)


def parameters_of(twiml: Element) -> dict[str, str]:
    """Return the parameters of the stream that the TwiML names."""
    return {part.get("name", ""): part.get("value", "") for part in twiml.iter("Parameter")}


def verbs_of(twiml: str) -> list[tuple[str, Any]]:
    """Return each verb with its text, a dialled number for `Dial`."""
    root = ElementTree.fromstring(twiml)  # noqa: S314 -- the worker's own TwiML, from loopback
    return [(verb.tag, verb.findtext("Number") or verb.text) for verb in root]


@dataclass(slots=True)
class CallerProcess:
    """A caller who really speaks and listens, and what they report."""

    process: asyncio.subprocess.Process
    events: list[dict[str, Any]] = field(default_factory=list)

    async def ended(self, *, within_secs: float = 30) -> dict[str, Any]:
        assert self.process.stdout is not None
        async with asyncio.timeout(within_secs):
            async for line in self.process.stdout:
                self.events.append(json.loads(line))
                if self.events[-1]["event"] == "ended":
                    return self.events[-1]
        raise AssertionError(f"the call did not end: {self.events}")


@contextlib.asynccontextmanager
async def calling(
    house: House, url: str, caller: str, lines: Sequence[Mapping[str, str]]
) -> AsyncIterator[CallerProcess]:
    """Phone the worker at `url` and say `lines`."""
    keys = house.stand_ins.credentials
    plan = {
        "worker_url": url,
        "called": CALLED,
        "twilio": {
            "url": house.stand_ins.twilio,
            "account_sid": keys["twilio_account_sid"],
            "auth_token": keys["twilio_auth_token"],
        },
        "openai_url": house.stand_ins.openai,
        "caller": {"number": caller, "voice": "en-us+f3"},
        "lines": lines,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator.caller"),
        env=kept_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(plan).encode() + b"\n")
    try:
        yield CallerProcess(process)
    finally:
        process.stdin.close()
        await stop(process, ends_by_itself=True)
