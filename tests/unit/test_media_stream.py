"""The serializer of Media Streams: audio, keys, marks, and what Twilio would never send."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import structlog
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    EndFrame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
)

from telephony.media_stream import CallStart, MediaStreamSerializer

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from pipecat.processors.frame_processor import FrameProcessorSetup

CALL_SID = "CA" + "1" * 32
STREAM_SID = "MZ" + "2" * 32
START = CallStart(
    CALL_SID, STREAM_SID, "AC" + "3" * 32, "+14155550123", "+14155550100", is_attested=False, parameters={}
)
SILENCE = base64.b64encode(b"\xff" * 160).decode()


@dataclass
class Flood:
    now: float = 0.0
    calls: list[None] = field(default_factory=list)


@pytest.fixture
def flood() -> Flood:
    return Flood()


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as logs:
        yield logs


@pytest.fixture
async def serializer(flood: Flood) -> MediaStreamSerializer:
    serializer = MediaStreamSerializer(
        START, on_flood=lambda: flood.calls.append(None), flood_limit=5, monotonic=lambda: flood.now
    )
    # Of all that a pipeline sets up, a serializer reads this alone.
    await serializer.setup(cast("FrameProcessorSetup", SimpleNamespace(audio_in_sample_rate=16000)))
    return serializer


def message(event: str, **parts: object) -> str:
    return json.dumps({"event": event, "streamSid": STREAM_SID, "sequenceNumber": "4"} | parts)


def media(payload: str = SILENCE) -> str:
    return message("media", media={"track": "inbound", "chunk": "1", "timestamp": "5", "payload": payload})


def echo(sent: str | bytes | None) -> str:
    assert isinstance(sent, str)
    return message("mark", mark=json.loads(sent)["mark"])


async def test_audio_comes_in_at_the_pipelines_rate(serializer: MediaStreamSerializer) -> None:
    frames = [await serializer.deserialize(media()) for _ in range(10)]
    audio = [frame for frame in frames if isinstance(frame, InputAudioRawFrame)]
    assert audio
    assert {frame.sample_rate for frame in audio} == {16000}


async def test_audio_goes_out_as_mu_law_of_this_stream(serializer: MediaStreamSerializer) -> None:
    sent = await serializer.serialize(OutputAudioRawFrame(audio=b"\0" * 640, sample_rate=8000, num_channels=1))
    assert isinstance(sent, str)
    assert json.loads(sent)["streamSid"] == STREAM_SID
    assert len(base64.b64decode(json.loads(sent)["media"]["payload"])) == 320


async def test_a_key_comes_in(serializer: MediaStreamSerializer) -> None:
    frame = await serializer.deserialize(message("dtmf", dtmf={"track": "inbound_track", "digit": "#"}))
    assert isinstance(frame, InputDTMFFrame)
    assert frame.button == KeypadEntry.POUND


@pytest.mark.parametrize("key", "ABCD")
async def test_keys_that_no_telephone_has_are_ignored_without_a_word(
    serializer: MediaStreamSerializer, logged: list[MutableMapping[str, Any]], key: str
) -> None:
    assert await serializer.deserialize(message("dtmf", dtmf={"digit": key})) is None
    assert logged == []


async def test_the_end_of_the_pipeline_does_not_hang_up(serializer: MediaStreamSerializer) -> None:
    assert await serializer.serialize(EndFrame()) is None


async def test_a_mark_that_comes_back_was_played(serializer: MediaStreamSerializer) -> None:
    frame, played = serializer.mark("goodbye")
    sent = await serializer.serialize(frame)
    await serializer.deserialize(echo(sent))
    assert await asyncio.wait_for(played.wait(), 1) is True


async def test_marks_of_one_name_are_told_apart(serializer: MediaStreamSerializer) -> None:
    first_frame, first = serializer.mark("turn")
    second_frame, second = serializer.mark("turn")
    await serializer.deserialize(echo(await serializer.serialize(first_frame)))
    assert await asyncio.wait_for(first.wait(), 1) is True
    await serializer.serialize(second_frame)
    await serializer.serialize(InterruptionFrame())
    assert await asyncio.wait_for(second.wait(), 1) is False


async def test_a_mark_that_clear_flushes_was_not_played(serializer: MediaStreamSerializer) -> None:
    frame, played = serializer.mark("goodbye")
    sent = await serializer.serialize(frame)
    clear = await serializer.serialize(InterruptionFrame())
    await serializer.deserialize(echo(sent))
    assert isinstance(clear, str)
    assert json.loads(clear) == {"event": "clear", "streamSid": STREAM_SID}
    assert await asyncio.wait_for(played.wait(), 1) is False


async def test_a_mark_after_clear_counts_again(serializer: MediaStreamSerializer) -> None:
    old_frame, _ = serializer.mark("goodbye")
    old = await serializer.serialize(old_frame)
    await serializer.serialize(InterruptionFrame())
    frame, played = serializer.mark("goodbye")
    sent = await serializer.serialize(frame)
    await serializer.deserialize(echo(old))
    await serializer.deserialize(echo(sent))
    assert await asyncio.wait_for(played.wait(), 1) is True


async def test_when_the_stream_stops_nothing_more_is_played(serializer: MediaStreamSerializer) -> None:
    _, played = serializer.mark("goodbye")
    await serializer.deserialize(message("stop", stop={"callSid": CALL_SID}))
    assert await asyncio.wait_for(played.wait(), 1) is False


MALFORMED: list[str | bytes] = [
    "",
    "not json",
    "[]",
    "7",
    "[" * 60_000,
    '{"a":' * 10_000,
    "9" * 10_000,
    "x" * 70_000,
    b"\x00\x01",
    media().encode(),
    json.dumps({"event": "media"}),
    json.dumps({"event": "media", "streamSid": "MZ" + "9" * 32, "media": {"payload": SILENCE}}),
    message("media"),
    message("media", media=None),
    message("media", media={"payload": 5}),
    media("abc"),
    media("====Ä"),
    media("!!!!"),
    message("mark"),
    message("mark", mark={"name": None}),
    message("dtmf", dtmf={"digit": "12"}),
    message("dtmf", dtmf={"digit": ""}),
    message("start", start={}),
    message("surprise"),
    json.dumps({"event": ["media"], "streamSid": STREAM_SID}),
]


@pytest.mark.parametrize("bad", MALFORMED, ids=[str(index) for index in range(len(MALFORMED))])
async def test_a_malformed_message_is_ignored_and_the_next_one_heard(
    serializer: MediaStreamSerializer, logged: list[MutableMapping[str, Any]], bad: str | bytes
) -> None:
    assert await serializer.deserialize(bad) is None
    assert [entry["event"] for entry in logged] == ["media_frame_ignored"]
    assert isinstance(await serializer.deserialize(message("dtmf", dtmf={"digit": "1"})), InputDTMFFrame)


async def test_malformed_messages_are_logged_once(
    serializer: MediaStreamSerializer, logged: list[MutableMapping[str, Any]]
) -> None:
    for _ in range(4):
        await serializer.deserialize("my number is +14155550123")
    assert len(logged) == 1
    assert "+1415" not in str(logged)


async def test_a_flood_of_malformed_messages_is_reported_once_and_deafens(
    serializer: MediaStreamSerializer, flood: Flood
) -> None:
    for _ in range(5):
        await serializer.deserialize("bad")
    assert flood.calls == []
    for _ in range(5):
        await serializer.deserialize("bad")
    assert len(flood.calls) == 1
    assert await serializer.deserialize(message("dtmf", dtmf={"digit": "1"})) is None


async def test_malformed_messages_now_and_then_are_no_flood(serializer: MediaStreamSerializer, flood: Flood) -> None:
    for _ in range(50):
        await serializer.deserialize("bad")
        flood.now += 3.0
    assert flood.calls == []
