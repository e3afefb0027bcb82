"""Answers that begin before the caller's turn has ended, and are heard only if it was answered by them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from agent.ear import Ear
from agent.turn_taking import Silences
from agent.vad import WINDOW_SECS
from tests.call_of_frames import Call
from tests.listening import RATE, WINDOW, LoudIsSpeech, Verdict
from tests.worker import Answer, ScriptedModel, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUESTION, MORE = "Do you have parking?", "Do you have parking for bicycles?"


class EarlyCall:
    """A call whose caller is heard as sound; each time that is transcribed, the next of `texts` comes of it."""

    def __init__(self, folder: Path, model: ScriptedModel, *texts: str) -> None:
        self.model = model
        self.verdict = Verdict(None)
        self._texts = list(texts)
        self._folder = folder
        self.call: Call

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[EarlyCall]:
        self.ear = Ear(
            detector=LoudIsSpeech(),  # type: ignore[arg-type]
            rate=RATE,
            silences=Silences(),
            turn_model=self.verdict,  # type: ignore[arg-type]
            transcribe=self._transcribe,
            is_aside=lambda _text: False,
            on_not_transcribed=self._not_transcribed,
        )
        async with (
            open_house(self._folder, model=self.model) as house,
            Call(house, ear=self.ear, user_turn_stop_timeout=60).running() as self.call,
        ):
            yield self

    async def _transcribe(self, _pcm: bytes) -> str:
        return self._texts.pop(0)

    async def _not_transcribed(self) -> None:
        raise AssertionError("everything can be transcribed here")

    async def hear(self, *, speech: float = 0.0, silence: float = 0.0) -> None:
        for secs, sample in ((speech, b"\x20"), (silence, b"\x00")):
            for _ in range(round(secs / WINDOW_SECS)):
                await self.ear.hear(sample * WINDOW)
                await asyncio.sleep(0)

    async def is_asked(self, times: int) -> None:
        await self.call.until(lambda: len(self.model.requests) == times)

    @property
    def heard(self) -> list[str]:
        return [utterance.text for utterance in self.call.conversation.heard()]


async def test_the_model_is_asked_before_the_turn_is_over_and_heard_after_it(tmp_path: Path) -> None:
    async with EarlyCall(tmp_path, ScriptedModel([Answer("Yes, we do.")]), QUESTION).running() as early:
        await early.hear(speech=1, silence=0.3)
        await early.is_asked(1)
        asked_early = early.heard

        early.verdict.finished_as.set_result(0.9)
        await early.call.until(lambda: len(early.heard) == 2)

        assert asked_early == []
        assert early.heard == [QUESTION, "Yes, we do."]
        assert early.model.requests[0]["messages"][-1]["content"] == QUESTION
        assert len(early.model.requests) == 1


async def test_an_answer_to_half_a_question_is_never_heard(tmp_path: Path) -> None:
    model = ScriptedModel([Answer("Behind the building."), Answer("Beside the door.")])
    async with EarlyCall(tmp_path, model, QUESTION, MORE).running() as early:
        await early.hear(speech=1, silence=0.3)
        await early.is_asked(1)
        await early.hear(speech=1)
        early.verdict.finished_as.set_result(0.9)
        await early.hear(silence=0.3)

        await early.call.until(lambda: len(early.heard) == 2)

        assert early.heard == [MORE, "Beside the door."]


async def test_an_early_answer_calls_no_tool_and_the_turn_calls_it_once(tmp_path: Path) -> None:
    model = ScriptedModel(
        [Answer(calls=(("find_slots", "{}"),)), Answer(calls=(("find_slots", "{}"),)), Answer("Let me see.")]
    )
    async with EarlyCall(tmp_path, model, QUESTION).running() as early:
        await early.hear(speech=1, silence=0.3)
        await early.is_asked(1)
        called_early = list(early.call.tools)

        early.verdict.finished_as.set_result(0.9)
        await early.call.until(lambda: len(early.heard) == 2)

        assert called_early == []
        assert early.call.tools == ["find_slots"]


@pytest.mark.parametrize("status", [500, 429])
async def test_an_early_answer_that_fails_is_asked_for_again_when_it_is_due(tmp_path: Path, status: int) -> None:
    model = ScriptedModel([Answer(status=status), Answer(status=status), Answer("Yes, we do.")])
    async with EarlyCall(tmp_path, model, QUESTION).running() as early:
        await early.hear(speech=1, silence=0.3)
        await early.is_asked(2)

        early.verdict.finished_as.set_result(0.9)
        await early.call.until(lambda: len(early.heard) == 2)

        assert early.heard == [QUESTION, "Yes, we do."]
