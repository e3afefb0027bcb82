"""What of a long call is sent to the model: within the budget, no result without its call, no fact lost."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.processors.aggregators import async_tool_messages

from agent.call_note import HEAD, call_note
from agent.context_budget import KEPT_TURNS, ContextBudget, tokens_in
from tests.factories import ACTION, CALLER, a_slot, an_appointment
from tests.sessions import a_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.session import BookingSession


def a_call(**changes: Any) -> BookingSession:
    return a_session(**({"identity": SimpleNamespace(known=None)} | changes))


def caller(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def agent(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def call(call_id: str, tool: str = "find_slots", /, **arguments: str) -> dict[str, Any]:
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]}


def result(call_id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def budget(session: BookingSession, tokens: int = 1000) -> ContextBudget:
    return ContextBudget(tokens, lambda left_out, most: call_note(session, left_out, most))


def long_call(turns: int, *, words: str = "Would another day suit you better, perhaps?") -> list[dict[str, Any]]:
    return [message for number in range(turns) for message in (caller(f"Turn {number}."), agent(f"{words} {number}"))]


# What may happen in a turn: words of both sides, and tools whose results come at once or behind what is said meanwhile.

texts = st.text("aeiou \u00e9\u4e2d", min_size=0, max_size=400) | st.just("x" * 6000)


@st.composite
def dialogues(draw: st.DrawFn) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for turn in range(draw(st.integers(1, 25))):
        messages.append(caller(draw(texts)))
        ids = [f"call-{turn}-{each}" for each in range(draw(st.integers(0, 3)))]
        late: list[dict[str, Any]] = []
        for call_id in ids:
            messages.append(call(call_id, name="Maya Chen"))
            if draw(st.booleans()):
                messages.append(result(call_id, draw(texts)))
            else:
                messages.append(dict(async_tool_messages.build_started_message(call_id)))
                late.append(dict(async_tool_messages.build_final_result_message(call_id, draw(texts))))
        if draw(st.booleans()):
            messages.append(agent(draw(texts)))
        messages += late
    return messages


def called(messages: Sequence[dict[str, Any]]) -> set[str]:
    return {each["id"] for message in messages for each in message.get("tool_calls", ())}


def told_of(messages: Sequence[dict[str, Any]]) -> set[str]:
    late = [async_tool_messages.parse_message(each) for each in messages if each["role"] == "developer"]  # type: ignore[arg-type]
    ids = {each.tool_call_id for each in late if each is not None}
    return ids | {each["tool_call_id"] for each in messages if each["role"] == "tool"}


@settings(max_examples=60, deadline=None)
@given(dialogues(), st.integers(1000, 3000))
def test_whatever_is_said_the_budget_holds_and_calls_and_results_stay_together(
    dialogue: list[dict[str, Any]], tokens: int
) -> None:
    session = a_call()
    slot = a_slot(53)
    session.offer(ACTION, [slot])
    session.held = ACTION, slot
    fitting = budget(session, tokens)

    for end in range(1, len(dialogue) + 1):
        sent = fitting.fit(dialogue[:end])

        if any(message["role"] == "tool" for message in dialogue[end : end + 1]):
            continue  # such a request is never made: the result stands behind its call
        assert tokens_in(sent) <= tokens
        assert told_of(sent) <= called(sent)
        if len(sent) < end:
            assert sent[0]["content"].startswith(HEAD)
            assert "slot key a1" in sent[0]["content"]
            assert "Maya Chen" in sent[0]["content"] or not called(dialogue[: end - len(sent) + 1])
        assert sent[-1]["role"] == dialogue[end - 1]["role"]


def test_a_call_that_fits_is_sent_as_it_is() -> None:
    messages = long_call(10)

    assert budget(a_call()).fit(messages) is messages


def test_the_last_turns_stay_word_for_word() -> None:
    messages = long_call(200)

    sent = budget(a_call()).fit(messages)

    assert sent[-2 * KEPT_TURNS :] == messages[-2 * KEPT_TURNS :]
    assert len(sent) < len(messages)


def test_long_last_turns_stay_while_there_is_room() -> None:
    messages = [*long_call(50), *long_call(KEPT_TURNS, words="x" * 700)]

    sent = budget(a_call()).fit(messages)

    assert sent[1:] == messages[-2 * KEPT_TURNS :]


def test_what_is_sent_begins_the_same_for_many_turns() -> None:
    fitting, messages = budget(a_call()), long_call(300)

    beginnings = {id(fitting.fit(messages[:end])[1]) for end in range(200, 600, 2)}

    assert len(beginnings) < 20


def test_the_record_of_the_call_keeps_everything() -> None:
    messages = long_call(200)
    before = json.dumps(messages)

    budget(a_call()).fit(messages)

    assert json.dumps(messages) == before


# The note


def test_the_note_has_the_facts_of_the_booking() -> None:
    first, second = a_slot(53), a_slot(54)
    session = a_call(identity=SimpleNamespace(known=CALLER))
    session.offer(ACTION, [first, second])
    session.held = ACTION, second
    session.know([an_appointment(slot=a_slot(77))])

    note = call_note(
        session,
        [
            agent("Certainly. May I have your name, please?"),
            caller("Maya Chen"),
            agent("What is it about?"),
            caller('My knee. "Ignore all that."'),
            call("1", "request_callback", name="Maya Chen"),
            result("1", json.dumps({"status": "noted", "say": "Somebody will call you back."})),
            call("2"),
            result("2", json.dumps({"status": "available", "say": "I have openings."})),
        ],
        4000,
    )

    assert note.splitlines() == [
        HEAD,
        "They have chosen Thursday, December third, at three in the afternoon, for 30-Minute Consultation, "
        "slot key a2; it is not booked yet.",
        'The caller gave their name as "Maya Chen".',
        "They have shown that +14155550123 is their number.",
        "Done: Somebody will call you back.",
        "Their appointment m1: 30-Minute Consultation on Friday, December fourth, at two in the afternoon, pending.",
        'To "What is it about?" they said "My knee. \'Ignore all that.\'".',
        'To "May I have your name, please?" they said "Maya Chen".',
        "Times that were offered and can still be booked, by their keys:",
        "a1 = Thursday, December third, at two in the afternoon (2026-12-03 14:00), for 30-Minute Consultation",
        "a2 = Thursday, December third, at three in the afternoon (2026-12-03 15:00), for 30-Minute Consultation",
    ]


def test_the_result_of_a_booking_that_came_late_is_in_the_note() -> None:
    booked = json.dumps({"status": "booked", "say": "You're booked."})
    late = dict(async_tool_messages.build_final_result_message("1", booked))

    assert "Done: You're booked." in call_note(a_call(), [call("1"), late], 1000)


def test_what_was_booked_is_not_offered_again() -> None:
    session = a_call()
    session.offer(ACTION, [a_slot(53)])
    session.held = ACTION, a_slot(53)
    session.booked_for[a_slot(53)] = "Maya Chen"

    note = call_note(session, [], 2000)

    assert "it is booked, or being confirmed" in note
    assert "a1 =" not in note


def test_who_introduced_themselves_is_not_asked_for_their_name_again() -> None:
    note = call_note(a_call(), [caller("Hello."), caller("Hi, this is Maya Chen, I need an appointment.")], 1000)

    assert note.splitlines() == [HEAD, 'They said "Hi, this is Maya Chen, I need an appointment.".']


def test_an_answer_in_two_breaths_is_noted_whole() -> None:
    messages = [
        agent("May I have your name?"),
        caller("It's Maya"),
        caller("Chen."),
        call("1"),
        result("1", "{}"),
        caller("Hello?"),
    ]

    assert call_note(a_call(), messages, 1000).splitlines() == [
        HEAD,
        'To "May I have your name?" they said "It\'s Maya Chen.".',
    ]


@pytest.mark.parametrize("most", [100, 300, 1000])
def test_a_note_is_no_longer_than_it_may_be(most: int) -> None:
    session = a_call()
    session.offer(ACTION, [a_slot(hours) for hours in range(50, 90)])

    assert len(call_note(session, [], most).encode()) <= most
