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

from agent import spoken_forms
from agent.failover import FAILURES, provider_failed
from agent.file_lock import held
from agent.phrases import FILLERS
from agent.speech_services import spoken
from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from agent.speech_services import Model

log = structlog.get_logger(__name__)

PHONE_RATE: Final = 8000
TTS_RATE: Final = 24000
"""What OpenAI's speech endpoint sends as pcm: https://platform.openai.com/docs/guides/text-to-speech"""
AT_ONCE: Final = 4
"""So many phrases are rendered at a time: a worker that starts waits for all, and a speech service has limits."""
_REFUSALS: Final = (openai.BadRequestError, openai.NotFoundError, openai.UnprocessableEntityError)


class PhraseBook:
    """Phrases as 8 kHz audio in one voice, kept on disk by a hash of what they were made of.

    Args:
        models: Who may speak them: the first of them that can, and it speaks them all.
        voice: Whose voice it is, where a model has none of its own.
    """

    def __init__(self, models: Sequence[Model], *, voice: str, folder: Path) -> None:
        self._models = models
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
        missing = list(dict.fromkeys(text for text in texts if text not in self._audio))
        main, *others = self._models
        try:
            self._audio |= await self._rendered(main, missing)
        except _REFUSALS as error:
            raise ConfigError(f'voice "{self._voice_of(main)}" of {main.name} is refused: {error.message}') from error
        except FAILURES as error:
            return await self._render_by(others, missing, error)
        return True

    async def _render_by(self, models: Sequence[Model], texts: Sequence[str], error: Exception) -> bool:
        """Render all `texts` by one of those who stand in, after another has failed with `error`."""
        if models:
            provider_failed("tts", "main", error)
        for model in models:
            try:
                self._audio |= await self._rendered(model, texts)
            except FAILURES as another:
                provider_failed("tts", "fallback", another)
                error = another
            else:
                return True
        self.failure = type(error).__name__
        return False

    async def _rendered(self, model: Model, texts: Sequence[str]) -> dict[str, bytes]:
        rendered = await asyncio.to_thread(self._kept, model, texts)
        if len(rendered) == len(texts):
            return rendered
        async with held(self._folder.with_name(f"{self._folder.name}.lock")):
            # Another process that has just started may have rendered them meanwhile.
            rendered = await asyncio.to_thread(self._kept, model, texts)
            missing = [text for text in texts if text not in rendered]
            for at in range(0, len(missing), AT_ONCE):
                rendered |= await self._render_at_once(model, missing[at : at + AT_ONCE])
        return rendered

    def _kept(self, model: Model, texts: Sequence[str]) -> dict[str, bytes]:
        """Return what is on disk of `texts`."""
        return {text: kept for text in texts if (kept := _read(self._path(model, text)))}

    async def _render_at_once(self, model: Model, texts: Sequence[str]) -> dict[str, bytes]:
        # No task group: what was begun is finished and kept on disk when one fails, and its error is that of a request.
        renderings = [self._render_one(model, text, self._path(model, text)) for text in texts]
        results = await asyncio.gather(*renderings, return_exceptions=True)
        rendered = {}
        for text, result in zip(texts, results, strict=True):
            if isinstance(result, BaseException):
                raise result
            rendered[text] = result
        return rendered

    async def _render_one(self, model: Model, text: str, path: Path) -> bytes:
        chunks = [chunk async for chunk in spoken(model, spoken_forms.spoken(text), voice=self._voice)]
        audio = await asyncio.to_thread(_to_phone_rate, b"".join(chunks))
        await asyncio.to_thread(_write, path, audio)
        return audio

    def _voice_of(self, model: Model) -> str:
        return model.voice or self._voice

    def _path(self, model: Model, text: str) -> Path:
        said = spoken_forms.spoken(text)
        made_of = "\0".join((*model.place, model.name, self._voice_of(model), str(PHONE_RATE), said))
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
        for frame in frames_of(text, audio):
            await self.push_frame(frame)
        return True


def frames_of(text: str, audio: bytes) -> Sequence[Frame]:
    """Return what stands for a phrase in a pipeline."""
    is_filler = text in FILLERS
    words = TTSTextFrame(text, text_type="sentence")
    words.append_to_context = not is_filler
    return (
        TTSStartedFrame(append_to_context=not is_filler),
        # One frame, so that nothing of the speech service can get in between.
        TTSAudioRawFrame(audio, PHONE_RATE, 1),
        words,
        TTSStoppedFrame(),
        *(() if is_filler else (LLMAssistantPushAggregationFrame(),)),
    )


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
