"""OpenAI's own client against the stand-in: chat, transcriptions, speech, errors, faults and what a rehearsal asks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from simulator import audio, voices
from simulator.faults import FaultBoard
from simulator.openai import build_app, build_fallback
from simulator.room import Room
from simulator.world import Credentials, run_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from openai.types.chat import ChatCompletionChunk

VOICE = "en-us+f3"
LINES = ["Do you have anything on Thursday?", "Two in the afternoon, please.", "Yes, go ahead."]
INSTRUCTIONS = """You answer the phone.

# Calendar
Tue 2026-12-01 (today) | open 09:00-17:00
Wed 2026-12-02 | open 09:00-17:00
Thu 2026-12-03 | open 09:00-17:00

Caller's number: +14155550123
"""
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": {parameter: {"type": "string"}}},
        },
    }
    for name, description, parameter in (
        ("find_slots", "Find free slots.", "date"),
        ("book_30_minute_consultation", "Book 30-Minute Consultation.", "slot"),
    )
]
GREETING = {"role": "assistant", "content": "Thanks for calling. How can I help?"}
ASKS_FOR_THURSDAY: Any = [
    {"role": "system", "content": INSTRUCTIONS},
    GREETING,
    {"role": "user", "content": "Do you have anything on Thursday?"},
]
CALL: Any = {"id": "call_1", "type": "function", "function": {"name": "find_slots", "arguments": "{}"}}
RESULT: Any = {"role": "tool", "tool_call_id": "call_1", "content": '{"say": "We are closed."}'}


@dataclass(frozen=True, slots=True)
class StandIn:
    """The stand-in, OpenAI's client of it, and a bare one for what the client would not send."""

    client: openai.AsyncOpenAI
    http: httpx.AsyncClient

    async def order(self, path: str, body: Any) -> None:
        (await self.http.post(f"/control/{path}", json=body)).raise_for_status()

    async def state(self) -> Any:
        return (await self.http.get("/control/state")).json()

    async def say(self, text: str) -> bytes:
        speech = await self.client.audio.speech.create(
            model="gpt-4o-mini-tts", voice="alloy", input=text, response_format="pcm"
        )
        return await speech.aread()

    async def chat(self, **changes: Any) -> httpx.Response:
        body = {"model": "gpt-4.1", "messages": ASKS_FOR_THURSDAY, **changes}
        return await self.http.post("/v1/chat/completions", json=body)


@contextlib.asynccontextmanager
async def serving(retries: int = 0) -> AsyncIterator[StandIn]:
    credentials = Credentials.generate()
    runner, url = await run_app(build_app(credentials, FaultBoard("openai")), 0)
    key = credentials.openai_api_key
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=f"{url}/v1",
        max_retries=retries,
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
    )
    http = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False)
    try:
        async with client, http:
            yield StandIn(client, http)
    finally:
        await runner.cleanup()


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with serving() as running:
        yield running


def utterance(text: str, rate: int = 16000) -> bytes:
    """Return `text` as a caller's recording of the telephone."""
    speech = voices.at_rate(voices.speak(text, VOICE), audio.TELEPHONE_RATE)
    sent = audio.mulaw_decode(audio.mulaw_encode(audio.at_level(speech)))
    return audio.write_wav(rate, audio.resample(sent, audio.TELEPHONE_RATE, rate))


async def streamed(stand_in: StandIn, **changes: Any) -> list[ChatCompletionChunk]:
    order: dict[str, Any] = {"model": "gpt-4.1", "messages": ASKS_FOR_THURSDAY, "stream": True, **changes}
    return [chunk async for chunk in await stand_in.client.chat.completions.create(**order)]


async def test_streams_text_word_by_word(stand_in: StandIn) -> None:
    messages = [*ASKS_FOR_THURSDAY, {"role": "assistant", "tool_calls": [CALL]}, RESULT]

    chunks = await streamed(stand_in, messages=messages, tools=TOOLS)

    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len(words) >= 3
    assert "We are closed." in "".join(words)
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "gpt-6-luna"}, "Function tools with reasoning_effort are not supported for gpt-6-luna"),
        ({"model": "gpt-6-luna", "reasoning_effort": "low"}, "set reasoning_effort to 'none'"),
        ({"model": "gpt-6-luna", "reasoning_effort": "none", "temperature": 0.3}, "Only the default (1) value"),
        ({"model": "gpt-4.1", "reasoning_effort": "none"}, "Unrecognized request argument supplied: reasoning_effort"),
    ],
)
async def test_refuses_what_a_model_does_not_take(stand_in: StandIn, changes: dict[str, Any], says: str) -> None:
    refused = await stand_in.chat(tools=TOOLS, **changes)

    assert refused.status_code == 400
    assert says in refused.json()["error"]["message"]
    assert (await stand_in.chat(tools=TOOLS, model="gpt-6-luna", reasoning_effort="none")).status_code == 200


async def test_streams_one_tool_call_per_chunk_with_its_arguments_in_pieces(stand_in: StandIn) -> None:
    chunks = await streamed(stand_in, tools=TOOLS)

    calls = [delta.tool_calls for chunk in chunks if (delta := chunk.choices[0].delta).tool_calls]
    arguments = [call.function.arguments or "" for (call,) in calls if call.function]
    assert calls[0][0].function is not None
    assert calls[0][0].function.name == "find_slots"
    assert calls[0][0].id
    assert len([piece for piece in arguments if piece]) == 2
    assert json.loads("".join(arguments)) == {"date": "2026-12-03"}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_sends_the_usage_last_when_asked_for(stand_in: StandIn) -> None:
    chunks = await streamed(stand_in, stream_options={"include_usage": True})

    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_answers_in_one_piece_without_stream(stand_in: StandIn) -> None:
    completion = await stand_in.client.chat.completions.create(
        model="gpt-4.1", messages=ASKS_FOR_THURSDAY, tools=TOOLS, service_tier="priority", temperature=0.2, seed=1
    )

    message = completion.choices[0].message
    assert message.tool_calls is not None
    assert [call.type for call in message.tool_calls] == ["function"]
    assert completion.choices[0].finish_reason == "tool_calls"


async def test_calls_no_tool_when_told_not_to(stand_in: StandIn) -> None:
    completion = await stand_in.client.chat.completions.create(
        model="gpt-4.1", messages=ASKS_FOR_THURSDAY, tools=TOOLS, tool_choice="none"
    )

    assert completion.choices[0].message.tool_calls is None
    assert completion.choices[0].message.content


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"colour": "red"}, "unrecognized_request_argument", "Unrecognized request argument supplied: colour"),
        ({"messages": []}, "invalid_value", "messages"),
        ({"model": None}, "invalid_value", "model"),
        ({"messages": [{"role": "caller", "content": "Hi"}]}, "invalid_value", "messages[0]"),
        ({"messages": [{"role": "user", "content": "Hi", "mood": "good"}]}, "unknown_parameter", "mood"),
        ({"messages": [{"role": "user"}]}, "missing_required_parameter", "content"),
        ({"tools": []}, "invalid_value", "tools"),
        ({"tools": [{"type": "function", "function": {"name": "no spaces"}}]}, "invalid_value", "name"),
        ({"tool_choice": "auto"}, None, "tool_choice"),
        ({"stream_options": {"include_usage": True}}, None, "stream_options"),
        ({"messages": [*ASKS_FOR_THURSDAY, RESULT]}, None, "must be a response to a preceeding message"),
        ({"messages": [*ASKS_FOR_THURSDAY, {**GREETING, "tool_calls": [CALL]}]}, None, "call_1"),
        (
            {"messages": [{**GREETING, "tool_calls": [CALL]}, GREETING, RESULT]},
            None,
            "must be followed by tool messages",
        ),
    ],
)
async def test_refuses_what_openai_refuses(
    stand_in: StandIn, changes: dict[str, Any], code: str | None, message: str
) -> None:
    answer = await stand_in.chat(**changes)

    error = answer.json()["error"]
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("invalid_request_error", code)
    assert message in error["message"]


async def test_refuses_a_body_that_is_no_json(stand_in: StandIn) -> None:
    answer = await stand_in.http.post("/v1/chat/completions", content=b"{")

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert "could not parse" in answer.json()["error"]["message"]


async def test_refuses_a_wrong_key_without_repeating_it(stand_in: StandIn) -> None:
    stranger = stand_in.client.with_options(api_key="sk-somebody-elses-key")

    with pytest.raises(openai.AuthenticationError) as refusal:
        await stranger.models.list()

    assert refusal.value.code == "invalid_api_key"
    assert "somebody" not in str(refusal.value)


async def test_refuses_a_request_without_a_key(stand_in: StandIn) -> None:
    answer = await stand_in.http.get("/v1/models", headers={"Authorization": ""})

    assert answer.status_code == httpx.codes.UNAUTHORIZED


async def test_lists_models_so_that_a_key_can_be_checked(stand_in: StandIn) -> None:
    assert "gpt-4.1" in [model.id async for model in stand_in.client.models.list()]


async def test_unknown_paths_are_refused_in_openais_envelope(stand_in: StandIn) -> None:
    missing = await stand_in.http.get("/v1/assistants")
    wrong_method = await stand_in.http.get("/v1/audio/speech")

    assert missing.status_code == httpx.codes.NOT_FOUND
    assert missing.json()["error"]["message"] == "Invalid URL (GET /v1/assistants)"
    assert wrong_method.status_code == httpx.codes.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_transcribes_a_line_of_the_scenario(stand_in: StandIn, rate: int) -> None:
    await stand_in.order("world", {"lines": LINES, "voice": VOICE})

    heard = await stand_in.client.audio.transcriptions.create(
        model="gpt-transcribe",
        file=("audio.wav", utterance(LINES[1], rate), "audio/wav"),
        language="en",
        prompt="A phone call.",
        extra_body={"keywords": ["Chen"]},
    )

    assert heard.text == LINES[1]
    (noted,) = (await stand_in.state())["heard"]
    assert noted["text"] == LINES[1]
    assert noted["score"] > 0.5
    assert noted["at"].endswith("+00:00")


async def test_transcribes_nothing_when_unsure(stand_in: StandIn) -> None:
    await stand_in.order("world", {"lines": LINES, "voice": VOICE})
    file = ("audio.wav", utterance("How much does it cost?"), "audio/wav")

    as_json = await stand_in.client.audio.transcriptions.create(model="gpt-transcribe", file=file)
    as_text = await stand_in.client.audio.transcriptions.create(
        model="gpt-transcribe", file=file, response_format="text"
    )

    assert as_json.text == ""
    assert as_text.strip() == ""


@pytest.mark.parametrize(
    ("files", "data", "message"),
    [
        ({"file": b"no recording"}, {"model": "gpt-transcribe"}, "corrupted or unsupported"),
        ({"file": audio.write_wav(8000, audio.from_s16le(bytes(160)))}, {"model": "gpt-transcribe"}, "too short"),
        ({"other": b""}, {"model": "gpt-transcribe"}, "'file'"),
        ({"file": b""}, {}, "'model'"),
        ({"file": b""}, {"model": "gpt-transcribe", "colour": "red"}, "colour"),
    ],
)
async def test_refuses_uploads_openai_would_refuse(
    stand_in: StandIn, files: dict[str, bytes], data: dict[str, str], message: str
) -> None:
    answer = await stand_in.http.post("/v1/audio/transcriptions", files=files, data=data)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert message in answer.json()["error"]["message"]


async def test_speaks_24_khz_pcm_and_keeps_a_journal(stand_in: StandIn) -> None:
    pcm = await stand_in.say("How can I help?")

    (spoken,) = (await stand_in.state())["spoken"]
    assert 0.6 < len(pcm) / 2 / 24000 < 2.0
    assert audio.level_dbfs(audio.from_s16le(pcm)) == pytest.approx(-20.0, abs=1.0)
    assert (spoken["id"], spoken["text"]) == (1, "How can I help?")


async def test_speaks_wav_and_faster_when_asked(stand_in: StandIn) -> None:
    order = {"model": "tts", "voice": "ash", "input": "Goodbye for now.", "response_format": "wav", "speed": 2.0}

    answer = await stand_in.http.post("/v1/audio/speech", json=order)

    pcm, rate = audio.read_wav(answer.content)
    assert rate == 24000
    assert len(pcm) * 2 < len(await stand_in.say("Goodbye for now.")) * 0.8


async def test_refuses_a_voice_openai_does_not_have(stand_in: StandIn) -> None:
    order = {"model": "tts", "voice": "nobody", "input": "Hi", "response_format": "pcm"}

    answer = await stand_in.http.post("/v1/audio/speech", json=order)

    assert answer.json()["error"]["param"] == "voice"


async def test_a_listener_waits_for_the_next_utterance(stand_in: StandIn) -> None:
    await stand_in.say("Hello.")

    async with asyncio.TaskGroup() as together:
        waiting = together.create_task(
            stand_in.http.get("/control/spoken", params={"after": 1, "wait": 10}, timeout=15)
        )
        together.create_task(stand_in.say("How can I help?"))

    assert [entry["text"] for entry in waiting.result().json()["spoken"]] == ["How can I help?"]
    nothing = await stand_in.http.get("/control/spoken", params={"after": 2, "wait": 0.01})
    assert nothing.json() == {"spoken": []}


async def test_a_new_world_forgets_what_was_heard_and_keeps_what_was_spoken(stand_in: StandIn) -> None:
    await stand_in.say("Hello.")
    await stand_in.client.audio.transcriptions.create(model="m", file=("audio.wav", utterance("Hi."), "audio/wav"))

    await stand_in.order("world", {"lines": LINES, "voice": VOICE})

    state = await stand_in.state()
    assert state["heard"] == []
    assert len(state["spoken"]) == 1


async def test_lines_that_come_later_are_known_beside_the_others(stand_in: StandIn) -> None:
    late = "It's four eight two one one three."
    await stand_in.order("world", {"lines": LINES, "voice": VOICE})
    await stand_in.order("lines", {"lines": [late]})

    heard = []
    for line in (late, LINES[1]):
        file = ("audio.wav", utterance(line), "audio/wav")
        heard.append((await stand_in.client.audio.transcriptions.create(model="gpt-transcribe", file=file)).text)

    assert heard == [late, LINES[1]]


async def test_a_world_with_an_unknown_voice_is_refused(stand_in: StandIn) -> None:
    answer = await stand_in.http.post("/control/world", json={"lines": LINES, "voice": "en-gb"})

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert "'en-gb'" in answer.text


async def test_says_everywhere_that_it_recognises_known_speech_only(stand_in: StandIn) -> None:
    answer = await stand_in.http.get("/v1/models")

    assert answer.headers["x-simulator"] == "known-speech"
    assert (await stand_in.state())["transcription"] == "known-speech matcher"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("error_500", openai.InternalServerError),
        ("rate_limited", openai.RateLimitError),
        ("drop_before", openai.APIConnectionError),
        ("drop_after", openai.APIConnectionError),
    ],
)
async def test_fails_as_ordered_and_then_works_again(
    stand_in: StandIn, kind: str, error: type[openai.APIError]
) -> None:
    await stand_in.order("faults", [{"on": "chat", "kind": kind}])

    with pytest.raises(error):
        await streamed(stand_in)

    assert await streamed(stand_in)
    (fired,) = (await stand_in.state())["faults"]
    assert (fired["service"], fired["on"], fired["kind"]) == ("openai", "chat", kind)


async def test_the_client_gets_over_a_rate_limit_by_itself() -> None:
    async with serving(retries=2) as stand_in:
        await stand_in.order("faults", [{"on": "any", "kind": "rate_limited"}])

        assert await streamed(stand_in)


async def test_who_stands_in_shares_the_room_and_not_the_key() -> None:
    credentials, room = Credentials.generate(), Room()
    spoken = []
    for build, key in (
        (build_app, credentials.openai_api_key),
        (build_fallback, credentials.fallback_api_key),
    ):
        runner, url = await run_app(build(credentials, FaultBoard("openai"), room), 0)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            body = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": url, "response_format": "pcm"}
            own = await http.post("/v1/audio/speech", json=body, headers={"Authorization": f"Bearer {key}"})
            others = await http.post("/v1/audio/speech", json=body, headers={"Authorization": "Bearer sk-1"})
        await runner.cleanup()
        spoken.append(url)
        assert (own.status_code, others.status_code) == (200, 401)

    assert [utterance["text"] for utterance in room.state()["spoken"]] == spoken
