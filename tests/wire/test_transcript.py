"""The transcript is kept in order, in the record and in a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agent.transcript import Transcript, Turn
from appointments.model import CallSid
from appointments.store.store import Store
from tests.factories import BUSINESS, CALLER, NOW
from tools.replies import Reply, Status

if TYPE_CHECKING:
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


async def test_the_record_and_the_file_agree(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'slotline.db'}")
    await store.begin_call(CALL, caller=CALLER, called=BUSINESS, at=NOW)
    transcript = Transcript(CALL)
    for who, text in (("agent", "Hello."), ("caller", "Zoë Müller"), ("agent", "Goodbye.")):
        transcript.add(who, text)

    await transcript.keep(store, tmp_path / "transcripts" / "CA1.jsonl")

    kept = [(turn.who, turn.text, turn.at_ms) for turn in await store.turns(CALL)]
    await store.close()
    lines = (tmp_path / "transcripts" / "CA1.jsonl").read_text(encoding="utf-8").splitlines()
    assert kept == [(turn.who, turn.text, turn.at_ms) for turn in transcript.turns]
    assert [(line["who"], line["text"], line["at_ms"]) for line in map(json.loads, lines)] == kept
