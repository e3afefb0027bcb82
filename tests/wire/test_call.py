"""Spoken turns through the real aggregators: what becomes of noise, interruptions and cut-off calls."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from pipecat.frames.frames import InterruptionFrame, LLMFullResponseStartFrame, LLMTextFrame

from agent import conversation as module
from agent import watchdog
from agent.phrases import GOODBYE, NOBODY_THERE, ONE_MOMENT, OUT_OF_ORDER, SAY_AGAIN, STILL_THERE
from agent.saying_on import Rest
from tests.call_of_frames import PATIENCE_SECS, Call
from tests.worker import Answer, ScriptedModel, open_house

if TYPE_CHECKING:
    from pathlib import Path

FIND = ("find_slots", "{}")


def scripted(*answers: Answer) -> ScriptedModel:
    return ScriptedModel(list(answers))


async def test_spoken_words_are_answered(tmp_path: Path) -> None:
    async with open_house(tmp_path, model=scripted(Answer("Which day?"))) as house, Call(house).running() as call:
        await call.speaks("An appointment, please.")

        await call.until(lambda: len(call.transcript.turns) == 2)

        assert [(turn.who, turn.text) for turn in call.transcript.turns] == [
            ("caller", "An appointment, please."),
            ("agent", "Which day?"),
        ]


async def test_noise_is_asked_about_once_and_owed_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "FILLER_SECS", 0.1)
    monkeypatch.setattr(watchdog, "STILL_WORKING_SECS", 0.2)
    monkeypatch.setattr(watchdog, "GIVE_UP_SECS", 0.3)
    model = scripted(Answer("Which day?"))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        before = len(call.mouth.said)
        await call.speaks()
        await call.until(lambda: len(call.mouth.said) > before)

        await call.is_quiet()

        assert call.mouth.said[before:] == [SAY_AGAIN]
        assert model.requests == []
        assert call.outcomes == []


async def test_a_search_that_is_spoken_over_is_over(tmp_path: Path) -> None:
    model = scripted(Answer(calls=(FIND,)), Answer("We are on Harbor Street."))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await house.break_down("calcom", "slots", "slow", seconds=3)
        await call.speaks("An appointment, please.")
        await call.until(lambda: bool(call.tools))

        await call.speaks("Wait, where are you?")
        await call.until(lambda: any("Harbor" in turn.text for turn in call.transcript.turns))

        await call.is_quiet()
        assert [turn.text for turn in call.transcript.turns if turn.who == "tool"] == []


async def test_a_caller_who_says_nothing_is_asked_twice_and_then_told_goodbye(tmp_path: Path) -> None:
    async with (
        open_house(tmp_path, model=scripted(Answer("Hello?"))) as house,
        Call(house, user_idle_timeout=0.05).running() as call,
    ):
        for _ in range(3):
            await call.conversation._on_caller_idle(None)

        await call.until(lambda: bool(call.outcomes))

        assert call.mouth.said[1:] == [STILL_THERE, STILL_THERE, NOBODY_THERE]
        assert call.outcomes == ["nobody_there"]


async def test_words_count_the_nudges_anew(tmp_path: Path) -> None:
    async with open_house(tmp_path, model=scripted(Answer("Which day?"))) as house, Call(house).running() as call:
        for _ in range(2):
            await call.conversation._on_caller_idle(None)
        await call.speaks("I'm here.")
        await call.until(lambda: any(turn.who == "agent" for turn in call.transcript.turns))

        await call.conversation._on_caller_idle(None)

        assert call.mouth.said[1:] == [STILL_THERE] * 3
        assert call.outcomes == []


async def test_a_goodbye_that_is_spoken_over_does_not_end_the_call(tmp_path: Path) -> None:
    model = scripted(Answer("Goodbye.", calls=(("end_call", "{}"),)), Answer("Of course."))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        call.mouth.is_interrupted = True
        await call.speaks("That's all.")
        await call.until(lambda: call.tools == ["end_call"])
        await call.until(lambda: not call.conversation.session.goodbye.is_set())

        await call.speaks("Oh, one more thing.")
        await call.until(lambda: any("Of course" in turn.text for turn in call.transcript.turns))

        assert call.outcomes == []


async def test_a_second_goodbye_ends_it(tmp_path: Path) -> None:
    model = scripted(Answer("Goodbye.", calls=(("end_call", "{}"),)))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        call.mouth.is_interrupted = True
        await call.speaks("That's all.")
        await call.until(lambda: call.tools == ["end_call"])
        await call.until(lambda: not call.conversation.session.goodbye.is_set())
        call.mouth.is_interrupted = False

        await call.speaks("No, really.")
        await call.until(lambda: bool(call.outcomes))

        assert call.outcomes == ["completed"]


async def test_a_goodbye_that_a_nod_cuts_off_is_said_on_and_ends_the_call(tmp_path: Path) -> None:
    model = scripted(Answer("Goodbye.", calls=(("end_call", "{}"),)))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        call.mouth.is_interrupted = True
        await call.speaks("That's all.")
        await call.until(lambda: call.tools == ["end_call"])
        await call.until(lambda: not call.conversation.session.goodbye.is_set())
        call.mouth.is_interrupted = False
        call.mouth.rest = Rest.WHOLE

        await call.speaks()
        await call.until(lambda: bool(call.outcomes))

        assert call.mouth.said[-1] == "(the rest)"
        assert call.outcomes == ["completed"]
        assert len(model.requests) == 1


async def test_a_key_pressed_over_the_goodbye_keeps_the_call_and_the_next_goodbye_ends_it(tmp_path: Path) -> None:
    model = scripted(Answer("Goodbye.", calls=(("end_call", "{}"),)))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        call.mouth.is_interrupted = True
        await call.speaks("That's all.")
        await call.until(lambda: call.tools == ["end_call"])
        await call.until(lambda: not call.conversation.session.goodbye.is_set())
        call.mouth.is_interrupted = False

        await call.presses("1#")
        await call.until(lambda: bool(call.outcomes))

        assert call.outcomes == ["completed"]
        assert len(model.requests) == 2


async def test_a_goodbye_that_is_cut_off_while_it_is_made_does_not_end_the_call(tmp_path: Path) -> None:
    async with open_house(tmp_path, model=scripted(Answer("Of course."))) as house, Call(house).running() as call:
        conversation = call.conversation
        conversation.session.goodbye.set()
        await conversation.queue(LLMFullResponseStartFrame(), LLMTextFrame("Good"))
        await call.is_told()
        conversation.watchdog._end_called.set()

        await call.speaks("Oh, one more thing.")
        await call.until(lambda: any("Of course" in turn.text for turn in call.transcript.turns))

        assert GOODBYE not in call.mouth.said
        assert call.outcomes == []


async def test_a_call_is_ended_only_once(tmp_path: Path) -> None:
    async with open_house(tmp_path, model=scripted(Answer("Hello?"))) as house, Call(house).running() as call:
        await call.conversation.end(OUT_OF_ORDER)
        await call.conversation.end(NOBODY_THERE, outcome="nobody_there")

        await call.until(lambda: bool(call.outcomes))

        assert call.mouth.said[1:] == [OUT_OF_ORDER]
        assert call.outcomes == ["failed"]


async def test_a_caller_who_leaves_during_the_goodbye_ends_the_call_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VAD_IDLE_SECS", -0.2)
    async with open_house(tmp_path, model=scripted(Answer("Hello?"))) as house, Call(house).running() as call:
        await asyncio.gather(call.conversation.end(OUT_OF_ORDER), call.conversation.caller_left())

        await call.until(lambda: bool(call.outcomes))

    assert call.outcomes == ["failed"]


async def test_a_late_answer_is_bridged_with_speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "FILLER_SECS", 0.05)
    model = scripted(Answer(calls=(FIND,)), Answer("Which one?"))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await house.break_down("calcom", "slots", "slow", seconds=0.3)
        await call.speaks("An appointment, please.")

        await call.until(lambda: any("Which one" in turn.text for turn in call.transcript.turns))

        assert call.mouth.said[1:] == [ONE_MOMENT]
        assert [turn.text for turn in call.transcript.turns if turn.who == "agent"] == [ONE_MOMENT, "Which one?"]


async def test_what_was_heard_is_told_apart_by_who_said_it(tmp_path: Path) -> None:
    model = scripted(Answer(calls=(FIND,)), Answer("Which one?"), Answer("All right."))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await call.speaks("An appointment, please.")
        await call.until(lambda: any("Which one" in turn.text for turn in call.transcript.turns))
        await call.speaks("The first.")
        await call.until(lambda: any("All right" in turn.text for turn in call.transcript.turns))

        heard = [(each.is_agent, each.text) for each in call.conversation.heard()]

        assert heard == [
            (False, "An appointment, please."),
            (True, "Which one?"),
            (False, "The first."),
            (True, "All right."),
        ]


async def test_an_interruption_without_words_does_not_stop_the_conversation(tmp_path: Path) -> None:
    model = scripted(Answer("Which day?"))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await call.conversation.queue(InterruptionFrame())

        await call.speaks("Thursday.")
        await call.until(lambda: any("Which day" in turn.text for turn in call.transcript.turns))

        await call.is_quiet()


async def test_a_call_that_is_cancelled_from_outside_ends(tmp_path: Path) -> None:
    async with open_house(tmp_path, model=scripted(Answer("Hello?"))) as house:
        call = Call(house)
        async with call.running():
            (running,) = [each for each in asyncio.all_tasks() if "Conversation.run" in repr(each.get_coro())]

            running.cancel()
            await asyncio.wait({running}, timeout=PATIENCE_SECS)

            assert running.done()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def test_a_call_that_cannot_be_greeted_ends_at_once_as_crashed(tmp_path: Path) -> None:
    async with open_house(tmp_path, model=scripted(Answer("Hello?"))) as house:
        call = Call(house)
        call.mouth.is_mute = True

        async with call.running():
            await call.until(lambda: bool(call.outcomes))

        assert call.outcomes == ["crashed"]
