"""`slotline chat`: the same agent and tools, typed; a script can be the caller."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from agent.stand_ins import stop
from tests.acceptance_commands import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BOOKS = ["Hi, I'd like to book an appointment.", "The first one.", "Maya Chen", "Yes, go ahead.", "No, thank you."]
ANSWER_SECS = 60


def test_a_script_books_by_chat(tmp_path: Path) -> None:
    finished = run("chat", "--json", "--scenario", "books_the_first_offer", folder=tmp_path, typed=BOOKS)
    *told, last = finished.objects
    result = last["result"]

    assert finished.status == 0, finished
    assert finished.err == ""
    assert all(("agent" in line) != ("tool" in line) for line in told)
    assert "help" in told[0]["agent"]
    assert [line["tool"] for line in told if line.get("state") == "started"] == [
        "find_slots", "book_30_minute_consultation", "end_call",
    ]  # fmt: skip
    assert any(line["agent"].endswith("Is that right?") for line in told if "agent" in line)
    assert result["appointment"]["start"] == "2026-12-02T10:00:00-05:00"
    assert (result["booked"], len(result["sms"])) == (True, 1)
    assert [turn["text"] for turn in result["turns"] if turn["who"] == "caller"] == BOOKS


def test_the_end_of_input_hangs_up(tmp_path: Path) -> None:
    finished = run("chat", "--json", folder=tmp_path, typed=[])

    assert finished.status == 0, finished
    assert [next(iter(line)) for line in finished.objects] == ["agent", "result"]
    assert finished.objects[-1]["result"]["booked"] is False


def test_a_scenario_whose_end_was_missed_fails(tmp_path: Path) -> None:
    finished = run("chat", "--json", "--scenario", "books_the_first_offer", folder=tmp_path, typed=["Hello."])

    assert finished.status == 1
    assert finished.objects[-1]["result"]["ok"] is False


def test_a_person_sees_the_conversation_and_the_booking(tmp_path: Path) -> None:
    finished = run("chat", "--scenario", "books_the_first_offer", folder=tmp_path, typed=BOOKS)

    assert finished.status == 0, finished
    assert finished.out.startswith("agent> Thanks for calling")
    assert "Booked: 2026-12-02T10:00:00-05:00 for Maya Chen. Texts: 1." in finished.out


async def test_each_line_is_answered_before_the_next_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent.cli", "chat", "--json", "--scenario", "a_specific_day"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    try:
        greeting = await _answer(process)
        process.stdin.write(b"Do you have anything on Thursday?\n")
        offer = await _answer(process)
        process.stdin.close()
        result = await _result(process)
    finally:
        await stop(process, ends_by_itself=True)

    assert "help" in greeting
    assert "Thursday, December third" in offer
    assert result["booked"] is False


async def _answer(process: asyncio.subprocess.Process) -> str:
    while "agent" not in (told := await _told(process)):
        pass
    return str(told["agent"])


async def _result(process: asyncio.subprocess.Process) -> Any:
    while "result" not in (told := await _told(process)):
        pass
    return told["result"]


async def _told(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(ANSWER_SECS):
        line = await process.stdout.readline()
    told: dict[str, Any] = json.loads(line)
    return told
