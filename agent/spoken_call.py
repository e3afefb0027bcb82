"""One spoken call, whatever carries its sound: its pipeline, and what is kept of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams

from agent import phrases
from agent.asides import is_aside
from agent.conversation import Conversation
from agent.measuring import Measuring
from agent.patience import NUDGE_SECS
from agent.phrase_book import PhrasePlayer
from agent.recording import Recording
from agent.saying_on import Rest
from agent.stretch import WHOLE, goes_on_elsewhere
from agent.transcript import Transcript
from agent.transfer import TRANSFERRED, take_back
from agent.turn_taking import turn_strategies
from tools.resuming import take_up

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from pipecat.frames.frames import Frame
    from pipecat.processors.frame_processor import FrameProcessor
    from pipecat.processors.frameworks.rtvi import RTVIProcessor

    from agent.bootstrap import Worker
    from agent.front_desk import FrontDesk
    from agent.phrase_book import PhraseBook
    from agent.played import Played
    from agent.stretch import Stretch
    from agent.transcript import Turn
    from tools.session import BookingSession

log = structlog.get_logger(__name__)

LONGEST_TURN_SECS = 120.0
"""After which a turn is over whatever the ear says."""
PLAYED_SECS = 30.0
"""How long a goodbye may take to play before the call is ended all the same."""


class Leg(Protocol):
    """The caller's end of a call: their sound comes in by it, and ours goes out."""

    params: PipelineParams
    rtvi: RTVIProcessor | None
    """Shows the call to the caller's page; a phone has none."""
    begun: str
    """What is being said already, "" for nothing."""

    def attach(self, conversation: Conversation) -> None:
        """Let what happens at the caller's end reach the conversation."""
        ...

    def on_gone(self, tell: Callable[[], Coroutine[None, None, None]]) -> None:
        """Have told when the caller's end of the call is closed, other than by us."""
        ...

    def feed(self, hear: Callable[[bytes], Awaitable[None]]) -> bool:
        """Give the caller's sound to `hear` as it comes; returns False where frames carry it nevertheless."""
        ...

    def input(self) -> Sequence[FrameProcessor]:
        """Return what stands where their sound comes in."""
        ...

    def output(self) -> Sequence[FrameProcessor]:
        """Return what stands where our sound goes out."""
        ...

    def mark(self) -> tuple[Frame, Played]:
        """Return a frame to queue behind what is said, and the answer to whether that was played to its end."""
        ...

    def discard_marks(self) -> None:
        """Settle every waiting mark as not played."""
        ...

    @property
    def shelf_text(self) -> str:
        """The sentences that were cut off by barge-in and have not been followed by another answer."""
        ...

    @property
    def is_shelf_whole(self) -> bool:
        """Whether nothing else was to come in the answer that was cut off."""
        ...

    @property
    def first_sound_at(self) -> float | None:
        """When our first sound was sent, None before that and where only the pipeline knows."""
        ...

    def resume(self) -> bool:
        """Say what was cut off from where it was; returns False when there is nothing."""
        ...

    def forget_shelf(self) -> None:
        """Take what was cut off for something that is not to be said again."""
        ...

    async def hang_up(self) -> None:
        """End what the end of the pipeline has not ended."""
        ...


class SpokenMouth:
    """Says phrases on a leg and knows by its marks when they have been played."""

    def __init__(self, player: PhrasePlayer, leg: Leg) -> None:
        self._player = player
        self._leg = leg
        self._begun = leg.begun
        self._is_caller_gone = False

    def caller_is_gone(self) -> None:
        """Wait for nothing any more: nobody hears it."""
        self._is_caller_gone = True
        self._leg.discard_marks()

    async def say(self, text: str) -> bool:
        begun, self._begun = self._begun, ""
        return (bool(begun) and begun == text) or await self._player.say(text)

    async def finish(self) -> bool:
        if self._is_caller_gone:
            return True
        frame, played = self._leg.mark()
        await self._player.push_frame(frame)
        try:
            async with asyncio.timeout(PLAYED_SECS):
                return await played.wait()
        except TimeoutError:
            log.warning("mark_not_echoed")
            return True

    def resume(self) -> Rest:
        is_whole = self._leg.is_shelf_whole
        if not self._leg.resume():
            return Rest.NOTHING
        return Rest.WHOLE if is_whole else Rest.PART

    def forget_rest(self) -> None:
        self._leg.forget_shelf()


async def run_spoken_call(
    worker: Worker,
    leg: Leg,
    *,
    call_sid: str,
    caller: str,
    is_attested: bool = False,
    stretch: Stretch = WHOLE,
    was_unanswered: bool = False,
    on_turn: Callable[[Turn], None] = lambda _turn: None,
) -> None:
    """Run the call on an open leg to its end.

    Args:
        caller: Their number, "" when it is withheld.
        is_attested: Whether the carrier vouches for the caller's right to the number.
        stretch: Which part of the call it is, when the line broke before.
        was_unanswered: Whether the caller comes back from a person who did not take the call.
        on_turn: Is told what each side says and each tool does.
    """
    opened_at = time.monotonic()
    await worker.listening.ready()
    desk, phrase_book = worker.desk, worker.phrase_book
    session = await worker.session(call_sid, caller, desk, is_attested=is_attested)
    goes_on = ""
    if was_unanswered:
        await take_back(session)
    elif stretch.resumes:
        goes_on = await take_up(session)
    measuring = Measuring(session.call_sid, store=worker.store, traces=worker.traces)

    def tell_turn(turn: Turn) -> None:
        measuring.turn(turn)
        on_turn(turn)

    transcript = Transcript(
        session.call_sid,
        store=worker.store,
        began_secs=stretch.elapsed_secs,
        on_turn=tell_turn,
        hides_digits=lambda: session.identity.fewest_digits_hidden,
    )
    recording = _recording(worker, stretch.named(call_sid))
    outcome = "crashed"
    try:
        call = _SpokenCall(
            worker,
            leg,
            desk=desk,
            phrase_book=phrase_book,
            session=session,
            transcript=transcript,
            recording=recording,
            stretch=stretch,
            goes_on=goes_on,
        )
        call.measure(measuring, opened_at)
        await call.run()
        outcome = call.conversation.outcome
        is_ours_to_end = outcome not in ("caller_hung_up", "crashed", TRANSFERRED)
        if is_ours_to_end and not await goes_on_elsewhere(worker.store, session.call_sid, stretch):
            await leg.hang_up()
    finally:
        measuring.end(outcome)
        if recording is not None:
            await recording.close()
        await worker.store.end_call(session.call_sid, outcome=outcome, at=datetime.now(UTC), resumes=stretch.resumes)
        await measuring.keep()
        await transcript.keep(worker.store, worker.folder("transcripts") / f"{stretch.named(call_sid)}.jsonl")
        log.info("call_ended", outcome=outcome, turns=len(transcript.turns))


class _SpokenCall:
    """The pipeline of one call."""

    def __init__(
        self,
        worker: Worker,
        leg: Leg,
        *,
        desk: FrontDesk,
        phrase_book: PhraseBook,
        session: BookingSession,
        transcript: Transcript,
        recording: Recording | None,
        stretch: Stretch,
        goes_on: str,
    ) -> None:
        self._worker = worker
        self._stretch = stretch
        self._leg = leg
        self._call_sid = session.call_sid
        instructions = desk.instructions(
            session.caller, now=worker.clock(), is_recorded=recording is not None, note=session.note
        )
        if session.was_unanswered:
            instructions = replace(instructions, greeting=phrases.NOBODY_ANSWERED)
        self._player = player = PhrasePlayer(phrase_book)
        self._mouth = SpokenMouth(player, leg)
        speech = worker.speech
        llm, tts = speech.llm(instructions), speech.tts(instructions)
        rate = leg.params.audio_in_sample_rate
        before_ear = worker.listening.before_ear(instructions, rate=rate, on_not_transcribed=self._on_not_transcribed)
        ear = worker.listening.ear(
            instructions,
            rate=rate,
            is_aside=self._is_aside,
            on_not_transcribed=self._on_not_transcribed,
            passes_sound=recording is not None,
        )
        self.conversation = Conversation(
            session=session,
            event_types=desk.event_types,
            instructions=instructions,
            llm=llm,
            mouth=self._mouth,
            guard_mode=worker.settings.speech_guard,
            transcript=transcript,
            user_params=_user_params(),
            context_tokens=worker.settings.context_tokens,
            before_stop=self._before_stop,
            goes_on=goes_on,
        )
        leg.attach(self.conversation)
        leg.on_gone(self._on_gone)
        if recording is None and not before_ear:
            leg.feed(ear.hear)
        tts.add_event_handler("on_error", self._on_not_spoken)
        self._pipeline: list[FrameProcessor] = [
            *leg.input(),
            self.conversation.keys,
            *before_ear,
            ear,
            self.conversation.user,
            self.conversation.without_model,
            llm,
            *self.conversation.guard,
            tts,
            self.conversation.watchdog,
            player,
            *leg.output(),
            *([recording.processor] if recording else []),
            self.conversation.assistant,
        ]

    def measure(self, measuring: Measuring, opened_at: float) -> None:
        """Have measured what happens in the call, whose stream is open since `opened_at`."""
        conversation = self.conversation
        conversation.latency.watch(
            user=conversation.user,
            llm=conversation.llm,
            player=self._player,
            opened_at=opened_at,
            began_secs=self._stretch.elapsed_secs,
            first_sound_at=lambda: self._leg.first_sound_at,
        )
        measuring.follow(conversation.latency)

    async def run(self) -> None:
        await self.conversation.run(
            self._pipeline,
            params=self._leg.params,
            max_secs=self._worker.settings.max_call_secs - self._stretch.elapsed_secs,
            rtvi=self._leg.rtvi,
        )

    async def _before_stop(self, outcome: str) -> None:
        # Twilio asks what follows the stream as soon as it is closed: the answer must be there by then.
        await self._worker.store.end_call(
            self._call_sid, outcome=outcome, at=datetime.now(UTC), resumes=self._stretch.resumes
        )

    async def _on_gone(self) -> None:
        self._mouth.caller_is_gone()
        self.conversation.latency.line_closed()
        await self.conversation.caller_left()

    def _is_aside(self, text: str) -> bool:
        return is_aside(text, self._leg.shelf_text)

    async def _on_not_transcribed(self) -> None:
        await self.conversation.watchdog.not_heard(is_failure=True)

    async def _on_not_spoken(self, *_: Any) -> None:
        await self.conversation.watchdog.voice_failed()


def _recording(worker: Worker, name: str) -> Recording | None:
    if not worker.settings.record_calls:
        return None
    return Recording(worker.folder("recordings") / f"{name}.wav")


def _user_params() -> LLMUserAggregatorParams:
    """Return how the caller's turns are followed: the ear decides when they begin and end."""
    return LLMUserAggregatorParams(
        user_turn_strategies=turn_strategies(),
        user_turn_stop_timeout=LONGEST_TURN_SECS,
        user_idle_timeout=NUDGE_SECS,
        # The watchdog answers turns without words.
        empty_user_turn=None,
    )
