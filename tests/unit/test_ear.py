"""The ear: what a turn is, and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EagerEndOfTurnCancelFrame,
    EagerTranscriptionFrame,
    Frame,
    InputAudioRawFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from agent import ear as module
from agent.ear import Ear
from agent.turn_taking import Silences
from agent.vad import WINDOW_SECS
from tests.listening import RATE, WINDOW, LoudIsSpeech, Verdict
from tests.pipelines import running_pipeline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SILENCES = Silences(sure=0.16, likely=0.22, unlikely=1.5)
TOLD = {
    VADUserStartedSpeakingFrame: "speaks",
    VADUserStoppedSpeakingFrame: "stops",
    ProposedUserStartedSpeakingFrame: "turn",
    ProposedUserStoppedSpeakingFrame: "over",
    EagerEndOfTurnCancelFrame: "not yet",
}


class Sink(FrameProcessor):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case TranscriptionFrame():
                self.told.append(f"said {frame.text}")
            case EagerTranscriptionFrame():
                self.told.append(f"perhaps {frame.text}")
            case InputAudioRawFrame():
                self.told.append("sound")
            case _ if type(frame) in TOLD:
                self.told.append(TOLD[type(frame)])
            case _:
                pass
        await self.push_frame(frame, direction)


class Heard:
    """An ear, and what it tells the pipeline."""

    def __init__(
        self,
        *texts: str | Exception,
        finished: float | None = 1.0,
        asides: tuple[str, ...] = (),
        transcribes: bool = True,
        has_turn_model: bool = True,
        passes_sound: bool = False,
    ) -> None:
        self.texts = list(texts)
        self.transcribed: list[int] = []
        self.release: asyncio.Event | None = None
        self.failures = 0
        self.verdict = Verdict(finished)
        self.sink = Sink()
        self.ear = Ear(
            detector=LoudIsSpeech(),  # type: ignore[arg-type]
            rate=RATE,
            silences=SILENCES,
            turn_model=self.verdict if has_turn_model else None,  # type: ignore[arg-type]
            transcribe=self.transcribe if transcribes else None,
            is_aside=lambda text: text in asides,
            on_not_transcribed=self.not_transcribed,
            passes_sound=passes_sound,
        )
        self.worker = PipelineWorker(Pipeline([self.ear, self.sink]), enable_rtvi=False, enable_turn_tracking=False)

    async def transcribe(self, pcm: bytes) -> str:
        self.transcribed.append(len(pcm))
        if self.release is not None:
            await self.release.wait()
        text = self.texts.pop(0)
        if isinstance(text, Exception):
            raise text
        return text

    async def not_transcribed(self) -> None:
        self.failures += 1

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Heard]:
        async with running_pipeline(self.worker):
            yield self

    async def hear(self, *, speech: float = 0.0, silence: float = 0.0, loudness: int = 20) -> None:
        """Let the line carry so many seconds of speech and then of silence."""
        for secs, sample in ((speech, bytes([loudness])), (silence, b"\x00")):
            for _ in range(round(secs / WINDOW_SECS)):
                await self.ear.hear(sample * WINDOW)
                for _ in range(3):
                    await asyncio.sleep(0)  # so that what a window began can go on before the next

    async def agent_speaks(self, *, speaks: bool = True) -> None:
        frame = BotStartedSpeakingFrame() if speaks else BotStoppedSpeakingFrame()
        await self.worker.queue_frame(frame, FrameDirection.UPSTREAM)
        await self.worker_flushed()

    async def told(self, *expected: str) -> None:
        """Wait until just that has been told."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while len(self.sink.told) < len(expected):
                    await asyncio.sleep(0.01)
        await self.worker_flushed()
        assert self.sink.told == list(expected)

    async def worker_flushed(self) -> None:
        await self.worker.flush_pipeline()


async def test_a_turn_is_over_after_a_short_silence_when_the_model_is_sure() -> None:
    async with Heard("Tuesday at two.", finished=0.9).running() as heard:
        await heard.hear(speech=1, silence=0.16)

        await heard.told("speaks", "turn", "perhaps Tuesday at two.", "stops", "said Tuesday at two.", "over")


async def test_a_turn_goes_on_for_longer_when_the_model_is_less_sure() -> None:
    async with Heard("Tuesday.", finished=0.6).running() as heard:
        await heard.hear(speech=1, silence=0.192)
        await heard.told("speaks", "turn", "perhaps Tuesday.")

        await heard.hear(silence=0.064)

        await heard.told("speaks", "turn", "perhaps Tuesday.", "stops", "said Tuesday.", "over")


async def test_an_unfinished_sentence_is_waited_for_and_taken_in_the_end() -> None:
    async with Heard("I would like to", finished=0.1).running() as heard:
        await heard.hear(speech=1, silence=1.4)
        await heard.told("speaks", "turn", "perhaps I would like to", "stops")

        await heard.hear(silence=0.16)

        await heard.told("speaks", "turn", "perhaps I would like to", "stops", "said I would like to", "over")


async def test_who_speaks_on_withdraws_the_early_guess_and_is_transcribed_as_a_whole() -> None:
    async with Heard("I would like", "I would like Tuesday.", finished=0.1).running() as heard:
        await heard.hear(speech=0.5, silence=0.3)
        await heard.told("speaks", "turn", "perhaps I would like", "stops")
        await heard.hear(speech=0.5)
        heard.verdict.finished_as = asyncio.get_running_loop().create_future()
        heard.verdict.finished_as.set_result(0.9)
        await heard.hear(silence=0.2)

        await heard.told(
            "speaks", "turn", "perhaps I would like", "stops", "not yet", "speaks",
            "perhaps I would like Tuesday.", "stops", "said I would like Tuesday.", "over",
        )  # fmt: skip
        assert heard.transcribed[1] > heard.transcribed[0] + RATE


async def test_after_a_long_pause_only_what_follows_is_transcribed() -> None:
    async with Heard("Well,", "on Tuesday.", finished=0.1).running() as heard:
        await heard.hear(speech=2, silence=0.7)
        await heard.told("speaks", "turn", "perhaps Well,", "stops")
        await heard.hear(speech=0.5, silence=1.6)

        await heard.told(
            "speaks", "turn", "perhaps Well,", "stops", "not yet", "speaks",
            "perhaps Well, on Tuesday.", "stops", "said Well, on Tuesday.", "over",
        )  # fmt: skip
        assert heard.transcribed[1] < heard.transcribed[0]


async def test_a_turn_waits_for_its_words() -> None:
    heard = Heard("Yes.", finished=0.9)
    heard.release = asyncio.Event()
    async with heard.running():
        await heard.hear(speech=0.5, silence=1)
        await heard.told("speaks", "turn", "stops")

        heard.release.set()

        await heard.told("speaks", "turn", "stops", "said Yes.", "over")


async def test_words_that_come_while_the_caller_speaks_on_end_nothing() -> None:
    heard = Heard("Yes.", "Yes, and no.", finished=0.9)
    heard.release = asyncio.Event()
    async with heard.running():
        await heard.hear(speech=0.5, silence=0.3)
        await heard.hear(speech=0.3)
        heard.release.set()
        await heard.told("speaks", "turn", "stops", "speaks")

        await heard.hear(silence=0.2)

        await heard.told(
            "speaks", "turn", "stops", "speaks", "perhaps Yes, and no.", "stops", "said Yes, and no.", "over"
        )


async def test_words_that_come_in_the_first_moment_of_more_speech_do_not_end_the_turn() -> None:
    heard = Heard("Yes.", "Yes, and no.", finished=0.9)
    heard.release = asyncio.Event()
    async with heard.running():
        await heard.hear(speech=0.5, silence=0.3)
        await heard.hear(speech=0.064)
        heard.release.set()

        await heard.told("speaks", "turn", "stops")


async def test_a_click_is_no_speech() -> None:
    async with Heard().running() as heard:
        await heard.hear(speech=0.096, silence=1)

        await heard.told()


async def test_a_click_in_a_pause_does_not_reopen_the_turn() -> None:
    async with Heard("I would like to", finished=0.1).running() as heard:
        await heard.hear(speech=1, silence=0.5)
        await heard.hear(speech=0.064, silence=1.2)

        await heard.told("speaks", "turn", "perhaps I would like to", "stops", "said I would like to", "over")


async def test_noise_without_words_ends_its_turn_without_words() -> None:
    async with Heard("", finished=0.9).running() as heard:
        await heard.hear(speech=0.5, silence=0.2)

        await heard.told("speaks", "turn", "stops", "over")
        assert heard.failures == 0


async def test_an_aside_is_no_words() -> None:
    async with Heard("Uh-huh.", finished=0.9, asides=("Uh-huh.",)).running() as heard:
        await heard.hear(speech=0.5, silence=0.2)

        await heard.told("speaks", "turn", "stops", "over")


async def test_an_utterance_that_nobody_can_transcribe_is_told_and_ends_the_turn() -> None:
    async with Heard(TimeoutError(), finished=0.9).running() as heard:
        await heard.hear(speech=0.5, silence=0.2)

        await heard.told("speaks", "turn", "stops", "over")
        assert heard.failures == 1


async def test_what_is_still_being_transcribed_at_the_end_is_given_up() -> None:
    heard = Heard(TimeoutError(), finished=0.9)
    heard.release = asyncio.Event()
    async with heard.running():
        await heard.hear(speech=0.5, silence=0.2)

    heard.release.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (len(heard.transcribed), heard.failures) == (1, 0)


async def test_a_turn_model_that_fails_leaves_the_end_of_a_turn_to_silence() -> None:
    async with Heard("Yes.").running() as heard:
        heard.verdict.finished_as = asyncio.get_running_loop().create_future()
        heard.verdict.finished_as.set_exception(RuntimeError("no memory"))
        await heard.hear(speech=0.5, silence=1.6)

        await heard.told("speaks", "turn", "perhaps Yes.", "stops", "said Yes.", "over")


async def test_without_a_turn_model_silence_alone_ends_a_turn() -> None:
    async with Heard("Yes.", has_turn_model=False).running() as heard:
        await heard.hear(speech=0.5, silence=1.4)
        await heard.told("speaks", "turn", "perhaps Yes.", "stops")

        await heard.hear(silence=0.2)

        await heard.told("speaks", "turn", "perhaps Yes.", "stops", "said Yes.", "over")


async def test_a_verdict_that_comes_late_ends_the_turn_when_it_comes() -> None:
    async with Heard("Yes.", finished=None).running() as heard:
        await heard.hear(speech=0.5, silence=0.6)
        await heard.told("speaks", "turn", "perhaps Yes.", "stops")

        heard.verdict.finished_as.set_result(0.9)

        await heard.told("speaks", "turn", "perhaps Yes.", "stops", "said Yes.", "over")


async def test_what_something_before_the_ear_transcribed_is_the_turns_words() -> None:
    async with Heard(transcribes=False, finished=0.9).running() as heard:
        await heard.hear(speech=0.5, silence=0.5)
        await heard.worker.queue_frame(TranscriptionFrame("Yes.", "", ""))

        await heard.told("speaks", "turn", "stops", "said Yes.", "over")


async def test_words_later_than_their_turn_are_a_turn_of_their_own() -> None:
    async with Heard(transcribes=False).running() as heard:
        await heard.worker.queue_frame(TranscriptionFrame("Hello?", "", ""))

        await heard.told("turn", "said Hello?", "over")


async def test_a_line_that_carries_nothing_any_more_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NO_SOUND_SECS", 0.1)
    async with Heard("Yes.", finished=0.9).running() as heard:
        await heard.hear(speech=0.5)

        await heard.told("speaks", "turn", "perhaps Yes.", "stops", "said Yes.", "over")


@pytest.mark.parametrize("passes_sound", [False, True])
async def test_sound_ends_here_unless_somebody_behind_wants_it(passes_sound: bool) -> None:
    async with Heard(passes_sound=passes_sound).running() as heard:
        await heard.worker.queue_frame(InputAudioRawFrame(bytes(WINDOW), RATE, 1))
        await heard.worker_flushed()

        assert heard.sink.told == (["sound"] if passes_sound else [])


async def test_the_silence_so_far_is_told_to_the_model() -> None:
    async with Heard("Yes.", finished=0.9).running() as heard:
        await heard.hear(speech=0.5, silence=0.2)

        assert heard.verdict.silences == [pytest.approx(0.096)]


async def test_a_voice_much_quieter_than_the_callers_is_anothers() -> None:
    async with Heard("Tuesday.", "Wednesday.", finished=0.1).running() as heard:
        await heard.hear(speech=1, silence=1.6)
        await heard.told("speaks", "turn", "perhaps Tuesday.", "stops", "said Tuesday.", "over")
        heard.sink.told.clear()

        await heard.hear(speech=2, silence=1, loudness=4)
        await heard.told()
        await heard.hear(speech=1, silence=1.6, loudness=10)

        await heard.told("speaks", "turn", "perhaps Wednesday.", "stops", "said Wednesday.", "over")


async def test_what_had_no_words_must_be_louder_to_interrupt_again() -> None:
    async with Heard("", "Tuesday.", finished=0.9).running() as heard:
        await heard.agent_speaks()
        await heard.hear(speech=1, silence=0.3, loudness=3)
        await heard.told("speaks", "turn", "stops", "over")
        heard.sink.told.clear()

        await heard.hear(speech=2, silence=0.3, loudness=4)
        await heard.told()
        await heard.hear(speech=1, silence=0.3, loudness=5)

        await heard.told("speaks", "turn", "perhaps Tuesday.", "stops", "said Tuesday.", "over")


async def test_a_caller_of_usual_loudness_is_heard_even_after_a_loud_cough() -> None:
    async with Heard("", "Tuesday.", finished=0.9).running() as heard:
        await heard.hear(speech=1, silence=0.3, loudness=90)
        await heard.told("speaks", "turn", "stops", "over")
        heard.sink.told.clear()

        await heard.hear(speech=1, silence=0.3, loudness=7)

        await heard.told("speaks", "turn", "perhaps Tuesday.", "stops", "said Tuesday.", "over")


async def test_a_soft_caller_is_heard_after_their_own_cough() -> None:
    async with Heard("", "Tuesday.", finished=0.9).running() as heard:
        await heard.hear(speech=1, silence=0.3, loudness=5)
        await heard.told("speaks", "turn", "stops", "over")
        heard.sink.told.clear()

        await heard.hear(speech=1, silence=0.3, loudness=4)

        await heard.told("speaks", "turn", "perhaps Tuesday.", "stops", "said Tuesday.", "over")


async def test_a_soft_caller_whose_loudness_is_known_may_interrupt_after_a_loud_noise() -> None:
    async with Heard("Tuesday.", "", "Wednesday.", finished=0.9).running() as heard:
        await heard.hear(speech=1, silence=0.3, loudness=5)
        await heard.told("speaks", "turn", "perhaps Tuesday.", "stops", "said Tuesday.", "over")
        await heard.agent_speaks()
        await heard.hear(speech=1, silence=0.3, loudness=50)
        heard.sink.told.clear()

        await heard.hear(speech=1, silence=0.3, loudness=4)

        await heard.told("speaks", "turn", "perhaps Wednesday.", "stops", "said Wednesday.", "over")


async def test_a_caller_who_could_not_be_transcribed_need_not_speak_up() -> None:
    async with Heard(TimeoutError(), "Tuesday.", finished=0.9).running() as heard:
        await heard.agent_speaks()
        await heard.hear(speech=1, silence=0.3, loudness=4)
        await heard.told("speaks", "turn", "stops", "over")
        heard.sink.told.clear()

        await heard.hear(speech=1, silence=0.3, loudness=4)

        await heard.told("speaks", "turn", "perhaps Tuesday.", "stops", "said Tuesday.", "over")


async def test_who_speaks_softly_after_a_loud_caller_is_heard_when_the_agent_asks_who_is_there() -> None:
    async with Heard("Hello!", "Tuesday.", finished=0.9).running() as heard:
        await heard.hear(speech=1, silence=0.3, loudness=60)
        await heard.told("speaks", "turn", "perhaps Hello!", "stops", "said Hello!", "over")
        heard.sink.told.clear()
        await heard.hear(silence=2)
        await heard.hear(speech=1, silence=4, loudness=6)
        await heard.told()

        await heard.agent_speaks()
        await heard.agent_speaks(speaks=False)
        await heard.hear(speech=1, silence=0.3, loudness=6)

        await heard.told("speaks", "turn", "perhaps Tuesday.", "stops", "said Tuesday.", "over")


async def test_a_quiet_voice_in_a_short_wait_stays_anothers() -> None:
    async with Heard("Hello!", finished=0.9).running() as heard:
        await heard.hear(speech=1, silence=0.3, loudness=60)
        await heard.told("speaks", "turn", "perhaps Hello!", "stops", "said Hello!", "over")
        heard.sink.told.clear()
        for _ in range(3):
            await heard.hear(speech=1, silence=2, loudness=6)
            await heard.agent_speaks()
            await heard.hear(speech=1, silence=2, loudness=6)
            await heard.agent_speaks(speaks=False)

        await heard.told()


async def test_another_voice_behind_the_callers_does_not_keep_the_turn_open() -> None:
    async with Heard("Wednesday.", finished=0.9).running() as heard:
        await heard.hear(speech=0.5, loudness=1)
        await heard.hear(speech=1)
        await heard.hear(speech=0.5, loudness=1)

        await heard.told("speaks", "turn", "perhaps Wednesday.", "stops", "said Wednesday.", "over")


async def test_only_what_is_meant_to_be_heard_interrupts_the_agent() -> None:
    async with Heard("Tuesday.", finished=0.9).running() as heard:
        await heard.agent_speaks()
        await heard.hear(speech=1, silence=0.3, loudness=2)
        await heard.told()

        await heard.agent_speaks(speaks=False)
        await heard.hear(speech=1, silence=0.3, loudness=2)

        await heard.told("speaks", "turn", "perhaps Tuesday.", "stops", "said Tuesday.", "over")


async def test_a_verdict_against_the_end_is_looked_at_again_with_all_of_the_silence() -> None:
    async with Heard("Yes.", finished=0.2).running() as heard:
        heard.verdict.on_reflection = 0.9
        await heard.hear(speech=0.5, silence=0.3)

        await heard.told("speaks", "turn", "perhaps Yes.", "stops", "said Yes.", "over")
        assert heard.verdict.silences == [pytest.approx(0.096), pytest.approx(0.224)]


async def test_a_verdict_for_the_end_is_not_looked_at_again() -> None:
    async with Heard("Yes.", finished=0.6).running() as heard:
        await heard.hear(speech=0.5, silence=0.3)

        await heard.told("speaks", "turn", "perhaps Yes.", "stops", "said Yes.", "over")
        assert len(heard.verdict.silences) == 1
