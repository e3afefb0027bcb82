"""Tries voice, recogniser and model once each: without one of them nobody can talk to the agent."""

from __future__ import annotations

import io
import wave
from contextlib import contextmanager
from typing import TYPE_CHECKING

import openai

from agent.phrase_book import TTS_RATE
from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.bootstrap import Worker

HELLO = "Hello, can you hear me?"


async def try_speech(worker: Worker) -> None:
    """Have a sentence spoken, recognised and answered.

    Raises:
        ConfigError: one of the three does not work; names its setting and says what the server says.
    """
    client, settings, head = worker.speech.client, worker.settings, worker.desk.prompts.prompt.head
    with _naming("TTS_MODEL", settings.tts_model, settings.openai_base_url):
        spoken = await client.audio.speech.create(
            model=settings.tts_model, voice=head.voice, input=HELLO, response_format="pcm"
        )
    with _naming("STT_MODEL", settings.stt_model, settings.openai_base_url):
        await client.audio.transcriptions.create(model=settings.stt_model, file=("hello.wav", _wav(spoken.content)))
    model = head.model or settings.llm_model
    with _naming("LLM_MODEL", model, settings.openai_base_url):
        await client.chat.completions.create(model=model, messages=[{"role": "user", "content": HELLO}])


@contextmanager
def _naming(setting: str, model: str, url: str) -> Iterator[None]:
    try:
        yield
    except openai.OpenAIError as error:
        raise ConfigError(f"{setting}={model} does not work at {url}: {error}") from error


def _wav(pcm: bytes) -> bytes:
    recording = io.BytesIO()
    with wave.open(recording, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(TTS_RATE)
        file.writeframes(pcm)
    return recording.getvalue()
