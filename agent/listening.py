"""Listening to callers: the models that all calls share, and the ear of each call."""

from __future__ import annotations

import asyncio
import io
import wave
from typing import TYPE_CHECKING

from agent.ear import Ear
from agent.speech_services import transcribe
from agent.turn_model import TurnModel
from agent.turn_taking import Silences
from agent.vad import SpeechDetector, load_vad

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from onnxruntime import InferenceSession  # type: ignore[import-untyped]  # no types
    from pipecat.processors.frame_processor import FrameProcessor

    from agent.instructions import Instructions
    from agent.settings import Settings
    from agent.speech import Speech


class Listening:
    """One per worker."""

    def __init__(self, settings: Settings, speech: Speech) -> None:
        self._speech = speech
        self._silences = Silences.of(settings)
        self._uses_turn_model = settings.turn_end == "smart_turn"
        self._is_realtime = settings.stt_mode == "realtime"
        self._vad: InferenceSession | None = None
        self._turn_model: TurnModel | None = None
        self._loading: asyncio.Task[None] | None = None

    def prepare(self) -> None:
        """Start to load the models, in a thread: no live call waits for that."""
        self._loading = asyncio.create_task(asyncio.to_thread(self._load))

    async def ready(self) -> None:
        """Wait until the models are loaded."""
        assert self._loading is not None, "nobody has prepared"
        await self._loading

    def close(self) -> None:
        if self._turn_model is not None:
            self._turn_model.close()

    def _load(self) -> None:
        self._vad = load_vad()
        if self._uses_turn_model:
            self._turn_model = TurnModel()

    def before_ear(
        self, instructions: Instructions, *, rate: int, on_not_transcribed: Callable[[], Awaitable[None]]
    ) -> tuple[FrameProcessor, ...]:
        """Return what transcribes a call while it is spoken, where the settings say so; the sound must come by it."""
        if not self._is_realtime:
            return ()
        text_of = self._transcriber(instructions, rate)
        return (self._speech.realtime_stt(instructions, transcribe=text_of, on_not_transcribed=on_not_transcribed),)

    def ear(
        self,
        instructions: Instructions,
        *,
        rate: int,
        is_aside: Callable[[str], bool],
        on_not_transcribed: Callable[[], Awaitable[None]],
        passes_sound: bool,
    ) -> Ear:
        """Return the ear of a call whose sound comes at `rate`, 8000 or 16000 Hz, when the models are `ready`."""
        assert self._vad is not None, "the models are not ready"
        return Ear(
            detector=SpeechDetector(self._vad, rate),
            rate=rate,
            silences=self._silences,
            turn_model=self._turn_model,
            transcribe=None if self._is_realtime else self._transcriber(instructions, rate),
            is_aside=is_aside,
            on_not_transcribed=on_not_transcribed,
            passes_sound=passes_sound,
        )

    def _transcriber(self, instructions: Instructions, rate: int) -> Callable[[bytes], Awaitable[str]]:
        async def text_of(pcm: bytes) -> str:
            return (await transcribe(self._speech.stts, _wav(pcm, rate), language=instructions.language)).text

        return text_of


def _wav(pcm: bytes, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(rate)
        recording.writeframes(pcm)
    return file.getvalue()
