"""The far end of a phone call in a test's own time: what a caller hears of a playout, and which marks are echoed."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pipecat.frames.frames import Frame, TTSTextFrame
from pipecat.processors.frame_processor import FrameDirection

from agent.phone_socket import PhoneSocket
from agent.playout import Playout
from telephony.media_stream import CallStart, MediaStream

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from fastapi import WebSocket

T = TypeVar("T")

STREAM_SID = "MZ" + "2" * 32
START = CallStart("CA" + "1" * 32, STREAM_SID, "AC" + "3" * 32, "", "+14155550100", is_attested=False, parameters={})
SLICE_BYTES = 40
"""5 ms; a telephone plays samples."""
TOLERANCE_SECS = 0.0001
_LOUD = [code for code in range(256) if code & 0x70 < 0x40]
TAPE = bytes(random.Random(5).choices(_LOUD, k=400_000))  # noqa: S311 -- noise, not a secret
"""Noise without a pause, of which any few bytes tell where they are from."""


class VirtualTime(asyncio.SelectorEventLoop):
    """A loop whose clock stands still while something runs, and jumps to the next timer when nothing does."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def stall(self, secs: float) -> None:
        """Let time pass as code does that does not wait."""
        self._now += secs

    def _run_once(self) -> None:
        if not self._ready:  # type: ignore[attr-defined]
            due = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
            assert due, "everybody waits, and nothing will ever happen"
            self._now = max(self._now, min(due))
        super()._run_once()  # type: ignore[misc]


def in_virtual_time(story: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(story)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard without a pause: `sound` from `at` on."""

    at: float
    sound: bytes


class FarEnd:
    """Twilio and the caller behind it, as the websocket they are reached by.

    Args:
        delay_secs: How long a message takes, either way.
    """

    def __init__(self, *, delay_secs: float = 0.0) -> None:
        self._delay_secs = delay_secs
        self._echoes = True
        self._buffer = bytearray()
        self._marks: list[tuple[int, str]] = []
        self._received = self._played = 0
        self._to_us: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._on_the_way: deque[dict[str, Any]] = deque()
        self._on_the_way_back: deque[str] = deque()
        self._is_stalled = False
        self._is_playing = False
        self.sent: list[dict[str, Any]] = []
        self.heard: list[Heard] = []
        self.is_closed = False

    def lose_marks(self) -> None:
        self._echoes = False

    def stall(self) -> None:
        """Take nothing any more."""
        self._is_stalled = True

    def hang_up(self) -> None:
        self._to_us.put_nowait({"type": "websocket.disconnect", "code": 1005})

    # What a websocket of Starlette does

    async def send(self, message: dict[str, Any]) -> None:
        assert not self.is_closed
        if self._is_stalled:
            await asyncio.Event().wait()
        self.sent.append(json.loads(message["text"]))
        loop = asyncio.get_running_loop()
        # Timers of one moment come in any order, messages of a websocket do not.
        self._on_the_way.append(self.sent[-1])
        loop.call_later(self._delay_secs, self._take)

    async def receive(self) -> dict[str, Any]:
        return await self._to_us.get()

    async def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True

    # What Twilio does

    def _take(self) -> None:
        message = self._on_the_way.popleft()
        assert message["streamSid"] == STREAM_SID
        match message["event"]:
            case "media":
                sound = base64.b64decode(message["media"]["payload"], validate=True)
                assert sound
                self._buffer += sound
                self._received += len(sound)
                if not self._is_playing:
                    self._play(asyncio.get_running_loop().time())
            case "mark":
                self._marks.append((self._received, message["mark"]["name"]))
            case "clear":
                self._received -= len(self._buffer)
                self._buffer.clear()
                # Twilio echoes those that it drops as well.
                self._marks = [(0, name) for _, name in self._marks]
            case other:
                raise AssertionError(other)
        self._echo()

    def _echo(self) -> None:
        while self._marks and self._marks[0][0] <= self._played:
            _, name = self._marks.pop(0)
            text = json.dumps({"event": "mark", "streamSid": STREAM_SID, "mark": {"name": name}})
            if self._echoes:
                self._on_the_way_back.append(text)
                asyncio.get_running_loop().call_later(self._delay_secs, self._bring_back)

    def _bring_back(self) -> None:
        self._to_us.put_nowait({"type": "websocket.receive", "text": self._on_the_way_back.popleft()})

    def _play(self, due: float) -> None:
        """Play a slice, which is over when the next is due."""
        if not self._buffer:
            self._is_playing = False
            return
        self._is_playing = True
        slice_, self._buffer = bytes(self._buffer[:SLICE_BYTES]), self._buffer[SLICE_BYTES:]
        last = self.heard[-1] if self.heard else None
        if last is not None and due - (last.at + len(last.sound) / 8000) < TOLERANCE_SECS:
            self.heard[-1] = Heard(last.at, last.sound + slice_)
        else:
            self.heard.append(Heard(due, slice_))
        over = due + len(slice_) / 8000
        asyncio.get_running_loop().call_at(over, self._played_slice, len(slice_), over)

    def _played_slice(self, size: int, over: float) -> None:
        self._played += size
        self._echo()
        self._play(over)


class ToldPlayout(Playout):
    """A playout without a pipeline around it, which notes what it tells."""

    def __init__(self, far_end: FarEnd, **options: Any) -> None:
        self.stream = MediaStream(START, on_flood=lambda: None)
        self.socket = PhoneSocket(cast("WebSocket", far_end))
        super().__init__(self.stream, self.socket, **options)
        self.told: list[tuple[float, Frame, FrameDirection]] = []

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        self.told.append((asyncio.get_running_loop().time(), frame, direction))

    @property
    def names(self) -> list[str]:
        """What was told downstream, by its kind or words."""
        return [
            frame.text if isinstance(frame, TTSTextFrame) else type(frame).__name__
            for _, frame, direction in self.told
            if direction is FrameDirection.DOWNSTREAM
        ]

    @property
    def words(self) -> list[str]:
        return [frame.text for _, frame, _ in self.told if isinstance(frame, TTSTextFrame)]

    async def read(self) -> None:
        """Read what the far end sends, as the input of a call does."""
        while (message := await self.socket.receive()) is not None:
            self.stream.read(message)
        self.socket.gone()
