"""What a caller says is transcribed while it is spoken, and by HTTP when the socket cannot be relied on."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.stt import OpenAIRealtimeSTTService
from pipecat.transcriptions.language import Language

from agent import realtime_stt
from agent.failover import Breaker
from agent.realtime_stt import RealtimeSTT
from simulator import audio, voices
from simulator.faults import FaultBoard
from simulator.openai import build_app
from simulator.world import Credentials, run_app
from tests.pipelines import running_pipeline
from tests.worker import open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

VOICE = "en-us+f3"
LINE = "I would like to make an appointment please."
OTHER = "The first one suits me fine."
RATE = 8000
FRAME = RATE // 50 * 2
PATIENCE_SECS = 10


def speech(text: str) -> bytes:
    """Return `text` as it comes from a telephone."""
    spoken = voices.at_rate(voices.speak(text, VOICE), RATE)
    return audio.to_s16le(audio.mulaw_decode(audio.mulaw_encode(audio.at_level(spoken))))


class Sink(FrameProcessor):
    """Keeps the transcripts."""

    def __init__(self) -> None:
        super().__init__()
        self.transcripts: list[TranscriptionFrame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            self.transcripts.append(frame)
        await self.push_frame(frame, direction)


@dataclass(slots=True)
class Call:
    """A caller's speech on its way through the service."""

    url: str
    key: str
    http: httpx.AsyncClient
    breaker: Breaker = field(default_factory=lambda: Breaker("realtime_stt"))
    by_http: list[bytes] = field(default_factory=list)
    not_transcribed: int = 0
    sink: Sink = field(default_factory=Sink)
    stt: RealtimeSTT = field(init=False)
    worker: PipelineWorker = field(init=False)

    @contextlib.asynccontextmanager
    async def running(self, *, is_open: bool = True) -> AsyncIterator[None]:
        client = openai.AsyncOpenAI(api_key=self.key, base_url=f"{self.url}/v1", max_retries=0)

        async def transcribe(pcm: bytes) -> str:
            self.by_http.append(pcm)
            wav = audio.write_wav(RATE, audio.from_s16le(pcm))
            file = ("audio.wav", wav, "audio/wav")
            return (await client.audio.transcriptions.create(file=file, model="gpt-4o-transcribe")).text

        async def on_not_transcribed() -> None:
            self.not_transcribed += 1

        self.stt = RealtimeSTT(
            transcribe=transcribe,
            breaker=self.breaker,
            on_not_transcribed=on_not_transcribed,
            tls=None,
            api_key=self.key,
            base_url=f"{self.url}/v1/realtime".replace("http", "ws", 1),
            settings=OpenAIRealtimeSTTService.Settings(model="gpt-realtime-whisper", language=Language.EN),
        )
        self.worker = PipelineWorker(
            Pipeline([self.stt, self.sink]),
            params=PipelineParams(audio_in_sample_rate=RATE),
            idle_timeout_secs=None,
            enable_rtvi=False,
            enable_turn_tracking=False,
        )
        async with client, running_pipeline(self.worker):
            if is_open:
                await self.until(lambda: self.stt.is_open)
            yield

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECS):
            while not holds():
                await asyncio.sleep(0.01)

    async def starts(self, text: str) -> None:
        """Say `text`, noticed some way into it as voice detection does, and do not fall silent."""
        pcm = speech(text)
        frames = [pcm[at : at + FRAME] for at in range(0, len(pcm), FRAME)]
        for number, sound in enumerate(frames):
            if number == 5:
                await self.worker.queue_frame(VADUserStartedSpeakingFrame())
            await self.worker.queue_frame(InputAudioRawFrame(sound, RATE, 1))

    async def stops(self) -> None:
        await self.worker.queue_frame(InputAudioRawFrame(bytes(FRAME * 10), RATE, 1))
        await self.worker.queue_frame(VADUserStoppedSpeakingFrame())

    async def says(self, text: str, *, transcripts: int = 1) -> None:
        """Say `text` and wait for the transcript after `transcripts` others."""
        await self.starts(text)
        await self.stops()
        await self.until(lambda: len(self.texts) == transcripts)

    @property
    def texts(self) -> list[str]:
        return [frame.text for frame in self.sink.transcripts]

    async def fault(self, on: str, kind: str, **more: Any) -> None:
        order = [{"on": on, "kind": kind, **more}]
        (await self.http.post("/control/faults", json=order)).raise_for_status()

    async def faults(self) -> list[str]:
        return [fault["on"] for fault in (await self.http.get("/control/state")).json()["faults"]]


@pytest.fixture
async def call() -> AsyncIterator[Call]:
    credentials = Credentials.generate()
    runner, url = await run_app(build_app(credentials, FaultBoard("openai")), 0)
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        (await http.post("/control/world", json={"lines": [LINE, OTHER], "voice": VOICE})).raise_for_status()
        yield Call(url, credentials.openai_api_key, http)
    await runner.cleanup()


async def test_utterances_are_transcribed_over_one_socket(call: Call) -> None:
    async with call.running():
        await call.says(LINE)
        await call.says(OTHER, transcripts=2)

    assert call.texts == [LINE, OTHER]
    assert call.by_http == []


async def test_a_transcript_ends_the_turn_when_it_comes(call: Call) -> None:
    async with call.running():
        await call.says(LINE)

    assert [frame.finalized for frame in call.sink.transcripts] == [True]


async def test_a_caller_who_speaks_on_is_not_finished(call: Call) -> None:
    await call.fault("utterance", "slow", seconds=0.3)
    async with call.running():
        await call.starts(LINE)
        await call.stops()
        await call.starts(OTHER)
        await call.until(lambda: len(call.texts) == 1)
        await call.stops()
        await call.until(lambda: len(call.texts) == 2)

    assert [(frame.text, frame.finalized) for frame in call.sink.transcripts] == [(LINE, False), (OTHER, True)]


async def test_what_was_said_first_stays_first(call: Call) -> None:
    await call.fault("utterance", "slow", seconds=0.5)
    async with call.running():
        await call.starts(LINE)
        await call.stops()
        await call.says(OTHER)

    assert call.texts == [f"{LINE} {OTHER}"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("drop_before", {}),
        ("drop_after", {}),
        ("error_500", {}),
        ("error_500_after", {}),
        ("rate_limited", {}),
        ("slow", {"seconds": 30}),
    ],
)
async def test_the_utterance_goes_by_http_and_so_does_the_rest_of_the_call(
    call: Call, monkeypatch: pytest.MonkeyPatch, kind: str, more: dict[str, Any]
) -> None:
    monkeypatch.setattr(realtime_stt, "TRANSCRIPT_SECS", 0.3)
    async with call.running():
        await call.says(OTHER)
        await call.fault("utterance", kind, **more)
        await call.says(LINE, transcripts=2)
        await call.says(OTHER, transcripts=3)

    assert call.texts == [OTHER, LINE, OTHER]
    assert len(call.by_http) == 2


async def test_what_was_said_while_the_socket_was_lost_is_not(call: Call) -> None:
    async with call.running():
        await call.starts(LINE)
        await call.fault("utterance", "drop_before")
        await call.stops()
        await call.starts(OTHER)
        await call.until(lambda: call.texts == [LINE])
        await call.stops()
        await call.until(lambda: call.texts == [LINE, OTHER])


async def test_a_call_begins_although_the_socket_is_refused(call: Call) -> None:
    await call.fault("realtime", "error_500")
    async with call.running(is_open=False):
        await call.says(LINE)

    assert call.texts == [LINE]


async def test_a_call_does_not_wait_for_the_socket_and_uses_it_when_it_is_there(call: Call) -> None:
    await call.fault("realtime", "slow", seconds=0.5)
    async with call.running(is_open=False):
        await call.says(LINE)
        await call.until(lambda: call.stt.is_open)
        await call.says(OTHER, transcripts=2)

    assert call.texts == [LINE, OTHER]
    assert len(call.by_http) == 1


async def test_the_next_call_does_not_try_what_failed(call: Call) -> None:
    await call.fault("realtime", "error_500", times=2)
    call.breaker.failed(TimeoutError())
    async with call.running(is_open=False):
        await call.says(LINE)

    assert call.texts == [LINE]
    assert await call.faults() == []


async def test_nobody_having_heard_is_told(call: Call) -> None:
    await call.fault("any", "error_500", times=9)
    async with call.running(is_open=False):
        await call.says(LINE)

    assert call.texts == [""]
    assert call.not_transcribed == 1


async def test_silence_is_not_sent(call: Call) -> None:
    async with call.running():
        for _ in range(100):
            await call.worker.queue_frame(InputAudioRawFrame(bytes(FRAME), RATE, 1))
        await call.says(LINE)

    (heard,) = (await call.http.get("/control/state")).json()["heard"]
    assert call.texts == [LINE]
    assert heard["secs"] < len(speech(LINE)) / RATE / 2 + 1


async def nobody() -> None:
    raise AssertionError("nothing was said")


@pytest.mark.parametrize(("mode", "kinds"), [("http", []), ("realtime", [RealtimeSTT])])
async def test_the_setting_switches_it_on(tmp_path: Path, mode: str, kinds: list[type]) -> None:
    async with open_house(tmp_path, stt_mode=mode) as house:
        worker = house.worker
        instructions = worker.desk.instructions(None, now=worker.clock(), is_recorded=False)
        before = worker.listening.before_ear(instructions, rate=RATE, on_not_transcribed=nobody)

    assert [type(processor) for processor in before] == kinds
