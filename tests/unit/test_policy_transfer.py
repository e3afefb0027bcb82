"""The stand-in model and callers who want a person: put through where the worker lets it, else offered a call back."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.policy import answer
from tests.unit.test_policy import INSTRUCTIONS, TOOLS, agent, called, tool, user

GREETING = "Thanks for calling. How can I help you?"
TRANSFER = tool("transfer_to_human", name="string", reason="string")
CALL_BACK = tool("request_callback", name="string", number="string", best_time="string", notes="string")
NOT_TAKEN = "The caller asked for a person, and nobody took the call. They are back with you."


def talk(*messages: dict[str, Any], tools: list[dict[str, Any]], note: str = "") -> Any:
    system = {"role": "system", "content": f"{INSTRUCTIONS}\n{note}"}
    return answer([system, agent(GREETING), *messages], tools)


@pytest.mark.parametrize(
    "text",
    [
        "Can I speak to a person, please?",
        "I'd like to talk to someone.",
        "Could I talk with a real human being?",
        "Put me through to the office, please.",
        "Can you transfer me to somebody?",
        "I want a human.",
        "Let me speak with the manager.",
        "Get me a person.",
    ],
)
def test_a_caller_who_asks_for_a_person_is_put_through(text: str) -> None:
    said = talk(user(text), tools=[*TOOLS, TRANSFER, CALL_BACK])

    assert [call.name for call in said.calls] == ["transfer_to_human"]
    assert said.text == ""


@pytest.mark.parametrize(
    "text",
    ["Am I speaking to a person?", "Are you a human?", "Can somebody call me back?", "Book me an appointment, please."],
)
def test_who_asks_for_something_else_is_not(text: str) -> None:
    said = talk(user(text), tools=[*TOOLS, TRANSFER, CALL_BACK])

    assert "transfer_to_human" not in [call.name for call in said.calls]


def test_the_name_and_what_it_is_about_are_passed_on() -> None:
    said = talk(
        user("This is Maya Chen. Can I speak to somebody about my last bill?"), tools=[*TOOLS, TRANSFER, CALL_BACK]
    )

    assert said.calls[0].arguments == {"name": "Maya Chen", "reason": "my last bill"}


def test_where_nobody_can_be_reached_a_call_back_is_offered() -> None:
    said = talk(user("Can I speak to a person?"), tools=[*TOOLS, CALL_BACK])

    assert said.calls == ()
    assert said.text == "I'm sorry, I can't put you through to anybody from here. Shall I have somebody call you back?"


def test_nothing_is_said_to_a_caller_who_is_being_put_through() -> None:
    put_through = called("t", "transfer_to_human", {"status": "transferring"})

    said = talk(user("A person, please. I want a person."), *put_through, tools=[*TOOLS, TRANSFER, CALL_BACK])

    assert (said.text, said.calls) == ("", ())


@pytest.mark.parametrize(("text", "tools"), [("Okay, thank you.", ["transfer_to_human"]), ("No, wait.", [])])
def test_a_caller_who_speaks_over_it_is_put_through_unless_they_want_something_else(
    text: str, tools: list[str]
) -> None:
    put_through = called("t", "transfer_to_human", {"status": "transferring"})

    said = talk(user("I want a person."), *put_through, user(text), tools=[*TOOLS, TRANSFER, CALL_BACK])

    assert [call.name for call in said.calls] == tools


def test_who_cannot_be_put_through_now_is_offered_what_the_tool_says() -> None:
    refused = {
        "status": "unavailable",
        "say": "Nobody can take a call at this hour. Shall I have somebody call you back?",
    }

    said = talk(
        user("I want a person."),
        *called("t", "transfer_to_human", refused),
        user("Yes, please."),
        tools=[*TOOLS, TRANSFER, CALL_BACK],
    )

    assert said.text == "May I have your name, please?"


def test_a_caller_who_comes_back_and_says_yes_leaves_a_wish() -> None:
    back = agent("I'm sorry, nobody could take your call just now. Shall I have somebody call you back?")
    system = {"role": "system", "content": f"{INSTRUCTIONS}\n{NOT_TAKEN}"}

    said = answer([system, back, user("Yes, please.")], [*TOOLS, TRANSFER, CALL_BACK])

    assert said.text == "May I have your name, please?"


def test_a_caller_who_comes_back_and_says_no_leaves_nothing() -> None:
    back = agent("I'm sorry, nobody could take your call just now. Shall I have somebody call you back?")
    system = {"role": "system", "content": f"{INSTRUCTIONS}\n{NOT_TAKEN}"}

    said = answer([system, back, user("No.")], [*TOOLS, TRANSFER, CALL_BACK])

    assert (said.text, said.calls) == ("All right. Is there anything else?", ())
