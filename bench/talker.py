"""A caller who asks their questions one after the other, and notes what they heard of the answers and when."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from bench.phone import FRAME_SECS
from bench.tones import UNCLEAR, pitch_of, spoken_secs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.utterances import CallersVoice, Utterance

FRAME_SAMPLES = 160
RATE = 8000
AFTER_ANSWER_SECS = 0.6
"""How long it is quiet before the caller takes an answer for over."""
BROKEN_OFF_SECS = 3.0
"""How long the caller waits for the rest of an answer that broke off."""
INTO_ANSWER_SECS = 0.8
"""How far into an answer the caller speaks over it."""
MOST_GREETING_SECS = 10.0
_NEARLY_ALL = 0.9


class Kind(StrEnum):
    """What a turn is for."""

    PLAIN = "plain"
    BARGE_IN = "barge_in"
    """The caller speaks over the answer before."""
    TOOL = "tool"
    HESITANT = "hesitant"
    """With a pause inside."""
    BOOKING = "booking"
    """It books."""


@dataclass(frozen=True, slots=True)
class PlannedTurn:
    """What the caller will say."""

    kind: Kind
    utterance: Utterance


@dataclass(slots=True)
class Turn:
    """What became of a turn. Moments are of `time.monotonic`."""

    call: int
    number: int
    kind: Kind
    utterance: Utterance
    spoke_from: float = 0.0
    """When the first 20 ms of speech were sent."""
    spoke_until: float = 0.0
    """When the last were."""
    answered_at: float | None = None
    """When the first sound of the answer was heard; None: never."""
    filled_at: float | None = None
    """When something else was heard before it."""
    cleared_at: float | None = None
    """When the worker took back its audio, after the caller began to speak."""
    interrupted_at: float | None = None
    """When the agent began to speak before the caller had ended."""
    silence_secs: float = 0.0
    """How long nothing was there to be played in the middle of the answer."""
    heard_secs: float = 0.0
    late_packets_ms: list[float] = field(default_factory=list)
    """For each packet of the answer but the first: how much later it came than the one before it took to play."""

    @property
    def was_interrupted(self) -> bool:
        return self.interrupted_at is not None

    @property
    def too_early_ms(self) -> float | None:
        """How long before the caller's last sound the agent began to speak, where it did."""
        return None if self.interrupted_at is None else (self.spoke_until - self.interrupted_at) * 1000

    @property
    def voice_to_voice_ms(self) -> float | None:
        """From the caller's last sound to the first of the answer; None where there is none or it came too early."""
        if self.answered_at is None or self.was_interrupted:
            return None
        return (self.answered_at - self.spoke_until) * 1000

    @property
    def barge_in_ms(self) -> float | None:
        """From the caller's first sound to the end of the agent's."""
        return None if self.cleared_at is None else (self.cleared_at - self.spoke_from) * 1000


class _Ears:
    """Which answer is heard at the moment, and since when."""

    def __init__(self) -> None:
        self.pitch: int | None = None
        """None while it is quiet."""
        self.since = 0.0
        """When this sound began."""
        self.quiet_since = 0.0
        self._into_silence_at: float | None = None
        """When audio came that nothing stood before: it is heard then, not at the next 20 ms."""
        self._edge_at: float | None = None

    def is_quiet_for(self, secs: float, now: float) -> bool:
        return self.pitch is None and self._edge_at is None and now - self.quiet_since >= secs

    def expect(self, at: float) -> None:
        self._into_silence_at = at

    def hear(self, at: float, frame: bytes) -> None:
        pitch = pitch_of(frame)
        arrived, self._into_silence_at = self._into_silence_at, None
        if pitch is None:
            if self.pitch is not None or self._edge_at is not None:
                self.quiet_since = at
            self.pitch, self._edge_at = None, None
            return
        begins = self._edge_at
        if begins is None:
            begins = arrived if self.pitch is None and arrived is not None else at
        if pitch == UNCLEAR:
            self._edge_at = begins
        elif pitch == self.pitch:
            self._edge_at = None
        else:
            self.pitch, self.since, self._edge_at = pitch, begins, None


class Talker:
    """The caller's side of one call.

    Args:
        number: The call's.
        plan: The turns to take, in their order.
        patience_secs: How long the caller waits for an answer before they give that turn up.
        on_turn: Is called after the greeting and each turn with how many turns are over.
        stays: Whether the caller stays on the line, and asks something again, when the plan is done.
    """

    def __init__(
        self,
        number: int,
        voice: CallersVoice,
        plan: Sequence[PlannedTurn],
        *,
        patience_secs: float,
        on_turn: Callable[[int], None] = lambda _number: None,
        stays: Callable[[], bool] = lambda: False,
    ) -> None:
        self.turns: list[Turn] = []
        self.began_at = 0.0
        self.ended_at = 0.0
        self.greeted_at: float | None = None
        self.number = number
        self._voice = voice
        self._plan = plan
        self._patience_secs = patience_secs
        self._on_turn = on_turn
        self._stays = stays
        self._ears = _Ears()
        self._life = self._live()
        self._now = 0.0
        self._frames = 0
        self._turn: Turn | None = None
        self._missing = 0
        self._unfilled_secs = 0.0
        self._last_packet: tuple[float, float] | None = None

    @property
    def planned_turns(self) -> int:
        return len(self._plan)

    @property
    def greeting_ms(self) -> float | None:
        """From the stream's start to the first sound; None: there was none."""
        return None if self.greeted_at is None else (self.greeted_at - self.began_at) * 1000

    def begin(self, at: float) -> None:
        self.began_at = self.ended_at = self._now = at

    def media(self, at: float, audio: bytes, *, plays_at_once: bool) -> None:
        pitch = next((heard for heard in map(pitch_of, _frames(audio)) if heard is not None), None)
        if pitch is None:
            return
        if self.greeted_at is None:
            self.greeted_at = at
        if plays_at_once:
            self._ears.expect(at)
        secs = len(audio) / RATE
        turn = self._turn
        if turn is not None and pitch in (turn.utterance.question.pitch, UNCLEAR):
            if self._last_packet is not None:
                before, lasted = self._last_packet
                turn.late_packets_ms.append(max(0.0, at - before - lasted) * 1000)
            self._last_packet = at, secs

    def cleared(self, at: float) -> None:
        if self._turn is not None and self._turn.cleared_at is None:
            self._turn.cleared_at = at

    def tick(self, at: float, heard: bytes, missing: int) -> str | None:
        self._now = self.ended_at = at
        self._missing = missing
        self._ears.hear(at, heard)
        return next(self._life, None)

    def _live(self) -> Iterator[str]:
        yield from self._hear_greeting()
        self._on_turn(0)
        for number, planned in enumerate(self._plan, 1):
            turn = Turn(self.number, number, planned.kind, planned.utterance)
            self.turns.append(turn)
            is_cut = number < len(self._plan) and self._plan[number].kind is Kind.BARGE_IN
            yield from self._take(turn, listen_secs=INTO_ANSWER_SECS if is_cut else None)
            self._on_turn(number)
        # Who only stayed silent would be hung up on: they go on asking, and it does not count.
        for number in itertools.count(len(self._plan) + 1):
            if not self._stays():
                return
            yield from self._take(Turn(self.number, number, Kind.PLAIN, self._plan[0].utterance), listen_secs=None)

    def _take(self, turn: Turn, *, listen_secs: float | None) -> Iterator[str]:
        """Ask, wait for the answer, and listen to it, or to so much of it."""
        yield from self._speak(turn)
        yield from self._wait_for_answer(turn)
        if turn.answered_at is not None:
            yield from self._hear_answer(turn, secs=listen_secs)

    def _hear_greeting(self) -> Iterator[str]:
        while self._now < self.began_at + MOST_GREETING_SECS:
            if self.greeted_at is not None and self._is_quiet_for(AFTER_ANSWER_SECS):
                return
            yield self._noise()

    def _speak(self, turn: Turn) -> Iterator[str]:
        for part in range(len(turn.utterance.parts)):
            if part:
                for _ in range(turn.utterance.pause_frames):
                    self._notice_interruption(turn)
                    yield self._noise()
            for payload in turn.utterance.payloads(turn.call, turn.number, part):
                if not turn.spoke_from:
                    turn.spoke_from = self._now
                    self._turn, self._last_packet = turn, None
                turn.spoke_until = self._now
                self._notice_interruption(turn)
                yield payload

    def _notice_interruption(self, turn: Turn) -> None:
        is_talking = self._ears.pitch is not None and self._ears.since > turn.spoke_from
        if is_talking and turn.kind is not Kind.BARGE_IN and turn.interrupted_at is None:
            turn.interrupted_at = self._ears.since

    def _wait_for_answer(self, turn: Turn) -> Iterator[str]:
        expected = turn.utterance.question.pitch
        while self._now < turn.spoke_until + self._patience_secs:
            if self._ears.pitch == expected:
                turn.answered_at = self._ears.since
                return
            if self._ears.pitch is not None and self._ears.since > turn.spoke_until and turn.filled_at is None:
                turn.filled_at = self._ears.since
            yield self._noise()

    def _hear_answer(self, turn: Turn, *, secs: float | None) -> Iterator[str]:
        """Listen until the answer is over, or for `secs` of it."""
        whole = spoken_secs(len(turn.utterance.question.answer.split()))
        enough = _NEARLY_ALL * whole if secs is None else secs
        self._unfilled_secs = 0.0
        while True:
            self._count(turn)
            if secs is not None and turn.heard_secs >= enough:
                return
            if self._is_quiet_for(AFTER_ANSWER_SECS if turn.heard_secs >= enough else BROKEN_OFF_SECS):
                return
            yield self._noise()

    def _count(self, turn: Turn) -> None:
        """Count these 20 ms as answer, or as silence in the middle of it once it goes on."""
        missing = self._missing / FRAME_SAMPLES * FRAME_SECS
        if self._ears.pitch != turn.utterance.question.pitch:
            self._unfilled_secs += FRAME_SECS
            return
        turn.silence_secs += self._unfilled_secs
        turn.heard_secs += FRAME_SECS - missing
        self._unfilled_secs = missing

    def _is_quiet_for(self, secs: float) -> bool:
        return self._ears.is_quiet_for(secs, self._now)

    def _noise(self) -> str:
        self._frames += 1
        return self._voice.noise[self._frames % len(self._voice.noise)]


def _frames(audio: bytes) -> Iterator[bytes]:
    for at in range(0, len(audio), FRAME_SAMPLES):
        frame = audio[at : at + FRAME_SAMPLES]
        yield frame if len(frame) == FRAME_SAMPLES else frame.ljust(FRAME_SAMPLES, b"\xff")
