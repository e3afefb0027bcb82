"""How long each answer of a call takes, and in which stage: from what already passes through the pipeline."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EagerTranscriptionFrame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from agent.silence import Silence
from appointments.store.records import CallTimes, TurnTimes

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipecat.frames.frames import Frame
    from pipecat.processors.frame_processor import FrameProcessor

MOST_QUEUEING_SECS: Final = 5.0
"""A frame that claims to be older than that was made before the wall clock was set."""


@dataclass(slots=True)
class _Turn:
    """What is known of one turn of the caller, until the answer to it is heard."""

    words_ended: float
    turn_ended: float | None = None
    transcribed: float | None = None
    first_word: float | None = None
    first_audio: float | None = None
    heard: float | None = None
    """When the caller heard something of ours, be it a filler."""


class LatencyWatch:
    """Times the answers of one call, by frames it is told of; it stands in no frame's way.

    Args:
        is_owed: Claims that the caller is to hear from us without saying more.
    """

    def __init__(
        self,
        *,
        is_owed: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.silence = Silence(is_owed)
        self.on_answer: Callable[[TurnTimes], None] = lambda _times: None
        """Is told the times of each answer when its first audio is on the way to the caller."""
        self._monotonic = monotonic
        self._wall_clock = wall_clock
        self._opened_at = monotonic()
        self._began_secs = 0
        self._first_sound_at: Callable[[], float | None] = lambda: None
        self._greeted_at: float | None = None
        self._turn: _Turn | None = None
        self._transcript = ""
        self._transcribed: float | None = None
        self._answer_begun: float | None = None
        self._first_word: float | None = None
        self._is_sounding = False
        self._sounds_until: float | None = None
        """When the sound that came by will have been played, None while there is none."""
        self._turns: list[TurnTimes] = []

    def watch(
        self,
        *,
        user: FrameProcessor,
        llm: FrameProcessor,
        player: FrameProcessor,
        opened_at: float,
        began_secs: int = 0,
        first_sound_at: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Follow a call whose stream is open since `opened_at`, when it was `began_secs` old.

        Its processors tell of their frames by Pipecat's own events: a stage more in the pipeline would cost every
        frame of audio a queue and a task of its own.

        Args:
            llm: Stands before whoever decides what is owed.
            player: Stands behind all that speaks.
            first_sound_at: Tells when the first sound of ours was sent, where that was before the pipeline had begun.
        """
        self._opened_at, self._began_secs = opened_at, began_secs
        self._first_sound_at = first_sound_at
        transcripts = {TranscriptionFrame: self._on_transcript, EagerTranscriptionFrame: self._on_transcript}
        user.add_event_handler("on_before_process_frame", _telling(transcripts))
        llm.add_event_handler(
            "on_before_push_frame",
            _telling(
                {
                    VADUserStartedSpeakingFrame: self._on_caller_speaks,
                    VADUserStoppedSpeakingFrame: self._on_caller_stopped,
                    UserStoppedSpeakingFrame: self._on_turn_ended,
                    LLMFullResponseStartFrame: self._on_answer_begun,
                    LLMTextFrame: self._on_word,
                }
            ),
        )
        player.add_event_handler(
            "on_before_push_frame",
            _telling(
                {
                    TTSAudioRawFrame: self._on_audio,
                    InterruptionFrame: self._on_interruption,
                    BotStartedSpeakingFrame: self._on_sound_began,
                    BotStoppedSpeakingFrame: self._on_sound_ended,
                }
            ),
        )

    def caller_finished(self) -> None:
        """Note that the caller has said all without a word, as by the keys of a phone."""
        self.silence.turn_ended(self._monotonic())

    def line_closed(self) -> None:
        """Note that the caller hears nothing any more."""
        self.silence.line_closed(self._monotonic())

    def times(self) -> CallTimes:
        """Return what was measured so far."""
        worst_secs = self.silence.worst_secs
        return CallTimes(
            greeting_ms=_ms(self._opened_at, self._first_sound_at() or self._greeted_at),
            worst_silence_ms=None if worst_secs is None else round(worst_secs * 1000),
            turns=tuple(self._turns),
        )

    def _on_caller_speaks(self, frame: VADUserStartedSpeakingFrame) -> None:
        self.silence.caller_speaks(self._made_at(frame) - frame.start_secs)
        if self._turn is None or self._turn.turn_ended is not None:
            self._turn = self._transcribed = None

    def _on_caller_stopped(self, frame: VADUserStoppedSpeakingFrame) -> None:
        words_ended = self._made_at(frame) - frame.stop_secs
        self._turn = _Turn(words_ended)
        self.silence.caller_stopped(words_ended)

    def _on_transcript(self, frame: TranscriptionFrame | EagerTranscriptionFrame) -> None:
        # The words of an early guess come once more when it has proved right.
        if self._transcribed is None or frame.text != self._transcript:
            self._transcript, self._transcribed = frame.text, self._monotonic()

    def _on_turn_ended(self, _frame: UserStoppedSpeakingFrame) -> None:
        now = self._monotonic()
        if self._turn is not None and self._turn.turn_ended is None:
            self._turn.turn_ended, self._turn.transcribed = now, self._transcribed
        self.silence.turn_ended(now)

    def _on_answer_begun(self, _frame: LLMFullResponseStartFrame) -> None:
        self._answer_begun, self._first_word = self._monotonic(), None

    def _on_word(self, _frame: LLMTextFrame) -> None:
        if self._first_word is None:
            self._first_word = self._monotonic()

    def _on_audio(self, frame: TTSAudioRawFrame) -> None:
        now = self._monotonic()
        self._follow_sound(frame, now)
        turn = self._turn
        # Phrases that are played from memory have no context: they are no answer.
        if turn is None or turn.turn_ended is None or turn.first_audio is not None or frame.context_id is None:
            return
        if self._answer_begun is None or self._answer_begun < turn.words_ended:
            # The rest of what was being said before.
            return
        turn.first_word, turn.first_audio = self._first_word, now
        if self._is_sounding:
            self._answered(turn, played=None)

    def _follow_sound(self, frame: TTSAudioRawFrame, now: float) -> None:
        """Find the gaps inside a sound: it is said to have ended only when nothing more of it is to come."""
        until = now if self._sounds_until is None else self._sounds_until
        if until < now and self._is_sounding:
            self.silence.sound_resumed(now, fell_silent=until)
        self._sounds_until = max(until, now) + len(frame.audio) / (2 * frame.num_channels * frame.sample_rate)

    def _on_interruption(self, _frame: InterruptionFrame) -> None:
        self._sounds_until = None

    def _on_sound_began(self, _frame: BotStartedSpeakingFrame) -> None:
        now = self._monotonic()
        self._is_sounding = True
        if self._sounds_until is None:
            # It did not come by, such as what is said on after a noise: nothing is known of its length.
            self._sounds_until = math.inf
        if self._greeted_at is None:
            self._greeted_at = now
        self.silence.sound_began(now)
        turn = self._turn
        if turn is None:
            return
        if turn.heard is None:
            turn.heard = now
        if turn.first_audio is not None:
            self._answered(turn, played=now)

    def _on_sound_ended(self, _frame: BotStoppedSpeakingFrame) -> None:
        self._is_sounding, self._sounds_until = False, None
        self.silence.sound_ended(self._monotonic())

    def _answered(self, turn: _Turn, *, played: float | None) -> None:
        self._turn = None
        if turn.heard is None or turn.transcribed is None:
            # What is being heard began before the caller's words ended, or there were none: a cough, an "uh-huh".
            return
        times = _times(turn, self._opened_at - self._began_secs, turn.heard, played)
        self._turns.append(times)
        self.on_answer(times)

    def _made_at(self, frame: VADUserStartedSpeakingFrame | VADUserStoppedSpeakingFrame) -> float:
        """Return when the VAD decided; the frame has waited in queues since."""
        queued_secs = self._wall_clock() - frame.timestamp
        return self._monotonic() - min(max(queued_secs, 0.0), MOST_QUEUEING_SECS)


def _times(turn: _Turn, opened_at: float, heard: float, played: float | None) -> TurnTimes:
    assert turn.turn_ended is not None
    # An answer that was begun on a guess may be there before the turn has ended.
    word = None if turn.first_word is None else max(turn.first_word, turn.turn_ended)
    return TurnTimes(
        at_ms=round((turn.words_ended - opened_at) * 1000),
        voice_to_voice_ms=round((heard - turn.words_ended) * 1000),
        turn_end_ms=_ms(turn.words_ended, turn.turn_ended),
        stt_ms=_ms(turn.words_ended, turn.transcribed),
        llm_ms=_ms(turn.turn_ended, word),
        tts_ms=_ms(word, turn.first_audio),
        play_ms=_ms(turn.first_audio, played),
    )


def _ms(start: float | None, end: float | None) -> int | None:
    return None if start is None or end is None else max(0, round((end - start) * 1000))


class _Kinds(dict[type["Frame"], Any]):
    """What to do with each kind of frame; that of a kind not seen before is looked up by its bases, once."""

    def __missing__(self, kind: type[Frame]) -> Any:
        found = next((self[base] for base in kind.__mro__[1:] if self.get(base) is not None), None)
        self[kind] = found
        return found


def _telling(kinds: dict[type[Frame], Any]) -> Callable[[FrameProcessor, Frame], None]:
    """Return a handler that passes frames on to whom their kind concerns, and costs the others next to nothing."""
    concerned = _Kinds(kinds)

    def tell(_processor: FrameProcessor, frame: Frame) -> None:
        if (handle := concerned[type(frame)]) is not None:
            handle(frame)

    return tell
