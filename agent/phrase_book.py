"""The phrases as audio: rendered before the first call, played past the speech service."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING, Final

import numpy as np
import openai
import soxr
import structlog
from pipecat.frames.frames import (
    Frame,
    LLMAssistantPushAggregationFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from agent.phrases import FILLERS
from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = structlog.get_logger(__name__)

PHONE_RATE: Final = 8000
TTS_RATE: Final = 24000
"""What OpenAI's speech endpoint sends as pcm: https://platform.openai.com/docs/guides/text-to-speech"""


class PhraseBook:
    """Phrases as 8 kHz audio in one voice, kept on disk by a hash of what they were made of."""

    def __init__(self, client: openai.AsyncOpenAI, *, model: str, voice: str, folder: Path) -> None:
        self._client = client
        self._model = model
        self._voice = voice
        self._folder = folder
        self._audio: dict[str, bytes] = {}
        self.failure = ""
        """The kind of error for which a phrase could not be rendered."""

    def audio(self, text: str) -> bytes | None:
        """Return the 8 kHz 16-bit audio of `text`, None when it is not rendered."""
        return self._audio.get(text)

    async def render(self, texts: Iterable[str]) -> bool:
        """Render what is not on disk yet; returns False when the voice could not be had for all of them.

        Raises:
            ConfigError: the service refuses the voice or the model.
        """
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        missing = [text for text in texts if text not in self._audio]
        for text in missing:
            path = self._path(text)
            if kept := await asyncio.to_thread(_read, path):
                self._audio[text] = kept
                continue
            try:
                spoken = await self._client.audio.speech.create(
                    model=self._model, voice=self._voice, input=text, response_format="pcm"
                )
            except (openai.BadRequestError, openai.NotFoundError, openai.UnprocessableEntityError) as error:
                raise ConfigError(f'voice "{self._voice}" of {self._model} is refused: {error.message}') from error
            except openai.OpenAIError as error:
                self.failure = type(error).__name__
                return False
            audio = await asyncio.to_thread(_to_phone_rate, spoken.content)
            await asyncio.to_thread(_write, path, audio)
            self._audio[text] = audio
        return True

    def _path(self, text: str) -> Path:
        made_of = "\0".join((self._model, self._voice, str(PHONE_RATE), text))
        return self._folder / f"{hashlib.sha256(made_of.encode()).hexdigest()[:32]}.pcm"


class PhrasePlayer(FrameProcessor):
    """Says phrases, past a speech service that may be slow, busy or down. Stands right after it."""

    def __init__(self, book: PhraseBook) -> None:
        super().__init__()
        self._book = book

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)

    async def say(self, text: str) -> bool:
        """Say `text` after what is being said; returns False when there is no audio of it."""
        audio = self._book.audio(text)
        if audio is None:
            log.error("phrase_missing", phrase=text)
            return False
        await self.push_frame(TTSStartedFrame())
        # One frame, so that nothing of the speech service can get in between.
        await self.push_frame(TTSAudioRawFrame(audio, PHONE_RATE, 1))
        is_filler = text in FILLERS
        words = TTSTextFrame(text, text_type="sentence")
        words.append_to_context = not is_filler
        await self.push_frame(words)
        await self.push_frame(TTSStoppedFrame())
        if not is_filler:
            await self.push_frame(LLMAssistantPushAggregationFrame())
        return True


def _read(path: Path) -> bytes:
    """Return what `path` holds, nothing when there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _write(path: Path, audio: bytes) -> None:
    """Write all or nothing: a worker that dies meanwhile leaves no half a phrase."""
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    unfinished.write_bytes(audio)
    unfinished.replace(path)


def _to_phone_rate(pcm: bytes) -> bytes:
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype=np.int16)
    resampled: np.ndarray = soxr.resample(samples, TTS_RATE, PHONE_RATE, quality="HQ")
    return resampled.astype(np.int16).tobytes()
