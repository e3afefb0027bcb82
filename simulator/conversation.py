"""The scripted caller on the line: hears 20 ms, says 20 ms, and follows the script at the agent's pace."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from simulator.audio import TELEPHONE_RATE, mulaw_encode, white_noise
from simulator.ears import FRAMES_PER_SEC, is_loud, loud_frames
from simulator.media_edge import FRAME_BYTES, CallerFrame
from simulator.script import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.audio import Pcm
    from simulator.ears import AgentTurn, Ears
    from simulator.script import Script

_QUIET_LINE_DBFS = -70.0
_NOISE_SECS = 5
_KEY_FRAMES = 10
_CLICK_FRAMES = 15
_UNHEARD_MS = 100

_HOLD = re.compile(
    r"moment|\b(one|a) sec|hold on|bear with|still (on it|working|checking|confirming|booking)|let me|checking"
    r"|longer than it should",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the agent must have been silent before the caller does something, in seconds."""

    line: float = 1.2
    tool: float = 2.5
    again: float = 2.5
    hold: float = 8.0
    silent_agent: float = 12.0
    code: float = 15.0
    hang_up: float = 15.0


class Listener(Protocol):
    """Turns the agent's audio into text, and knows what its voice has been asked to say."""

    @property
    def asked(self) -> int:
        """How many texts the agent's voice has been asked for."""
        ...

    def asked_since(self, count: int) -> list[str]:
        """Return the texts asked for after the first `count`."""
        ...

    async def understand(self, turn: AgentTurn, *, fresh: list[str]) -> str:
        """Return what was said in `turn`."""
        ...


class Mouth:
    """The caller's lines as sound, and the noise of the line under them and between them.

    Args:
        behind: What else is heard all the time, over and over, such as another's voice.
    """

    def __init__(
        self, speech: Mapping[str, Pcm], *, noise_dbfs: float | None, seed: int, behind: Pcm | None = None
    ) -> None:
        self._speech = dict(speech)
        level = _QUIET_LINE_DBFS if noise_dbfs is None else noise_dbfs
        samples = _NOISE_SECS * TELEPHONE_RATE if behind is None else len(behind) // FRAME_BYTES * FRAME_BYTES
        self._noise = white_noise(samples, level, np.random.default_rng(seed))
        if behind is not None:
            self._noise += behind[:samples]
        self._at = 0
        self._saying: deque[Pcm] = deque()
        self._loud_left = 0

    @property
    def is_speaking(self) -> bool:
        return bool(self._saying)

    @property
    def has_ended_speech(self) -> bool:
        """Whether nothing loud of the line is left to say."""
        return self._loud_left <= 0

    def say(self, text: str) -> None:
        speech = self._speech[text]
        padded = np.pad(speech, (0, -len(speech) % FRAME_BYTES))
        self._saying = deque(np.split(padded, len(padded) // FRAME_BYTES))
        loud = [number for number, frame in enumerate(self._saying, 1) if is_loud(mulaw_encode(frame))]
        self._loud_left = loud[-1] if loud else 0

    def learn(self, text: str, speech: Pcm) -> None:
        """Know how `text` sounds from now on."""
        self._speech[text] = speech

    def frame(self) -> bytes:
        """Return the next 20 ms as mu-law."""
        noise = self._noise[self._at : self._at + FRAME_BYTES]
        self._at = (self._at + FRAME_BYTES) % len(self._noise)
        self._loud_left -= 1
        return mulaw_encode(self._saying.popleft() + noise if self._saying else noise)


@dataclass(slots=True)
class Timings:
    """What was measured, in frames of 20 ms since the start of the stream."""

    greeting: int | None = None
    voice_to_voice: list[int] = field(default_factory=list)


class Conversation:
    """The caller as a party to the call; the clock is the stream's frames, so `at_ms` is 20 ms times their number."""

    def __init__(
        self,
        script: Script,
        ears: Ears,
        mouth: Mouth,
        listener: Listener,
        *,
        emit: Callable[..., None],
        max_secs: float,
        patience: Patience | None = None,
    ) -> None:
        self._script = script
        self._ears = ears
        self._mouth = mouth
        self._listener = listener
        self._emit = emit
        self._max_frames = round(max_secs * FRAMES_PER_SEC)
        self._patience = patience or Patience()
        self.timings = Timings()
        self.sent = bytearray()
        self.played = bytearray()
        self._line = 0
        """Counts the caller's lines: what is understood late belongs to the line it answered."""
        self._line_began = self._line_ended = 0
        self._awaits_reply = False
        self._keys: deque[str] = deque()
        self._code: str | None = None
        self._silent_until = 0
        self._ending = self._is_gone = self._is_connected = self._breaks = False
        self._heard: list[str] = []
        self._turns = 0
        self._asked_before = 0
        self._tool_began: int | None = None
        self._took: int | None = None
        self._understanding: set[asyncio.Task[None]] = set()

    @property
    def at_ms(self) -> int:
        return _ms(self._ears.frame)

    # The party's side

    def started(self) -> None:
        # A call whose line broke is connected again, and still the same call.
        if not self._is_connected:
            self._is_connected = True
            self._emit("connected", at_ms=self.at_ms)

    def frame(self, played: bytes) -> CallerFrame:
        was_silent = self._ears.turn is None
        turn = self._ears.hear(played)
        if was_silent and self._ears.turn is not None:
            self._hear_onset(self._ears.turn)
        if turn is not None:
            self._turn_over(turn)
        was_speaking = not self._mouth.has_ended_speech
        audio, digit = self._mouth.frame(), self._key()
        if was_speaking and self._mouth.has_ended_speech:
            self._line_ended, self._awaits_reply = self._ears.frame, True
        self.played += played
        self.sent += audio
        if not self._is_busy:
            self._decide()
        breaks, self._breaks = self._breaks, False
        return CallerFrame(audio, digit, hangs_up=self._leaves(), breaks=breaks)

    def cleared(self, dropped: bytes) -> None:
        turn = self._ears.cut()
        if turn is not None or is_loud(dropped):
            self._emit("cleared", at_ms=self.at_ms)
        if turn is not None:
            self._turn_over(turn)

    def ended(self, unplayed: bytes) -> None:
        lost = _ms(loud_frames(unplayed))
        if not self._is_gone and lost > _UNHEARD_MS:
            self._emit("problem", text=f"{lost} ms of what the agent said were cut off by the hang-up")
        if turn := self._ears.cut():
            turn.was_cut = lost > 0
            self._turn_over(turn)

    # What else reaches the caller

    def hang_up(self) -> None:
        """End the call with the next frame, whatever is being said."""
        self._is_gone = True

    def code_came(self, code: str) -> None:
        """Take the code of a text; the lines that hold it can be said now."""
        self._code = code

    def tool_started(self, tool: str) -> None:
        """Note that the agent has started a tool, and barge in if the script says so."""
        self._tool_began = self._ears.frame
        if line := self._script.tool_line(tool, self._saying(), can_speak=not self._is_busy):
            self._begin(line)

    async def finish(self) -> None:
        """Wait until everything heard is understood."""
        await asyncio.gather(*self._understanding)

    # Listening

    def _hear_onset(self, turn: AgentTurn) -> None:
        if self.timings.greeting is None:
            self.timings.greeting = turn.began
        if self._tool_began is not None and turn.began > self._tool_began:
            self._tool_began = None
        if self._awaits_reply and not self._mouth.is_speaking:
            self._took = turn.began - self._line_ended
            self.timings.voice_to_voice.append(self._took)
            self._awaits_reply = False

    def _turn_over(self, turn: AgentTurn) -> None:
        took, self._took = self._took, None
        is_reply = turn.began >= self._line_began or (turn.last_loud >= self._line_began and not turn.was_cut)
        if is_reply:
            self._turns += 1
        fresh = self._listener.asked_since(self._asked_before)
        line = self._line if is_reply else None
        task = asyncio.create_task(self._understand(turn, took, line, fresh))
        self._understanding.add(task)
        task.add_done_callback(self._understanding.discard)

    async def _understand(self, turn: AgentTurn, took: int | None, line: int | None, fresh: list[str]) -> None:
        text = await self._listener.understand(turn, fresh=fresh)
        if not text and not turn.was_cut and turn.last_loud - turn.began > _CLICK_FRAMES:
            self._emit(
                "problem", text=f"the agent's audio at {_ms(turn.began)} ms is nothing its voice was asked to say"
            )
        if line == self._line and text:
            self._heard.append(text)
        if text:
            self._emit("heard", text=text, at_ms=_ms(turn.began), took_ms=None if took is None else _ms(took))

    def _saying(self) -> str:
        """Return what was heard since the caller's last line and what the agent is about to say."""
        return " ".join([*self._heard, *self._listener.asked_since(self._asked_before)])

    # Deciding

    @property
    def _is_acting(self) -> bool:
        return self._mouth.is_speaking or bool(self._keys) or self._ears.frame < self._silent_until

    @property
    def _is_busy(self) -> bool:
        return self._is_acting or self._ending

    def _decide(self) -> None:
        if self._ears.turn is not None:
            secs = (self._ears.frame - self._ears.turn.began) / FRAMES_PER_SEC
            if line := self._script.barge_in_line(self._saying(), secs):
                self._begin(line)
            return
        if self._understanding:
            return
        if not self._turns:
            self._wait_for_agent()
        elif self._script.is_exhausted:
            self._wait_for_hang_up()
        elif self._is_due() and (line := self._script.next_line(" ".join(self._heard))):
            self._begin(line)

    @property
    def _quiet_secs(self) -> float:
        since = max(self._ears.last_loud or 0, self._line_ended, self._silent_until)
        return (self._ears.frame - since) / FRAMES_PER_SEC

    def _patience_now(self) -> float:
        heard = " ".join(self._heard)
        line = self._script.fitting(heard)
        shortest = self._patience.line if self._tool_began is None else self._patience.tool
        if line is not None and line.when is not None:
            return shortest
        if self._heard and _HOLD.search(self._heard[-1]):
            return self._patience.hold
        return max(shortest, self._patience.again if line is None else 0.0)

    def _is_due(self) -> bool:
        """Whether it is the caller's turn by now, and what they would say is there."""
        if self._quiet_secs < self._patience_now():
            return False
        line = self._script.fitting(" ".join(self._heard))
        if line is None or not line.needs_code or self._code is not None:
            return True
        if self._quiet_secs >= self._patience.code:
            self._emit("problem", text=f"no code was texted within {self._patience.code:.0f} s")
            self._ending = True
        return False

    def _wait_for_agent(self) -> None:
        if self._quiet_secs >= self._patience.silent_agent:
            self._emit("problem", text=f"the agent has said nothing for {self._quiet_secs:.0f} s")
            self._ending = True

    def _wait_for_hang_up(self) -> None:
        """With no line left the caller leaves it to the agent to hang up, for a while and not when asked again."""
        if self._turns > 1 or self._quiet_secs >= self._patience.hang_up:
            self._ending = True

    # Acting

    def _begin(self, scripted: Line) -> None:
        line = scripted.with_code(self._code) if self._code else scripted
        if line.silence is not None:
            self._silent_until = self._ears.frame + round(line.silence * FRAMES_PER_SEC)
            self._ending = line.ends_call
            return
        self._line += 1
        self._line_began = self._line_ended = self._ears.frame
        self._awaits_reply = False
        self._heard, self._turns, self._asked_before = [], 0, self._listener.asked
        self._breaks = line.line_breaks
        if line.line_breaks:
            self._emit("said", text="[the line breaks]", at_ms=self.at_ms)
        if line.say is not None:
            self._mouth.say(line.say)
            self._emit("said", text=scripted.say, at_ms=self.at_ms)
        elif line.press is not None:
            self._keys = deque(key for digit in line.press for key in (digit, *[""] * (_KEY_FRAMES - 1)))
            self._emit("said", text=f"[presses {scripted.press}]", at_ms=self.at_ms)
        self._ending = line.ends_call

    def _key(self) -> str | None:
        if not self._keys:
            return None
        self._line_ended = self._ears.frame
        return self._keys.popleft() or None

    def _leaves(self) -> bool:
        if self._ears.frame == self._max_frames:
            self._emit("problem", text=f"the call was not over after {self._max_frames // FRAMES_PER_SEC} s")
            self._is_gone = True
        if self._ending and not self._is_acting:
            self._is_gone = True
        return self._is_gone


def _ms(frames: int) -> int:
    return frames * 1000 // FRAMES_PER_SEC


def report(conversation: Conversation) -> dict[str, Any]:
    """Return the call's latencies in milliseconds."""
    timings = conversation.timings
    return {
        "greeting_ms": None if timings.greeting is None else _ms(timings.greeting),
        "voice_to_voice_ms": [_ms(frames) for frames in timings.voice_to_voice],
    }
