"""What a provider does not answer is answered by another in the same turn: words, tools, ears and voice."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import openai
import pytest
from aiohttp import web
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from agent import speech
from agent.front_desk import read_front_desk
from agent.phrase_book import PhraseBook
from agent.settings import Settings
from agent.speech import Speech
from agent.speech_services import GO_ON, transcribe
from simulator import audio, voices
from simulator import openai as stand_in
from simulator.faults import Fault, FaultBoard
from simulator.room import Room, WorldOrder
from simulator.world import Credentials, run_app
from tests.call_of_frames import Call
from tests.pipelines import running_pipeline
from tests.worker import Answer, ScriptedModel, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from pipecat.services.llm_service import FunctionCallParams

    from agent.instructions import Instructions
    from simulator.faults import Kind

PATIENCE_SECS = 10
CREDENTIALS = Credentials.generate()
NOW = datetime(2026, 12, 1, 14, 0, tzinfo=UTC)
VOICE = "en-us+f3"
LINE = "I would like to make an appointment please."
HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}


@dataclass(slots=True)
class BrokenOff:
    """A server that begins every answer and then aborts the connection."""

    deltas: list[dict[str, Any]] = field(default_factory=list)
    sound: bytes = b""
    asked: int = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/v1/chat/completions", self._chat), web.post("/v1/audio/speech", self._speak)])
        return app

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        lines = [{**HEAD, "choices": [{"index": 0, "delta": delta}]} for delta in self.deltas]
        body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines).encode()
        return await self._break_off(request, body, "text/event-stream")

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        return await self._break_off(request, self.sound, "audio/pcm")

    async def _break_off(self, request: web.Request, body: bytes, kind: str) -> web.StreamResponse:
        self.asked += 1
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        await response.write(body)
        await asyncio.sleep(0.05)  # what was written is on its way before the end is
        if request.transport is not None:
            request.transport.abort()
        return response


PATHS = ("chat/completions", "audio/transcriptions", "audio/speech")


@dataclass(slots=True)
class Garbled:
    """A server whose answers are none, or odd."""

    lines: list[str] = field(default_factory=list)
    """What it streams, each as an event's data; it sends what is no HTTP where there are none."""
    json: str | None = None
    """What it answers whole, as JSON that need be none."""

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post(f"/v1/{path}", self._garble) for path in PATHS])
        return app

    async def _garble(self, request: web.Request) -> web.Response:
        await request.read()
        if self.json is not None:
            return web.Response(text=self.json, content_type="application/json")
        if not self.lines and request.transport is not None:
            request.transport.write(b"garbage\r\n\r\n")
        return web.Response(text="".join(f"data: {line}\n\n" for line in self.lines), content_type="text/event-stream")


def delta(**delta: Any) -> str:
    return json.dumps({**HEAD, "choices": [{"index": 0, "delta": delta}]})


class Sink(FrameProcessor):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        await self.push_frame(frame, direction)

    def of(self, kind: type[Frame]) -> list[Any]:
        return [frame for frame in self.frames if isinstance(frame, kind)]


@dataclass(slots=True)
class Line:
    """A worker's speech between two servers, the second of which stands in."""

    speech: Speech
    instructions: Instructions
    sink: Sink = field(default_factory=Sink)
    errors: list[ErrorFrame] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self, service: FrameProcessor) -> AsyncIterator[PipelineWorker]:
        worker = PipelineWorker(
            Pipeline([service, self.sink]), idle_timeout_secs=None, enable_rtvi=False, enable_turn_tracking=False
        )

        async def on_error(_service: object, error: ErrorFrame) -> None:
            self.errors.append(error)

        service.add_event_handler("on_error", on_error)
        async with running_pipeline(worker):
            yield worker

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECS):
            while not holds():
                await asyncio.sleep(0.01)

    async def answer(self, *messages: dict[str, str], on_call: Callable[[str], None] | None = None) -> str:
        """Have the model answer and return its words."""
        llm = self.speech.llm(self.instructions)
        schema = FunctionSchema("find_slots", "Finds times.", {"day": {"type": "string"}}, ["day"])
        context = LLMContext([*messages] or [{"role": "user", "content": "Hello"}], tools=ToolsSchema([schema]))  # type: ignore[list-item]

        async def find_slots(params: FunctionCallParams) -> None:
            if on_call is not None:
                on_call(str(params.arguments["day"]))
            await params.result_callback({"status": "none"})

        llm.register_function("find_slots", find_slots)
        self.sink.frames.clear()
        async with self.running(llm) as worker:
            await worker.queue_frame(LLMContextFrame(context))
            await self.until(lambda: bool(self.sink.of(LLMFullResponseEndFrame)))
        return "".join(frame.text for frame in self.sink.of(LLMTextFrame))

    async def speak(self, text: str) -> bytes:
        async with self.running(self.speech.tts(self.instructions)) as worker:
            await worker.queue_frame(TTSSpeakFrame(text))
            await self.until(lambda: bool(self.sink.of(TTSStoppedFrame) or self.errors))
        return b"".join(frame.audio for frame in self.sink.of(TTSAudioRawFrame))


@contextlib.asynccontextmanager
async def line(main: web.Application, fallback: web.Application, folder: Path, **changes: Any) -> AsyncIterator[Line]:
    """Open a worker's speech between `main` and `fallback`."""
    async with contextlib.AsyncExitStack() as stack:
        urls = []
        for app in (main, fallback):
            runner, url = await run_app(app, 0)
            stack.push_async_callback(runner.cleanup)
            urls.append(f"{url}/v1")
        values: dict[str, Any] = {
            "public_base_url": "http://127.0.0.1:8080",
            "twilio_account_sid": "AC",
            "twilio_auth_token": "-",
            "openai_api_key": CREDENTIALS.openai_api_key,
            "openai_base_url": urls[0],
            "data_dir": folder,
            "business_file": files("prompts") / "business" / "rehearsal.toml",
            "calendar": "builtin",
        }
        for part, model in (("llm", "gpt-4.1"), ("stt", "gpt-transcribe"), ("tts", "tts-2")):
            values[f"{part}_fallback_base_url"] = urls[1]
            values[f"{part}_fallback_api_key"] = CREDENTIALS.fallback_api_key
            values[f"{part}_fallback_model"] = model
        settings = Settings(_env_file=None, **(values | changes))  # type: ignore[call-arg]
        running = Speech(settings)
        stack.push_async_callback(running.aclose)
        desk = read_front_desk(settings)
        yield Line(running, desk.instructions(None, now=NOW, is_recorded=False))


@dataclass(slots=True)
class Pair:
    """Two stand-ins of OpenAI that take part in one call, and what goes wrong with each."""

    faults: FaultBoard = field(default_factory=lambda: FaultBoard("openai"))
    fallback_faults: FaultBoard = field(default_factory=lambda: FaultBoard("fallback"))
    room: Room = field(default_factory=Room)

    @contextlib.asynccontextmanager
    async def line(self, folder: Path, **changes: Any) -> AsyncIterator[Line]:
        main = stand_in.build_app(CREDENTIALS, self.faults, self.room)
        fallback = stand_in.build_fallback(CREDENTIALS, self.fallback_faults, self.room)
        async with line(main, fallback, folder, **changes) as running:
            yield running

    def breaks(self, on: str, kind: Kind = "error_500", *, times: int = 100, seconds: float = 0.0) -> None:
        self.faults.replace([Fault(on=on, kind=kind, times=times, seconds=seconds)])

    @property
    def spoken(self) -> list[str]:
        return [utterance["text"] for utterance in self.room.state()["spoken"]]


@pytest.mark.parametrize("kind", ["error_500", "rate_limited", "drop_before", "drop_after"])
async def test_another_model_answers_in_the_same_turn(tmp_path: Path, kind: Kind) -> None:
    pair = Pair()
    pair.breaks("chat", kind)
    async with pair.line(tmp_path) as call:
        said = await call.answer()

    assert said
    assert call.errors == []
    assert len(pair.faults.fired) == 1


async def test_a_model_that_is_silent_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(speech.PATIENCE_SECS, "llm", 0.2)
    pair = Pair()
    pair.breaks("chat", "slow", seconds=30)
    async with pair.line(tmp_path) as call:
        first, second = await call.answer(), await call.answer()

    assert first
    assert second
    assert len(pair.faults.fired) == 1


async def test_both_models_down_is_an_error(tmp_path: Path) -> None:
    pair = Pair()
    pair.breaks("chat")
    pair.fallback_faults.replace([Fault(on="chat", kind="error_500", times=100)])
    async with pair.line(tmp_path) as call:
        said = await call.answer()

    assert said == ""
    assert len(call.errors) == 1


async def test_no_tool_is_called_twice_when_the_answer_breaks_off(tmp_path: Path) -> None:
    function = {"name": "find_slots", "arguments": '{"day": "tues'}
    broken = BrokenOff([{"role": "assistant"}, {"tool_calls": [{"index": 0, "id": "call_1", "function": function}]}])
    other = ScriptedModel([Answer(calls=(("find_slots", '{"day": "wednesday"}'),))])
    days: list[str] = []
    async with line(broken.app(), other.app(), tmp_path) as call:
        await call.answer(on_call=days.append)

    assert days == ["wednesday"]
    assert broken.asked == 1


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["upstream request timeout"],
        [delta(role="assistant")],
        [delta(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "find_slots", "arguments": '{"d'}}])],
    ],
)
async def test_what_is_no_answer_is_answered_by_another(tmp_path: Path, lines: list[str]) -> None:
    other = ScriptedModel([Answer("Yes?")])
    async with line(Garbled(lines).app(), other.app(), tmp_path) as call:
        said = await call.answer()

        assert (said, call.errors) == ("Yes?", [])


@pytest.mark.parametrize("is_one_chunk", [True, False])
async def test_several_tools_are_called_however_a_server_sends_them(tmp_path: Path, is_one_chunk: bool) -> None:
    functions = [{"name": "find_slots", "arguments": json.dumps({"day": day})} for day in ("monday", "friday")]
    calls = [{"index": 0, "id": f"call_{at}", "function": each} for at, each in enumerate(functions)]
    pieces = [calls] if is_one_chunk else [[each] for each in calls]
    end = {**HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    server = Garbled([*(delta(tool_calls=piece) for piece in pieces), json.dumps(end)])
    days: list[str] = []
    async with line(server.app(), ScriptedModel([Answer("No.")]).app(), tmp_path) as call:
        await call.answer(on_call=days.append)
        await call.until(lambda: len(days) > 1)

    assert sorted(days) == ["friday", "monday"]


async def test_an_answer_that_ends_in_the_middle_without_an_error_is_one_that_broke_off(tmp_path: Path) -> None:
    other = ScriptedModel([Answer("Tuesday.")])
    async with line(Garbled([delta(content="You could come on")]).app(), other.app(), tmp_path) as call:
        said = await call.answer()

    assert said == "You could come on"
    assert call.speech.llms.breaker.is_open


@pytest.mark.parametrize("lines", [[], ["<html>"], ['{"error": "no"}']])
async def test_what_is_no_transcript_is_heard_by_another(tmp_path: Path, lines: list[str]) -> None:
    pair = Pair()
    await pair.room.learn(WorldOrder(lines=[LINE], voice=VOICE))
    other = stand_in.build_fallback(CREDENTIALS, pair.fallback_faults, pair.room)
    async with line(Garbled(lines).app(), other, tmp_path) as call:
        heard = await transcribe(call.speech.stts, recording(), language="en")

    assert heard.text == LINE


@pytest.mark.parametrize("body", ["", '{"text": "Tues', "null", "{}", '{"text": 5}'])
async def test_json_that_is_no_transcript_is_heard_by_another(tmp_path: Path, body: str) -> None:
    pair = Pair()
    await pair.room.learn(WorldOrder(lines=[LINE], voice=VOICE))
    other = stand_in.build_fallback(CREDENTIALS, pair.fallback_faults, pair.room)
    async with line(Garbled(json=body).app(), other, tmp_path) as call:
        heard = await transcribe(call.speech.stts, recording(), language="en")

    assert heard.text == LINE


@pytest.mark.parametrize("lines", [[], ["<html>"]])
async def test_what_is_no_sound_is_spoken_by_another(tmp_path: Path, lines: list[str]) -> None:
    pair = Pair()
    other = stand_in.build_fallback(CREDENTIALS, pair.fallback_faults, pair.room)
    async with line(Garbled(lines).app(), other, tmp_path) as call:
        sound = await call.speak("How can I help you?")

    assert sound
    assert pair.spoken == ["How can I help you?"]


async def test_no_word_is_said_twice_when_the_answer_breaks_off(tmp_path: Path) -> None:
    broken = BrokenOff([{"role": "assistant"}, {"content": "You could come"}, {"content": " on"}])
    other = ScriptedModel([Answer("You could come on Tuesday.")])
    async with line(broken.app(), other.app(), tmp_path) as call:
        said = await call.answer()

    assert said == "You could come on"
    assert other.requests == []
    assert call.speech.llms.breaker.is_open


async def test_a_caller_hears_the_rest_of_an_answer_that_broke_off(tmp_path: Path) -> None:
    broken = BrokenOff([{"role": "assistant"}, {"content": "You could come"}, {"content": " on"}])
    other = ScriptedModel([Answer("Tuesday.")])
    runner, url = await run_app(other.app(), 0)
    fallback = {"llm_fallback_model": "gpt-4.1", "llm_fallback_base_url": f"{url}/v1"}
    async with open_house(tmp_path, model=broken, **fallback) as house, Call(house).running() as call:  # type: ignore[arg-type]
        await call.speaks("When can I come?")
        await call.until(lambda: [turn.text for turn in call.transcript.turns][-1:] == ["Tuesday."])
        said = [turn.text for turn in call.transcript.turns]
    await runner.cleanup()

    told = other.requests[0]["messages"][-2:]
    assert [(message["role"], message["content"]) for message in told] == [
        ("assistant", "You could come on"),
        ("system", GO_ON),
    ]
    assert said[-2:] == ["You could come on", "Tuesday."]


async def test_an_answer_that_breaks_off_again_and_again_is_an_error(tmp_path: Path) -> None:
    broken = BrokenOff([{"role": "assistant"}, {"content": "You could"}])
    async with open_house(tmp_path, model=broken) as house, Call(house).running() as call:  # type: ignore[arg-type]
        await call.speaks("When can I come?")
        await call.until(lambda: broken.asked == 2)
        await call.is_quiet()

    assert broken.asked == 2


async def test_who_stands_in_is_asked_as_it_can_be_asked(tmp_path: Path) -> None:
    main, other = ScriptedModel([Answer(status=500)]), ScriptedModel([Answer("Yes?")])
    async with line(main.app(), other.app(), tmp_path) as call:
        await call.answer({"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello"})

    asked, stood_in = main.requests[0], other.requests[0]
    assert (asked["model"], asked["reasoning_effort"], "temperature" in asked) == ("gpt-6-luna", "none", False)
    assert (stood_in["model"], "reasoning_effort" in stood_in, "temperature" in stood_in) == ("gpt-4.1", False, True)
    assert [message["role"] for message in asked["messages"]] == ["system", "developer", "user"]
    assert [message["role"] for message in stood_in["messages"]] == ["system", "system", "user"]
    assert asked["tools"] == stood_in["tools"]


def recording() -> bytes:
    sound = audio.at_level(voices.at_rate(voices.speak(LINE, VOICE), audio.TELEPHONE_RATE))
    return audio.write_wav(audio.TELEPHONE_RATE, audio.mulaw_decode(audio.mulaw_encode(sound)))


async def test_another_hears_what_the_first_did_not(tmp_path: Path) -> None:
    pair = Pair()
    pair.breaks("transcribe")
    await pair.room.learn(WorldOrder(lines=[LINE], voice=VOICE))
    async with pair.line(tmp_path) as call:
        heard = [(await transcribe(call.speech.stts, recording(), language="en")).text for _ in range(3)]

    assert heard == [LINE] * 3
    assert len(pair.faults.fired) == 2


async def test_nobody_hearing_is_told(tmp_path: Path) -> None:
    pair = Pair()
    pair.breaks("transcribe")
    pair.fallback_faults.replace([Fault(on="transcribe", kind="error_500", times=100)])
    async with pair.line(tmp_path) as call:
        with pytest.raises(openai.InternalServerError):
            await transcribe(call.speech.stts, recording(), language="en")


@pytest.mark.parametrize("kind", ["error_500", "rate_limited", "drop_before"])
async def test_another_speaks_the_same_sentence(tmp_path: Path, kind: Kind) -> None:
    pair = Pair()
    pair.breaks("speech", kind)
    async with pair.line(tmp_path) as call:
        sound = await call.speak("You could come on Tuesday.")

    # A second at 24 kHz and 16 bits.
    assert len(sound) > 48_000
    assert call.errors == []
    assert pair.spoken == ["You could come on Tuesday."]


async def test_nobody_speaking_is_told(tmp_path: Path) -> None:
    pair = Pair()
    pair.breaks("speech")
    pair.fallback_faults.replace([Fault(on="speech", kind="error_500", times=100)])
    async with pair.line(tmp_path) as call:
        sound = await call.speak("You could come on Tuesday.")

    assert sound == b""
    assert call.errors


async def test_no_sound_is_heard_twice_when_a_sentence_breaks_off(tmp_path: Path) -> None:
    broken, other = BrokenOff(sound=bytes(96_000)), ScriptedModel([Answer()])
    async with line(broken.app(), other.app(), tmp_path) as call:
        sound = await call.speak("You could come on Tuesday.")

    assert 0 < len(sound) <= 96_000
    assert other.spoken == []


async def test_who_stands_in_has_a_voice_of_its_own(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    async def speak(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.Response(body=bytes(4800), content_type="audio/pcm")

    kokoro = web.Application()
    kokoro.add_routes([web.post("/v1/audio/speech", speak)])
    async with line(web.Application(), kokoro, tmp_path, tts_fallback_voice="af_heart") as call:
        await call.speak("Hello.")

    assert [(each["model"], each["voice"]) for each in asked] == [("tts-2", "af_heart")]


async def test_fixed_sentences_are_all_of_one_voice(tmp_path: Path) -> None:
    pair = Pair()
    texts = ["One.", "Two.", "Three."]
    async with pair.line(tmp_path) as call:
        book = PhraseBook(call.speech.voices.providers, voice="alloy", folder=tmp_path)
        await book.render(texts[:1])
        pair.breaks("speech")
        other = PhraseBook(call.speech.voices.providers, voice="alloy", folder=tmp_path)
        is_whole = await other.render(texts)

    assert is_whole
    assert all(other.audio(text) for text in texts)
    assert pair.spoken == ["One.", *texts]


async def test_fixed_sentences_are_the_first_ones_again_when_it_is_back(tmp_path: Path) -> None:
    pair = Pair()
    pair.breaks("speech", times=1)
    async with pair.line(tmp_path) as call:
        for _ in range(3):
            await PhraseBook(call.speech.voices.providers, voice="alloy", folder=tmp_path).render(["One."])

    assert pair.spoken == ["One.", "One."]
