"""Tries voice, recogniser and model once each: without one of them nobody can talk to the agent."""

from __future__ import annotations

import io
import wave
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import openai

from agent.phrase_book import TTS_RATE
from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.bootstrap import Worker
    from agent.speech_services import Model

HELLO = "Hello, can you hear me?"


async def try_speech(worker: Worker) -> None:
    """Have a sentence spoken, recognised and answered.

    Raises:
        ConfigError: one of the three does not work; names its setting and says what the server says.
    """
    speech, head = worker.speech, worker.desk.prompts.prompt.head
    voice, ear, model = speech.voices.main, speech.stts.main, speech.llms.main
    with _naming("TTS_MODEL", voice):
        spoken = await voice.client.audio.speech.create(
            model=voice.name, voice=voice.voice or head.voice, input=HELLO, response_format="pcm"
        )
    with _naming("STT_MODEL", ear):
        await ear.client.audio.transcriptions.create(model=ear.name, file=("hello.wav", _wav(spoken.content)))
    model = replace(model, name=head.model or model.name)
    with _naming("LLM_MODEL", model):
        await model.client.chat.completions.create(model=model.name, messages=[{"role": "user", "content": HELLO}])


@contextmanager
def _naming(setting: str, model: Model) -> Iterator[None]:
    try:
        yield
    except openai.OpenAIError as error:
        url = str(model.client.base_url).rstrip("/")
        raise ConfigError(f"{setting}={model.name} does not work at {url}: {error}") from error


def _wav(pcm: bytes) -> bytes:
    recording = io.BytesIO()
    with wave.open(recording, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(TTS_RATE)
        file.writeframes(pcm)
    return recording.getvalue()
