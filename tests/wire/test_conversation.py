"""Typed conversations with a worker in this process: what is said and booked, whatever fails."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from agent import conversation, watchdog
from agent.phrases import GOODBYE, ONE_MOMENT, OUT_OF_ORDER, OUT_OF_TIME
from tests.stores import at_once
from tests.typist import Typist
from tests.worker import CALLER, Answer, House, ScriptedModel, open_house
from tools.toolbox import tool_names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FIND = ("find_slots", "{}")
END = ("end_call", "{}")


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "VAD_IDLE_SECS", -0.2)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def up_to_read_back(typist: Typist) -> None:
    await up_to_offer(typist)
    await from_offer_to_read_back(typist)


async def up_to_offer(typist: Typist) -> None:
    await typist.hears("help")
    typist.types("Hi, I would like to book an appointment.")
    await typist.hears("ten in the morning")


async def from_offer_to_read_back(typist: Typist) -> None:
    typist.types("The first one works for me.")
    await typist.hears("name")
    typist.types("Maya Chen")
    await typist.hears("is that right")


async def test_books_and_texts_and_says_goodbye(house: House) -> None:
    typist = Typist(house)
    await up_to_read_back(typist)
    typist.types("Yes, go ahead.")
    await typist.hears("booked.*anything else")
    typist.types("No, that's all, thank you.")

    outcome = await typist.ended()

    (appointment,) = await house.worker.store.appointments()
    assert outcome == "completed"
    assert appointment.attendee.name == "Maya Chen"
    assert len(await house.bookings()) == 1
    assert [text.to for text in await at_once(house.worker.store)] == [CALLER]
    assert typist.tools == ["find_slots", "book_30_minute_consultation", "end_call"]


async def test_the_conversation_is_kept_in_the_record_and_in_a_file(house: House) -> None:
    typist = Typist(house)
    await typist.hears("help")
    typist.types("Goodbye.")
    await typist.ended()

    call_sid = await typist.call
    turns = await house.worker.store.turns(call_sid)
    lines = (house.worker.folder("transcripts") / f"{call_sid}.jsonl").read_text(encoding="utf-8").splitlines()
    assert [(turn.who, turn.text) for turn in turns] == [(turn.who, turn.text) for turn in typist.turns]
    assert [json.loads(line)["text"] for line in lines] == [turn.text for turn in typist.turns]


async def test_the_greeting_names_the_business_and_what_answers(house: House) -> None:
    typist = Typist(house)

    greeting = await typist.hears("help")

    assert "Harbor Street Clinic" in greeting
    assert re.search("automated|virtual", greeting)
    typist.hangs_up()
    assert await typist.ended() == "caller_hung_up"


async def test_a_yes_counts_even_if_the_caller_hangs_up_on_it(house: House) -> None:
    typist = Typist(house)
    await up_to_read_back(typist)

    typist.types("Yes, go ahead.")
    typist.hangs_up()

    assert await typist.ended() == "caller_hung_up"
    await house.worker.service.drain()
    assert len(await house.bookings()) == 1
    assert len(await at_once(house.worker.store)) == 1


async def test_a_slow_calendar_does_not_lose_the_yes_of_a_caller_who_hangs_up(house: House) -> None:
    typist = Typist(house)
    await up_to_read_back(typist)
    await house.break_down("calcom", "create", "slow", seconds=0.5)

    typist.types("Yes, go ahead.")
    typist.hangs_up()

    await typist.ended()
    await house.worker.service.drain()
    assert len(await house.bookings()) == 1


async def test_a_refusal_and_a_hang_up_book_nothing(house: House) -> None:
    typist = Typist(house)
    await up_to_read_back(typist)

    typist.types("No, never mind.")
    typist.hangs_up()

    await typist.ended()
    assert await house.bookings() == []


async def test_a_slot_that_is_gone_is_told_and_another_one_booked(house: House) -> None:
    typist = Typist(house)
    await up_to_read_back(typist)
    await house.break_down("calcom", "create", "taken")

    typist.types("Yes, go ahead.")
    await typist.hears("taken")
    typist.types("Two in the afternoon, please.")
    await typist.hears("is that right")
    typist.types("Yes.")
    await typist.hears("booked")
    typist.hangs_up()

    await typist.ended()
    (kept,) = [a for a in await house.worker.store.appointments() if a.status == "active"]
    assert kept.slot.start.isoformat() == "2026-12-02T19:00:00+00:00"


async def test_a_calendar_that_is_down_is_told(house: House) -> None:
    typist = Typist(house)
    await typist.hears("help")
    await house.break_down("calcom", "slots", "error_500", times=9)

    typist.types("Hi, I would like to book an appointment.")

    await typist.hears("can't reach our calendar")
    typist.hangs_up()
    await typist.ended()


async def test_a_model_that_fails_twice_ends_the_call_with_an_apology(house: House) -> None:
    typist = Typist(house)
    await typist.hears("help")
    await house.break_down("openai", "chat", "error_500", times=20)

    typist.types("Hi, I would like to book an appointment.")

    await typist.hears(re.escape(OUT_OF_ORDER))
    assert await typist.ended() == "failed"


async def test_a_model_that_fails_once_is_asked_again(house: House) -> None:
    typist = Typist(house)
    await typist.hears("help")
    # The client asks twice before it gives up an answer.
    await house.break_down("openai", "chat", "error_500", times=2)

    typist.types("Hi, I would like to book an appointment.")

    await typist.hears("ten in the morning")
    typist.hangs_up()
    await typist.ended()


async def test_an_anonymous_caller_is_booked_and_promised_no_text(house: House) -> None:
    typist = Typist(house, caller="")
    await typist.hears("help")
    typist.types("Hi, I would like to book an appointment.")
    await typist.hears("ten in the morning")

    typist.hangs_up()
    await typist.ended()

    record = await house.worker.store.call(await typist.call)
    assert record is not None
    assert record.caller is None


async def test_a_call_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.worker.settings = house.worker.settings.model_copy(update={"max_call_secs": 0.2})
        typist = Typist(house)

        await typist.hears(re.escape(OUT_OF_TIME))

        assert await typist.ended() == "out_of_time"


def scripted(*answers: Answer) -> ScriptedModel:
    return ScriptedModel(list(answers))


async def test_a_tool_call_nobody_can_read_does_not_leave_the_caller_in_silence(tmp_path: Path) -> None:
    model = scripted(Answer(calls=(("find_slots", '{"date": "2026-'),)), Answer("Sorry, which day?"))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")

        typist.types("Thursday.")

        await typist.hears("which day")
        typist.hangs_up()
        await typist.ended()


@pytest.mark.parametrize("arguments", ["[]", '"Thursday"', "5", "null"])
async def test_arguments_that_are_no_object_do_not_end_in_an_apology(tmp_path: Path, arguments: str) -> None:
    model = scripted(Answer(calls=(("book_30_minute_consultation", arguments),)), Answer("Which day?"))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")

        typist.types("Thursday.")

        await typist.hears("which day")
        assert [turn.text for turn in typist.turns if turn.who == "tool"] in (["invalid"], [])
        typist.hangs_up()
        await typist.ended()


async def test_a_model_that_says_nothing_is_asked_again_and_then_given_up(tmp_path: Path) -> None:
    model = scripted(Answer())
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")

        typist.types("Thursday.")

        await typist.hears(re.escape(OUT_OF_ORDER))
        assert await typist.ended() == "failed"
        assert len(model.requests) == 2


async def test_a_tool_that_does_not_exist_does_not_leave_the_caller_in_silence(tmp_path: Path) -> None:
    model = scripted(Answer(calls=(("cancel_everything", "{}"),)), Answer("I can't do that."))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")

        typist.types("Cancel it.")

        await typist.hears("can't do that")
        typist.hangs_up()
        assert await typist.ended() == "caller_hung_up"


async def test_a_booking_that_was_never_read_back_is_refused(tmp_path: Path) -> None:
    book = ("book_30_minute_consultation", '{"slot": "a1", "name": "Maya Chen"}')
    model = scripted(Answer(calls=(FIND,)), Answer(calls=(book,)), Answer("Is that right?"))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")

        typist.types("Book me the first one, Maya Chen.")

        await typist.sees_tool("not_confirmed")
        await typist.hears("is that right")
        typist.hangs_up()
        await typist.ended()
        assert await house.bookings() == []
        refusal = json.loads(model.requests[-1]["messages"][-1]["content"])
        assert "Maya Chen. Is that right?" in refusal["say"]


async def test_a_read_back_that_the_model_offers_in_the_same_breath_as_the_booking_is_not_enough(
    tmp_path: Path,
) -> None:
    say = "That's Wednesday, December second, at ten in the morning, for Maya Chen. Is that right?"
    book = ("book_30_minute_consultation", '{"slot": "a1", "name": "Maya Chen"}')
    model = scripted(Answer(calls=(FIND,)), Answer(say, calls=(book,)), Answer("Well?"))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")

        typist.types("Yes, the first one, Maya Chen.")

        await typist.sees_tool("not_confirmed")
        typist.hangs_up()
        await typist.ended()
        assert await house.bookings() == []


async def test_two_bookings_in_one_answer_of_the_model_book_once(tmp_path: Path) -> None:
    say = "That's Wednesday, December second, at ten in the morning, for Maya Chen. Is that right?"
    book = ("book_30_minute_consultation", '{"slot": "a1", "name": "Maya Chen"}')
    model = scripted(Answer(calls=(FIND,)), Answer(say), Answer(calls=(book, book)), Answer("You're booked."))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")
        typist.types("The first one, Maya Chen.")
        await typist.hears("is that right")

        typist.types("Yes.")

        await typist.hears("you're booked")
        typist.hangs_up()
        await typist.ended()
        assert [turn.text for turn in typist.turns if turn.tool and turn.tool.startswith("book")] == ["booked"] * 2
        assert len(await house.bookings()) == 1


async def test_a_goodbye_without_words_gets_some(tmp_path: Path) -> None:
    async with open_house(tmp_path, model=scripted(Answer(calls=(END,)))) as house:
        typist = Typist(house)
        await typist.hears("help")

        typist.types("Bye.")

        await typist.hears(re.escape(GOODBYE))
        assert await typist.ended() == "completed"


async def test_a_goodbye_with_words_is_not_said_twice(tmp_path: Path) -> None:
    model = scripted(Answer("Goodbye, Maya.", calls=(END,)))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")

        typist.types("Bye.")

        assert await typist.ended() == "completed"
        assert typist.said()[1:] == ["Goodbye, Maya."]
        assert len(model.requests) == 1


async def test_a_late_answer_is_bridged_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "FILLER_SECS", 0.05)
    typist = Typist(house)
    await typist.hears("help")
    await house.break_down("calcom", "slots", "slow", seconds=0.4)

    typist.types("Hi, I would like to book an appointment.")
    await typist.hears(re.escape(ONE_MOMENT))
    await typist.hears("ten in the morning")
    typist.hangs_up()
    await typist.ended()

    assert typist.said().count(ONE_MOMENT) == 1
    assert typist.said()[-1].startswith("I have openings")


async def test_the_model_is_not_told_of_a_bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "FILLER_SECS", 0.05)
    model = scripted(Answer(calls=(FIND,)), Answer("Which one?"), Answer("All right."))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")
        await house.break_down("calcom", "slots", "slow", seconds=0.3)
        typist.types("An appointment, please.")
        await typist.hears("which one")
        typist.types("The first.")
        await typist.hears("all right")

    assert ONE_MOMENT in typist.said()
    assert ONE_MOMENT not in str(model.requests[-1]["messages"])


async def test_lines_typed_all_at_once_are_answered_one_by_one(house: House) -> None:
    typist = Typist(house)
    for line in ("I would like to book an appointment.", "The first one works for me.", "Maya Chen", "Yes, go ahead."):
        typist.types(line)
    typist.hangs_up()

    await typist.ended()
    await house.worker.service.drain()

    assert [turn.who for turn in typist.turns if turn.who != "tool"] == ["agent", "caller"] * 4 + ["agent"]
    assert len(await house.bookings()) == 1


async def test_two_conversations_at_once_do_not_mix(house: House) -> None:
    typists = [Typist(house), Typist(house, caller="+14155550124")]
    for step in (up_to_offer, from_offer_to_read_back):
        for typist in typists:
            await step(typist)

    for typist in typists:
        typist.types("Yes, go ahead.")
    said = [await typist.hears("booked|taken") for typist in typists]
    for typist in typists:
        typist.hangs_up()
        await typist.ended()

    assert sorted("taken" in words for words in said) == [False, True]
    assert len(await house.bookings()) == 1


async def test_the_model_gets_the_tools_and_never_a_callers_filler(tmp_path: Path) -> None:
    model = scripted(Answer("Which day?"))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")
        typist.types("An appointment, please.")
        await typist.hears("which day")
        typist.hangs_up()
        await typist.ended()

    (request,) = model.requests
    tools: list[dict[str, Any]] = request["tools"]
    said = [(message["role"], message["content"]) for message in request["messages"]]
    names = [tool["function"]["name"] for tool in tools]
    assert names == [name for name in tool_names(house.worker.desk.business) if name != "note_email"]
    assert [role for role, _ in said] == ["system", "assistant", "user"]
    assert "help" in said[1][1]
