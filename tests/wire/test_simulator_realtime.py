"""The stand-in's Realtime API speaks as OpenAI's does, and is as strict."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import openai
import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from simulator import audio, voices
from simulator.faults import FaultBoard
from simulator.openai import build_app
from simulator.openai_realtime import RATE
from simulator.world import Credentials, run_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VOICE = "en-us+f3"
LINE = "I would like to make an appointment please."
SESSION: dict[str, Any] = {
    "type": "transcription",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": RATE},
            "transcription": {"model": "gpt-realtime-whisper", "language": "en"},
            "turn_detection": None,
        }
    },
}
SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
PATIENCE_SECS = 10.0
TRANSCRIPTION = "conversation.item.input_audio_transcription"


def speech(text: str = LINE) -> str:
    """Return `text` as it comes from a telephone, in base64."""
    spoken = voices.at_rate(voices.speak(text, VOICE), audio.TELEPHONE_RATE)
    sent = audio.mulaw_decode(audio.mulaw_encode(audio.at_level(spoken)))
    return base64.b64encode(audio.to_s16le(audio.resample(sent, audio.TELEPHONE_RATE, RATE))).decode()


@dataclass(slots=True)
class Session:
    """A websocket to the stand-in; what comes in is held against OpenAI's own description of it."""

    socket: aiohttp.ClientWebSocketResponse
    seen: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, name: str, **what: Any) -> None:
        await self.socket.send_json({"type": name, **what})

    async def until(self, name: str) -> dict[str, Any]:
        while True:
            event: dict[str, Any] = await self.socket.receive_json(timeout=PATIENCE_SECS)
            SERVER_EVENT.validate_python(event)
            self.seen.append(event)
            if event["type"] == name:
                return event

    async def configured(self, **changes: Any) -> None:
        await self.send("session.update", session={**SESSION, **changes})
        await self.until("session.updated")

    async def says(self, text: str = LINE) -> None:
        await self.send("input_audio_buffer.append", audio=speech(text))
        await self.send("input_audio_buffer.commit")

    async def refused(self, name: str, **what: Any) -> dict[str, Any]:
        await self.send(name, **what)
        error: dict[str, Any] = (await self.until("error"))["error"]
        return error


@dataclass(frozen=True, slots=True)
class StandIn:
    """The stand-in, by its address."""

    url: str
    key: str
    http: aiohttp.ClientSession

    async def fault(self, on: str, kind: str, **more: Any) -> None:
        order = [{"on": on, "kind": kind, **more}]
        (await self.http.post(f"{self.url}/control/faults", json=order)).raise_for_status()

    @contextlib.asynccontextmanager
    async def session(self, query: str = "?intent=transcription", **headers: str) -> AsyncIterator[Session]:
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        async with self.http.ws_connect(f"{self.url}/v1/realtime{query}", headers=sent) as socket:
            yield Session(socket)


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    credentials = Credentials.generate()
    runner, url = await run_app(build_app(credentials, FaultBoard("openai")), 0)
    async with aiohttp.ClientSession() as http:
        (await http.post(f"{url}/control/world", json={"lines": [LINE], "voice": VOICE})).raise_for_status()
        yield StandIn(url, credentials.openai_api_key, http)
    await runner.cleanup()


async def test_transcribes_what_was_committed(stand_in: StandIn) -> None:
    async with stand_in.session() as session:
        await session.until("session.created")
        await session.configured()
        await session.says()
        completed = await session.until(f"{TRANSCRIPTION}.completed")

    kinds = [event["type"] for event in session.seen]
    items = {event.get("item_id") or event["item"]["id"] for event in session.seen[2:]}
    assert kinds == [
        "session.created",
        "session.updated",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        f"{TRANSCRIPTION}.delta",
        f"{TRANSCRIPTION}.completed",
    ]
    assert completed["transcript"] == LINE
    assert len(items) == 1


async def test_each_utterance_is_an_item_that_names_the_one_before(stand_in: StandIn) -> None:
    async with stand_in.session() as session:
        await session.configured()
        await session.says()
        first = await session.until("input_audio_buffer.committed")
        await session.says()
        second = await session.until("input_audio_buffer.committed")

    assert first["previous_item_id"] is None
    assert second["previous_item_id"] == first["item_id"] != second["item_id"]


async def test_openais_own_client_gets_its_transcript(stand_in: StandIn) -> None:
    async with (
        openai.AsyncOpenAI(api_key=stand_in.key, base_url=f"{stand_in.url}/v1") as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        await connection.session.update(session=SESSION)  # type: ignore[arg-type]
        await connection.input_audio_buffer.append(audio=speech())
        await connection.input_audio_buffer.commit()
        transcript = ""
        while not transcript:
            event = await connection.recv()
            if event.type == "conversation.item.input_audio_transcription.completed":
                transcript = event.transcript

    assert transcript == LINE


async def test_a_wrong_key_is_refused_before_the_socket_opens(stand_in: StandIn) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with stand_in.session(Authorization="Bearer sk-wrong"):
            pass

    assert refusal.value.status == 401


@pytest.mark.parametrize(("query", "headers"), [("", {}), ("?intent=transcription", {"OpenAI-Beta": "realtime=v1"})])
async def test_what_is_no_transcription_session_of_today_is_refused(
    stand_in: StandIn, query: str, headers: dict[str, str]
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with stand_in.session(query, **headers):
            pass

    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("name", "what", "param", "code"),
    [
        ("session.update", {"session": {**SESSION, "voice": "alloy"}}, "session.voice", "unknown_parameter"),
        ("session.update", {"session": {"type": "realtime"}}, "session.type", "invalid_value"),
        ("session.update", {}, "session", "missing_required_parameter"),
        ("transcription_session.update", {"session": {}}, "type", "invalid_value"),
        ("input_audio_buffer.append", {"audio": "no base64!"}, "audio", "invalid_value"),
        ("input_audio_buffer.commit", {}, None, "input_audio_buffer_commit_empty"),
    ],
)
async def test_what_does_not_fit_is_told_and_the_session_goes_on(
    stand_in: StandIn, name: str, what: dict[str, Any], param: str | None, code: str
) -> None:
    async with stand_in.session() as session:
        error = await session.refused(name, event_id="mine", **what)
        await session.configured()

    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert error["event_id"] == "mine"


@pytest.mark.parametrize(
    "changes",
    [
        {"turn_detection": {"type": "server_vad"}},
        {"transcription": {"model": "gpt-realtime-whisper", "prompt": "Expect names."}},
        {"transcription": {"model": "gpt-transcribe", "delay": "low"}},
        {"transcription": {"model": "gpt-5"}},
    ],
)
async def test_what_a_model_does_not_do_is_refused(stand_in: StandIn, changes: dict[str, Any]) -> None:
    async with stand_in.session() as session:
        error = await session.refused("session.update", session={**SESSION, "audio": {"input": changes}})

    assert error["code"] == "invalid_value"


async def test_no_json_is_told(stand_in: StandIn) -> None:
    async with stand_in.session() as session:
        await session.socket.send_str("{")
        error = (await session.until("error"))["error"]

    assert error["code"] == "invalid_json"


async def test_a_cleared_buffer_is_empty(stand_in: StandIn) -> None:
    async with stand_in.session() as session:
        await session.send("input_audio_buffer.append", audio=speech())
        await session.send("input_audio_buffer.clear")
        await session.until("input_audio_buffer.cleared")
        error = await session.refused("input_audio_buffer.commit")

    assert error["code"] == "input_audio_buffer_commit_empty"


async def test_a_refused_handshake(stand_in: StandIn) -> None:
    await stand_in.fault("realtime", "error_500")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with stand_in.session():
            pass

    assert refusal.value.status == 500


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("error_500", "error"),
        ("error_500_after", f"{TRANSCRIPTION}.failed"),
        ("rate_limited", f"{TRANSCRIPTION}.failed"),
    ],
)
async def test_an_utterance_that_is_not_transcribed(stand_in: StandIn, kind: str, name: str) -> None:
    await stand_in.fault("utterance", kind)
    async with stand_in.session() as session:
        await session.configured()
        await session.says()
        event = await session.until(name)

    assert event["error"]["code"] == ("rate_limit_exceeded" if kind == "rate_limited" else None)
    assert event["error"]["message"]


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
async def test_a_socket_that_is_lost(stand_in: StandIn, kind: str) -> None:
    await stand_in.fault("utterance", kind)
    async with stand_in.session() as session:
        await session.configured()
        await session.says()
        while (message := await session.socket.receive(timeout=PATIENCE_SECS)).type is aiohttp.WSMsgType.TEXT:
            pass

    assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_a_slow_transcript_does_not_hold_up_the_next(stand_in: StandIn) -> None:
    await stand_in.fault("utterance", "slow", seconds=30)
    async with stand_in.session() as session:
        await session.configured()
        await session.says()
        slow = await session.until("input_audio_buffer.committed")
        await session.says()
        completed = await session.until(f"{TRANSCRIPTION}.completed")

    assert completed["item_id"] != slow["item_id"]
