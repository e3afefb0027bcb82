"""Keys that the caller presses, spoken and typed: one turn an entry, and a code that is readable nowhere."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

import pytest
import structlog
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InputDTMFFrame,
    InterruptionFrame,
)
from pipecat.tests.utils import run_test

from agent import dtmf
from agent.dtmf import KeyCollector
from agent.phrases import NOBODY_THERE, STILL_THERE
from appointments.digits import in_words
from appointments.model import Attendee, PhoneNumber
from tests.call_of_frames import Call
from tests.factories import an_appointment, claim
from tests.typist import Typist
from tests.worker import Answer, House, ScriptedModel, open_house

if TYPE_CHECKING:
    from pathlib import Path

ON_RECORD = PhoneNumber("+14155550199")


def scripted(*answers: Answer) -> ScriptedModel:
    return ScriptedModel(list(answers))


def heard_by(model: ScriptedModel) -> list[str]:
    """Return what the caller has said or typed, as the model was told last."""
    return [message["content"] for message in model.requests[-1]["messages"] if message["role"] == "user"]


async def texted_code(house: House) -> str:
    """Return the code that went to the number on record."""
    (message,) = (await house.state("twilio"))["messages"]
    assert message["to"] == ON_RECORD
    code: str = re.findall(r"\d{6}", message["body"])[0]
    return code


# The collector by itself


class Typing:
    """A collector, and what it made of keys."""

    def __init__(self, *, expected: int | None = None) -> None:
        self.entries: list[str] = []
        self.typing: list[bool] = []
        self.collector = KeyCollector(expected=lambda: expected, on_typing=self._on_typing, on_entry=self._on_entry)

    async def _on_typing(self, is_typing: bool) -> None:
        self.typing.append(is_typing)

    async def _on_entry(self, entry: str) -> None:
        self.entries.append(entry)

    async def gets(self, *frames: Frame) -> list[type[Frame]]:
        """Return the kinds of frames that it lets out."""
        down, _ = await run_test(self.collector, frames_to_send=frames, start_timeout=5)
        return [type(frame) for frame in down]


def keys(pressed: str) -> list[Frame]:
    return [InputDTMFFrame(button=KeypadEntry(key)) for key in pressed]


async def test_no_key_gets_past_the_collector() -> None:
    typing = Typing()

    let_out = await typing.gets(*keys("12*3#"))

    assert InputDTMFFrame not in let_out
    assert typing.entries == ["3"]
    assert typing.typing == [True, True, False, True, False]


async def test_the_first_key_of_an_entry_interrupts() -> None:
    let_out = await Typing().gets(*keys("123#45#"))

    assert let_out.count(InterruptionFrame) == 2


async def test_every_key_interrupts_what_is_being_said() -> None:
    let_out = await Typing().gets(
        *keys("1"), BotStartedSpeakingFrame(), *keys("23"), BotStoppedSpeakingFrame(), *keys("4")
    )

    assert let_out.count(InterruptionFrame) == 3


async def test_a_hash_behind_a_complete_entry_interrupts_nothing() -> None:
    typing = Typing(expected=2)

    let_out = await typing.gets(*keys("12"), BotStartedSpeakingFrame(), *keys("#"))

    assert typing.entries == ["12"]
    assert let_out.count(InterruptionFrame) == 1


async def test_a_star_that_clears_nothing_interrupts_nothing() -> None:
    typing = Typing()

    let_out = await typing.gets(BotStartedSpeakingFrame(), *keys("*"))

    assert typing.entries == []
    assert InterruptionFrame not in let_out


# In a spoken call


async def test_keys_and_a_hash_are_one_turn(tmp_path: Path) -> None:
    model = scripted(Answer("Thank you."))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await call.presses("12#")

        await call.until(lambda: len(call.transcript.turns) == 2)

        assert [(turn.who, turn.text) for turn in call.transcript.turns] == [
            ("caller", "(typed 1 2)"),
            ("agent", "Thank you."),
        ]
        assert heard_by(model) == ["(typed 1 2)"]
        assert len(model.requests) == 1


async def test_keys_are_taken_when_none_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dtmf, "AFTER_LAST_KEY_SECS", 0.05)
    model = scripted(Answer("Thank you."))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await call.presses("415")

        await call.until(lambda: len(call.transcript.turns) == 2)

        assert heard_by(model) == ["(typed 4 1 5)"]


async def test_six_keys_are_enough_while_a_code_is_awaited(tmp_path: Path) -> None:
    model = scripted(Answer("Thank you."))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await call.conversation.session.identity.send_code(ON_RECORD)
        await call.presses("482113#")

        await call.until(lambda: len(call.transcript.turns) == 2)
        await call.is_quiet()

        assert heard_by(model) == ["(typed 4 8 2 1 1 3)"]
        assert len(model.requests) == 1, "the hash that follows is no turn"


async def test_who_waits_for_a_code_is_given_more_time(tmp_path: Path) -> None:
    async with open_house(tmp_path, model=scripted(Answer("Hello?"))) as house, Call(house).running() as call:
        await call.conversation.session.identity.send_code(ON_RECORD)
        for _ in range(7):
            await call.conversation._on_caller_idle(None)

        await call.until(lambda: bool(call.outcomes))

        assert call.mouth.said[1:] == [*[STILL_THERE] * 6, NOBODY_THERE]


# In a typed call


async def test_a_typed_line_of_keys_that_ends_in_a_hash_is_pressed(tmp_path: Path) -> None:
    model = scripted(Answer("Thank you."))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")
        typist.types("99*12#")
        await typist.hears("thank you")
        typist.types("at 12")
        await typist.hears("thank you")
        typist.hangs_up()
        await typist.ended()

        assert heard_by(model) == ["(typed 1 2)", "at 12"]


@pytest.mark.parametrize("is_pressed", [True, False], ids=["pressed", "said"])
async def test_a_code_is_readable_neither_in_the_log_nor_in_the_record(tmp_path: Path, is_pressed: bool) -> None:
    text, check = ("text_code", json.dumps({"number": ON_RECORD})), "check_code"
    model = scripted(Answer(calls=(text,)), Answer("I sent it."))
    async with open_house(tmp_path, model=model) as house:
        start = house.worker.clock()
        slot = an_appointment().slot
        assert slot.start > start
        await claim(house.worker.store, an_appointment(attendee=Attendee("Maya Chen", "UTC", ON_RECORD)))
        with structlog.testing.capture_logs() as logs:
            typist = Typist(house)
            await typist.hears("help")
            typist.types("I want to move my appointment.")
            await typist.hears("sent it")
            code = await texted_code(house)
            model.answers[:] = [
                Answer(calls=((check, json.dumps({"code": code})),)),
                Answer(f"I heard {in_words(code)}."),
            ]
            typist.types(f"{code}#" if is_pressed else f"It's {in_words(code)}.")
            assert await typist.sees_tool("found")
            typist.hangs_up()
            await typist.ended()

        kept = [turn.text for turn in await house.worker.store.turns(await typist.call)]
        (transcript,) = await asyncio.to_thread(lambda: list(tmp_path.glob("transcripts/*.jsonl")))
    spaced = " ".join(code)
    shown = [{key: fact for key, fact in each.items() if not key.startswith("pii_")} for each in logs]
    assert f"(typed {spaced})" in heard_by(model) or in_words(code) in heard_by(model)[-1]
    for place in (str(kept), transcript.read_text(), str(shown)):
        assert not any(readable in place for readable in (code, spaced, in_words(code)))
    assert "[digits]" in str(kept)
