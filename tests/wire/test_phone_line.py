"""A phone call's sound over a real websocket, to Twilio's strict far end: what goes in, what comes out, and when."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from websockets.asyncio.client import connect

from agent.phone_input import PhoneInput
from agent.phone_socket import PhoneSocket
from agent.phrase_book import frames_of
from agent.playout import Playout
from simulator.media_edge import FRAME_BYTES, FRAME_SECS
from simulator.media_edge import Playout as LinePlayout
from telephony import mulaw
from telephony.media_stream import MAX_FRAME_BYTES, MediaStream
from tests.far_end import START, STREAM_SID, TAPE
from tests.pipelines import PATIENCE_SECS, running_pipeline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from websockets.asyncio.client import ClientConnection

SILENCE = b"\xff"


class Noted(FrameProcessor):
    """Keeps what passes."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        await self.push_frame(frame, direction)


@dataclass
class Phone:
    """The far end: plays at the pace of a line, echoes marks, and notes what is heard."""

    websocket: ClientConnection
    line: LinePlayout = field(default_factory=LinePlayout)
    played: bytearray = field(default_factory=bytearray)
    events: list[str] = field(default_factory=list)

    @property
    def heard(self) -> bytes:
        return bytes(self.played).strip(SILENCE)

    async def send(self, event: str, **content: Any) -> None:
        await self.websocket.send(json.dumps({"event": event, "streamSid": STREAM_SID, **content}))

    async def listen(self) -> None:
        async for text in self.websocket:
            message = json.loads(text)
            assert message["streamSid"] == STREAM_SID
            self.events.append(message["event"])
            match message["event"]:
                case "media":
                    self.line.add(base64.b64decode(message["media"]["payload"], validate=True))
                case "mark":
                    self.line.mark(message["mark"]["name"])
                case "clear":
                    await self._echo(self.line.clear())
                case other:
                    raise AssertionError(other)

    async def play(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self._echo(self.line.reached())
            self.played += self.line.play()
            due += FRAME_SECS
            await asyncio.sleep(due - loop.time())

    async def _echo(self, names: list[str]) -> None:
        for name in names:
            await self.send("mark", mark={"name": name})


@dataclass
class Call:
    """Our end: the processors of a phone's leg, with an assistant's context behind them."""

    input: PhoneInput
    playout: Playout
    context: LLMContext
    before: Noted
    after: Noted
    gone: asyncio.Event
    floods: list[None]

    async def gets(self, *frames: Frame) -> None:
        for frame in frames:
            await self.before.push_frame(frame)

    async def says(self, *words: str, secs: float = 0.5) -> bytes:
        """Say a phrase of a sentence for each of `words`, and return its sound."""
        await self.gets(TTSStartedFrame())
        sound = TAPE[: round(secs * 8000) * len(words)]
        size = len(sound) // len(words)
        for number, text in enumerate(words):
            pcm = mulaw.decode(sound[number * size : (number + 1) * size])
            await self.gets(TTSAudioRawFrame(pcm, 8000, 1), TTSTextFrame(text, text_type="sentence"))
        await self.gets(TTSStoppedFrame(), LLMAssistantPushAggregationFrame())
        return sound

    @property
    def said(self) -> list[str]:
        """What the model is told that we said."""
        return [str(message["content"]) for message in self.context.messages if isinstance(message, dict)]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECS):
        while not holds():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def talking(*, on_audio: Callable[[bytes], Awaitable[None]] | None = None) -> AsyncIterator[tuple[Call, Phone]]:
    """Open a call whose two ends are joined by a websocket on loopback."""
    calls: asyncio.Queue[Call] = asyncio.Queue()
    is_over, has_ended = asyncio.Event(), asyncio.Event()
    app = FastAPI()

    @app.websocket("/media")
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        call = _call(websocket)
        call.input.on_audio = on_audio
        worker = PipelineWorker(
            Pipeline([call.input, call.before, call.playout, call.after, _assistant(call.context)]),
            params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
            enable_rtvi=False,
            idle_timeout_secs=None,
        )
        async with running_pipeline(worker):
            calls.put_nowait(call)
            await is_over.wait()
        has_ended.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, ws_max_size=MAX_FRAME_BYTES, lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/media", proxy=None) as websocket:
            phone = Phone(websocket)
            tasks = [asyncio.create_task(phone.listen()), asyncio.create_task(phone.play())]
            yield await asyncio.wait_for(calls.get(), PATIENCE_SECS), phone
            is_over.set()
            await asyncio.wait_for(has_ended.wait(), PATIENCE_SECS)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        server.should_exit = True
        await serving


def _call(websocket: WebSocket) -> Call:
    gone, floods = asyncio.Event(), list[None]()
    stream = MediaStream(START, on_flood=lambda: floods.append(None), flood_limit=5)
    connection = PhoneSocket(websocket)
    playout = Playout(stream, connection)

    def leave() -> None:
        gone.set()
        playout.caller_is_gone()

    connection.on_gone = leave
    return Call(PhoneInput(stream, connection), playout, LLMContext(), Noted(), Noted(), gone, floods)


def _assistant(context: LLMContext) -> FrameProcessor:
    return LLMContextAggregatorPair(context).assistant()


async def test_all_that_is_said_is_heard_and_known_to_have_been_said() -> None:
    async with talking() as (call, phone):
        sound = await call.says("One.", "Two.")
        assert call.said == []

        await until(lambda: call.said == ["One. Two."])

        assert phone.heard == sound
        # Sent ahead, it is in pieces that no gap lies between.
        assert bytes(phone.played).count(sound) == 1


async def test_what_is_cut_off_is_unsaid_until_it_has_been_said_again() -> None:
    async with talking() as (call, phone):
        sound = await call.says("One.", "Two.", secs=0.8)
        await until(lambda: len(phone.heard) > 9_600)
        await call.gets(InterruptionFrame())
        await until(lambda: "clear" in phone.events)
        heard = len(phone.heard)

        assert call.said == ["One."]
        assert call.playout.shelf_text == "Two."
        assert call.playout.resume()
        await until(lambda: call.said == ["One.", "Two."])

        # Nothing is left out, and no more is heard twice than leads into it.
        again = phone.heard[heard:].strip(SILENCE)
        assert sound.endswith(again)
        assert 0 <= heard + len(again) - len(sound) <= 2400 + 4 * FRAME_BYTES


async def test_the_callers_sound_comes_as_frames() -> None:
    async with talking() as (call, phone):
        await phone.send("media", media={"payload": base64.b64encode(TAPE[:160]).decode()})
        await until(lambda: any(isinstance(frame, InputAudioRawFrame) for frame in call.before.frames))

        frame = next(frame for frame in call.before.frames if isinstance(frame, InputAudioRawFrame))
        assert (frame.audio, frame.sample_rate, frame.num_channels) == (mulaw.decode(TAPE[:160]), 8000, 1)


async def test_the_callers_sound_goes_straight_to_who_hears_it() -> None:
    heard: list[bytes] = []

    async def hear(pcm: bytes) -> None:
        heard.append(pcm)

    async with talking(on_audio=hear) as (call, phone):
        for start in (0, 160):
            await phone.send("media", media={"payload": base64.b64encode(TAPE[start : start + 160]).decode()})
        await until(lambda: b"".join(heard) == mulaw.decode(TAPE[:320]))

        assert not any(isinstance(frame, InputAudioRawFrame) for frame in call.before.frames)


async def test_who_is_slow_to_hear_does_not_keep_marks_from_being_read() -> None:
    heard = asyncio.Event()

    async def hear(_pcm: bytes) -> None:
        heard.set()
        await asyncio.Event().wait()

    async with talking(on_audio=hear) as (call, phone):
        await phone.send("media", media={"payload": base64.b64encode(TAPE[:160]).decode()})
        await asyncio.wait_for(heard.wait(), PATIENCE_SECS)
        await call.says("One.", secs=0.1)

        await until(lambda: call.said == ["One."])


async def test_a_key_comes_as_a_frame() -> None:
    async with talking() as (call, phone):
        await phone.send("dtmf", dtmf={"digit": "#"})

        await until(lambda: any(isinstance(frame, InputDTMFFrame) for frame in call.before.frames))


async def test_the_end_of_the_callers_side_is_told_once_whether_announced_or_not() -> None:
    async with talking() as (call, phone):
        await phone.send("stop", stop={})
        await asyncio.wait_for(call.gone.wait(), PATIENCE_SECS)
    async with talking() as (call, phone):
        await phone.websocket.close()
        await asyncio.wait_for(call.gone.wait(), PATIENCE_SECS)


async def test_closing_the_call_ourselves_is_not_told_as_the_callers_doing() -> None:
    async with talking() as (call, phone):
        await call.says("One.", secs=0.1)
        await until(lambda: call.said == ["One."])

    assert not call.gone.is_set()
    assert phone.websocket.close_code == 1000


async def test_a_flood_is_told_once_and_what_is_being_said_goes_on() -> None:
    async with talking() as (call, phone):
        await call.says("One.", secs=0.3)
        for _ in range(20):
            await phone.websocket.send("nonsense")

        await until(lambda: bool(call.floods))
        await until(lambda: len(phone.heard) == 2400)
        assert call.floods == [None]


async def test_a_phrase_is_heard_as_it_is_on_disk() -> None:
    async with talking() as (call, phone):
        await call.gets(*frames_of("Hello.", mulaw.decode(TAPE[:3000])))

        await until(lambda: call.said == ["Hello."])

        assert phone.heard == TAPE[:3000]
