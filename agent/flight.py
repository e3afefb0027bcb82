"""What was sent to the phone and has not been played yet, as far as time and echoed marks tell."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agent.shelf import MOST_REPEATED_SECS, to_repeat
from telephony.mulaw import RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipecat.frames.frames import Frame

ECHO_SECS: Final = 2.0
"""How much later than it was due an echo may come before what it stands for counts as played."""


@dataclass(slots=True)
class Checkpoint:
    """A place in the sound behind which frames wait until all before it has been played."""

    position: int
    due: float
    frames: list[Frame] = field(default_factory=list)
    is_played: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """What was in flight when it was cut off."""

    heard: list[Frame]
    """Waited for what had been played by then, though no echo had told so yet."""
    rest: list[bytes | Frame]
    """The sound to say again, from the last pause on, and the frames in it."""


class Flight:
    """Positions are bytes of mu-law since the stream began."""

    def __init__(self) -> None:
        self.sent = 0
        self._confirmed = 0
        self._ends_at = -math.inf
        self._sounds: deque[tuple[int, bytes, bool]] = deque()
        """Position, sound and whether it is to be said again of what a cut may need."""
        self._checkpoints: deque[Checkpoint] = deque()

    @property
    def is_over(self) -> bool:
        """Whether all that was sent is known to have been played."""
        return self._confirmed == self.sent and not self._checkpoints

    @property
    def ends_at(self) -> float:
        """When all that was sent will have been played."""
        return self._ends_at

    @property
    def last_checkpoint(self) -> Checkpoint | None:
        return self._checkpoints[-1] if self._checkpoints else None

    @property
    def next_due(self) -> float:
        """When the next checkpoint passes even without an echo."""
        return self._checkpoints[0].due if self._checkpoints else math.inf

    @property
    def frames(self) -> Iterator[Frame]:
        """What waits for sound to be played."""
        return (frame for checkpoint in self._checkpoints for frame in checkpoint.frames)

    def ahead_secs(self, now: float) -> float:
        """Return how much is left to play of what was sent."""
        return max(0.0, self._ends_at - now)

    def add(self, sound: bytes, now: float, *, is_kept: bool) -> None:
        """Send `sound`; `is_kept` claims that it is to be said again if it is cut off."""
        self._sounds.append((self.sent, sound, is_kept))
        self.sent += len(sound)
        self._ends_at = max(now, self._ends_at) + len(sound) / RATE
        out_of_reach = self._played(now) - MOST_REPEATED_SECS * RATE
        while self._sounds[0][0] + len(self._sounds[0][1]) < out_of_reach:
            self._sounds.popleft()

    def checkpoint(self, now: float) -> Checkpoint:
        """Set a checkpoint behind what was sent last."""
        checkpoint = Checkpoint(self.sent, max(now, self._ends_at) + ECHO_SECS)
        self._checkpoints.append(checkpoint)
        return checkpoint

    def pass_checkpoint(self, now: float) -> Checkpoint | None:
        """Return the next checkpoint that has been played, once; an echo stands for all that is before it, too."""
        if not self._checkpoints:
            return None
        first = self._checkpoints[0]
        if not (first.due <= now or any(checkpoint.is_played for checkpoint in self._checkpoints)):
            return None
        self._checkpoints.popleft()
        self._confirm(first.position)
        return first

    def give_up(self) -> None:
        """Take all that was sent for played, though nothing will tell so."""
        self._confirm(self.sent)

    def cut(self, now: float) -> Cut:
        """Return what was in flight, which is not played any further."""
        played = self._played(now)
        heard: list[Frame] = []
        while self._checkpoints and self._checkpoints[0].position <= played:
            checkpoint = self._checkpoints.popleft()
            heard += checkpoint.frames
            self._confirm(checkpoint.position)
        rest = self._rest(played)
        self._sounds.clear()
        self._checkpoints.clear()
        self._confirmed = self.sent
        self._ends_at = now
        return Cut(heard, rest)

    def _played(self, now: float) -> int:
        return self.sent - math.ceil(self.ahead_secs(now) * RATE)

    def _confirm(self, position: int) -> None:
        self._confirmed = position
        while self._sounds and self._sounds[0][0] < position:
            self._sounds.popleft()

    def _rest(self, played: int) -> list[bytes | Frame]:
        again = played - to_repeat(self._kept(0, played))
        rest: list[bytes | Frame] = []
        for checkpoint in self._checkpoints:
            rest += [self._kept(again, checkpoint.position), *checkpoint.frames]
            again = max(again, checkpoint.position)
        return [*rest, self._kept(again, self.sent)]

    def _kept(self, start: int, end: int) -> bytes:
        parts = (
            sound[max(0, start - position) : max(0, end - position)]
            for position, sound, is_kept in self._sounds
            if is_kept
        )
        return b"".join(parts)
