"""The stand-in model asks what the booking tool's arguments want to know, and passes what the caller answers."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.policy import answer
from simulator.policy_questions import questions_of
from tests.unit.test_policy import INSTRUCTIONS, OFFERED, READ_BACK, TOOLS, agent, user

INSURANCE = "Which insurance do you have?"
PLAN = "Which plan is it?"
PROPERTIES: dict[str, dict[str, Any]] = {
    "slot": {"type": "string"},
    "name": {"type": "string"},
    "answer_insurance": {"type": "string", "description": f"What the caller answers to '{INSURANCE}'."},
    "answer_plan": {
        "type": "string",
        "enum": ["Basic", "Plus"],
        "description": f"What the caller answers to '{PLAN}'.",
    },
}
ASKING = [
    TOOLS[0],
    {
        "type": "function",
        "function": {
            "name": "book_30_minute_consultation",
            "description": "Book 30-Minute Consultation. Use it only after the caller has said yes.",
            "parameters": {"type": "object", "properties": PROPERTIES, "required": ["slot", "name"]},
        },
    },
    TOOLS[2],
]
NAMED = [*OFFERED, user("Two in the afternoon."), agent("May I have your name?"), user("Maya Chen")]
ASKED = [*NAMED, agent(INSURANCE)]


def said(*messages: dict[str, Any]) -> str:
    return answer([{"role": "system", "content": INSTRUCTIONS}, *messages], ASKING).text


def test_the_caller_is_asked_before_the_read_back() -> None:
    assert said(*NAMED) == INSURANCE


def test_one_question_follows_the_other() -> None:
    assert said(*ASKED, user("It's Blue Cross.")) == PLAN


def test_an_answer_that_is_none_of_the_options_is_asked_for_again_with_them() -> None:
    asked = [*ASKED, user("Blue Cross."), agent(PLAN)]

    assert said(*asked, user("The gold one.")) == f"Sorry, I didn't get that. It can be Basic, or Plus. {PLAN}"


def test_a_question_can_be_heard_again() -> None:
    assert said(*ASKED, user("Could you repeat that?")).endswith(INSURANCE)


def test_what_was_answered_is_passed_to_the_tool() -> None:
    asked = [*ASKED, user("It's Blue Cross."), agent(PLAN), user("The plus plan, please.")]
    assert said(*asked) == READ_BACK

    (call,) = answer(
        [{"role": "system", "content": INSTRUCTIONS}, *asked, agent(READ_BACK), user("Yes.")], ASKING
    ).calls
    assert (
        call.arguments.items() >= {"answer_insurance": "Blue Cross", "answer_plan": "Plus", "name": "Maya Chen"}.items()
    )


def test_what_nobody_understands_is_left_out_in_the_end() -> None:
    asked = [*ASKED, user("Blue Cross."), agent(PLAN), user("The gold one."), agent(PLAN), user("Gold!")]

    assert said(*asked) == READ_BACK


@pytest.mark.parametrize(
    ("schema", "text", "understood"),
    [
        ({"type": "boolean"}, "Yes, I do.", True),
        ({"type": "boolean"}, "No.", False),
        ({"type": "boolean"}, "The weather is nice.", None),
        ({"type": "number"}, "We are four.", 4.0),
        ({"type": "number"}, "12 people", 12.0),
        ({"type": "number"}, "A lot.", None),
        ({"type": "array", "items": {"enum": ["Mon", "Tue"]}}, "Mon and Tue", ["Mon", "Tue"]),
        ({"type": "string"}, "Well, it's Blue Cross.", "Blue Cross"),
        ({"type": "string", "enum": ["Basic", "Basic Plus"]}, "basic plus", "Basic Plus"),
    ],
)
def test_an_answer_is_understood_as_its_question_wants_it(
    schema: dict[str, Any], text: str, understood: object
) -> None:
    (question,) = questions_of({"properties": {"answer_it": schema}})

    assert question.answer(text) == understood
