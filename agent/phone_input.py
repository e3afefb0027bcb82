"""What comes in on a phone call: the caller's sound and keys, and word of what they have heard."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import CancelFrame, Frame, InputAudioRawFrame, InputDTMFFrame, StartFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from telephony import mulaw
from telephony.media_stream import KeyPressed, StreamStopped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.phone_socket import PhoneSocket
    from telephony.media_stream import MediaStream


class PhoneInput(FrameProcessor):
    """Reads the stream from the pipeline's start to its end. Stands first in it."""

    def __init__(self, stream: MediaStream, socket: PhoneSocket) -> None:
        # Nothing here waits, so it needs no queue and no task between two frames.
        super().__init__(enable_direct_mode=True)
        self._stream = stream
        self._socket = socket
        self._reading: asyncio.Task[None] | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._unheard: list[bytes] = []
        self._is_heard = asyncio.Event()
        self.on_audio: Callable[[bytes], Awaitable[None]] | None = None
        """Takes the caller's sound as it comes, 16-bit samples at 8 kHz, any number at once; None: frames carry it."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._reading = self.create_task(self._read())
            self._hearing = self.create_task(self._hear())
        elif isinstance(frame, CancelFrame):
            await self._stop()

    async def cleanup(self) -> None:
        await self._stop()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def _read(self) -> None:
        while (message := await self._socket.receive()) is not None:
            read = self._stream.read(message)
            if isinstance(read, bytes):
                await self._take(mulaw.decode(read))
            elif isinstance(read, KeyPressed):
                await self.push_frame(InputDTMFFrame(KeypadEntry(read.key)))
            elif isinstance(read, StreamStopped):
                break
        self._socket.gone()

    async def _take(self, pcm: bytes) -> None:
        if self.on_audio is None:
            await self.push_frame(InputAudioRawFrame(pcm, mulaw.RATE, 1))
        else:
            self._unheard.append(pcm)
            self._is_heard.set()

    async def _hear(self) -> None:
        """Hand on the sound beside the reading: who is slow to take it must not keep marks from being read."""
        while True:
            await self._is_heard.wait()
            self._is_heard.clear()
            unheard, self._unheard = self._unheard, []
            if self.on_audio is not None:
                await self.on_audio(unheard[0] if len(unheard) == 1 else b"".join(unheard))

    async def _stop(self) -> None:
        reading, self._reading = self._reading, None
        hearing, self._hearing = self._hearing, None
        for task in (reading, hearing):
            if task is not None:
                await self.cancel_task(task)
