"""The messages of a media stream: audio, keys, marks, and what Twilio would never send."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from telephony.media_stream import CallStart, KeyPressed, MediaStream, StreamStopped

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

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
def stream(flood: Flood) -> MediaStream:
    return MediaStream(START, on_flood=lambda: flood.calls.append(None), flood_limit=5, monotonic=lambda: flood.now)


def message(event: str, **parts: object) -> str:
    return json.dumps({"event": event, "streamSid": STREAM_SID, "sequenceNumber": "4"} | parts)


def media(payload: str = SILENCE) -> str:
    return message("media", media={"track": "inbound", "chunk": "1", "timestamp": "5", "payload": payload})


def echo(sent: str) -> str:
    return message("mark", mark=json.loads(sent)["mark"])


def test_audio_comes_in_as_it_was_sent(stream: MediaStream) -> None:
    assert stream.read(media()) == b"\xff" * 160


def test_audio_of_no_length_is_nothing(stream: MediaStream, logged: list[MutableMapping[str, Any]]) -> None:
    assert stream.read(media("")) is None
    assert logged == []


def test_audio_goes_out_for_this_stream(stream: MediaStream) -> None:
    sound = bytes(range(256))

    assert json.loads(stream.media(sound)) == {
        "event": "media",
        "streamSid": STREAM_SID,
        "media": {"payload": base64.b64encode(sound).decode()},
    }


def test_a_key_comes_in(stream: MediaStream) -> None:
    assert stream.read(message("dtmf", dtmf={"track": "inbound_track", "digit": "#"})) == KeyPressed("#")


@pytest.mark.parametrize("key", "ABCD")
def test_keys_that_no_telephone_has_are_ignored_without_a_word(
    stream: MediaStream, logged: list[MutableMapping[str, Any]], key: str
) -> None:
    assert stream.read(message("dtmf", dtmf={"digit": key})) is None
    assert logged == []


def test_a_mark_that_comes_back_was_played(stream: MediaStream) -> None:
    played: list[str] = []
    sent = stream.mark(lambda: played.append("goodbye"))
    assert json.loads(sent)["event"] == "mark"
    assert json.loads(sent)["streamSid"] == STREAM_SID

    assert stream.read(echo(sent)) is None

    assert played == ["goodbye"]


def test_a_mark_counts_once(stream: MediaStream) -> None:
    played: list[str] = []
    sent = stream.mark(lambda: played.append("goodbye"))

    for _ in range(2):
        stream.read(echo(sent))

    assert played == ["goodbye"]


def test_marks_are_told_apart(stream: MediaStream) -> None:
    played: list[str] = []
    stream.mark(lambda: played.append("first"))
    second = stream.mark(lambda: played.append("second"))

    stream.read(echo(second))

    assert played == ["second"]


def test_a_mark_that_clear_flushes_was_not_played(stream: MediaStream, logged: list[MutableMapping[str, Any]]) -> None:
    played: list[str] = []
    sent = stream.mark(lambda: played.append("goodbye"))

    assert json.loads(stream.clear()) == {"event": "clear", "streamSid": STREAM_SID}

    stream.read(echo(sent))
    assert played == []
    assert logged == []


def test_a_mark_after_clear_counts_again(stream: MediaStream) -> None:
    played: list[str] = []
    old = stream.mark(lambda: played.append("old"))
    stream.clear()
    new = stream.mark(lambda: played.append("new"))

    for sent in (old, new):
        stream.read(echo(sent))

    assert played == ["new"]


def test_the_stream_tells_when_it_stops(stream: MediaStream) -> None:
    assert stream.read(message("stop", stop={"callSid": CALL_SID})) == StreamStopped()


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
def test_a_malformed_message_is_ignored_and_the_next_one_heard(
    stream: MediaStream, logged: list[MutableMapping[str, Any]], bad: str | bytes
) -> None:
    assert stream.read(bad) is None
    assert [entry["event"] for entry in logged] == ["media_frame_ignored"]
    assert stream.read(message("dtmf", dtmf={"digit": "1"})) == KeyPressed("1")


def test_malformed_messages_are_logged_once(stream: MediaStream, logged: list[MutableMapping[str, Any]]) -> None:
    for _ in range(4):
        stream.read("my number is +14155550123")
    assert len(logged) == 1
    assert "+1415" not in str(logged)


def test_a_flood_of_malformed_messages_is_reported_once_and_deafens(stream: MediaStream, flood: Flood) -> None:
    for _ in range(5):
        stream.read("bad")
    assert flood.calls == []
    for _ in range(5):
        stream.read("bad")
    assert len(flood.calls) == 1
    assert stream.read(message("dtmf", dtmf={"digit": "1"})) is None


def test_malformed_messages_now_and_then_are_no_flood(stream: MediaStream, flood: Flood) -> None:
    for _ in range(50):
        stream.read("bad")
        flood.now += 3.0
    assert flood.calls == []
