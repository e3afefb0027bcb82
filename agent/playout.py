"""What goes out on a phone call: sound, sent a little ahead, and what follows it when it has been heard."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    StartFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from agent.flight import ECHO_SECS, Flight
from agent.phone_voice import PhoneVoice
from agent.played import FillerStartedFrame, MarkFrame, Played
from agent.shelf import EMPTY, shelve
from telephony import mulaw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.flight import Checkpoint
    from agent.phone_socket import PhoneSocket
    from telephony.media_stream import MediaStream

log = structlog.get_logger(__name__)

LEAD_SECS: Final = 0.4
"""How much lies ready at Twilio while we speak: for so long, less a packet, the event loop may stall unheard."""
PACKET_BYTES: Final = round(0.06 * mulaw.RATE)
"""Larger ones are fewer and cost less, but what lies ready sinks by one before the next is sent."""
DOWNSTREAM, UPSTREAM = FrameDirection.DOWNSTREAM, FrameDirection.UPSTREAM
TIMER_SECS: Final = 0.001
"""What is due within that is due now: a timer is no better, and a sum of seconds no more exact."""
STALLED_SECS: Final = 3.0
"""After which speech that goes on no more, without a word of its end, is over; Pipecat waits as long."""


@dataclass(slots=True)
class _Sound:
    """Mu-law that waits to be sent; a filler need not be said again."""

    is_filler: bool
    waiting: bytearray
    sent: int = 0


class Playout(FrameProcessor):
    """Plays the agent's sound to the phone, and tells what of it was heard. Stands where sound leaves the pipeline.

    A frame that follows sound passes when the caller has heard that, which Twilio tells by echoing a mark.
    What barge-in cuts off stays on the shelf until another answer is heard, and can be said again from there.

    Args:
        passes_audio: Whether the sound goes on to a recorder, as it is played.
    """

    def __init__(self, stream: MediaStream, socket: PhoneSocket, *, passes_audio: bool = False) -> None:
        # Nothing here waits, so it needs no queue and no task between two frames.
        super().__init__(enable_direct_mode=True)
        self._stream = stream
        self._socket = socket
        self._passes_audio = passes_audio
        self._voice = PhoneVoice()
        self._queue: deque[_Sound | Frame] = deque()
        self._flight = Flight()
        self._shelf = EMPTY
        self._speaking: set[str | None] = set()
        """The contexts in which sound may still come; None is that of phrases."""
        self._is_filling = False
        self._is_answering = False
        self._context: str | None = None
        self._dropped: str | None = None
        self._is_heard = False
        self._told: set[FrameDirection] = set()
        """Who knows that the agent speaks."""
        self._must_clear = False
        self._marks: set[Played] = set()
        self._recorded: deque[tuple[float, bytes]] = deque()
        self._early: list[tuple[Frame, FrameDirection]] | None = []
        self._wake = asyncio.Event()
        self._is_silent = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self.first_sound_at: float | None = None
        """When the first sound was sent, None before."""

    @property
    def shelf_text(self) -> str:
        """The words that were cut off, whole sentences."""
        return self._shelf.text

    @property
    def is_shelf_whole(self) -> bool:
        """Whether the shelf holds all that was still to be said."""
        return self._shelf.is_whole

    def begin_with(self, frames: Iterable[Frame]) -> None:
        """Begin to play now, before there is a pipeline; what follows the sound is told to it when it has started."""
        for frame in frames:
            self._take(frame)
        self._start_sending()

    def mark(self) -> tuple[MarkFrame, Played]:
        """Return a frame to queue behind what is said, and the answer to whether that was played to its end."""
        played = Played()
        self._marks.add(played)
        return MarkFrame(played), played

    def discard_marks(self) -> None:
        """Settle every waiting mark as not played."""
        for played in self._marks:
            played.settle(is_played=False)
        self._marks.clear()

    def resume(self) -> bool:
        """Say what is on the shelf as if it had never been cut off; returns False when it is empty."""
        shelf, self._shelf = self._shelf, EMPTY
        if not shelf.sentences or not self._socket.is_open:
            return False
        self._queue.append(LLMFullResponseStartFrame())
        for sentence in shelf.sentences:
            self._queue += (_Sound(is_filler=False, waiting=bytearray(sentence.sound)), sentence.words)
        self._queue.append(LLMFullResponseEndFrame())
        self._is_answering = not shelf.is_whole
        self._is_silent.clear()
        self._wake.set()
        return True

    def forget(self) -> None:
        """Empty the shelf."""
        self._shelf = EMPTY

    def caller_is_gone(self) -> None:
        """Play nothing any more: what follows sound passes at once, but what was not heard was not said."""
        self._wake.set()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is UPSTREAM:
            await self.push_frame(frame, direction)
        elif isinstance(frame, OutputAudioRawFrame):
            self._take(frame)
        elif isinstance(frame, InterruptionFrame):
            await self._interrupt(frame)
        elif isinstance(frame, StartFrame):
            await self.push_frame(frame, direction)
            await self._start()
        elif isinstance(frame, EndFrame):
            await self._finish()
            await self.close()
            await self.push_frame(frame, direction)
        elif isinstance(frame, CancelFrame):
            await self.close()
            await self.push_frame(frame, direction)
        elif isinstance(frame, SystemFrame) or (self._only_fills and not frame.interruptible):
            await self.push_frame(frame, direction)
        else:
            self._take(frame)

    async def cleanup(self) -> None:
        await self.close()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def _start(self) -> None:
        early, self._early = self._early, None
        for frame, direction in early or ():
            await self.push_frame(frame, direction)
        self._start_sending()

    async def _finish(self) -> None:
        """Let all be played that was queued."""
        queued = sum(len(item.waiting) - item.sent for item in self._queue if isinstance(item, _Sound))
        longest = self._flight.ahead_secs(self._now()) + queued / mulaw.RATE + ECHO_SECS
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._is_silent.wait()

    async def close(self) -> None:
        """Play nothing any more, and close the line."""
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.cancel()
            await asyncio.wait({sending})
        self.discard_marks()
        await self._socket.close()

    # Taking what is to be said

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, OutputAudioRawFrame):
            self._take_sound(frame)
        else:
            self._add_sound(self._voice.flush())
            self._note(frame)
            self._queue.append(frame)
        self._is_silent.clear()
        self._wake.set()

    def _take_sound(self, frame: OutputAudioRawFrame) -> None:
        context = frame.context_id if isinstance(frame, TTSAudioRawFrame) else None
        if not self._socket.is_open or (context is not None and context == self._dropped):
            return
        if context is not None:
            self._context = context
            self._shelf = EMPTY
        is_filler = context is None and self._is_filling
        self._add_sound(self._voice.take(frame.audio, frame.sample_rate), is_filler=is_filler)

    def _add_sound(self, sound: bytes, *, is_filler: bool = False) -> None:
        if not sound:
            return
        last = self._queue[-1] if self._queue else None
        if isinstance(last, _Sound) and last.is_filler == is_filler:
            last.waiting += sound
        else:
            self._queue.append(_Sound(is_filler, bytearray(sound)))

    def _note(self, frame: Frame) -> None:
        match frame:
            case TTSStartedFrame():
                self._speaking.add(frame.context_id)
                if frame.context_id is None:
                    self._is_filling = not frame.append_to_context
            case TTSStoppedFrame():
                self._speaking.discard(frame.context_id)
            case LLMFullResponseStartFrame():
                self._is_answering = True
            case LLMFullResponseEndFrame():
                self._is_answering = False
            case _:
                pass

    @property
    def _only_fills(self) -> bool:
        """Whether all that waits is a filler: what a tool has found need not wait for its end, nor the answer to it."""
        is_filling = self._is_heard and DOWNSTREAM not in self._told
        return is_filling and all(_is_of_filler(item) for item in (*self._queue, *self._flight.frames))

    # Sending

    def _start_sending(self) -> None:
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
            self._sending.add_done_callback(self._sending_ended)

    def _sending_ended(self, sending: asyncio.Task[None]) -> None:
        if not sending.cancelled() and (error := sending.exception()) is not None:
            log.error("playout_failed", exc_info=error)
            self._socket.gone()

    async def _send_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            if not self._socket.is_open:
                await self._abandon()
            await self._pass_played()
            due = min(await self._send_due(), self._flight.next_due, await self._record_played())
            await self._note_silence()
            if self._wake.is_set():
                continue
            timer = loop.call_at(due, self._wake.set) if due < math.inf else None
            await self._wake.wait()
            if timer is not None:
                timer.cancel()

    async def _send_due(self) -> float:
        """Send what may be sent now and return when more may be."""
        while True:
            if self._must_clear:
                self._must_clear = False
                await self._socket.send(self._stream.clear())
            if not self._queue:
                return self._stalls_at()
            item = self._queue[0]
            if not isinstance(item, _Sound):
                self._queue.popleft()
                await self._let_follow(item)
                continue
            size = _packet_size(len(item.waiting) - item.sent)
            now = self._now()
            too_early = self._flight.ahead_secs(now) + size / mulaw.RATE - LEAD_SECS
            if too_early > TIMER_SECS:
                return now + too_early
            await self._send_sound(item, size, now)

    async def _send_sound(self, item: _Sound, size: int, now: float) -> None:
        sound = bytes(item.waiting[item.sent : item.sent + size])
        item.sent += size
        if item.sent == len(item.waiting):
            self._queue.popleft()
        self._flight.add(sound, now, is_kept=not item.is_filler)
        if self._passes_audio:
            self._recorded.append((self._flight.ends_at, sound))
        self._is_heard = True
        await self._socket.send(self._stream.media(sound))
        if self.first_sound_at is None:
            self.first_sound_at = time.monotonic()
        if self._is_heard and len(self._told) < len(FrameDirection):  # else it was spoken over meanwhile
            await self._note_speech(is_filler=item.is_filler)

    async def _note_speech(self, *, is_filler: bool) -> None:
        """Tell that the agent speaks; those behind us not of a filler, whose end they would wait for."""
        if not is_filler:
            await self._tell(BotStartedSpeakingFrame, [each for each in FrameDirection if each not in self._told])
            self._told.update(FrameDirection)
        elif not self._told:
            await self._tell(BotStartedSpeakingFrame, [UPSTREAM])
            self._told.add(UPSTREAM)
            if self._passes_audio:
                await self._push(FillerStartedFrame())

    async def _let_follow(self, frame: Frame) -> None:
        """Let a frame pass when the sound before it has been heard."""
        checkpoint = self._flight.last_checkpoint
        is_marked = self._flight.is_over or (checkpoint is not None and checkpoint.position == self._flight.sent)
        if not is_marked and _waits_for_sound(frame):
            checkpoint = self._flight.checkpoint(self._now())
            checkpoint.frames.append(frame)
            await self._socket.send(self._stream.mark(partial(self._played, checkpoint)))
        elif checkpoint is not None:
            checkpoint.frames.append(frame)
        else:
            await self._pass(frame)

    def _played(self, checkpoint: Checkpoint) -> None:
        checkpoint.is_played = True
        self._wake.set()

    async def _pass_played(self) -> None:
        while (checkpoint := self._flight.pass_checkpoint(self._now())) is not None:
            if checkpoint.due <= self._now() and not checkpoint.is_played:
                log.warning("mark_not_echoed")
            for frame in checkpoint.frames:
                await self._pass(frame)

    async def _pass(self, frame: Frame) -> None:
        if isinstance(frame, MarkFrame):
            self._marks.discard(frame.played)
            frame.played.settle(is_played=True)
        else:
            await self._push(frame)

    async def _note_silence(self) -> None:
        """Tell that the agent has stopped speaking, when all was heard and nothing is to come."""
        if self._queue:
            return
        if self._stalls_at() <= self._now():
            self._speaking.clear()
            self._flight.give_up()
        if self._flight.is_over:
            self._is_silent.set()
            if self._is_heard and not self._speaking:
                await self._stopped_speaking()

    def _stalls_at(self) -> float:
        is_waiting = self._is_heard and not self._queue and self._flight.last_checkpoint is None
        return self._flight.ends_at + STALLED_SECS if is_waiting else math.inf

    async def _stopped_speaking(self) -> None:
        self._is_heard = False
        self._told.clear()
        await self._tell(BotStoppedSpeakingFrame, list(FrameDirection))

    async def _record_played(self) -> float:
        """Pass on what has been played by now and return when more will have been."""
        while self._recorded and self._recorded[0][0] <= self._now():
            _, sound = self._recorded.popleft()
            await self._push(OutputAudioRawFrame(mulaw.decode(sound), mulaw.RATE, 1))
        return self._recorded[0][0] if self._recorded else math.inf

    # Barge-in, and the caller's end of the line

    async def _interrupt(self, interruption: InterruptionFrame) -> None:
        was_heard = self._is_heard
        heard, rest = self._cut()
        shelf = shelve(rest, is_answered=not self._is_answering)
        if shelf.sentences:
            self._shelf = shelf
        self._is_answering = False
        self._must_clear = self._must_clear or was_heard
        self._wake.set()
        for mark in (frame for frame in heard if isinstance(frame, MarkFrame)):
            mark.played.settle(is_played=True)
        self.discard_marks()
        await self._push(interruption)
        await self._note_heard(heard)
        for frame in rest:
            if not isinstance(frame, bytes) and not frame.interruptible:
                await self._pass(frame)
        if was_heard:
            await self._stopped_speaking()

    def _cut(self) -> tuple[list[Frame], list[bytes | Frame]]:
        """Stop all that is said; return what waited for sound that was played, and what has not been played."""
        cut = self._flight.cut(self._now())
        rest = cut.rest
        for item in self._queue:
            if not isinstance(item, _Sound):
                rest.append(item)
            elif not item.is_filler:
                rest.append(bytes(item.waiting[item.sent :]))
        self._queue.clear()
        self._recorded.clear()
        self._voice.drop()
        self._speaking.clear()
        self._is_filling = False
        self._dropped = self._context
        self._is_silent.set()
        return cut.heard, rest

    async def _note_heard(self, frames: Iterable[Frame]) -> None:
        """Let pass what was heard although its mark was not echoed in time.

        Those who take the interruption drop what is on its way to them, and an answer that it has ended: these words
        are one of their own.
        """
        frames = list(frames)
        words = [frame for frame in frames if isinstance(frame, TTSTextFrame) and frame.append_to_context]
        if words:
            frames = [LLMFullResponseStartFrame(), *frames, LLMFullResponseEndFrame()]
            for frame in frames:
                frame.interruptible = False
        for frame in frames:
            if not frame.interruptible:
                await self._pass(frame)

    async def _abandon(self) -> None:
        """Let pass what is left, without what was to be heard."""
        heard, rest = self._cut()
        self.discard_marks()
        self._shelf = EMPTY
        for frame in [*heard, *(each for each in rest if not isinstance(each, bytes | TTSTextFrame))]:
            await self._pass(frame)
        if self._is_heard:
            await self._stopped_speaking()

    async def _tell(self, kind: type[Frame], directions: Sequence[FrameDirection]) -> None:
        frames = [kind() for _ in directions]
        if len(frames) > 1:
            frames[0].broadcast_sibling_id, frames[1].broadcast_sibling_id = frames[1].id, frames[0].id
        for frame, direction in zip(frames, directions, strict=True):
            await self._push(frame, direction)

    async def _push(self, frame: Frame, direction: FrameDirection = DOWNSTREAM) -> None:
        if self._early is None:
            await self.push_frame(frame, direction)
        else:
            self._early.append((frame, direction))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _packet_size(waiting: int) -> int:
    """Return how much of what waits goes into one packet: no crumbs are left for another."""
    return waiting if waiting < PACKET_BYTES * 3 // 2 else PACKET_BYTES


def _waits_for_sound(frame: Frame) -> bool:
    """Claim that it matters whether the sound before `frame` was heard: it does not begin what comes next."""
    if isinstance(frame, AggregatedTextFrame) and not isinstance(frame, TTSTextFrame):
        return not frame.will_be_spoken
    return not isinstance(frame, LLMFullResponseStartFrame | TTSStartedFrame)


def _is_of_filler(item: _Sound | Frame) -> bool:
    """Claim that what comes after `item` means the same if it comes before."""
    if isinstance(item, _Sound):
        return item.is_filler
    if isinstance(item, TTSTextFrame):
        return not item.append_to_context
    return isinstance(item, TTSStartedFrame | TTSStoppedFrame)
