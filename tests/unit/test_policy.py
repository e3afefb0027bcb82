"""The stand-in model where a dialogue is not enough: barge-ins, late results, the worker's notes, odd requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.policy import answer
from simulator.policy_answer import Answer, ToolCall

GREETING = "Thanks for calling. I'm the automated assistant. How can I help you?"
INSTRUCTIONS = "\n".join(
    [
        "# Calendar",
        "Tue 2026-12-01 (today) | open 09:00-12:00, 13:00-17:00",
        "Wed 2026-12-02 | open 09:00-17:00",
        "Thu 2026-12-03 | open 09:00-17:00",
        "Fri 2026-12-04 | open 09:00-17:00",
        "Sat 2026-12-05 | closed",
        "",
        "Caller's number: +14155550123",
    ]
)
AT_TEN = "Thursday, December third, at ten in the morning"
AT_TWO = "Thursday, December third, at two in the afternoon"
SLOTS = [
    {"key": "a1", "say": AT_TEN, "date": "2026-12-03", "time": "10:00"},
    {"key": "a2", "say": AT_TWO, "date": "2026-12-03", "time": "14:00"},
]
OFFER_SAY = "I have openings on Thursday, December third, at ten in the morning or two in the afternoon. Which is best?"
OFFER = {
    "status": "available",
    "say": OFFER_SAY,
    "hint": "Say this.",
    "slots": SLOTS,
}
READ_BACK = f"That's a 30-Minute Consultation on {AT_TWO}, for Maya Chen. Is that right?"
BOOKED = {"status": "booked", "say": "You're booked for two in the afternoon.", "hint": "Ask for more."}
RUNNING = {"type": "async_tool", "status": "running", "tool_call_id": "book", "description": "Do not call it again."}


def tool(name: str, description: str = "", /, **parameters: str) -> dict[str, Any]:
    properties = {each: {"type": kind} for each, kind in parameters.items()}
    schema = {"type": "object", "properties": properties, "required": []}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


TOOLS = [
    tool("find_slots", date="string", part_of_day="string", time="string"),
    tool(
        "book_30_minute_consultation",
        "Book 30-Minute Consultation. Use it only after the caller has said yes.",
        slot="string",
        name="string",
        notes="string",
    ),
    tool("end_call"),
]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def agent(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def note(text: str) -> dict[str, Any]:
    return {"role": "developer", "content": text}


def called(call_id: str, name: str, result: object, /, **arguments: str) -> list[dict[str, Any]]:
    """Return the two messages of a tool call and its result."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    content = result if isinstance(result, str) else json.dumps(result)
    return [
        {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": call_id, "content": content},
    ]


def found(result: object = OFFER) -> list[dict[str, Any]]:
    return called("find", "find_slots", result, date="2026-12-03")


def booked(result: object = BOOKED) -> list[dict[str, Any]]:
    return called("book", "book_30_minute_consultation", result, slot="a2", name="Maya Chen")


def reply(*messages: dict[str, Any], tools: list[dict[str, Any]] = TOOLS) -> Answer:
    return answer([{"role": "system", "content": INSTRUCTIONS}, agent(GREETING), *messages], tools)


OFFERED = [user("Anything on Thursday?"), *found(), agent(OFFER_SAY)]
CONFIRMING = [
    *OFFERED,
    user("Two in the afternoon."),
    agent("May I have your name?"),
    user("Maya Chen"),
    agent(READ_BACK),
]
BOOK = ToolCall("book_30_minute_consultation", {"slot": "a2", "name": "Maya Chen"})


def test_it_asks_for_nothing_it_was_not_told() -> None:
    assert reply(user("I'd like an appointment")).calls == (ToolCall("find_slots", {}),)


def test_an_offer_is_spoken_in_the_words_of_the_tool() -> None:
    assert reply(user("Anything on Thursday?"), *found()) == Answer(OFFER_SAY)


def test_yes_to_the_read_back_books_what_was_read_back() -> None:
    assert reply(*CONFIRMING, user("Yes, go ahead.")).calls == (BOOK,)


def test_content_may_be_a_list_of_parts() -> None:
    parts = {
        "role": "user",
        "content": [{"type": "text", "text": "Anything"}, {"type": "text", "text": "on Thursday?"}],
    }

    assert reply(parts).calls == (ToolCall("find_slots", {"date": "2026-12-03"}),)


@pytest.mark.parametrize(
    "pieces",
    [
        ("I'd like to come in on", "Thursday at two."),
        ("Thursday.", "At two."),
        ("Could I", "um,", "have Thursday at two?"),
    ],
)
def test_user_messages_in_a_row_are_one_turn(pieces: tuple[str, ...]) -> None:
    call = reply(*map(user, pieces)).calls

    assert call == (ToolCall("find_slots", {"date": "2026-12-03", "time": "two"}),)


def test_a_name_broken_in_two_is_put_together() -> None:
    messages = [*OFFERED, user("Two."), agent("May I have your name?"), user("My name is."), user("Maya Chen.")]

    assert reply(*messages).text == READ_BACK


def test_a_read_back_that_was_cut_off_is_not_taken_for_heard() -> None:
    messages = [*OFFERED, user("Two."), agent("May I have your name?"), user("Maya Chen"), agent("That's a 30-Minute")]

    assert reply(*messages, user("Yes.")) == Answer(READ_BACK)


def test_a_read_back_that_only_lost_its_question_counts() -> None:
    cut_off = agent(READ_BACK.removesuffix(" Is that right?"))

    assert reply(*CONFIRMING[:-1], cut_off, user("Yes.")).calls == (BOOK,)


def test_a_read_back_of_the_tool_counts_and_is_not_repeated_for_ever() -> None:
    refused = {"status": "not_confirmed", "say": "Two on Thursday, for Maya Chen. Is that right?"}
    messages = [*CONFIRMING, user("Yes."), *booked(refused), agent(refused["say"])]

    assert reply(*CONFIRMING, user("Yes."), *booked(refused)) == Answer(refused["say"])
    assert reply(*messages, user("Yes.")).calls == (BOOK,)


def test_yes_to_are_you_still_there_books_nothing() -> None:
    assert reply(*CONFIRMING, agent("Are you still there?"), user("Yes, I'm here.")) == Answer(READ_BACK)


def test_a_question_is_no_consent() -> None:
    assert reply(*CONFIRMING, user("Is that right next to the station?")).calls == ()


def test_a_result_swallowed_by_a_barge_in_is_told_with_the_next_answer() -> None:
    told = reply(*CONFIRMING, user("Yes."), *booked(), user("How are you?"))

    assert told.text.startswith(BOOKED["say"])
    assert told.text.endswith("Is there anything else?")


def test_a_booked_slot_is_never_booked_again() -> None:
    done = [*CONFIRMING, user("Yes."), *booked(), agent(f"{BOOKED['say']} Is there anything else?")]

    for text in ("Yes.", "Go ahead.", "Two in the afternoon, please.", "Book it."):
        assert BOOK not in reply(*done, user(text)).calls


def test_while_a_booking_runs_it_is_not_asked_for_again() -> None:
    running = reply(*CONFIRMING, user("Yes."), *booked(RUNNING), user("Hello? Yes, go ahead."))

    assert running.calls == ()
    assert "still confirming" in running.text


def test_a_late_result_is_spoken_when_it_arrives() -> None:
    finished = RUNNING | {"status": "finished", "description": "You must convey it.", "result": json.dumps(BOOKED)}
    messages = [*CONFIRMING, user("Yes."), *booked(RUNNING), user("Hello?"), agent("I'm still confirming that.")]

    assert reply(*messages, note(json.dumps(finished))) == Answer(f"{BOOKED['say']} Is there anything else?")


@pytest.mark.parametrize("status", ["requested", "unconfirmed", "pending", "unavailable", "rejected"])
def test_what_else_became_of_a_booking_is_told_in_the_words_of_the_tool(status: str) -> None:
    told = reply(*CONFIRMING, user("Yes."), *booked({"status": status, "say": "I couldn't confirm it."}))

    assert told == Answer("I couldn't confirm it. Is there anything else?")


def test_a_slot_the_tool_does_not_know_is_looked_up_again() -> None:
    told = reply(*CONFIRMING, user("Yes."), *booked({"status": "not_offered", "hint": "Use find_slots."}))

    assert told.calls == (ToolCall("find_slots", {"date": "2026-12-03"}),)


def test_a_hint_is_never_spoken() -> None:
    told = reply(*CONFIRMING, user("Yes."), *booked({"status": "invalid", "hint": "Mend slot: field required"}))

    assert "Mend" not in told.text
    assert told.text.endswith("?")


@pytest.mark.parametrize(
    "content", ["CANCELLED", "The function `find_slots` failed and returned no result.", "COMPLETED"]
)
def test_a_search_without_an_answer_is_admitted_and_tried_again_when_the_caller_says_so(content: str) -> None:
    messages = [user("Anything on Thursday?"), *found(content)]
    told = reply(*messages)

    assert told.calls == ()
    assert told.text.endswith("Shall I try again?")
    assert reply(*messages, agent(told.text), user("Yes.")).calls == (ToolCall("find_slots", {"date": "2026-12-03"}),)


def test_a_search_cancelled_by_a_barge_in_goes_on_with_what_the_caller_added() -> None:
    call = reply(user("Anything on Thursday?"), *found("CANCELLED"), user("At two, I mean.")).calls

    assert call == (ToolCall("find_slots", {"date": "2026-12-03", "time": "two"}),)


def test_nothing_is_said_after_the_call_was_ended() -> None:
    messages = [user("Bye."), *called("end", "end_call", {"status": "done"}), agent("Thank you for calling. Goodbye!")]

    assert reply(*messages[:-1]) == Answer()
    assert reply(messages[0]) == Answer("Thank you for calling. Goodbye!", (ToolCall("end_call", {}),))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("The caller has been silent for ten seconds.", "Are you still there?"),
        ("The caller was not understood. Ask them to say it again.", "Sorry, I didn't catch that."),
        ("Nobody answers. Say goodbye and end the call.", "Thank you for calling. Goodbye!"),
    ],
)
def test_the_notes_of_the_worker_are_followed(text: str, says: str) -> None:
    assert reply(*OFFERED, note(text)).text.startswith(says)


def test_which_of_two_event_types_is_meant_is_asked_before_looking() -> None:
    books = [
        tool(f"book_{name.lower()}", f"Book {name}.", slot="string", name="string") for name in ("Repair", "Inspection")
    ]
    tools = [tool("find_slots", date="string", appointment="string"), *books, tool("end_call")]
    asked = [user("Can I come in on Thursday?"), agent("Would you like a Repair or an Inspection?")]

    assert reply(asked[0], tools=tools) == Answer("Would you like a Repair or an Inspection?")
    assert reply(*asked, user("An inspection."), tools=tools).calls == (
        ToolCall("find_slots", {"date": "2026-12-03", "appointment": "Book Inspection"}),
    )


def test_only_spoken_slots_are_counted() -> None:
    hidden = [
        {"key": "a0", "say": "Thursday, December third, at nine in the morning", "date": "2026-12-03", "time": "09:00"}
    ]
    offer = OFFER | {"slots": hidden + SLOTS}
    messages = [user("Anything on Thursday?"), *found(offer), agent(OFFER_SAY)]

    named = [*messages, user("The first one, this is Maya Chen.")]
    unspoken = [*messages, user("Nine, and my name is Maya Chen.")]

    assert AT_TEN in reply(*named).text
    assert "nine in the morning" in reply(*unspoken).text


def test_without_tools_it_still_answers() -> None:
    assert reply(user("I'd like an appointment on Thursday"), tools=[]).calls == ()
