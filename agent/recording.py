"""A call's recording: a stereo WAV, caller left and agent right, written while the call goes on."""

from __future__ import annotations

import asyncio
import wave
from typing import TYPE_CHECKING, Any

from pipecat.processors.audio.audio_buffer_processor import AudioBufferProcessor
from pipecat.processors.frame_processor import FrameDirection

from agent.phrase_book import PHONE_RATE
from agent.played import FillerStartedFrame

if TYPE_CHECKING:
    from pathlib import Path

    from pipecat.frames.frames import Frame

CHUNK_SECS = 10


class Recording:
    """Writes what `processor` hears to `path`. The processor stands after the transport's output."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: wave.Wave_write | None = None
        self.processor = _Recorder(
            sample_rate=PHONE_RATE,
            num_channels=2,
            buffer_size=PHONE_RATE * 2 * CHUNK_SECS,
            auto_start_recording=True,
        )
        self.processor.add_event_handler("on_audio_data", self._on_audio)

    async def close(self) -> None:
        if self._file is not None:
            await asyncio.to_thread(self._file.close)

    async def _on_audio(self, _processor: Any, audio: bytes, _rate: int, _channels: int) -> None:
        await asyncio.to_thread(self._write, audio)

    def _write(self, audio: bytes) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = wave.open(str(self._path), "wb")  # noqa: SIM115 -- open for the call; `close` ends it
            self._file.setnchannels(2)
            self._file.setsampwidth(2)
            self._file.setframerate(PHONE_RATE)
        self._file.writeframes(audio)


class _Recorder(AudioBufferProcessor):
    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        if not isinstance(frame, FillerStartedFrame):
            await super().push_frame(frame, direction)
