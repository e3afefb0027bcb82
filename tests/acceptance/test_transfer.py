"""A spoken call is put through to a person: nothing of ours cuts it, and who is not taken is back with the agent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from appointments.model import CallSid
from appointments.store.store import Store
from tests.acceptance_commands import run

if TYPE_CHECKING:
    from pathlib import Path


def rehearsed(name: str, folder: Path) -> dict[str, Any]:
    """Rehearse with audio and return the result."""
    finished = run("rehearse", name, "--json", "result.json", folder=folder)
    assert finished.status == 0, finished
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return rehearsed("asks_for_a_person", tmp_path_factory.mktemp("taken"))


@pytest.fixture(scope="module")
def missed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return rehearsed("person_does_not_answer", tmp_path_factory.mktemp("missed"))


def events(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the worker logged."""
    with open(result["files"]["log"], encoding="utf-8") as log:
        return [json.loads(line) for line in log]


def said(result: dict[str, Any], who: str) -> list[str]:
    return [turn["text"] for turn in result["turns"] if turn["who"] == who]


def test_the_person_and_the_caller_talk_until_they_hang_up(taken: dict[str, Any]) -> None:
    (dialled,) = taken["dialled"]

    # The stand-in of Twilio complains when the worker ends a call that a person has taken.
    assert (dialled["number"], dialled["status"], dialled["is_bridged"]) == ("+14155550198", "completed", True)
    assert taken["problems"] == []


def test_the_person_hears_who_it_is_and_what_for(taken: dict[str, Any]) -> None:
    (dialled,) = taken["dialled"]

    assert "Maya Chen is on the line for Copper Lane Plumbing." in dialled["told"]
    assert "a Repair Visit; nothing is booked." in dialled["told"]
    assert dialled["told"].endswith("Press one to take the call.")


def test_the_caller_hears_that_they_are_put_through_and_nothing_after_it(taken: dict[str, Any]) -> None:
    assert said(taken, "agent")[-1] == "I'll put you through now."


def test_the_call_is_over_for_the_agent_when_it_begins_for_the_person(taken: dict[str, Any]) -> None:
    told = [event for event in events(taken) if event["event"] in ("call_ended", "transfer_dialled", "transfer_ended")]

    assert {event["event"] for event in told} == {"call_ended", "transfer_dialled", "transfer_ended"}
    assert told[-1]["event"] == "transfer_ended"
    assert next(event["outcome"] for event in told if event["event"] == "call_ended") == "transferred"


def test_what_the_log_tells_is_nothing_personal(taken: dict[str, Any]) -> None:
    with open(taken["files"]["log"], encoding="utf-8") as log:
        assert "Maya" not in log.read()


def test_who_is_not_taken_is_back_with_the_agent_and_leaves_a_wish(missed: dict[str, Any]) -> None:
    (dialled,) = missed["dialled"]

    assert (dialled["status"], dialled["is_bridged"], dialled["told"]) == ("no-answer", False, "")
    spoken = said(missed, "agent")
    back = spoken.index("I'm sorry, nobody could take your call just now. Shall I have somebody call you back?")
    assert spoken[back - 1] == "I'll put you through now."
    assert [turn["tool"] for turn in missed["turns"] if turn["who"] == "tool"][-2:] == ["request_callback", "end_call"]


async def test_it_is_one_call_on_record_from_the_greeting_to_the_goodbye(missed: dict[str, Any]) -> None:
    store = await Store.open(f"sqlite+aiosqlite:///{missed['files']['database']}")
    try:
        (request,) = await store.requests()
        record = await store.call(CallSid(request.call_sid))
        turns = await store.turns(CallSid(request.call_sid))
    finally:
        await store.close()

    assert record is not None
    assert record.outcome == "completed"
    assert "is on the line" in record.handover
    assert [turn.at_ms for turn in turns] == sorted(turn.at_ms for turn in turns)
    assert "automated assistant" in turns[0].text
    assert turns[-1].text == "Thank you for calling. Goodbye!"
