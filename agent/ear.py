"""The ear: hears when a caller speaks and pauses, what they say, and when their turn is over."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EagerEndOfTurnCancelFrame,
    EagerTranscriptionFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.time import time_now_iso8601

from agent.failover import FAILURES
from agent.turn_taking import LIKELY, PAUSE_SECS, START_SECS, STOP_SECS
from agent.vad import WINDOW_SECS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from agent.turn_model import TurnModel
    from agent.turn_taking import Silences
    from agent.vad import SpeechDetector, Window

    Transcribe = Callable[[bytes], Awaitable[str]]
    """Returns what is said in 16-bit samples at the ear's rate; raises one of `agent.failover.FAILURES`."""

log = structlog.get_logger(__name__)

BEFORE_SPEECH_SECS: Final = 0.5
"""How much of the sound before speech was noticed belongs to it: a first consonant is no speech for the model."""
NEW_UTTERANCE_SECS: Final = 0.6
"""After a pause that long, what was said before it stands, and only what follows is transcribed."""
LONGEST_UTTERANCE_SECS: Final = 20.0
MOST_SOUND_SECS: Final = 60.0
"""Who speaks for longer without a pause is a radio."""
SYLLABLE_SECS: Final = 0.13
"""Within which speech gets loud once."""
QUIETEST_WORD: Final = 0.2
"""Speech that never gets louder than this share of what this caller's usually gets, 14 dB less, is another's."""
QUIETEST_SYLLABLE: Final = 0.08
"""But the end of a sentence may be 22 dB less."""
LEAST_TO_INTERRUPT: Final = 0.025
"""Nobody who wants to interrupt speaks more quietly than -32 dBFS in the loudest part of a word; radios do."""
LOUDER_THAN_WORDLESS: Final = 1.4
"""Once there was speech without words, what is to interrupt the agent must be 3 dB louder than that was."""
ALWAYS_HEARD: Final = 0.06
"""But what gets as loud as -24 dBFS, as most callers do, is heard in any case."""
USUAL_WORD: Final = 0.5
"""And so is what gets within 6 dB of what this caller's usually gets."""
UNHEEDED_SECS: Final = 0.3
WAITED_SECS: Final = 5.0
"""Who speaks for so long into so long a wait, too quietly to begin a turn, is the one the agent waits for."""
NO_SOUND_SECS: Final = 1.0
"""After which a line that carries nothing at all is taken to be silent."""


@dataclass(slots=True, eq=False)
class _Pause:
    """A silence in a turn, and what has become known in it."""

    text: str | None = None
    finished: float | None = None
    is_doubtful: bool = False
    """Whether an early verdict against the turn's end waits to be looked at again with all of the silence."""
    is_answered_early: bool = False
    is_lost: bool = False
    """Whether nobody can tell what was said."""
    judging: asyncio.Task[None] | None = None


class Ear(FrameProcessor):
    """Stands where speech becomes text. The caller's sound ends here, unless it `passes_sound` on.

    At the first short silence what was said so far is transcribed and judged, while the silence goes on: when it has
    lasted long enough for the verdict, the words are there. Until then they are handed on as an early guess, which the
    model may answer and nobody hears before the turn has ended.

    Args:
        detector: Judges this call's sound.
        rate: Of the sound, in Hz.
        turn_model: Judges pauses; None: silence alone ends a turn.
        transcribe: Turns an utterance to text; None: something before the ear does, and its transcripts come by here.
        is_aside: Tells whether words are no turn, such as an "uh-huh" while the agent speaks.
        on_not_transcribed: Is told when an utterance could not be transcribed.
    """

    def __init__(
        self,
        *,
        detector: SpeechDetector,
        rate: int,
        silences: Silences,
        turn_model: TurnModel | None,
        transcribe: Transcribe | None,
        is_aside: Callable[[str], bool],
        on_not_transcribed: Callable[[], Awaitable[None]],
        passes_sound: bool = False,
    ) -> None:
        super().__init__()
        self._detector = detector
        self._rate = rate
        self._silences = silences
        self._turn_model = turn_model
        self._transcribe = transcribe
        self._is_aside = is_aside
        self._on_not_transcribed = on_not_transcribed
        self._passes_sound = passes_sound
        self._is_started = False
        self._sound = bytearray()
        self._said_before = ""
        self._voiced = 0
        self._silent = 0
        self._spoken = 0
        """Windows of speech in this turn."""
        self._loudness: deque[float] = deque(maxlen=round(SYLLABLE_SECS / WINDOW_SECS))
        self._loudest = 0.0
        """Of this turn."""
        self._usual_loudness = 0.0
        """How loud this caller gets when there are words in what they say, 0 while that is not known."""
        self._is_agent_speaking = False
        self._loudness_without_words = 0.0
        """What is quieter than that has interrupted the agent for nothing before."""
        self._waited = self._unheeded = 0
        """Windows since either side spoke, and how many of them were speech that was too quiet."""
        self._unheeded_loudness = 0.0
        self._is_turn_open = False
        self._is_speaking = False
        self._pause: _Pause | None = None
        self._studies: set[asyncio.Task[None]] = set()
        """Find out what was said before pauses, and whether that was all."""
        self._heard_at = 0.0
        self._line_watch: asyncio.Task[None] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case InputAudioRawFrame():
                if self._passes_sound:
                    await self.push_frame(frame, direction)
                await self.hear(frame.audio)
                return
            case TranscriptionFrame() if direction is FrameDirection.DOWNSTREAM:
                await self._transcribed_before(frame.text)
                return
            case BotStartedSpeakingFrame():
                self._is_agent_speaking = True
                self._heed_who_was_not()
            case BotStoppedSpeakingFrame():
                self._is_agent_speaking = False
            case StartFrame():
                self._is_started = True
                self._line_watch = self.create_task(self._watch_line())
            case EndFrame() | CancelFrame():
                await self._stop()
            case _:
                pass
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        await self._stop()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def hear(self, pcm: bytes) -> None:
        """Take the next of the caller's sound, 16-bit samples."""
        if not self._is_started:
            return
        self._heard_at = time.monotonic()
        for window in self._detector.feed(pcm):
            self._sound += window.pcm
            self._keep_last(MOST_SOUND_SECS)
            self._loudness.append(window.loudness)
            if window.is_speech and self._is_near():
                await self._hear_speech()
            else:
                self._note_unheeded(window)
                await self._hear_silence()

    def _is_near(self) -> bool:
        """Return whether what is heard is as loud as this caller: a quieter one is a radio, or the next table's."""
        if self._is_turn_open:
            least = max(self._usual_loudness, self._loudest) * QUIETEST_SYLLABLE
        else:
            least = max(self._usual_loudness * QUIETEST_WORD, self._least_for_words())
        return max(self._loudness) >= least

    def _least_for_words(self) -> float:
        """Return how loud it must get because what was quieter had no words; the caller's own always gets so loud."""
        least = self._loudness_without_words
        if self._usual_loudness:
            least = min(least, self._usual_loudness * USUAL_WORD)
        elif not self._is_agent_speaking:
            least = 0.0  # the caller may be as quiet as that was
        return max(least, LEAST_TO_INTERRUPT) if self._is_agent_speaking else least

    def _note_unheeded(self, window: Window) -> None:
        if self._is_turn_open or self._is_agent_speaking:
            self._waited = self._unheeded = 0
            self._unheeded_loudness = 0.0
            return
        self._waited += 1
        if window.is_speech:
            self._unheeded += 1
            self._unheeded_loudness = max(self._unheeded_loudness, window.loudness)

    def _heed_who_was_not(self) -> None:
        """Take who spoke in a long wait for the caller: they may speak softly now, or have handed the phone over."""
        if self._waited * WINDOW_SECS >= WAITED_SECS and self._unheeded * WINDOW_SECS >= UNHEEDED_SECS:
            self._usual_loudness = min(self._usual_loudness, self._unheeded_loudness)

    async def _hear_speech(self) -> None:
        self._voiced += 1
        # A moment of it may be a click on the line, unless the caller has only just fallen silent.
        if self._is_speaking or self._voiced * WINDOW_SECS >= START_SECS:
            self._loudest = max(self._loudest, *self._loudness)
            self._spoken += 1 if self._is_speaking else self._voiced
            if self._pause is not None:
                await self._go_on(self._pause)
            self._silent = 0
            if not self._is_speaking:
                await self._start()

    async def _hear_silence(self) -> None:
        self._voiced = 0
        if not self._is_turn_open:
            self._keep_last(BEFORE_SPEECH_SECS)
            return
        self._silent += 1
        if self._pause is None and self._silence_secs >= PAUSE_SECS:
            self._begin_pause()
        if self._silence_secs >= STOP_SECS:
            await self._note_stop()
        await self._consider()

    @property
    def _silence_secs(self) -> float:
        return self._silent * WINDOW_SECS

    def _keep_last(self, secs: float) -> None:
        del self._sound[: -round(secs * self._rate) * 2]

    async def _start(self) -> None:
        self._is_speaking = True
        await self.broadcast_frame(VADUserStartedSpeakingFrame, start_secs=START_SECS)
        if not self._is_turn_open:
            self._is_turn_open = True
            await self.broadcast_frame(ProposedUserStartedSpeakingFrame)

    async def _note_stop(self) -> None:
        if self._is_speaking:
            self._is_speaking = False
            await self.broadcast_frame(VADUserStoppedSpeakingFrame, stop_secs=self._silence_secs)
        if self._turn_model is not None and self._pause is not None and self._pause.is_doubtful:
            self._pause.is_doubtful = False
            self._pause.judging = self._study(self._judge(self._pause, self._turn_model, bytes(self._sound)))

    def _begin_pause(self) -> None:
        pause = self._pause = _Pause()
        said = bytes(self._sound)
        if self._transcribe is not None:
            self._study(self._hear_words(pause, self._transcribe, said))
        if self._turn_model is not None:
            pause.judging = self._study(self._judge(pause, self._turn_model, said))

    def _study(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        study = self.create_task(work)
        self._studies.add(study)
        study.add_done_callback(self._studies.discard)
        return study

    async def _hear_words(self, pause: _Pause, transcribe: Transcribe, said: bytes) -> None:
        try:
            text = (await transcribe(said)).strip()
        except FAILURES as error:
            if self._pause is not pause:
                return
            log.warning("utterance_not_transcribed", error=type(error).__name__)
            pause.is_lost = True
            await self._on_not_transcribed()
            text = ""
        await self._know(pause, text)

    async def _judge(self, pause: _Pause, model: TurnModel, said: bytes) -> None:
        is_early = self._silence_secs < STOP_SECS
        pause.finished = await model.finished(said, self._rate, silence_secs=self._silence_secs)
        pause.is_doubtful = is_early and pause.finished < LIKELY
        if self._pause is pause:
            await self._consider()

    async def _transcribed_before(self, text: str) -> None:
        """Take what something before the ear has transcribed."""
        if self._pause is not None:
            await self._know(self._pause, f"{self._pause.text or ''} {text}".strip())
        elif self._is_turn_open:
            self._said_before = f"{self._said_before} {text}".strip()
        else:
            # Later than the turn it belongs to: it is one of its own.
            await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
            await self._end_turn(text)

    async def _know(self, pause: _Pause, text: str) -> None:
        pause.text = text
        if self._pause is pause:
            await self._consider()

    async def _go_on(self, pause: _Pause) -> None:
        """The caller speaks on: the pause was none."""
        self._pause = None
        if pause.judging is not None:
            pause.judging.cancel()  # one that still queues for the model would keep other callers' waiting
        if pause.is_answered_early:
            await self.broadcast_frame(EagerEndOfTurnCancelFrame)
        is_long = len(self._sound) / 2 / self._rate > LONGEST_UTTERANCE_SECS
        if pause.text is not None and (self._transcribe is None or is_long or self._silence_secs >= NEW_UTTERANCE_SECS):
            self._said_before = f"{self._said_before} {pause.text}".strip()
            self._keep_last(BEFORE_SPEECH_SECS)

    async def _consider(self) -> None:
        """End the turn when it has been silent for long enough, and let the model answer early until then."""
        pause = self._pause
        if pause is None or pause.text is None or self._voiced:
            return
        text = f"{self._said_before} {pause.text}".strip()
        if self._silence_secs >= self._silences.needed(pause.finished, text, spoken_secs=self._spoken * WINDOW_SECS):
            await self._end_turn(text)
        elif text and not pause.is_answered_early and not self._is_aside(text):
            pause.is_answered_early = True
            await self.push_frame(EagerTranscriptionFrame(text, "", time_now_iso8601()))

    async def _end_turn(self, text: str) -> None:
        self._is_turn_open = False
        pause, self._pause = self._pause, None
        await self._note_stop()
        self._said_before = ""
        self._silent = self._spoken = 0
        self._keep_last(BEFORE_SPEECH_SECS)
        if text:
            self._usual_loudness = (self._usual_loudness + self._loudest) / (2 if self._usual_loudness else 1)
        elif pause is None or not pause.is_lost:
            self._loudness_without_words = min(self._loudest * LOUDER_THAN_WORDLESS, ALWAYS_HEARD)
        self._loudest = 0.0
        if text and not self._is_aside(text):
            await self.push_frame(TranscriptionFrame(text, "", time_now_iso8601(), finalized=True))
        await self.push_frame(ProposedUserStoppedSpeakingFrame())

    async def _watch_line(self) -> None:
        """Hear silence while the line carries nothing, as when the caller has hung up."""
        silence = bytes(round(NO_SOUND_SECS / 2 * self._rate) * 2)
        while True:
            await asyncio.sleep(NO_SOUND_SECS / 2)
            if self._is_turn_open and time.monotonic() - self._heard_at >= NO_SOUND_SECS:
                for _ in self._detector.feed(silence):
                    await self._hear_silence()

    async def _stop(self) -> None:
        watch, self._line_watch = self._line_watch, None
        for task in (*self._studies, *([watch] if watch else [])):
            await self.cancel_task(task)
