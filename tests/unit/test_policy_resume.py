"""The stand-in model asks a caller whose last call broke off whether to go on with it, before anything else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from simulator.policy import answer
from simulator.policy_answer import Answer, ToolCall
from tools.choice import BROKE_OFF
from tools.resuming import BROKE

INSTRUCTIONS = "# Calendar\nTue 2026-12-01 (today) | open\nThu 2026-12-03 | open\nFri 2026-12-04 | open\n\n"
TWO = "Thursday, December third, at two in the afternoon"
KEPT = f"{BROKE_OFF} It is kept for them: {TWO}, for 30-Minute Consultation, slot key a1."
ASKED = f"Your last call broke off. I still have {TWO}. Shall we go on with it?"
UNVOUCHED = "Your last call broke off. Shall we go on with it?"
NAME = "May I have your name, please?"


def tools(*titles: str) -> list[dict[str, Any]]:
    def tool(name: str, description: str, *parameters: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {each: {"type": "string"} for each in parameters}}
        return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}

    choice = ["appointment"] if len(titles) > 1 else []
    return [
        tool("find_slots", "Look up free times.", "date", "part_of_day", "time", *choice),
        *(tool(_name(title), f"Book {title}. Use it after a yes.", "slot", "name", "notes") for title in titles),
        tool("end_call", "End the call."),
    ]


def _name(title: str) -> str:
    return "book_" + re.sub("[^a-z0-9]+", "_", title.lower())


CONSULTATION = tools("30-Minute Consultation")


def reply(note: str, *turns: str, using: list[dict[str, Any]] = CONSULTATION) -> Answer:
    """Return the answer to the last of `turns`, which are the caller's and the agent's by turns."""
    said = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(turns)]
    system = {"role": "system", "content": f"{INSTRUCTIONS}Caller's number: +14155550123\n{note}"}
    return answer([system, {"role": "assistant", "content": "How can I help you?"}, *said], using)


@pytest.mark.parametrize("opening", ["Hello?", "Hi, we were cut off.", "Yes.", "I'd like to book an appointment."])
@pytest.mark.parametrize(("note", "question"), [(KEPT, ASKED), (BROKE_OFF, UNVOUCHED)])
def test_it_asks_before_anything_else(note: str, question: str, opening: str) -> None:
    assert reply(note, opening) == Answer(question)


def test_it_asks_once() -> None:
    assert reply(KEPT, "Hello?", ASKED, "Sorry?") == Answer(f"{TWO} is free. Would you like that one?")


def test_a_caller_of_whom_nothing_is_known_is_not_asked() -> None:
    assert "broke off" not in reply("", "Hi, we were cut off.").text


def test_a_yes_takes_what_is_kept_on_to_the_name_and_the_read_back() -> None:
    named = ("Hello?", ASKED, "Yes, please.", NAME, "Maya Chen")
    read_back = f"That's a 30-Minute Consultation on {TWO}, for Maya Chen. Is that right?"
    booking = ToolCall("book_30_minute_consultation", {"slot": "a1", "name": "Maya Chen"})

    assert reply(KEPT, *named[:3]) == Answer(NAME)
    assert reply(KEPT, *named) == Answer(read_back)
    assert reply(KEPT, *named, read_back, "That is correct.") == Answer(calls=(booking,))


def test_a_no_starts_over() -> None:
    assert reply(KEPT, "Hello?", ASKED, "No.") == Answer("All right. What other day or time would suit you?")


@pytest.mark.parametrize(
    "turns", [("Hi, do you have anything on Friday?",), ("Hello?", ASKED, "No, Friday would be better.")]
)
def test_another_day_is_looked_up(turns: tuple[str, ...]) -> None:
    assert reply(KEPT, *turns).calls == (ToolCall("find_slots", {"date": "2026-12-04"}),)


def test_who_names_what_is_kept_is_taken_at_their_word() -> None:
    assert reply(KEPT, "It was Thursday at two.") == Answer(NAME)


def test_what_is_kept_is_for_its_own_action() -> None:
    note = KEPT.replace("30-Minute Consultation", "Colour")
    agreed = ("Hello?", ASKED, "Yes, please.", NAME, "Maya Chen")

    assert f"a Colour on {TWO}" in reply(note, *agreed, using=tools("Haircut", "Colour")).text


def test_who_nobody_vouches_for_has_to_name_it() -> None:
    question = "Which day and time had you picked?"
    named = ("Hello?", UNVOUCHED, "Yes.", question, "Thursday at two.")

    assert reply(BROKE_OFF, *named[:3]) == Answer(question)
    assert reply(BROKE_OFF, *named).calls == (ToolCall("find_slots", {"date": "2026-12-03", "time": "two"}),)


def test_who_nobody_vouches_for_may_want_something_else() -> None:
    assert reply(BROKE_OFF, "Hello?", UNVOUCHED, "No.") == Answer("All right. How can I help you?")


BROKEN = f"{BROKE} It is kept for them: {TWO}, for 30-Minute Consultation, slot key a1."


@pytest.mark.parametrize("yes", ["Yes.", "Yes, please.", "Yes, go ahead."])
def test_within_the_same_call_a_yes_takes_the_time_that_was_kept(yes: str) -> None:
    assert reply(BROKEN, yes) == Answer(NAME)


def test_within_the_same_call_the_caller_may_want_another_time() -> None:
    wanted = reply(BROKEN, "No, on Friday at three.")

    assert [call.arguments["date"] for call in wanted.calls] == ["2026-12-04"]
