"""Phrases are rendered by the voice once, and said without it from then on."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from aiohttp import web
from pipecat.frames.frames import Frame, TTSAudioRawFrame, TTSStartedFrame, TTSStoppedFrame, TTSTextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from agent.phrase_book import AT_ONCE, PHONE_RATE, PhraseBook, PhrasePlayer
from agent.phrases import GOODBYE, ONE_MOMENT, STILL_WORKING
from agent.speech_services import Model
from simulator import openai as stand_in
from simulator.faults import FaultBoard
from simulator.world import Credentials, run_app
from tests.pipelines import running_pipeline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice on loopback."""

    client: openai.AsyncOpenAI
    http: httpx.AsyncClient

    async def spoken(self) -> list[str]:
        return [each["text"] for each in (await self.http.get("/control/spoken?after=0&wait=0")).json()["spoken"]]

    async def break_down(self, *, times: int) -> None:
        order = [{"on": "speech", "kind": "error_500", "times": times}]
        (await self.http.post("/control/faults", json=order)).raise_for_status()

    def book(self, folder: Path, *, voice: str = "alloy") -> PhraseBook:
        return PhraseBook([Model(self.client, "gpt-4o-mini-tts")], voice=voice, folder=folder)


@pytest.fixture
async def voice() -> AsyncIterator[Voice]:
    credentials = Credentials.generate()
    runner, url = await run_app(stand_in.build_app(credentials, FaultBoard("openai")), 0)
    client = openai.AsyncOpenAI(api_key=credentials.openai_api_key, base_url=f"{url}/v1", max_retries=0)
    async with client, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        yield Voice(client, http)
    await runner.cleanup()


async def test_renders_each_phrase_once(voice: Voice, tmp_path: Path) -> None:
    book = voice.book(tmp_path)

    assert await book.render([GOODBYE, ONE_MOMENT, GOODBYE])
    assert await book.render([GOODBYE, ONE_MOMENT])

    assert sorted(await voice.spoken()) == sorted([GOODBYE, ONE_MOMENT])


@dataclass(slots=True)
class Answering:
    """A speech service that answers all with the same, and notes how many it is asked for at once."""

    body: bytes
    kind: str = "audio/pcm"
    now: int = 0
    at_once: list[int] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def model(self) -> AsyncIterator[Model]:
        app = web.Application()
        app.add_routes([web.post("/v1/audio/speech", self._speak)])
        runner, url = await run_app(app, 0)
        async with openai.AsyncOpenAI(api_key="-", base_url=f"{url}/v1", max_retries=0) as client:
            yield Model(client, "gpt-4o-mini-tts")
        await runner.cleanup()

    async def _speak(self, _request: web.Request) -> web.Response:
        self.now += 1
        self.at_once.append(self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        return web.Response(body=self.body, content_type=self.kind)


async def test_a_few_phrases_are_rendered_at_a_time(tmp_path: Path) -> None:
    service, texts = Answering(bytes(4800)), [f"Phrase {number}." for number in range(2 * AT_ONCE + 1)]
    async with service.model() as model:
        book = PhraseBook([model], voice="alloy", folder=tmp_path)

        assert await book.render(texts)

    assert max(service.at_once) == AT_ONCE
    assert all(book.audio(text) for text in texts)


@pytest.mark.parametrize(
    "service", [Answering(b""), Answering(b"<html>", "text/html"), Answering(b"{}", "application/json")]
)
async def test_what_is_no_sound_is_not_kept(service: Answering, tmp_path: Path) -> None:
    async with service.model() as model:
        book = PhraseBook([model], voice="alloy", folder=tmp_path)

        assert not await book.render([GOODBYE])

    assert book.audio(GOODBYE) is None
    assert os.listdir(tmp_path) == []


async def test_processes_that_start_together_render_each_phrase_once(voice: Voice, tmp_path: Path) -> None:
    first, second = voice.book(tmp_path), voice.book(tmp_path)
    texts = [GOODBYE, ONE_MOMENT, STILL_WORKING]

    assert all(await asyncio.gather(first.render(texts), second.render(texts)))

    assert sorted(await voice.spoken()) == sorted(texts)


async def test_what_was_rendered_beside_a_failure_is_kept(voice: Voice, tmp_path: Path) -> None:
    texts = [f"Phrase {number}." for number in range(AT_ONCE)]
    await voice.break_down(times=1)

    assert not await voice.book(tmp_path).render(texts)

    assert len(await voice.spoken()) == len(os.listdir(tmp_path)) == AT_ONCE - 1


async def test_a_phrase_is_telephone_audio_of_a_plausible_length(voice: Voice, tmp_path: Path) -> None:
    book = voice.book(tmp_path)
    await book.render([GOODBYE])

    audio = book.audio(GOODBYE)

    assert audio is not None
    # Four words take a second or two at 16 bits and 8 kHz, and three times that if its rate were mistaken.
    assert 0.8 < len(audio) / 2 / PHONE_RATE < 3.5


async def test_the_next_worker_finds_the_phrases_on_disk(voice: Voice, tmp_path: Path) -> None:
    first, second = voice.book(tmp_path), voice.book(tmp_path)
    await first.render([GOODBYE])
    await voice.break_down(times=9)

    assert await second.render([GOODBYE])

    assert second.audio(GOODBYE) == first.audio(GOODBYE)


async def test_another_voice_has_phrases_of_its_own(voice: Voice, tmp_path: Path) -> None:
    await voice.book(tmp_path).render([GOODBYE])

    await voice.book(tmp_path, voice="ash").render([GOODBYE])

    assert await voice.spoken() == [GOODBYE, GOODBYE]


async def test_a_voice_that_is_down_is_told_and_the_phrases_come_later(voice: Voice, tmp_path: Path) -> None:
    book = voice.book(tmp_path)
    await voice.break_down(times=1)

    first = await book.render([GOODBYE, ONE_MOMENT])
    was_there = book.audio(GOODBYE)
    second = await book.render([GOODBYE, ONE_MOMENT])

    assert (first, was_there, second) == (False, None, True)
    assert book.audio(GOODBYE)
    assert book.audio(ONE_MOMENT)


async def test_a_file_that_was_cut_short_is_not_played_for_ever(voice: Voice, tmp_path: Path) -> None:
    await voice.book(tmp_path).render([GOODBYE])
    (name,) = os.listdir(tmp_path)
    os.truncate(tmp_path / name, 0)
    book = voice.book(tmp_path)

    await book.render([GOODBYE])

    assert book.audio(GOODBYE)


class Sink(FrameProcessor):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        await self.push_frame(frame, direction)

    def of(self, kind: type[Frame]) -> list[Any]:
        return [frame for frame in self.frames if type(frame) is kind]


async def say(book: PhraseBook, *texts: str) -> tuple[list[bool], Sink, list[Any]]:
    """Say `texts` in a pipeline and return what became of each, the frames, and the context it left."""
    player, sink, context = PhrasePlayer(book), Sink(), LLMContext()
    pair = LLMContextAggregatorPair(context)
    worker = PipelineWorker(
        Pipeline([player, sink, pair.assistant()]),
        idle_timeout_secs=None,
        enable_rtvi=False,
        enable_turn_tracking=False,
    )
    async with running_pipeline(worker):
        said = [await player.say(text) for text in texts]
    return said, sink, list(context.messages)


async def test_a_phrase_is_said_in_one_piece(voice: Voice, tmp_path: Path) -> None:
    book = voice.book(tmp_path)
    await book.render([GOODBYE])

    said, sink, _ = await say(book, GOODBYE)

    (audio,) = sink.of(TTSAudioRawFrame)
    assert said == [True]
    assert (audio.audio, audio.sample_rate, audio.num_channels) == (book.audio(GOODBYE), PHONE_RATE, 1)
    kinds = [
        type(frame) for frame in sink.frames if type(frame) in (TTSStartedFrame, TTSAudioRawFrame, TTSStoppedFrame)
    ]
    assert kinds == [TTSStartedFrame, TTSAudioRawFrame, TTSStoppedFrame]


async def test_a_phrase_without_audio_is_not_said(voice: Voice, tmp_path: Path) -> None:
    said, sink, context = await say(voice.book(tmp_path), GOODBYE)

    assert said == [False]
    assert sink.of(TTSAudioRawFrame) == sink.of(TTSTextFrame) == []
    assert context == []


async def test_the_model_knows_what_was_said_but_not_what_only_filled_the_silence(voice: Voice, tmp_path: Path) -> None:
    book = voice.book(tmp_path)
    await book.render([GOODBYE, ONE_MOMENT, STILL_WORKING])

    said, _, context = await say(book, ONE_MOMENT, STILL_WORKING, GOODBYE)

    assert said == [True] * 3
    assert context == [{"role": "assistant", "content": GOODBYE}]
