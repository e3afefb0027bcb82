"""Sentences that a voice has spoken before: "May I have your name, please?" need not be made anew for each caller."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST_BYTES: Final = 16 * 1024 * 1024
"""Some 110 sentences of three seconds."""
LONGEST_BYTES: Final = MOST_BYTES // 50
"""What takes longer to say than seven seconds is seldom said twice."""


class Sayings:
    """Remembers sentences as sound, in memory only, for all calls of a worker. What was not said for longest goes."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._sounds: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()

    def sound(self, model: str, voice: str, text: str) -> bytes | None:
        """Return `text` as `voice` of `model` has said it, None when it has not."""
        key = (model, voice, text)
        if key in self._sounds:
            self._sounds.move_to_end(key)
        return self._sounds.get(key)

    def keep(self, model: str, voice: str, text: str, sound: bytes) -> None:
        """Remember what was said to its end."""
        key = (model, voice, text)
        if key in self._sounds or not 0 < len(sound) <= min(LONGEST_BYTES, self._most_bytes):
            return
        self._sounds[key] = sound
        self._bytes += len(sound)
        while self._bytes > self._most_bytes:
            _, dropped = self._sounds.popitem(last=False)
            self._bytes -= len(dropped)
