"""What becomes of an answer that a noise or a nod has cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pipecat.frames.frames import VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame

from agent.phrases import SAY_AGAIN
from agent.saying_on import Rest
from agent.speech_services import GO_ON
from tests.call_of_frames import Call
from tests.worker import Answer, House, ScriptedModel, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

THE_REST = "(the rest)"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, model=ScriptedModel([Answer("First."), Answer("Second.")])) as opened:
        yield opened


async def test_what_a_noise_has_cut_off_is_said_on(house: House) -> None:
    async with Call(house).running() as call:
        call.mouth.rest = Rest.WHOLE
        await call.speaks()
        await call.until(lambda: THE_REST in call.mouth.said)
        await call.is_quiet()

        assert SAY_AGAIN not in call.mouth.said
        assert call.conversation.heard() == []


async def test_when_the_model_was_cut_off_too_it_is_told_to_go_on_after_the_rest(house: House) -> None:
    async with Call(house).running() as call:
        call.mouth.rest = Rest.PART
        await call.speaks()

        await call.until(lambda: [each.text for each in call.conversation.heard()] == ["First."])
        assert THE_REST in call.mouth.said
        assert {"role": "developer", "content": GO_ON} in call.conversation.context.messages


async def test_what_the_voice_had_not_come_to_is_said_without_asking_the_model(tmp_path: Path) -> None:
    model = ScriptedModel([Answer("I have Tuesday at two. Or Friday at ten.")])
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await call.speaks("When?")
        await call.until(lambda: len(call.conversation.heard()) == 2)
        await call.is_quiet()
        # What was heard before the noise.
        call.conversation.context.messages[-1] = {"role": "assistant", "content": "I have Tuesday at two."}
        call.mouth.rest = Rest.PART
        await call.speaks()

        await call.until(lambda: "Friday" in call.conversation.heard()[-1].text)
        assert call.conversation.heard()[-1].text == "I have Tuesday at two. Or Friday at ten."
        assert len(model.requests) == 1


async def test_when_the_caller_speaks_over_the_rest_the_model_waits_for_them(house: House) -> None:
    async with Call(house).running() as call:
        call.mouth.rest = Rest.PART
        call.mouth.is_interrupted = True
        await call.speaks()
        await call.until(lambda: THE_REST in call.mouth.said)
        await call.is_quiet()

        assert call.conversation.heard() == []


async def test_an_answer_that_a_noise_has_cut_off_before_its_first_word_is_given_all_the_same(house: House) -> None:
    async with Call(house).running() as call:
        call.conversation.context.add_message({"role": "user", "content": "Hello?"})
        await call.speaks()

        await call.until(lambda: [each.text for each in call.conversation.heard()] == ["Hello?", "First."])
        assert SAY_AGAIN not in call.mouth.said


async def test_words_that_are_not_understood_when_nothing_is_owed_are_asked_for_again(house: House) -> None:
    async with Call(house).running() as call:
        await call.speaks()

        await call.until(lambda: SAY_AGAIN in call.mouth.said)


async def test_who_was_asked_to_say_it_again_is_not_spoken_over_with_the_rest(house: House) -> None:
    async with Call(house).running() as call:
        call.conversation.context.add_message({"role": "user", "content": "Hello?"})
        call.mouth.rest = Rest.WHOLE
        await call.conversation.queue(VADUserStartedSpeakingFrame())
        await call.until(lambda: not call.conversation.watchdog.quiet.is_set())
        await call.is_told()
        await call.conversation.watchdog.not_heard(is_failure=True)
        await call.conversation.queue(VADUserStoppedSpeakingFrame())
        await call.until(lambda: call.mouth.rest is Rest.NOTHING)
        await call.is_quiet()

        assert call.mouth.said[-1] == SAY_AGAIN
        assert THE_REST not in call.mouth.said
        assert [each.text for each in call.conversation.heard()] == ["Hello?"]


async def test_words_make_the_rest_forgotten(house: House) -> None:
    async with Call(house).running() as call:
        call.mouth.rest = Rest.WHOLE
        await call.speaks("Stop.")
        await call.until(lambda: len(call.conversation.heard()) == 2)

        assert call.mouth.rest is Rest.NOTHING
        assert THE_REST not in call.mouth.said
