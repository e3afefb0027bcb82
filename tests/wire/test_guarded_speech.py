"""A model that invents times: what its callers hear, what its voice is asked to say, and what it is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from agent import conversation
from tests.call_of_frames import Call
from tests.typist import Typist
from tests.worker import Answer, ScriptedModel, open_house
from tools.speech_guard import LET_ME_CHECK, NO_TIMES_YET

if TYPE_CHECKING:
    from pathlib import Path

FIND = ("find_slots", "{}")
OFFER = (
    "I have openings on Wednesday, December second, at ten in the morning or two in the afternoon, or on Thursday, "
    "December third, at eleven in the morning. Which works best for you?"
)
INVENTED = "Friday, December fourth, at three in the afternoon is free."
BOOKING = "book_30_minute_consultation"


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "VAD_IDLE_SECS", -0.2)


def scripted(*answers: Answer) -> ScriptedModel:
    return ScriptedModel(list(answers))


def notes(request: dict[str, Any]) -> list[str]:
    """Return what the model was told about its own sentences."""
    return [message["content"] for message in request["messages"] if message["role"] == "developer"]


async def test_an_invented_time_never_reaches_the_voice(tmp_path: Path) -> None:
    model = scripted(Answer(calls=(FIND,)), Answer(f"Good news. {INVENTED} Shall I book it?"), Answer("All right."))
    async with (
        open_house(tmp_path, model=model) as house,
        Call(house, guard_mode="replace", has_voice=True).running() as call,
    ):
        await call.speaks("Do you have anything on Friday?")
        await call.until(lambda: any(OFFER in turn.text for turn in call.transcript.turns))
        await call.speaks("Hm.")
        await call.until(lambda: call.transcript.turns[-1].text == "All right.")

    assert " ".join(model.spoken).endswith(f"Good news. {OFFER} All right.")
    assert not any("three" in each or "Shall I" in each for each in model.spoken)


async def test_the_context_holds_what_was_spoken_and_the_model_is_told(tmp_path: Path) -> None:
    model = scripted(Answer(calls=(FIND,)), Answer(INVENTED), Answer("All right."))
    async with (
        open_house(tmp_path, model=model) as house,
        Call(house, guard_mode="replace", has_voice=True).running() as call,
    ):
        await call.speaks("Do you have anything on Friday?")
        await call.until(lambda: any(OFFER in turn.text for turn in call.transcript.turns))
        await call.speaks("Hm.")
        await call.until(lambda: call.transcript.turns[-1].text == "All right.")

    said = [(each["role"], each["content"]) for each in model.requests[-1]["messages"][-3:]]
    assert [role for role, _ in said] == ["assistant", "developer", "user"]
    assert said[0] == ("assistant", OFFER)
    assert INVENTED in said[1][1]
    assert OFFER in said[1][1]


async def test_who_types_is_guarded_too(tmp_path: Path) -> None:
    model = scripted(Answer(calls=(FIND,)), Answer(INVENTED), Answer("All right."))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")
        typist.types("Do you have anything on Friday?")

        assert await typist.hears("openings") == OFFER
        typist.types("Hm.")
        await typist.hears("all right")

        assert not any("three" in said for said in typist.said())
        assert len(notes(model.requests[-1])) == 1


async def test_a_model_that_has_not_looked_is_sent_to_look(tmp_path: Path) -> None:
    model = scripted(Answer(INVENTED), Answer(calls=(FIND,)), Answer(OFFER), Answer("All right."))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")
        typist.types("Do you have anything on Friday?")
        typist.types("The first one.")

        assert await typist.hears("openings") == OFFER
        await typist.hears("all right")

        assert typist.said()[1:] == [LET_ME_CHECK, OFFER, "All right."]
        assert [turn.who for turn in typist.turns[1:]] == ["caller", "agent", "tool", "agent", "caller", "agent"]
        assert "Call find_slots now." in notes(model.requests[1])[0]
        assert [message["role"] for message in model.requests[1]["messages"]][-2:] == ["assistant", "developer"]


async def test_a_model_that_is_sent_to_look_does_so_while_the_caller_waits(tmp_path: Path) -> None:
    model = scripted(Answer(INVENTED), Answer(calls=(FIND,)), Answer(OFFER))
    async with (
        open_house(tmp_path, model=model) as house,
        Call(house, guard_mode="replace", has_voice=True).running() as call,
    ):
        await call.speaks("Do you have anything on Friday?")

        await call.until(lambda: any(OFFER in turn.text for turn in call.transcript.turns))

        await call.is_quiet()
        assert model.spoken[:1] == [LET_ME_CHECK]
        assert len(model.requests) == 3


async def test_a_model_that_will_not_look_is_not_asked_for_ever(tmp_path: Path) -> None:
    model = scripted(Answer(INVENTED))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")

        typist.types("Do you have anything on Friday?")

        await typist.hears("no times to name yet")
        typist.hangs_up()
        await typist.ended()
        assert typist.said()[1:] == [LET_ME_CHECK, NO_TIMES_YET]
        assert len(model.requests) == 2


async def test_a_model_that_is_looking_already_is_not_sent_to_look(tmp_path: Path) -> None:
    model = scripted(Answer(INVENTED, calls=(FIND,)), Answer(OFFER), Answer("All right."))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")
        typist.types("Do you have anything on Friday?")
        await typist.hears("openings")
        typist.types("The first one.")
        await typist.hears("all right")

        assert typist.tools == ["find_slots"]
        assert len(model.requests) == 3


async def test_a_booking_that_was_not_made_is_not_told(tmp_path: Path) -> None:
    claim = "You're booked for Wednesday, December second, at ten in the morning."
    model = scripted(Answer(calls=(FIND,)), Answer("Your name?"), Answer(claim))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")
        typist.types("The soonest, please.")
        await typist.hears("your name")

        typist.types("Maya Chen")

        assert await typist.hears("openings") == OFFER
        typist.hangs_up()
        await typist.ended()
        assert await house.bookings() == []


async def test_in_warn_mode_it_is_said_and_logged(tmp_path: Path) -> None:
    model = scripted(Answer(INVENTED))
    async with open_house(tmp_path, model=model, speech_guard="warn") as house:
        typist = Typist(house)
        await typist.hears("help")

        with structlog.testing.capture_logs() as logs:
            typist.types("Do you have anything on Friday?")
            assert await typist.hears("three") == INVENTED
            typist.hangs_up()
            await typist.ended()

    (event,) = [each for each in logs if each["event"] == "speech_guarded"]
    assert (event["mode"], event["reason"], event["pii_sentence"]) == ("warn", "not_offered", INVENTED)
    assert notes(model.requests[-1]) == []


async def test_in_replace_mode_both_sentences_are_logged_as_personal(tmp_path: Path) -> None:
    model = scripted(Answer(calls=(FIND,)), Answer(INVENTED))
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(house)
        await typist.hears("help")

        with structlog.testing.capture_logs() as logs:
            typist.types("Do you have anything on Friday?")
            await typist.hears("openings")
            typist.hangs_up()
            await typist.ended()

    (event,) = [each for each in logs if each["event"] == "speech_guarded"]
    assert (event["mode"], event["pii_sentence"], event["pii_said"]) == ("replace", INVENTED, OFFER)
    assert INVENTED not in json.dumps({key: value for key, value in event.items() if not key.startswith("pii_")})


async def test_without_the_guard_it_is_said(tmp_path: Path) -> None:
    model = scripted(Answer(INVENTED))
    async with open_house(tmp_path, model=model, speech_guard="off") as house:
        typist = Typist(house)
        await typist.hears("help")

        typist.types("Do you have anything on Friday?")

        assert await typist.hears("three") == INVENTED
