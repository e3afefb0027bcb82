"""The transcript is kept in order, in the record and in a file."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from agent.transcript import Transcript, Turn
from appointments.model import CallSid
from appointments.store.store import Store
from tests.factories import BUSINESS, CALLER, NOW
from tests.stores import opened_store
from tools.replies import Reply, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CALL = CallSid("CA1")


def test_turns_are_told_as_they_come() -> None:
    told: list[Turn] = []
    transcript = Transcript(CALL, on_turn=told.append)

    transcript.add("agent", "How can I help?")
    transcript.add_tool("find_slots", Reply(Status.AVAILABLE, say="I have two."), 120)

    assert [(turn.who, turn.text, turn.tool, turn.took_ms) for turn in told] == [
        ("agent", "How can I help?", None, None),
        ("tool", "available", "find_slots", 120),
    ]
    assert transcript.turns == told
    assert all(turn.at_ms >= 0 for turn in told)


def test_what_was_cut_off_shows() -> None:
    transcript = Transcript(CALL)

    transcript.add("agent", "I have openings on", is_cut=True)

    assert transcript.turns[0].text == "I have openings on —"


def test_what_may_be_a_code_is_not_kept() -> None:
    fewest: list[int | None] = [None]
    told: list[Turn] = []
    transcript = Transcript(CALL, on_turn=told.append, hides_digits=lambda: fewest[0])

    transcript.add("caller", "four eight two")
    fewest[0] = 3
    transcript.add("caller", "four eight two")
    transcript.add("agent", "I heard 4 8 2", is_cut=True)

    assert [turn.text for turn in told] == ["four eight two", "[digits]", "I heard [digits] —"]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened_store(f"sqlite+aiosqlite:///{tmp_path / 'slotline.db'}") as opened:
        await opened.begin_call(CALL, caller=CALLER, called=BUSINESS, at=NOW)
        yield opened


@pytest.mark.parametrize("ahead", [True, False], ids=["written as they come", "written in the end"])
async def test_the_record_and_the_file_agree(store: Store, tmp_path: Path, *, ahead: bool) -> None:
    transcript = Transcript(CALL, store=store if ahead else None)
    for who, text in (("agent", "Hello."), ("caller", "Zoë Müller"), ("agent", "Goodbye.")):
        transcript.add(who, text)

    await transcript.keep(store, tmp_path / "transcripts" / "CA1.jsonl")

    kept = [(turn.who, turn.text, turn.at_ms) for turn in await store.turns(CALL)]
    lines = (tmp_path / "transcripts" / "CA1.jsonl").read_text(encoding="utf-8").splitlines()
    assert kept == [(turn.who, turn.text, turn.at_ms) for turn in transcript.turns]
    assert [(line["who"], line["text"], line["at_ms"]) for line in map(json.loads, lines)] == kept


async def _until_kept(store: Store, *texts: str) -> None:
    async with asyncio.timeout(5):
        while [turn.text for turn in await store.turns(CALL)] != list(texts):
            await asyncio.sleep(0.005)


async def test_turns_are_in_the_record_before_the_call_ends(store: Store) -> None:
    transcript = Transcript(CALL, store=store)

    transcript.add("agent", "Hello.")
    transcript.add("caller", "Hi.")
    await _until_kept(store, "Hello.", "Hi.")
    transcript.add("agent", "How can I help?")

    await _until_kept(store, "Hello.", "Hi.", "How can I help?")


@pytest.mark.parametrize("is_last", [True, False], ids=["with the end of the call", "with the next turn"])
async def test_a_turn_that_could_not_be_written_is_written_later(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_last: bool
) -> None:
    add_turn = store.add_turn
    has_failed = asyncio.Event()

    async def locked_once(*args: Any, **kwargs: Any) -> None:
        if not has_failed.is_set():
            has_failed.set()
            raise OperationalError("INSERT", None, sqlite3.OperationalError("database is locked"))
        await add_turn(*args, **kwargs)

    monkeypatch.setattr(store, "add_turn", locked_once)
    transcript = Transcript(CALL, store=store)
    with structlog.testing.capture_logs() as logs:
        transcript.add("agent", "Hello.")
        await has_failed.wait()
    assert [each["event"] for each in logs] == ["turns_not_written"]

    if is_last:
        await transcript.keep(store, tmp_path / "CA1.jsonl")
    else:
        transcript.add("caller", "Hi.")

    await _until_kept(store, *(["Hello."] if is_last else ["Hello.", "Hi."]))
