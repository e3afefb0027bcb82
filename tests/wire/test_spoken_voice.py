"""What the speech service is asked to say, where the model has written digits and signs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.call_of_frames import Call
from tests.worker import Answer, ScriptedModel, open_house

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN = "It costs **$45.50** on 2026-12-01 at 3:30 PM."
SAID = (
    "It costs forty-five dollars and fifty cents on December first, twenty twenty-six at three thirty in the afternoon."
)


async def test_the_voice_gets_words_and_all_else_what_was_written(tmp_path: Path) -> None:
    model = ScriptedModel([Answer(WRITTEN), Answer("All right.")])
    async with open_house(tmp_path, model=model) as house, Call(house, has_voice=True).running() as call:
        await call.speaks("What does it cost?")
        await call.until(lambda: any(turn.who == "agent" and "45" in turn.text for turn in call.transcript.turns))
        await call.speaks("Thank you.")
        await call.until(lambda: len(model.requests) == 2)

    assert SAID in model.spoken
    assert not any("$" in each or "**" in each for each in model.spoken)
    assert WRITTEN in [each["content"] for each in model.requests[-1]["messages"] if each["role"] == "assistant"]
    assert any(each.is_agent and WRITTEN in each.text for each in call.conversation.heard())


async def test_the_fixed_sentences_are_rendered_in_words(tmp_path: Path) -> None:
    model = ScriptedModel([Answer("Yes?")])
    async with open_house(tmp_path, model=model) as house:
        desk = house.worker.desk
        desk = replace(desk, business=replace(desk.business, name="Studio 54"))
        assert await house.worker.go_by(desk)

    greeting = next(text for text in model.spoken if "help" in text)
    assert "Studio fifty-four" in greeting
