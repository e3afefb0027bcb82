"""A caller who asks to wait, who answers by keys, and whose call is long, in calls of this process."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from agent import call_length, conversation, dtmf
from agent.call_note import HEAD
from agent.phrases import MINUTE_LEFT, NOBODY_THERE, OUT_OF_TIME, SAY_AGAIN, STILL_HERE, STILL_THERE, TAKE_YOUR_TIME
from tests.call_of_frames import Call
from tests.typist import Typist
from tests.worker import Answer, ScriptedModel, open_house
from tools.keys import KEYS

if TYPE_CHECKING:
    from pathlib import Path

FIND = ("find_slots", "{}")
OFFER = (
    "I have openings on Wednesday, December second, at ten in the morning or two in the afternoon, or on Thursday, "
    "December third, at eleven in the morning. Which works best for you?"
)
AT_TWO = "Wednesday, December second, at two in the afternoon"
SECOND = f"(typed 2, the second time offered: {AT_TWO})"


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "VAD_IDLE_SECS", -0.2)
    monkeypatch.setattr(dtmf, "AFTER_LAST_KEY_SECS", 0.05)


def scripted(*answers: Answer) -> ScriptedModel:
    return ScriptedModel(list(answers))


def heard_by(model: ScriptedModel) -> list[str]:
    """Return what the caller has said or typed, as the model was told last."""
    return [message["content"] for message in model.requests[-1]["messages"] if message["role"] == "user"]


def said_by_agent(call: Call) -> list[str]:
    return [turn.text for turn in call.transcript.turns if turn.who == "agent"]


# Holding on


async def test_a_caller_who_asks_to_wait_is_told_to_take_their_time_and_the_model_is_not_asked(tmp_path: Path) -> None:
    model = scripted(Answer("Which day?"))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await call.speaks("Hold on, let me check my calendar.")

        await call.until(lambda: TAKE_YOUR_TIME in call.mouth.said)
        await call.is_quiet()

        assert call.mouth.said[1:] == [TAKE_YOUR_TIME]
        assert model.requests == []
        assert [turn.text for turn in call.transcript.turns] == ["Hold on, let me check my calendar."]


async def test_who_comes_back_is_answered_as_ever(tmp_path: Path) -> None:
    model = scripted(Answer("Thursday is free."))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await call.speaks("One moment.")
        await call.until(lambda: TAKE_YOUR_TIME in call.mouth.said)

        await call.speaks("Is Thursday free?")
        await call.until(lambda: "Thursday is free." in said_by_agent(call))

        assert heard_by(model)[-1].endswith("Is Thursday free?")
        assert len(model.requests) == 1


async def test_who_asks_something_with_it_is_answered(tmp_path: Path) -> None:
    model = scripted(Answer("Yes, it is."))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await call.speaks("Hold on, is that Tuesday?")

        await call.until(lambda: "Yes, it is." in said_by_agent(call))

        assert TAKE_YOUR_TIME not in call.mouth.said


async def test_noise_while_the_caller_is_away_is_let_be(tmp_path: Path) -> None:
    async with open_house(tmp_path, model=scripted(Answer("Yes?"))) as house, Call(house).running() as call:
        await call.speaks("Hang on.")
        await call.until(lambda: TAKE_YOUR_TIME in call.mouth.said)

        await call.speaks()
        await call.speaks("I'm back.")
        await call.until(lambda: "Yes?" in said_by_agent(call))

        assert SAY_AGAIN not in call.mouth.said


async def test_a_caller_who_is_away_is_reminded_once_before_they_are_asked(tmp_path: Path) -> None:
    async with open_house(tmp_path, model=scripted(Answer("Yes?"))) as house, Call(house).running() as call:
        await call.speaks("Wait a minute.")
        await call.until(lambda: TAKE_YOUR_TIME in call.mouth.said)

        for _ in range(4):
            await call.conversation._on_caller_idle(None)
        await call.until(lambda: bool(call.outcomes))

        assert call.mouth.said[2:] == [STILL_HERE, STILL_THERE, STILL_THERE, NOBODY_THERE]


async def test_a_request_to_wait_while_a_tool_runs_is_the_models_to_answer(tmp_path: Path) -> None:
    model = scripted(Answer(calls=(FIND,)), Answer("All right, I wait."))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await house.break_down("calcom", "slots", "slow", seconds=3)
        await call.speaks("An appointment, please.")
        await call.until(lambda: "find_slots" in call.tools)

        call.conversation.watchdog._tools_running["held"] = "book"
        await call.speaks("Hold on.")
        await call.until(lambda: "All right, I wait." in said_by_agent(call))

        assert TAKE_YOUR_TIME not in call.mouth.said


async def test_who_is_told_by_the_model_to_take_their_time_is_left_alone(tmp_path: Path) -> None:
    model = scripted(Answer("Of course, take your time."))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await call.speaks("My wife has to look at hers first, she is upstairs.")
        await call.until(lambda: call.conversation._patience.is_holding)

        await call.conversation._on_caller_idle(None)

        assert call.mouth.said[1:] == [STILL_HERE]


async def test_a_yes_counts_after_a_request_to_wait(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        typist = Typist(house)
        await typist.hears("help")
        typist.types("Hi, I would like to book an appointment.")
        await typist.hears("ten in the morning")
        typist.types("The first one works for me.")
        await typist.hears("name")
        typist.types("Maya Chen")
        await typist.hears("is that right")

        typist.types("Hold on, let me check my calendar.")
        await typist.hears(re.escape(TAKE_YOUR_TIME))
        typist.types("Yes, go ahead.")

        await typist.hears("booked")
        assert len(await house.bookings()) == 1


# Keys


async def offering(call: Call) -> None:
    await call.speaks("An appointment, please.")
    await call.until(lambda: any("Which works" in text for text in said_by_agent(call)))
    await call.is_quiet()


@pytest.mark.parametrize("keys", ["2#", "2"])
async def test_a_number_chooses_of_the_offer_and_holds_it(tmp_path: Path, keys: str) -> None:
    model = scripted(Answer(calls=(FIND,)), Answer(OFFER), Answer("And your name?"))
    async with open_house(tmp_path, model=model) as house, Call(house).running() as call:
        await offering(call)
        await call.presses(keys)

        await call.until(lambda: "And your name?" in said_by_agent(call))
        await call.until(lambda: call.conversation.session.held is not None)

        held = call.conversation.session.held
        assert heard_by(model)[-1] == SECOND
        assert held is not None
        assert held[1].start.isoformat() == "2026-12-02T19:00:00+00:00"
        assert not any(KEYS in text.casefold() for text in said_by_agent(call))


async def test_two_misunderstandings_bring_the_keys_and_one_press_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dtmf, "AFTER_LAST_KEY_SECS", 30)
    model = scripted(
        Answer(calls=(FIND,)),
        Answer(OFFER),
        Answer("Sorry, I didn't catch that."),
        Answer("I'm sorry, I didn't get that either."),
        Answer("And your name?"),
    )
    async with open_house(tmp_path, model=model) as house, Call(house, has_voice=True).running() as call:
        await offering(call)
        for words in ("Blue.", "Umbrella."):
            before = len(said_by_agent(call))
            await call.speaks(words)
            await call.until(lambda before=before: len(said_by_agent(call)) > before)  # type: ignore[misc]
        await call.until(lambda: any(KEYS in text.casefold() for text in said_by_agent(call)))

        await call.presses("2")
        await call.until(lambda: "And your name?" in said_by_agent(call))

        (notice,) = [text for text in model.spoken if text.casefold().startswith(KEYS)]
        assert f"two for {AT_TWO}" in notice
        assert heard_by(model)[-1] == SECOND


async def test_a_press_answers_the_read_back(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        typist = Typist(house)
        await typist.hears("help")
        typist.types("Hi, I would like to book an appointment.")
        await typist.hears("ten in the morning")
        typist.types("2#")
        await typist.hears("name")
        typist.types("Maya Chen")
        await typist.hears("two in the afternoon.*is that right")
        typist.types("1#")
        await typist.hears("booked.*anything else")
        typist.types("2#")

        assert await typist.ended() == "completed"
        assert await house.bookings() == ["2026-12-02T19:00:00.000Z"]


async def test_the_number_that_was_typed_reaches_the_record_whatever_the_model_makes_of_it(tmp_path: Path) -> None:
    wrong = json.dumps({"number": "+14155550999"})
    model = scripted(Answer("Which number?"), Answer(calls=(("request_callback", wrong),)), Answer("I've noted that."))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house, caller="")
        await typist.hears("help")
        typist.types("Call me back.")
        await typist.hears("which number")
        typist.types("4155550123#")
        await typist.hears("noted")
        typist.hangs_up()
        await typist.ended()

        (left,) = await house.worker.store.requests()
    assert left.number == "+14155550123"
    assert heard_by(model)[-1] == "(typed the phone number +14155550123)"


# Long calls


async def test_the_caller_is_told_of_the_last_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_length, "MINUTE_LEFT_SECS", 0.3)
    async with open_house(tmp_path, model=scripted(Answer("Hello?"))) as house:
        house.worker.settings = house.worker.settings.model_copy(update={"max_call_secs": 0.7})
        typist = Typist(house)

        await typist.hears(re.escape(MINUTE_LEFT))
        await typist.hears(re.escape(OUT_OF_TIME))

        assert await typist.ended() == "out_of_time"


async def test_a_long_call_is_sent_in_part_and_heard_in_full(tmp_path: Path) -> None:
    model = scripted(Answer(calls=(FIND,)), Answer(OFFER), Answer("We are on Harbor Street, near the old mill. " * 8))
    async with open_house(tmp_path, model=model, context_tokens=1000) as house, Call(house).running() as call:
        await offering(call)
        for number in range(12):
            await call.speaks(f"Where are you? {number}")
            await call.until(lambda number=number: len(said_by_agent(call)) > number + 1)  # type: ignore[misc]
            await call.is_quiet()

        sent = model.requests[-1]["messages"]
        heard = call.conversation.heard()

    assert [message["role"] for message in sent[:2]] == ["system", "developer"]
    assert sent[1]["content"].startswith(HEAD)
    assert f"= {AT_TWO} (2026-12-02 14:00)" in sent[1]["content"]
    assert "An appointment, please." not in str(sent)
    assert sum(len(str(message["content"])) for message in sent[1:]) < 4 * 1000
    assert any("An appointment, please." in turn.text for turn in heard)
    assert any("Which works best" in turn.text for turn in heard)
