"""Keys that the caller presses: collected into entries, each of which reaches the model as one turn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InputDTMFFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEYS = frozenset("0123456789*#")
AFTER_LAST_KEY_SECS = 3.0
"""Nobody looks for a digit on a letter from their bank for longer, and who is done waits no longer than that."""


class Entry:
    """What has been typed since the last entry was complete.

    Args:
        expected: Tells how many digits complete an entry, None when any number may.
    """

    def __init__(self, expected: Callable[[], int | None]) -> None:
        self._expected = expected
        self._digits = ""

    def __bool__(self) -> bool:
        return bool(self._digits)

    def press(self, key: str) -> str:
        """Take one key and return the entry that it completes, "" when it completes none."""
        if key == "#":
            return self.take()
        if key == "*":
            self._digits = ""
            return ""
        self._digits += key
        return self.take() if len(self._digits) == self._expected() else ""

    def take(self) -> str:
        """Return what has been typed and begin anew."""
        entry, self._digits = self._digits, ""
        return entry


class KeyCollector(FrameProcessor):
    """Collects keys until `#`, until as many as are expected, or until none has followed for a while.

    A key stops what the agent says, and the first of an entry also what it is about to say. `*` clears the entry.

    Args:
        expected: Tells how many digits complete an entry, None when any number may.
        on_typing: Is told after each key whether an entry is being typed.
        on_entry: Is given an entry that is complete.
    """

    def __init__(
        self,
        *,
        expected: Callable[[], int | None],
        on_typing: Callable[[bool], Awaitable[None]],
        on_entry: Callable[[str], Awaitable[None]],
    ) -> None:
        super().__init__()
        self._entry = Entry(expected)
        self._on_typing = on_typing
        self._on_entry = on_entry
        self._is_bot_speaking = False
        self._waiting: asyncio.Task[None] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case InputDTMFFrame():
                await self._press(frame.button.value)
                return
            case BotStartedSpeakingFrame():
                self._is_bot_speaking = True
            case BotStoppedSpeakingFrame():
                self._is_bot_speaking = False
            case EndFrame() | CancelFrame():
                await self._stop_waiting()
            case _:
                pass
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        await self._stop_waiting()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def _press(self, key: str) -> None:
        if key in "#*" and not self._entry:
            # `#` often follows a code that its last digit has completed, and must not stop the answer to that; there
            # is nothing that `*` could clear.
            return
        await self._stop_waiting()
        if self._is_bot_speaking or not self._entry:
            await self.broadcast_interruption()  # type: ignore[no-untyped-call]
        entry = self._entry.press(key)
        await self._on_typing(bool(self._entry))
        if entry:
            await self._on_entry(entry)
        elif self._entry:
            self._waiting = self.create_task(self._complete())

    async def _complete(self) -> None:
        await asyncio.sleep(AFTER_LAST_KEY_SECS)
        # Let go first: what the entry leads to must not be cancelled as waiting.
        self._waiting = None
        entry = self._entry.take()
        await self._on_typing(False)
        await self._on_entry(entry)

    async def _stop_waiting(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            await self.cancel_task(waiting)
